//! An exercise, and how it is done: question, prediction, what is seen, what must hold, the answer.

use std::io::{BufRead, IsTerminal, Write, stdin, stdout};

use bench::outcome::Outcome;

use super::sheet::Sheet;
use crate::typesetting::wrapped;
use crate::words::{Language, Words, both, both_with};

const INDENTATION: &str = "  ";
const PROMPT: Words =
    both("Your prediction (Enter goes on without): ", "你的预测（直接按回车就跳过）：");

/// A question about the broker, with its answer.
pub(crate) struct Exercise {
    /// The chapter, and the place in it.
    pub(crate) number: &'static str,
    pub(crate) title: Words,
    pub(crate) question: Words,
    /// Has a client use a broker, and notes what is seen and what must hold.
    pub(crate) experiment: fn(&mut Sheet) -> Outcome<()>,
    pub(crate) answer: Words,
    /// Where to read on: pages, and files that are the same in both languages.
    pub(crate) pages: &'static [Page],
    pub(crate) files: &'static [&'static str],
}

/// A page with its anchor, in both languages.
pub(crate) struct Page {
    en: &'static str,
    zh: &'static str,
}

pub(crate) const fn page(en: &'static str, zh: &'static str) -> Page {
    Page { en, zh }
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
        println!("{}\n", both_with!("Exercise {}: {}", "练习 {}：{}", self.number, self.title));
        println!("{}\n", wrapped(self.question.for_the_reader(), ""));
        let prediction = ask(asking)?;
        let mut sheet = Sheet::default();
        (self.experiment)(&mut sheet).map_err(|error| format!("{}: {error}", self.number))?;
        if let Some(prediction) = prediction {
            println!("{}\n  {prediction}\n", both("Predicted", "你的预测"));
        }
        print!("{}", sheet.text());
        let answer = wrapped(self.answer.for_the_reader(), INDENTATION);
        println!("{}\n{answer}\n", both("Answer", "答案"));
        println!("{}\n{}", both("Read on", "延伸阅读"), self.places());
        Ok(sheet.failures())
    }

    /// Where to read on, a line each.
    fn places(&self) -> String {
        let pages = self.pages.iter().map(Page::for_the_reader);
        let places = pages.chain(self.files.iter().copied());
        places.map(|place| format!("{INDENTATION}{place}\n")).collect()
    }
}

impl Page {
    fn for_the_reader(&self) -> &'static str {
        match Language::of_the_reader() {
            Language::English => self.en,
            Language::Chinese => self.zh,
        }
    }
}

fn ask(asking: Asking) -> Outcome<Option<String>> {
    if asking == Asking::Nobody {
        return Ok(None);
    }
    print!("{PROMPT}");
    stdout().flush()?;
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    println!();
    let line = line.trim();
    Ok((!line.is_empty()).then(|| line.to_string()))
}
