//! `make lesson`: faults of the real world that this broker avoids. Each is switched on by a setting,
//! predicted, played against the broker as it is and against the broker with the fault, and explained.

use std::io::{BufRead, IsTerminal, stdin};
use std::time::Instant;

use bench::caretaker;
use bench::outcome::{Outcome, failed};

use crate::lessons::stage::Stage;
use crate::words::{Text, Words, both, both_with};

mod stage;
mod held_handler;
mod forgotten_edges;
mod reused_names;
mod lost_responses;
mod cold_pages;

const LESSONS: [Lesson; 4] =
    [forgotten_edges::LESSON, reused_names::LESSON, lost_responses::LESSON, cold_pages::LESSON];

const FAILS_AS_IT_IS: Words = both(
    "the broker as it is has failed: that is a fault to be reported",
    "正常的 broker 出了故障：这是缺陷，请报告",
);
const NOTHING_SHOWN: Words = both(
    "the fault has not shown; try again on a machine at rest",
    "故障没有出现；请在空闲的机器上再试",
);

struct Lesson {
    /// As the setting, `transferto.lesson.*`, with `-` for `.`.
    name: &'static str,
    /// What the setting does, in a line.
    about: Words,
    /// Kafka's issue, if the fault was Kafka's.
    issue: Option<&'static str>,
    /// To be answered before anything is shown.
    question: Words,
    /// Plays the scene once.
    play: fn(&Stage) -> Outcome<Seen>,
    explanation: Words,
    /// Where the right line and the wrong one stand: a file, and an anchor in it.
    source: Words,
}

/// What a scene has come to.
struct Seen {
    /// Whether the fault has shown.
    fails: bool,
    /// In words, a line each.
    lines: Vec<Text>,
}

impl Lesson {
    fn setting(&self) -> String {
        format!("transferto.lesson.{}", self.name.replace('-', "."))
    }

    /// Plays both ways, and fails unless the fault shows with the setting and not without it.
    fn teach(&self) -> Outcome<()> {
        let Self { name, about, source, .. } = self;
        let issue =
            self.issue.map_or_else(String::new, |it| both_with!(" ({it})", "（{it}）").into());
        println!("{}{issue}\n", both_with!("Lesson {name}: {about}", "故障实验 {name}：{about}"));
        println!("{}\n{}\n", both("Predict", "预测"), indented(self.question));
        wait_for_the_reader()?;
        let as_it_is =
            self.play_on(&Stage::right(name)?, both("The broker as it is", "正常的 broker"))?;
        let setting = format!("{}=true", self.setting());
        let title = both_with!("With {setting}", "打开 {setting}");
        let faulty = self.play_on(&Stage::faulty(name, &setting)?, title)?;
        println!("{}\n{}\n", both("Why", "解释"), indented(self.explanation));
        println!(
            "{}",
            both_with!(
                "In the source: {source}; grep -rn LESSON src finds all faults.\n\
                 The page: docs/en/lessons.md, \"{name}\".\n",
                "源码：{source}；grep -rn LESSON src 能找到全部故障。\n\
                 页面：docs/zh/lessons.md 的 {name} 一节。\n"
            )
        );
        match (as_it_is.fails, faulty.fails) {
            (false, true) => Ok(()),
            (true, _) => failed(FAILS_AS_IT_IS.for_the_reader()),
            (false, false) => failed(NOTHING_SHOWN.for_the_reader()),
        }
    }

    fn play_on(&self, stage: &Stage, title: impl Into<Text>) -> Outcome<Seen> {
        println!("{}", title.into());
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
            let known = known.join(", ");
            return failed(both_with!(
                "no lesson {name}; there are {known}",
                "没有故障实验 {name}；有 {known}"
            ));
        };
        lesson.teach()?;
    }
    Ok(())
}

fn list() {
    println!(
        "{}\n",
        both(
            "make lesson LESSON=name plays one of these, each in about ten seconds at most:",
            "make lesson LESSON=name 运行其中一个，每个最多用时十秒左右：",
        )
    );
    for lesson in &LESSONS {
        println!("  {:16} {}", lesson.name, lesson.about);
    }
    println!(
        "\n{}",
        both(
            "docs/en/lessons.md has them with what they print.",
            "docs/zh/lessons.md 讲解了这些实验和它们的输出。",
        )
    );
}

/// A person at a terminal may think first.
fn wait_for_the_reader() -> Outcome<()> {
    if stdin().is_terminal() {
        println!("{}", both("Enter, when you have an answer.", "有了答案，请按回车。"));
        stdin().lock().read_line(&mut String::new())?;
    }
    Ok(())
}

fn indented(text: Words) -> String {
    text.for_the_reader().lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
