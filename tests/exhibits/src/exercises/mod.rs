//! `make exercise`: questions about the broker, of which a running broker gives the answers.
//!
//! Each exercise is a file. It asks, has a client use a broker of its own, shows what was seen, and
//! holds the answer to it: a claim that fails ends the program with 1. No claim is about a time, so
//! each holds on any machine.

use bench::caretaker;
use bench::outcome::{Outcome, failed};

use exercise::{Asking, Exercise};

use crate::words::{both, both_with};

mod exercise;
mod sheet;
mod stage;
mod trace;
mod topic;
mod pipeline;
mod segment;
mod calls;
mod replicas;
mod ex1_1_copies;
mod ex1_2_switches;
mod ex2_1_pipelined;
mod ex2_2_stopped_consumer;
mod ex3_1_one_processor_or_three;
mod ex3_2_one_in_flight;
mod ex4_1_from_the_middle;
mod ex4_2_cut_batch;
mod ex4_3_as_a_follower;
mod ex5_1_two_ends_of_a_wait;
mod ex5_2_a_hundred_waits;
mod ex5_3_wheel;
mod ex6_1_socket_buffers;
mod ex6_2_old_format;
mod ex6_3_cold_page;
mod ex7_1_over_ssl;
mod ex7_2_before_the_login;
mod ex8_1_still_follower;
mod ex8_2_alone;
mod ex8_3_leader_epochs;

/// In the order of the chapters.
const EXERCISES: [&Exercise; 20] = [
    &ex1_1_copies::EXERCISE,
    &ex1_2_switches::EXERCISE,
    &ex2_1_pipelined::EXERCISE,
    &ex2_2_stopped_consumer::EXERCISE,
    &ex3_1_one_processor_or_three::EXERCISE,
    &ex3_2_one_in_flight::EXERCISE,
    &ex4_1_from_the_middle::EXERCISE,
    &ex4_2_cut_batch::EXERCISE,
    &ex4_3_as_a_follower::EXERCISE,
    &ex5_1_two_ends_of_a_wait::EXERCISE,
    &ex5_2_a_hundred_waits::EXERCISE,
    &ex5_3_wheel::EXERCISE,
    &ex6_1_socket_buffers::EXERCISE,
    &ex6_2_old_format::EXERCISE,
    &ex6_3_cold_page::EXERCISE,
    &ex7_1_over_ssl::EXERCISE,
    &ex7_2_before_the_login::EXERCISE,
    &ex8_1_still_follower::EXERCISE,
    &ex8_2_alone::EXERCISE,
    &ex8_3_leader_epochs::EXERCISE,
];

/// Lists the exercises, does the one that is named, or all.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => {
            list();
            Ok(())
        }
        ["all"] => {
            caretaker::start()?;
            do_all()
        }
        [number] => {
            let Some(exercise) = EXERCISES.iter().find(|it| it.number == *number) else {
                list();
                return failed(both_with!("there is no exercise {number}", "没有练习 {number}"));
            };
            caretaker::start()?;
            match exercise.perform(Asking::of_this_terminal())? {
                0 => Ok(()),
                failures => failed(both_with!(
                    "{failures} of the claims do not hold here",
                    "有 {failures} 条结论在这里不成立"
                )),
            }
        }
        _ => failed("exhibits exercise [NUMBER|all]"),
    }
}

fn list() {
    println!(
        "{}",
        both(
            "make exercise N=.. asks, has a client use a broker, and holds the answer to it:",
            "make exercise N=.. 先提问，再让客户端实际使用一个 broker，用结果核对答案：",
        )
    );
    for exercise in EXERCISES {
        println!("  N={}  {}", exercise.number, exercise.title);
    }
}

/// Goes on after a claim that fails, and names them all in the end.
fn do_all() -> Outcome<()> {
    let mut failures = Vec::new();
    for exercise in EXERCISES {
        if exercise.perform(Asking::Nobody)? > 0 {
            failures.push(exercise.number);
        }
    }
    if failures.is_empty() {
        let count = EXERCISES.len();
        println!(
            "{}",
            both_with!(
                "All {count} exercises have the answers that they give.",
                "{count} 道练习的答案全部成立。"
            )
        );
        return Ok(());
    }
    let numbers = failures.join(", ");
    failed(both_with!("claims do not hold in {numbers}", "这些练习里有结论不成立：{numbers}"))
}
