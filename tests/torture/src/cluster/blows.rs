//! What is done to the cluster while it is under load. Each blow ends with everything running and
//! connected again.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use support::random::Random;
use transferto::message::byte_buffer_message_set::shallow_entries;

use crate::cluster::nodes::{
    APACHE_BROKER, BROKERS, CONTROLLER, Cluster, LAG_MS, SESSION_MS, SMALL_DISK_BROKER,
};
use crate::cluster::partitions::{Partition, all_partitions, view};
use crate::cluster::replicas::segments;
use crate::full_disk::{FILLING, fill_up};
use crate::outcome::{Outcome, failed};

/// How often one broker is killed in a row.
const KILLS: u64 = 3;
/// How often two brokers are cut apart for a moment.
const FLAPS: u64 = 6;
/// Shorter than a session and a lag.
const MOMENT_MS: u64 = 500;

/// One way to hurt a cluster.
pub(crate) struct Blow {
    /// For the reader.
    pub(crate) name: &'static str,
    /// Strikes, waits, and mends; returns the nodes that it hit.
    pub(crate) strike: fn(&mut Cluster, &mut Random) -> Outcome<String>,
}

/// All of them.
pub(crate) const BLOWS: [Blow; 18] = [
    Blow { name: "kill -9 of a leader", strike: kill_leader },
    Blow { name: "kill -9 of a follower", strike: kill_follower },
    Blow { name: "kill -9 of the controller", strike: kill_controller },
    Blow { name: "kill -9 of the controller and a leader", strike: kill_controller_and_leader },
    Blow { name: "kill -9 of a leader, again and again", strike: kill_again },
    Blow { name: "kill -9 of a leader, then of a follower", strike: kill_pair },
    Blow { name: "kill -9 of all brokers at once", strike: kill_all },
    Blow { name: "kill -9 of Kafka's broker", strike: kill_apache },
    Blow { name: "a clean stop", strike: stop_cleanly },
    Blow { name: "a leader stopped beyond its session", strike: pause_leader },
    Blow { name: "a follower stopped beyond its lag", strike: pause_follower },
    Blow { name: "leader and follower cut apart", strike: cut_follower },
    Blow { name: "connections that come and go", strike: flap },
    Blow { name: "a leader cut from the controller", strike: cut_controller },
    Blow { name: "a leader cut from all nodes, not from clients", strike: cut_leader },
    Blow { name: "a slow follower", strike: slow_follower },
    Blow { name: "a full disk", strike: fill_disk },
    Blow { name: "the power cut of a leader", strike: cut_power },
];

fn kill_leader(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    let (partition, leader) = some_leader(random)?;
    kill_and_restart(cluster, random, leader)?;
    Ok(format!("broker {leader}, leader of {partition}"))
}

fn kill_follower(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    let (partition, _, follower) = some_pair(random)?;
    kill_and_restart(cluster, random, follower)?;
    Ok(format!("broker {follower}, follower of {partition}"))
}

fn kill_apache(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    kill_and_restart(cluster, random, APACHE_BROKER)?;
    Ok(format!("broker {APACHE_BROKER}"))
}

fn kill_and_restart(cluster: &mut Cluster, random: &mut Random, id: i32) -> Outcome<()> {
    cluster.kill_broker(id);
    sleep_ms(random.below(SESSION_MS * 3 / 2));
    cluster.start_brokers(&[id])
}

fn kill_controller(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    cluster.kill_controller();
    sleep_ms(random.below(SESSION_MS));
    cluster.start_controller()?;
    Ok("node 100".to_string())
}

fn kill_controller_and_leader(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    let (partition, leader) = some_leader(random)?;
    cluster.kill_controller();
    sleep_ms(random.below(SESSION_MS / 2));
    cluster.kill_broker(leader);
    sleep_ms(random.below(SESSION_MS / 2));
    cluster.start_controller()?;
    sleep_ms(random.below(SESSION_MS));
    cluster.start_brokers(&[leader])?;
    Ok(format!("node 100 and broker {leader}, leader of {partition}"))
}

