//! A fault on purpose is run by nobody who has not asked for it twice, and by nobody unawares.

use std::process::Command;

use support::broker_process::{BrokerProcess, broker_binary};
use support::temp::TempDir;

const ALLOWED: &str = "transferto.lessons.allowed=true";
const LESSONS: [&str; 4] = [
    "transferto.lesson.forgotten.edges=true",
    "transferto.lesson.reused.names=true",
    "transferto.lesson.lost.responses=true",
    "transferto.lesson.cold.pages=true",
];

#[test]
fn a_lesson_without_permission_stops_the_start() {
    let dir = TempDir::new();
    for lesson in LESSONS {
        let file = dir.join("a.properties");
        // Were it let through, it would end all the same, and say something else.
        let elsewhere = "log.dirs=/dev/null/none";
        std::fs::write(&file, format!("port=0\n{lesson}\n{elsewhere}\n")).unwrap();
        let output = Command::new(broker_binary()).arg(&file).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        let place = format!("a.properties, line 2: `{lesson}`: ");
        for words in [place.as_str(), "remove the setting", ALLOWED] {
            assert!(error.contains(words), "{words}: {error}");
        }
        assert!(!error.contains("listening on"), "{error}");
    }
}

#[test]
fn a_lesson_is_announced_at_every_start() {
    let dir = TempDir::new();
    let settings = [ALLOWED].into_iter().chain(LESSONS).collect::<Vec<_>>();
    for _ in 0..2 {
        let broker = BrokerProcess::start(dir.path(), &settings);
        for lesson in LESSONS {
            let announced = |line: &String| {
                line.contains(" WARN ") && line.contains("LESSON: ") && line.contains(lesson)
            };
            assert_eq!(broker.first_lines.iter().filter(|it| announced(it)).count(), 1, "{lesson}");
        }
    }
}
