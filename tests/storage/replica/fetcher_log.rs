//! What a fetcher says of a leader that it cannot ask: it tries every second, and nobody reads as many lines.

use std::cell::RefCell;
use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};
use transferto::common::log_limit::lift;

use crate::replica::fetcher_scene::{BACKOFF_MS, Scene};

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps the warnings of each thread for that thread: other tests run beside.
struct OfThisThread;

impl Log for OfThisThread {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("transferto::replica::fetcher")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&OfThisThread).unwrap();
        log::set_max_level(LevelFilter::Warn);
        lift();
    });
    take();
}

fn take() -> Vec<String> {
    LINES.with_borrow_mut(std::mem::take)
}

/// Asks in vain for so long, each time when the partition has waited.
fn fail_for(scene: &Scene, time_ms: i64) {
    for _ in 0..time_ms / BACKOFF_MS {
        scene.played().is_gone = true;
        assert!(scene.fetch());
        scene.mocks.time.sleep(BACKOFF_MS);
    }
}

#[test]
fn a_leader_that_is_never_reached_is_a_warning_at_first_and_then_every_ten_minutes() {
    capture();
    let scene = Scene::of(0, &[(0, "a")], &[]);
    fail_for(&scene, 60_000);
    let lines = take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("connection reset"), "{lines:?}");
    fail_for(&scene, 560_000);
    let lines = take();
    let repeats = format!("(and {} times since the last such line)", 600_000 / BACKOFF_MS - 1);
    assert!(lines.len() == 1 && lines[0].ends_with(&repeats), "{lines:?}");
}

#[test]
fn once_it_has_answered_the_same_failure_is_news() {
    capture();
    let scene = Scene::of(0, &[(0, "a")], &[]);
    for _ in 0..2 {
        fail_for(&scene, 3 * BACKOFF_MS);
        assert_eq!(take().len(), 1);
        assert!(scene.fetch());
    }
    scene.assert_logs_equal();
}
