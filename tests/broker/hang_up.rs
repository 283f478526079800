//! What becomes of a request that waits when its client hangs up. The clock stands still unless the
//! test moves it, so that no wait ends by itself.

use std::net::Shutdown;
use std::sync::Arc;

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};
use support::broker::Broker;
use support::client::{Client, NEWEST_FETCH, NEWEST_PRODUCE, fetch_request, produce_request};
use support::records::batch;
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::common::mock_time::MockTime;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::request::RequestBody;

use crate::apis::group_client::{Member, NEWEST_SYNC, SESSION_TIMEOUT_MS, broker_by};

/// Kafka's clients do not ask for more; a hostile one may.
const FOREVER_MS: i32 = i32::MAX;

fn start(settings: &[(&str, &str)]) -> (Arc<MockTime>, Broker) {
    let time = Arc::new(MockTime::new());
    let broker = Broker::start_with(Arc::new(TempDir::new()), settings, |it| it.time(time.clone()));
    (time, broker)
}

/// Asks for more than there ever will be.
fn begin_long_poll(client: &mut Client) -> RequestHeader {
    let request = FetchRequest {
        max_wait_ms: FOREVER_MS,
        min_bytes: i32::MAX,
        ..fetch_request("quiet", 0, 0)
    };
    client.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[])
}

fn half_close(client: &Client) {
    client.stream.shutdown(Shutdown::Write).unwrap();
}

/// Closes a client so that its system answers with a reset from now on.
fn reset(client: Client) {
    let abort = linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&client.stream, sockopt::Linger, &abort).unwrap();
}

fn open_connections(broker: &Broker) -> u64 {
    let metrics = broker.server().metrics();
    metrics.connection_creations.value() - metrics.connection_closes.value()
}

fn waiting_fetches(broker: &Broker) -> usize {
    broker.server().replica_manager().delayed_fetches()
}

fn await_waiting_fetches(broker: &Broker, count: usize) {
    wait_until(&format!("{count} long polls"), || waiting_fetches(broker) == count);
}

fn await_connections(broker: &Broker, count: u64) {
    wait_until(&format!("{count} connections"), || open_connections(broker) == count);
}

#[test]
fn a_long_poll_of_a_client_that_closes_its_half_is_answered_at_once_and_then_closed() {
    let (_time, broker) = start(&[]);
    let mut client = broker.connect_with_topic("quiet");
    client.produce("quiet", 0, &batch(&[b"a"]));
    let header = begin_long_poll(&mut client);
    await_waiting_fetches(&broker, 1);
    half_close(&client);
    let fetched = client.receive_fetch(&header);
    assert!(!fetched[0].records.is_empty(), "what there is");
    client.assert_closed();
    await_connections(&broker, 0);
}

#[test]
fn a_long_poll_that_comes_with_the_end_of_its_client_does_not_wait() {
    let (_time, broker) = start(&[]);
    let mut client = broker.connect_with_topic("quiet");
    let header = begin_long_poll(&mut client);
    half_close(&client);
    assert_eq!(client.receive_fetch(&header)[0].error, 0);
    client.assert_closed();
    assert_eq!(waiting_fetches(&broker), 0);
}

#[test]
fn what_a_client_has_sent_before_it_closes_its_half_is_handled_in_order() {
    let (_time, broker) = start(&[]);
    let mut client = broker.connect_with_topic("quiet");
    let first = begin_long_poll(&mut client);
    let records = batch(&[b"a"]);
    let request = RequestBody::Produce(produce_request(1, "quiet", 0, records.len()));
    let produce = client.send(NEWEST_PRODUCE, &request, &records);
    let second = begin_long_poll(&mut client);
    half_close(&client);
    assert!(client.receive_fetch(&first)[0].records.is_empty());
    client.receive(&produce);
    assert!(!client.receive_fetch(&second)[0].records.is_empty());
    client.assert_closed();
    await_connections(&broker, 0);
}

#[test]
fn a_long_poll_of_a_client_that_is_gone_keeps_neither_connection_nor_wait() {
    let (_time, broker) = start(&[]);
    broker.connect_with_topic("quiet");
    await_connections(&broker, 0);
    for close in [drop, reset] {
        let mut client = broker.connect();
        begin_long_poll(&mut client);
        await_waiting_fetches(&broker, 1);
        close(client);
        await_connections(&broker, 0);
        await_waiting_fetches(&broker, 0);
    }
}

#[test]
fn an_idle_connection_that_is_closed_takes_its_long_poll_with_it() {
    let idle_ms = 600_000;
    let (time, broker) = start(&[]);
    let mut client = broker.connect_with_topic("quiet");
    begin_long_poll(&mut client);
    await_waiting_fetches(&broker, 1);
    // Again and again: the request may only now be noted as the last that was heard of the client.
    wait_until("0 connections", || {
        time.sleep(idle_ms + 1);
        open_connections(&broker) == 0
    });
    await_waiting_fetches(&broker, 0);
}

