//! `exhibits strace`: the whole session as the kernel saw it.

use bench::outcome::{Outcome, failed};

use crate::page::{Mode, to_text};
use crate::recording::Recording;
use crate::session::Year;
use crate::story::Story;
use crate::totals::Totals;

pub(crate) fn run(_arguments: &[String]) -> Outcome<()> {
    let recording = Recording::of_broker(&["-k"], &[], Year::Today)?;
    let story = Story::of(&recording);
    let totals = Totals::of_session(&recording);
    let message_bytes = recording.told.fetched_bytes + recording.told.polled_bytes;
    print!("{}", to_text(&story, &totals, message_bytes, Mode::Sendfile));
    for call in &story.disputed {
        println!("DISPUTED {call}");
    }
    judge(&story, &totals, message_bytes)
}

fn judge(story: &Story, totals: &Totals, message_bytes: usize) -> Outcome<()> {
    if story.unexplained > 0 {
        return failed(format!("{} calls are not explained", story.unexplained));
    }
    if totals.read.bytes != 0 {
        return failed(format!("FAILURE: {} message bytes were read", totals.read.bytes));
    }
    if totals.sendfile.bytes != message_bytes as i64 {
        return failed(format!(
            "FAILURE: {} of {message_bytes} message bytes left by sendfile",
            totals.sendfile.bytes
        ));
    }
    Ok(())
}
