//! What an exercise notes: what was seen, what could not be, and the claims of its answer.

use std::fmt::{Display, Write};

use support::trace_line::TraceLine;

use crate::typesetting::width;
use crate::words::{Text, both};

/// As wide as the longest name of a thing that was seen, and room for dots.
const NAME_WIDTH: usize = 66;

#[derive(Default)]
pub(crate) struct Sheet {
    seen: String,
    claims: Vec<(Text, bool)>,
    lacks: Vec<Text>,
}

impl Sheet {
    /// A part of the experiment begins.
    pub(crate) fn part(&mut self, name: impl Into<Text>) {
        let name = name.into();
        self.seen += &format!("  {name}\n");
    }

    /// A number, or a few words.
    pub(crate) fn saw(&mut self, name: impl Into<Text>, value: impl Display) {
        let name = name.into().to_string();
        let dots = ".".repeat(NAME_WIDTH.saturating_sub(width(&name)).max(3));
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
    pub(crate) fn claim(&mut self, words: impl Into<Text>, holds: bool) {
        self.claims.push((words.into(), holds));
    }

    /// What this machine cannot show, and how to get it.
    pub(crate) fn lack(&mut self, words: impl Into<Text>) {
        self.lacks.push(words.into());
    }

    pub(crate) fn failures(&self) -> usize {
        self.claims.iter().filter(|it| !it.1).count()
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n{}\n", both("Seen", "观察"), self.seen);
        for lack in &self.lacks {
            let lack = lack.to_string().replace('\n', "\n  ");
            text += &format!("{}{lack}\n\n", both("Not shown here: ", "这里看不到："));
        }
        text += &format!("{}\n", both("Claims", "结论"));
        for (words, holds) in &self.claims {
            let verdict =
                if *holds { both("holds: ", "成立：") } else { both("FAILS: ", "不成立：") };
            let _ = writeln!(text, "  {verdict}{words}");
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
