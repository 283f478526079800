//! An exercise, and how it is done: question, prediction, what is seen, what must hold, the answer.

use std::io::{BufRead, IsTerminal, Write, stdin, stdout};

use bench::outcome::Outcome;

use super::sheet::Sheet;

const INDENTATION: &str = "  ";
/// Of the texts that are printed.
const LINE_WIDTH: usize = 96;

/// A question about the broker, with its answer.
pub(crate) struct Exercise {
    /// The chapter, and the place in it.
    pub(crate) number: &'static str,
    pub(crate) title: &'static str,
    pub(crate) question: &'static str,
    /// Has a client use a broker, and notes what is seen and what must hold.
    pub(crate) experiment: fn(&mut Sheet) -> Outcome<()>,
    pub(crate) answer: &'static str,
    /// Pages with their anchors, and files of the source.
    pub(crate) read_on: &'static [&'static str],
}

/// Whether somebody is there to predict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    Somebody,
    Nobody,
}

impl Asking {
    /// Nobody sits before what is no terminal, nor before continuous integration.
    pub(crate) fn of_this_terminal() -> Self {
        let is_watched = stdin().is_terminal() && stdout().is_terminal();
        if is_watched && std::env::var_os("CI").is_none() { Self::Somebody } else { Self::Nobody }
    }
}

impl Exercise {
    /// Does it, and returns how many claims do not hold.
    pub(crate) fn perform(&self, asking: Asking) -> Outcome<usize> {
        println!("Exercise {}: {}\n", self.number, self.title);
        println!("{}\n", wrapped(self.question, ""));
        let prediction = ask(asking)?;
        let mut sheet = Sheet::default();
        (self.experiment)(&mut sheet).map_err(|error| format!("{}: {error}", self.number))?;
        if let Some(prediction) = prediction {
            println!("Predicted\n  {prediction}\n");
        }
        print!("{}", sheet.text());
        println!("Answer\n{}\n", wrapped(self.answer, INDENTATION));
        println!("Read on\n{}\n", indented(self.read_on));
        Ok(sheet.failures())
    }
}

fn ask(asking: Asking) -> Outcome<Option<String>> {
    if asking == Asking::Nobody {
        return Ok(None);
    }
    print!("Your prediction (Enter goes on without): ");
    stdout().flush()?;
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    println!();
    let line = line.trim();
    Ok((!line.is_empty()).then(|| line.to_string()))
}

fn indented(lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("{INDENTATION}{line}")).collect();
    lines.join("\n")
}

/// Breaks a text between words, into lines that begin with `start`.
fn wrapped(text: &str, start: &str) -> String {
    let mut lines = vec![start.to_string()];
    for word in text.split_whitespace() {
        let is_first = lines.last().is_some_and(|it| it.len() == start.len());
        let width = lines.last().map_or(0, |it| it.chars().count() + 1 + word.chars().count());
        match lines.last_mut() {
            Some(line) if is_first => *line += word,
            Some(line) if width <= LINE_WIDTH => *line += &format!(" {word}"),
            _ => lines.push(format!("{start}{word}")),
        }
    }
    lines.join("\n")
}