/// A group of one member, and a second one that waits for the first to join again.
fn rebalancing(broker: &Broker) -> (Member, Member, RequestHeader) {
    let (stayer, mut other) = (Member::alone_in(broker, "g"), Member::of(broker, "g"));
    let joining = other.begin_join();
    wait_until("both members", || members(broker) == 2);
    (stayer, other, joining)
}

#[test]
fn a_join_of_a_client_that_hangs_up_fails_and_its_member_stays_until_its_session_ends() {
    let time = Arc::new(MockTime::new());
    let broker = broker_by(&time);
    let (mut stayer, mut leaver, joining) = rebalancing(&broker);
    half_close(&leaver.client);
    let answer = leaver.receive_join(&joining);
    assert_eq!(answer.error_code, Errors::RebalanceInProgress.code());
    assert_eq!(answer.member_id, leaver.member_id);
    leaver.client.assert_closed();
    assert_eq!(members(&broker), 2, "a closed connection is no LeaveGroup");

    stayer.join();
    assert_eq!(stayer.sync(&[]).error_code, 0);
    assert_eq!(members(&broker), 2, "it counts as joined");
    time.sleep(i64::from(SESSION_TIMEOUT_MS) - 1);
    assert_eq!(stayer.heartbeat(), 0);
    time.sleep(1);
    wait_until("the end of its session", || members(&broker) == 1);
}

#[test]
fn a_rebalance_does_not_wait_for_a_client_that_hung_up_longer_than_its_session() {
    let time = Arc::new(MockTime::new());
    let broker = broker_by(&time);
    let (mut stayer, mut leaver, joining) = rebalancing(&broker);
    half_close(&leaver.client);
    leaver.receive_join(&joining);
    time.sleep(i64::from(SESSION_TIMEOUT_MS) - 1);
    assert_eq!(stayer.heartbeat(), Errors::RebalanceInProgress.code());
    time.sleep(1);
    wait_until("the end of its session", || members(&broker) == 1);
    stayer.join();
}

#[test]
fn a_member_whose_client_hung_up_in_a_join_may_join_again_by_another_connection() {
    let broker = broker_by(&Arc::new(MockTime::new()));
    let (mut stayer, mut member, joining) = rebalancing(&broker);
    half_close(&member.client);
    let answer = member.receive_join(&joining);
    assert_eq!(answer.error_code, Errors::RebalanceInProgress.code());
    member.client = broker.connect();
    let again = member.begin_join();
    stayer.join();
    assert_eq!(member.receive_join(&again).error_code, 0);
    assert_eq!(members(&broker), 2);
}

#[test]
fn a_sync_of_a_client_that_hangs_up_fails_and_its_member_stays() {
    let broker = broker_by(&Arc::new(MockTime::new()));
    let (mut leader, mut follower, joining) = rebalancing(&broker);
    leader.join();
    assert_eq!(follower.receive_join(&joining).error_code, 0);
    let syncing = follower.send_sync(NEWEST_SYNC, &[]);
    half_close(&follower.client);
    let answer = follower.receive_sync(&syncing);
    assert_eq!(answer.error_code, Errors::RebalanceInProgress.code());
    follower.client.assert_closed();
    assert_eq!(leader.sync(&[]).error_code, 0);
    assert_eq!(members(&broker), 2);
    assert_eq!(leader.heartbeat(), 0, "there is no rebalance");

    follower.client = broker.connect();
    assert_eq!(follower.heartbeat(), 0);
    let rejoining = leader.begin_join();
    follower.await_rebalance();
    follower.join();
    assert_eq!(leader.receive_join(&rejoining).error_code, 0);
    assert_eq!(leader.generation, follower.generation);
}

/// Asked without a connection, which would count.
fn members(broker: &Broker) -> usize {
    broker.server().group_coordinator().describe_group("g").unwrap().members.len()
}

/// 1000 bytes/s over a window of 10 s: each byte beyond 10,000 delays by 1 ms.
const QUOTA: (&str, &str) = ("quota.producer.default", "1000");
const LAST_HELD_PRODUCE: i16 = 5;
const FIRST_MUTED_PRODUCE: i16 = 6;

#[test]
fn a_throttled_client_that_hangs_up_is_not_kept_for_its_delay() {
    let (_time, broker) = start(&[QUOTA]);
    let records = batch(&[vec![b'x'; 20_000]]);
    for version in [LAST_HELD_PRODUCE, FIRST_MUTED_PRODUCE] {
        let mut client = broker.connect_with_topic("quiet");
        let request = RequestBody::Produce(produce_request(1, "quiet", 0, records.len()));
        let first = client.send(version, &request, &records);
        let second = client.send(version, &request, &records);
        half_close(&client);
        client.receive(&first);
        client.receive(&second);
        client.assert_closed();
        await_connections(&broker, 0);
    }
}
