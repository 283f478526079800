//! A recording as rows in order: which thread made which call at which step, act by act; and sums of
//! what is in no row.

use std::collections::{BTreeMap, BTreeSet};

use crate::call::{Call, short_name};
use crate::cast::{Cast, Role};
use crate::explanation::{Explanation, is_at_a_lock, is_for_memory, is_of_the_standard_library};
use crate::recorder::Thread;
use crate::recording::Recording;
use crate::session::{Act, BATCHES};

/// One call of a thread that serves the client.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) role: Role,
    pub(crate) call: Call,
    pub(crate) explanation: Option<&'static Explanation>,
    /// The call as it is shown: `sendfile(consumer, post-0/..log, [0] => [95], 95) = 95`.
    pub(crate) text: String,
    /// How many calls the row stands for, and what they returned together.
    pub(crate) count: usize,
    pub(crate) sum: i64,
}

/// What the threads did while the client played one act.
pub(crate) struct Scene {
    pub(crate) act: Act,
    pub(crate) rows: Vec<Row>,
    /// More of what the rows show, added up.
    pub(crate) repeated: Vec<Row>,
    pub(crate) repetitions: usize,
}

/// Calls that are counted, not shown.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) calls: usize,
    pub(crate) names: BTreeSet<String>,
}

pub(crate) struct Story {
    pub(crate) scenes: Vec<Scene>,
    /// What is in no scene: who, what, how often.
    pub(crate) sums: BTreeMap<(Role, &'static str), Sum>,
    pub(crate) has_stacks: bool,
    /// Calls of which nobody knows why they are made.
    pub(crate) unexplained: usize,
    /// Calls that the rules explain otherwise than the stacks.
    pub(crate) disputed: Vec<String>,
    has_tls: bool,
}

const IDLE: &str = "its time was over, with nothing to do";
const LOCKS: &str = "a lock that another thread held just then";
const MEMORY: &str = "the allocator";
const SEED: &str = "the seed of a thread's hash maps";
const CHECK: &str = "a check of a descriptor that only debug builds make";
const NO_REQUEST: &str = "woken, and another handler had the request";
const OTHER: &str = "";

impl Story {
    pub(crate) fn of(recording: &Recording) -> Self {
        let mut cast = cast_of(recording);
        let mut calls = in_order(recording, &cast);
        let has_stacks = calls.iter().any(|it| is_whole(&it.1.stack));
        if !has_stacks {
            // A piece of a stack would mislead.
            calls.iter_mut().for_each(|it| it.1.stack.clear());
        }
        cast.number_handlers(calls.iter().filter(|it| is_work(&it.1)).map(|it| it.0));
        let mut story = Self {
            scenes: recording.acts.iter().map(|it| Scene::empty(it.0)).collect(),
            sums: BTreeMap::new(),
            has_stacks,
            unexplained: 0,
            disputed: Vec::new(),
            has_tls: recording.has_tls,
        };
        let handlers_at_work = handlers_at_work(recording, &calls);
        for (thread, call) in calls {
            let scene = scene_of(recording, &call);
            let has_work = handlers_at_work.contains(&(thread, scene));
            story.add(&cast, thread, call, scene, has_work);
        }
        for scene in &mut story.scenes {
            scene.fold_repetitions();
        }
        story
    }

    fn add(&mut self, cast: &Cast, thread: i32, call: Call, scene: usize, has_work: bool) {
        let role = cast.role(thread);
        if let Some(why) = why_it_is_summed(role, &call, has_work) {
            let sum = self.sums.entry((sum_role(role), why)).or_default();
            sum.calls += 1;
            sum.names.insert(call.name);
            return;
        }
        let mut rows = self.scenes.iter().rev().flat_map(|it| it.rows.iter().rev());
        let before = rows.find(|it| it.role == role);
        let before = before.map_or("", |it| &it.call.name);
        let rule = if self.has_tls { Explanation::by_rule_of_tls } else { Explanation::by_rule };
        let by_rule = rule(role, &call, before);
        let by_stack = Explanation::by_stack(&call);
        let explanation = if self.has_stacks { by_stack } else { by_rule };
        if self.has_stacks && by_rule.is_some() && by_rule != by_stack {
            self.disputed.push(format!("{role}: {}({})", call.name, call.arguments));
        }
        self.unexplained += usize::from(explanation.is_none());
        let text = text_of(cast, &call);
        let sum = call.value();
        self.scenes[scene].rows.push(Row { role, call, explanation, text, count: 1, sum });
    }
}

impl Scene {
    fn empty(act: Act) -> Self {
        Self { act, rows: Vec::new(), repeated: Vec::new(), repetitions: 0 }
    }

