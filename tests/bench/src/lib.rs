//! What `make bench` is made of: servers as child processes, the network and the machine, figures and
//! how they are written, the peers. Other programs of `tests` use parts of it.
#![allow(missing_docs, reason = "a name says it, or a comment why")]

pub mod outcome;
pub mod figure;
pub mod namespace;
pub mod process;
pub mod wire;
pub mod connection;
pub mod client;
pub mod producer;
pub mod topic;
pub mod data_set;
pub mod scratch;
pub mod caretaker;
pub mod jars;
pub mod peers;
pub mod stretch;
pub mod turns;
pub mod delays;
pub mod slow_file;
pub mod call_counter;
pub mod callgrind;
pub mod plan;
pub mod experiments;
pub mod machine;
pub mod report;
