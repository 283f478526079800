//! This broker's calls at the same steps, from its own story.

use crate::cast::Role as CastRole;
use crate::explanation::{Explanation, canonical_name};
use crate::kafka::acts::{Placed, Request, Stage};
use crate::kafka::jvm_threads::Role;
use crate::kafka::line::{Line, Thing, text};
use crate::kafka::steps;
use crate::recording::Recording;
use crate::session::{Act, Told};
use crate::story::{Row, Scene, Story};

/// The first request of each act.
pub(crate) fn acts(recording: &Recording) -> Vec<(Act, Request)> {
    let story = Story::of(recording);
    story.scenes.iter().map(|it| (it.act, of_scene(it, &recording.told))).collect()
}

/// All calls that are shown, and those that stand behind them summed.
pub(crate) fn counts(recording: &Recording) -> Vec<(Act, Vec<(String, usize)>)> {
    let story = Story::of(recording);
    let of = |scene: &Scene| {
        let rows = scene.rows.iter().chain(&scene.repeated);
        let shown = rows.filter(|it| !is_wait_of_handler(it) && role(it.role).is_some());
        let name = |it: &Row| canonical_name(&it.call.name).to_string();
        (scene.act, shown.map(|it| (name(it), it.count)).collect())
    };
    story.scenes.iter().map(of).collect()
}

fn of_scene(scene: &Scene, told: &Told) -> Request {
    let (mut request, mut is_out) = (Vec::new(), false);
    let rows: Vec<&Row> = scene.rows.iter().filter(|it| !is_wait_of_handler(it)).collect();
    for row in without_the_next_wait(scene.act, &rows) {
        let Some(role) = role(row.role) else { continue };
        is_out |= role == Role::Handler;
        let stage = match role {
            Role::Handler | Role::Reaper => Stage::Down,
            _ if is_out => Stage::Out,
            _ => Stage::In,
        };
        let thread = match row.role {
            CastRole::Processor(number) => number,
            _ => 0,
        };
        let step = step(row, stage);
        let stage = if step == steps::CLOSE { Stage::Out } else { stage };
        let call = canonical_name(&row.call.name).to_string();
        let line = Line { step, role, call, text: words(row, told) };
        let thing = Thing::of_call(&row.call, told);
        let ended_us = row.call.ended_us();
        request.push(Placed { line, stage, thing, thread, lane: thing, ended_us });
    }
    Request::of(request)
}

/// Of many requests the first is in the scene's rows, and the wait for the second behind it.
fn without_the_next_wait<'a>(act: Act, rows: &'a [&'a Row]) -> &'a [&'a Row] {
    match rows {
        [first @ .., last] if act == Act::Produce && last.call.name == "epoll_wait" => first,
        all => all,
    }
}

/// The other half of a wake.
fn is_wait_of_handler(row: &Row) -> bool {
    row.call.name == "futex" && row.call.arguments.contains("FUTEX_WAIT")
}

fn role(role: CastRole) -> Option<Role> {
    match role {
        CastRole::Acceptor => Some(Role::Acceptor),
        CastRole::Processor(_) => Some(Role::Processor),
        CastRole::Handler(_) => Some(Role::Handler),
        CastRole::Background(_) | CastRole::Unknown => None,
    }
}

fn step(row: &Row, stage: Stage) -> u8 {
    let explanation = row.explanation.or_else(|| Explanation::by_rule(row.role, &row.call, ""));
    match explanation {
        Some(Explanation { step: Some(3), .. }) if stage == Stage::Out => 14,
        Some(Explanation { step: Some(step), .. }) => *step,
        Some(Explanation { function: "Selector::remove", .. }) => steps::CLOSE,
        _ => 8,
    }
}

fn words(row: &Row, told: &Told) -> String {
    match (row.call.name.as_str(), row.role) {
        ("futex", CastRole::Processor(_)) => {
            format!("futex(wake a handler) = {}", row.call.value())
        }
        ("futex", _) => format!("futex(wake a reaper) = {}", row.call.value()),
        ("syscall_0x1c3", _) => "cachestat(log) = 0".to_string(),
        _ => text(&row.call, told),
    }
}
