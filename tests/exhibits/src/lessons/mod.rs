//! `make lesson`: faults of the real world that this broker avoids. Each is switched on by a setting,
//! predicted, played against the broker as it is and against the broker with the fault, and explained.

use std::io::{BufRead, IsTerminal, stdin};
use std::time::Instant;

use bench::caretaker;
use bench::outcome::{Outcome, failed};

use crate::lessons::stage::Stage;

mod stage;
mod held_handler;
mod forgotten_edges;
mod reused_names;
mod lost_responses;
mod cold_pages;

const LESSONS: [Lesson; 4] =
    [forgotten_edges::LESSON, reused_names::LESSON, lost_responses::LESSON, cold_pages::LESSON];
const PAGE: &str = "docs/en/lessons.md";

struct Lesson {
    /// As the setting, `transferto.lesson.*`, with `-` for `.`.
    name: &'static str,
    /// What the setting does, in a line.
    about: &'static str,
    /// Kafka's issue, if the fault was Kafka's.
    issue: Option<&'static str>,
    /// To be answered before anything is shown.
    question: &'static str,
    /// Plays the scene once.
    play: fn(&Stage) -> Outcome<Seen>,
    explanation: &'static str,
    /// Where the right line and the wrong one stand: a file, and an anchor in it.
    source: &'static str,
}

/// What a scene has come to.
struct Seen {
    /// Whether the fault has shown.
    fails: bool,
    /// In words, a line each.
    lines: Vec<String>,
}

impl Lesson {
    fn setting(&self) -> String {
        format!("transferto.lesson.{}", self.name.replace('-', "."))
    }

    /// Plays both ways, and fails unless the fault shows with the setting and not without it.
    fn teach(&self) -> Outcome<()> {
        let issue = self.issue.map_or_else(String::new, |it| format!(" ({it})"));
        println!("Lesson {}: {}{issue}\n", self.name, self.about);
        println!("Predict\n{}\n", indented(self.question));
        wait_for_the_reader()?;
        let as_it_is = self.play_on(&Stage::right(self.name)?, "The broker as it is")?;
        let setting = format!("{}=true", self.setting());
        let faulty =
            self.play_on(&Stage::faulty(self.name, &setting)?, &format!("With {setting}"))?;
        println!("Why\n{}\n", indented(self.explanation));
        println!("In the source: {}; grep -rn LESSON src finds all faults.", self.source);
        println!("The page: {PAGE}, \"{}\".\n", self.name);
        match (as_it_is.fails, faulty.fails) {
            (false, true) => Ok(()),
            (true, _) => failed("the broker as it is has failed: that is a fault to be reported"),
            (false, false) => failed("the fault has not shown; try again on a machine at rest"),
        }
    }

    fn play_on(&self, stage: &Stage, title: &str) -> Outcome<Seen> {
        println!("{title}");
        let began = Instant::now();
        let seen = (self.play)(stage)?;
        for line in &seen.lines {
            println!("  {line}");
        }
        println!("  [{:.1} s]\n", began.elapsed().as_secs_f64());
        Ok(seen)
    }
}

/// Teaches the lessons that are named; lists all of them if none is.
pub(crate) fn run(names: &[String]) -> Outcome<()> {
    if names.is_empty() {
        list();
        return Ok(());
    }
    caretaker::start()?;
    for name in names {
        let Some(lesson) = LESSONS.iter().find(|it| it.name == name) else {
            let known: Vec<&str> = LESSONS.iter().map(|it| it.name).collect();
            return failed(format!("no lesson {name}; there are {}", known.join(", ")));
        };
        lesson.teach()?;
    }
    Ok(())
}

fn list() {
    println!("make lesson LESSON=name plays one of these, each in about ten seconds at most:\n");
    for lesson in &LESSONS {
        println!("  {:16} {}", lesson.name, lesson.about);
    }
    println!("\n{PAGE} has them with what they print.");
}

/// A person at a terminal may think first.
fn wait_for_the_reader() -> Outcome<()> {
    if stdin().is_terminal() {
        println!("Enter, when you have an answer.");
        stdin().lock().read_line(&mut String::new())?;
    }
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