/// Each time as soon as it serves, while it still catches up with what it has missed.
fn kill_again(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    let (partition, leader) = some_leader(random)?;
    for _ in 0..KILLS {
        cluster.kill_broker(leader);
        cluster.start_brokers(&[leader])?;
        sleep_ms(random.below(MOMENT_MS));
    }
    Ok(format!("broker {leader}, at first leader of {partition}, {KILLS} times"))
}

/// For a while one replica of three is left, which may lead and may acknowledge nothing.
fn kill_pair(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    let (partition, leader, follower) = some_pair(random)?;
    cluster.kill_broker(leader);
    sleep_ms(random.below(SESSION_MS));
    cluster.kill_broker(follower);
    sleep_ms(random.below(SESSION_MS));
    let is_leader_first = random.below(2) == 0;
    let pair = if is_leader_first { [leader, follower] } else { [follower, leader] };
    pair.iter().try_for_each(|&id| cluster.start_brokers(&[id]))?;
    Ok(format!("brokers {leader} and {follower} of {partition}"))
}

fn kill_all(cluster: &mut Cluster, _: &mut Random) -> Outcome<String> {
    BROKERS.iter().for_each(|&id| cluster.kill_broker(id));
    cluster.start_brokers(&BROKERS)?;
    Ok("all brokers".to_string())
}

fn stop_cleanly(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    let id = BROKERS[random.index(BROKERS.len())];
    cluster.stop_broker(id)?;
    sleep_ms(random.below(SESSION_MS));
    cluster.start_brokers(&[id])?;
    Ok(format!("broker {id}"))
}

/// Another leads when it wakes up, and it does not know.
fn pause_leader(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    let (partition, leader) = some_leader(random)?;
    pause(cluster, leader, SESSION_MS * 3 / 2 + random.below(SESSION_MS))?;
    Ok(format!("broker {leader}, leader of {partition}"))
}

/// Its leaders take it out of their ISRs, and the controller need not have missed it.
fn pause_follower(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    let (partition, _, follower) = some_pair(random)?;
    pause(cluster, follower, LAG_MS + random.below(LAG_MS))?;
    Ok(format!("broker {follower}, follower of {partition}"))
}

fn pause(cluster: &mut Cluster, id: i32, pause_ms: u64) -> Outcome<()> {
    cluster.signal_broker(id, Signal::SIGSTOP)?;
    sleep_ms(pause_ms);
    cluster.signal_broker(id, Signal::SIGCONT)
}

fn cut_follower(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    let (partition, leader, follower) = some_pair(random)?;
    cut_for_a_while(cluster, random, leader, &[follower])?;
    Ok(format!("brokers {leader} and {follower} of {partition}"))
}

/// No cut lasts until anybody is missed, but what is under way is late, or lost with its connection.
fn flap(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    for _ in 0..FLAPS {
        let (_, leader, follower) = some_pair(random)?;
        cluster.network.cut(leader, follower)?;
        sleep_ms(random.below(MOMENT_MS));
        cluster.network.join(leader, follower)?;
        sleep_ms(random.below(MOMENT_MS));
    }
    Ok(format!("{FLAPS} pairs of brokers"))
}

/// It is fenced and hears of it late; followers and clients reach it all the time.
fn cut_controller(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    let (partition, leader) = some_leader(random)?;
    cut_for_a_while(cluster, random, leader, &[CONTROLLER])?;
    Ok(format!("broker {leader}, leader of {partition}"))
}

fn cut_leader(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    let (partition, leader) = some_leader(random)?;
    let others = BROKERS.iter().copied().filter(|&id| id != leader);
    let others: Vec<i32> = others.chain([CONTROLLER]).collect();
    cut_for_a_while(cluster, random, leader, &others)?;
    Ok(format!("broker {leader}, leader of {partition}"))
}

