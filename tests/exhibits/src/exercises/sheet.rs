//! What an exercise notes: what was seen, what could not be, and the claims of its answer.

use std::fmt::{Display, Write};

use support::trace_line::TraceLine;

/// As wide as the longest name of a thing that was seen, and room for dots.
const NAME_WIDTH: usize = 66;

#[derive(Default)]
pub(crate) struct Sheet {
    seen: String,
    claims: Vec<(String, bool)>,
    lacks: Vec<String>,
}

impl Sheet {
    /// A part of the experiment begins.
    pub(crate) fn part(&mut self, name: &str) {
        self.seen += &format!("  {name}\n");
    }

    /// A number, or a few words.
    pub(crate) fn saw(&mut self, name: &str, value: impl Display) {
        let dots = ".".repeat(NAME_WIDTH.saturating_sub(name.chars().count()).max(3));
        self.seen += &format!("    {name} {dots} {value}\n");
    }

    /// A line of the trace: thread, request, step, and what it says.
    pub(crate) fn show(&mut self, line: &TraceLine) {
        let step = line.step.map_or(String::new(), |step| format!("[{step}] "));
        let TraceLine { thread, subject, kafkas_name, .. } = line;
        let words: Vec<&str> = line.words.split(' ').map(within_the_logs).collect();
        let words = words.join(" ");
        self.seen += &format!("    {thread:<34} {subject:<7} {step}{kafkas_name}: {words}\n");
    }

    /// A claim of the answer, which should hold on any machine.
    pub(crate) fn claim(&mut self, words: &str, holds: bool) {
        self.claims.push((words.to_string(), holds));
    }

    /// What this machine cannot show, and how to get it.
    pub(crate) fn lack(&mut self, words: impl Into<String>) {
        self.lacks.push(words.into());
    }

    pub(crate) fn failures(&self) -> usize {
        self.claims.iter().filter(|it| !it.1).count()
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("Seen\n{}\n", self.seen);
        for lack in &self.lacks {
            text += &format!("Not shown here: {}\n\n", lack.replace('\n', "\n  "));
        }
        text += "Claims\n";
        for (words, holds) in &self.claims {
            let verdict = if *holds { "holds" } else { "FAILS" };
            let _ = writeln!(text, "  {verdict}: {words}");
        }
        text + "\n"
    }
}

/// Of a path, the part that is the same in every run: `post-0/00000000000000000000.index:`.
fn within_the_logs(word: &str) -> &str {
    match word.split_once("/logs/") {
        Some((_, within)) => within,
        None => word,
    }
}
