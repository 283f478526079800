//! A simulation of three brokers that replicate: real logs and real code of a leader and a follower, on one
//! thread, with a clock, a network and a controller that one seed drives.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod journal;
mod scratch;
mod network;
mod reach;
mod sabotage;
mod controller;
mod channel;
mod fetchers;
mod broker;
mod producer;
mod ledger;
mod simulation;
mod events;
mod claims;