fn cut_for_a_while(
    cluster: &mut Cluster,
    random: &mut Random,
    one: i32,
    others: &[i32],
) -> Outcome<()> {
    others.iter().try_for_each(|&other| cluster.network.cut(one, other))?;
    sleep_ms(SESSION_MS + random.below(SESSION_MS));
    others.iter().try_for_each(|&other| cluster.network.join(one, other))
}

fn slow_follower(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    let (partition, _, follower) = some_pair(random)?;
    cluster.network.slow_down(follower)?;
    sleep_ms(LAG_MS * 2 + random.below(LAG_MS));
    cluster.network.speed_up(follower)?;
    Ok(format!("broker {follower}, follower of {partition}"))
}

/// Not one more byte fits, into what it leads and into what it follows. A broker may end by that, as
/// Kafka does with its last log directory; there is room again before it starts.
fn fill_disk(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    fill_up(cluster.disk())?;
    sleep_ms(LAG_MS + random.below(SESSION_MS));
    cluster.kill_broker(SMALL_DISK_BROKER);
    fs::remove_file(cluster.disk().join(FILLING))?;
    cluster.start_brokers(&[SMALL_DISK_BROKER])?;
    Ok(format!("broker {SMALL_DISK_BROKER}"))
}

/// What no sync has brought to its disk is gone, from a random byte on.
fn cut_power(cluster: &mut Cluster, random: &mut Random) -> Outcome<String> {
    let (partition, leader) = some_leader(random)?;
    cluster.kill_broker(leader);
    let lost = lose_tails(cluster, leader, random)?;
    cluster.start_brokers(&[leader])?;
    Ok(format!("broker {leader}, leader of {partition}, loses {lost} bytes"))
}

/// Cuts the last segment of each log anywhere behind the recovery point.
fn lose_tails(cluster: &Cluster, id: i32, random: &mut Random) -> Outcome<u64> {
    let log_dir = cluster.log_dir(id);
    let checkpoint = match fs::read_to_string(log_dir.join("recovery-point-offset-checkpoint")) {
        // Nothing is known to be durable before the first checkpoint.
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read?,
    };
    let mut lost = 0;
    for partition in all_partitions().iter().filter(|it| it.replicas.contains(&id)) {
        let prefix = format!("{} {} ", partition.topic, partition.index);
        let recovery_point = checkpoint.lines().find_map(|line| line.strip_prefix(&prefix));
        let recovery_point: i64 = recovery_point.map_or(Ok(0), str::parse)?;
        let Some(last) = segments(&log_dir.join(partition.to_string()))?.pop() else { continue };
        let bytes = fs::read(&last)?;
        let mut entries = shallow_entries(&bytes);
        let mut durable = 0;
        while let Some(Ok(entry)) = entries.next() {
            if entry.last_offset >= recovery_point {
                break;
            }
            durable = entries.position() as u64;
        }
        let size = bytes.len() as u64;
        let kept = durable + random.below(size - durable + 1);
        File::options().write(true).open(&last)?.set_len(kept)?;
        lost += size - kept;
    }
    Ok(lost)
}

/// A partition and its leader, as some broker says.
fn some_leader(random: &mut Random) -> Outcome<(Partition, i32)> {
    let (partition, leader, _) = some_pair(random)?;
    Ok((partition, leader))
}

/// A partition, its leader and one of its followers.
fn some_pair(random: &mut Random) -> Outcome<(Partition, i32, i32)> {
    let partitions = all_partitions();
    let partition = partitions[random.index(partitions.len())];
    match view(partition, random) {
        Some(view) if view.leader > 0 => {
            let is_follower = |id: &i32| *id != view.leader;
            let followers: Vec<i32> = partition.replicas.into_iter().filter(is_follower).collect();
            Ok((partition, view.leader, followers[random.index(followers.len())]))
        }
        other => failed(format!("{partition} has no leader to strike at: {other:?}")),
    }
}

fn sleep_ms(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}
