//! `exhibits strace`: the whole session as the kernel saw it.

use bench::outcome::Outcome;

use crate::call::short_name;
use crate::recording::Recording;
use crate::session::Year;

pub(crate) fn run(_arguments: &[String]) -> Outcome<()> {
    let recording = Recording::of_broker(&["-k"], &[], Year::Today)?;
    for (act, at) in &recording.acts {
        println!("{act:?} {at}");
    }
    println!("{:?} {} {}", recording.told, recording.broker_port, recording.end_us);
    for thread in &recording.threads {
        println!("== {} {}", thread.id, thread.name);
        for call in &thread.calls {
            if call.ended_us() < recording.acts[0].1 || call.ended_us() > recording.end_us {
                continue;
            }
            let names: Vec<_> = call
                .stack
                .iter()
                .filter(|it| it.contains("transferto::"))
                .map(|it| short_name(it))
                .collect();
            println!(
                "{} {}({}) = {} | {}",
                call.began_us,
                call.name,
                call.arguments,
                call.result,
                names.join(" < ")
            );
        }
    }
    Ok(())
}
