//! Each way once more, not timed, while the kernel counts its system calls.

use bench::outcome::Outcome;
use bench::plan::Plan;
use bench::scratch::Scratch;

use crate::file_cases::big_warm;
use crate::kernel_count::KernelCount;
use crate::receiver::receive;
use crate::report::{Part, Section};
use crate::sender::Sender;
use crate::test_file::TestFile;
use crate::ways::WAYS;

pub(crate) fn run(plan: &Plan) -> Outcome<Part> {
    let scratch = Scratch::new(plan, "calls")?;
    let case = big_warm(plan);
    let file = TestFile::write(scratch.path(), case.bytes())?;
    let mut count = KernelCount::default();
    for way in WAYS {
        let sender = Sender::start(way, file.path(), 1, 1)?;
        count.during(way.name(), sender.server().pid(), scratch.path(), || {
            receive(sender.port, 1, file.bytes)?;
            Ok(file.bytes as f64)
        })?;
    }
    let (tables, remarks) = count.shown();
    let title = format!("{}, counted by the kernel", case.name());
    let section = Section { name: "calls", title, tables, remarks, ..Section::default() };
    Ok(Part { sections: vec![section] })
}
