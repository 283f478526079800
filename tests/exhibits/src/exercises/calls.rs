//! The system calls of a broker, where strace can show them.

use bench::outcome::Outcome;
use support::client::Client;

use crate::ability::Ability;
use crate::call::Call;
use crate::recorder::{Thread, now_us};
use crate::recording::FEWER_THREADS;
use crate::traced_broker::TracedBroker;

/// What the threads of a broker called while a client used it, or why that cannot be shown here.
pub(crate) enum Watched {
    Calls(Vec<Thread>),
    Nothing { why: String },
}

/// Has a broker under strace serve `prepare`, which is not looked at, and then `act`, which is.
pub(crate) fn watch<P>(
    settings: &[&str],
    prepare: impl FnOnce(Client) -> Outcome<P>,
    act: impl FnOnce(P) -> Outcome<()>,
) -> Outcome<Watched> {
    if let Err(error) = Ability::of_strace() {
        // What stands behind the empty line is about the session of `make strace`.
        let words = error.to_string();
        let why = words.split("\n\n").next().unwrap_or_default().to_string();
        return Ok(Watched::Nothing { why });
    }
    let broker = TracedBroker::start(&[], &[&FEWER_THREADS, settings].concat())?;
    let prepared = prepare(Client::connect(broker.port))?;
    broker.recorder().wait_until_asleep()?;
    let began_us = now_us();
    act(prepared)?;
    broker.recorder().wait_until_asleep()?;
    let ended_us = now_us();
    let mut threads = broker.recorder().threads()?;
    for thread in &mut threads {
        thread.calls.retain(|it| (began_us..ended_us).contains(&it.ended_us()));
    }
    broker.stop()?;
    Ok(Watched::Calls(threads))
}

/// The calls with this name whose arguments contain that, with the names of their threads.
pub(crate) fn calls_of<'a>(
    threads: &'a [Thread],
    name: &str,
    argument: &str,
) -> Vec<(&'a str, &'a Call)> {
    let of = |thread: &'a Thread| {
        let calls = thread.calls.iter();
        calls
            .filter(|it| it.name == name && it.arguments.contains(argument))
            .map(|it| (thread.name.as_str(), it))
            .collect::<Vec<_>>()
    };
    threads.iter().flat_map(of).collect()
}