    /// Keeps the rows of the first request of a row of equal ones, and adds up the others.
    fn fold_repetitions(&mut self) {
        if self.act != Act::Produce {
            return;
        }
        let is = |name: &'static str| move |it: &Row| it.call.name == name;
        let Some(answered) = self.rows.iter().position(is("sendmsg")) else { return };
        let is_receipt = |it: &Row| is("recvfrom")(it) || is("recvmsg")(it) && it.call.value() > 0;
        let Some(next) = self.rows[answered..].iter().position(is_receipt) else { return };
        let second = answered + next;
        for row in self.rows.split_off(second) {
            let is_same = |it: &&mut Row| it.is_alike(&row);
            match self.repeated.iter_mut().find(is_same) {
                Some(seen) => {
                    seen.count += 1;
                    seen.sum += row.sum;
                }
                None => self.repeated.push(row),
            }
        }
        self.repetitions = usize::from(BATCHES) - 1;
    }
}

impl Row {
    fn is_alike(&self, other: &Self) -> bool {
        let kind = |it: &Self| std::mem::discriminant(&it.role);
        kind(self) == kind(other)
            && self.call.name == other.call.name
            && self.explanation == other.explanation
    }
}

fn cast_of(recording: &Recording) -> Cast {
    let ports = (recording.told.producer_port, recording.told.consumer_port);
    Cast::new(&recording.threads, recording.broker_port, ports)
}

/// All calls of the session, in the order in which they had their effect: a wait when it ended, any
/// other call when it began.
fn in_order(recording: &Recording, cast: &Cast) -> Vec<(i32, Call)> {
    let began_us = recording.acts.first().map_or(0, |it| it.1);
    let is_within = |call: &&Call| (began_us..=recording.end_us).contains(&call.ended_us());
    let of = |thread: &Thread| {
        let id = thread.id;
        let calls = thread.calls.iter().filter(is_within).cloned();
        calls.map(move |call| (id, call)).collect::<Vec<_>>()
    };
    let mut calls: Vec<(i32, Call)> = recording.threads.iter().flat_map(of).collect();
    calls.sort_by_key(|(id, call)| (effect_us(call), cast.role(*id)));
    calls
}

/// Whether the stack reaches down to the loop of a thread: libunwind loses its way in a broker that was
/// not linked for it, as the Makefile says.
fn is_whole(stack: &[String]) -> bool {
    stack.iter().any(|it| short_name(it) == "Processor::run")
}

fn effect_us(call: &Call) -> u64 {
    if is_wait(call) { call.ended_us() } else { call.began_us }
}

fn is_wait(call: &Call) -> bool {
    call.name == "epoll_wait" || call.name == "futex" && call.arguments.contains("FUTEX_WAIT")
}

fn is_work(call: &Call) -> bool {
    !is_wait(call) && !is_for_memory(call) && !is_of_the_standard_library(call)
}

/// The act, by its number, in which the call ended.
fn scene_of(recording: &Recording, call: &Call) -> usize {
    let later = recording.acts.iter().filter(|it| it.1 <= call.ended_us()).count();
    later.saturating_sub(1)
}

/// Which thread did something in which act: a handler that was woken and did nothing came too late.
fn handlers_at_work(recording: &Recording, calls: &[(i32, Call)]) -> Vec<(i32, usize)> {
    let at_work = calls.iter().filter(|it| is_work(&it.1));
    at_work.map(|(id, call)| (*id, scene_of(recording, call))).collect()
}

fn why_it_is_summed(role: Role, call: &Call, has_work: bool) -> Option<&'static str> {
    let is_in_vain = call.name == "epoll_wait" && call.value() == 0
        || is_wait(call) && call.result.contains("ETIMEDOUT");
    match role {
        Role::Background(_) => Some(OTHER),
        _ if is_in_vain => Some(IDLE),
        _ if is_at_a_lock(role, call) => Some(LOCKS),
        _ if is_for_memory(call) => Some(MEMORY),
        _ if is_of_the_standard_library(call) => {
            Some(if call.name == "fcntl" { CHECK } else { SEED })
        }
        Role::Handler(_) if is_wait(call) && !has_work => Some(NO_REQUEST),
        _ => None,
    }
}

/// Handlers are summed as one.
fn sum_role(role: Role) -> Role {
    if matches!(role, Role::Handler(_)) { Role::Handler(0) } else { role }
}

/// The call in one line: descriptors by their part, long arguments as `..`.
fn text_of(cast: &Cast, call: &Call) -> String {
    let arguments: Vec<String> = match call.name.as_str() {
        "futex" => futex_arguments(call),
        "syscall_0x1c3" => vec!["..".to_string()],
        _ => call.argument_list().iter().map(|it| argument(cast, it)).collect(),
    };
    let mut arguments = arguments.join(", ");
    while let Some(shorter) = arguments.strip_suffix(", NULL") {
        arguments.truncate(shorter.len());
    }
    let result = match cast.descriptor(&call.result) {
        Some(what) => what,
        None => call.result.split(" (").next().unwrap_or_default().to_string(),
    };
    format!("{}({arguments}) = {result}", call.name)
}

/// What the call does: the address of the futex and the time say nothing here.
fn futex_arguments(call: &Call) -> Vec<String> {
    let list = call.argument_list();
    let operation = list.get(1).copied().unwrap_or_default();
    let operation = operation.trim_end_matches("_PRIVATE").trim_end_matches("_BITSET");
    vec!["..".to_string(), operation.to_string()]
}

fn argument(cast: &Cast, argument: &str) -> String {
    if argument == "SOCK_CLOEXEC|SOCK_NONBLOCK" {
        return "..".to_string();
    }
    if let Some(what) = cast.descriptor(argument) {
        return what;
    }
    if let Some(fields) = argument.strip_prefix("{msg_name=") {
        let count = fields.split("msg_iovlen=").nth(1).and_then(|it| it.split(',').next());
        let tls = if argument.contains("SOL_TLS") { ", SOL_TLS" } else { "" };
        return format!("{{.., msg_iovlen={}{tls}}}", count.unwrap_or("?"));
    }
    match argument.as_bytes() {
        [b'"', ..] | [b'0', b'x', ..] => "..".to_string(),
        [b'{', ..] => "{..}".to_string(),
        _ if argument.contains("...") => "[..]".to_string(),
        _ => argument.to_string(),
    }
}
