//! What leader and follower say to each other, from the bytes that strace saw.

use bench::outcome::{Outcome, failed};
use transferto::protocol::fetch::{FetchPartition, FetchRequest, PartitionHeader};
use transferto::protocol::header::RequestHeader;
use transferto::protocol::request::{RequestBody, ResponseBody, parse, parse_response};
use transferto::protocol::wire::allowance::Allowance;

use crate::call::Call;
use crate::kafka::line::Thing;
use crate::replication::watch::Replication;
use crate::session::Told;

/// The size in front of every request and response.
const SIZE_BYTES: usize = 4;

/// The fetch by which the follower says that it has the record, and the answer that brought it.
pub(super) struct Conversation {
    pub(super) header: RequestHeader,
    pub(super) request: FetchRequest,
    pub(super) partition: FetchPartition,
    pub(super) answer: PartitionHeader,
    pub(super) answer_to_consumer: PartitionHeader,
}

impl Conversation {
    pub(super) fn of(it: &Replication) -> Outcome<Self> {
        let told = &it.told_of_leader;
        let produced = calls(it, it.produced_us, it.consumed_us);
        let consumed = calls(it, it.consumed_us, it.end_us);
        let (header, request) = fetch(&produced, Thing::Follower, told)?;
        let (header_of_consumer, _) = fetch(&consumed, Thing::Consumer, told)?;
        let Some(partition) = request.topics.first().and_then(|it| it.partitions.first()) else {
            return failed("the follower's request has no partition");
        };
        Ok(Self {
            partition: partition.clone(),
            answer: answer(&produced, Thing::Follower, told, &header)?,
            answer_to_consumer: answer(&consumed, Thing::Consumer, told, &header_of_consumer)?,
            header,
            request,
        })
    }
}

/// The leader's calls in this time, in order.
fn calls(it: &Replication, from_us: u64, to_us: u64) -> Vec<&Call> {
    let calls = it.leader.iter().flat_map(|it| &it.1);
    let mut calls: Vec<&Call> =
        calls.filter(|it| (from_us..to_us).contains(&it.ended_us())).collect();
    calls.sort_by_key(|it| it.ended_us());
    calls
}

fn fetch(calls: &[&Call], from: Thing, told: &Told) -> Outcome<(RequestHeader, FetchRequest)> {
    let names = ["read", "recvfrom", "readv"];
    let bytes = bytes_of(calls, &names, from, told);
    let Some(frame) = bytes.get(SIZE_BYTES..) else {
        return failed("the leader has read no request");
    };
    let end = frame_bytes(&bytes).min(frame.len());
    match parse(&frame[..end], Allowance::full())? {
        (header, RequestBody::Fetch(request)) => Ok((header, request)),
        (header, _) => failed(format!("the request is no fetch: {header:?}")),
    }
}

/// The messages leave by `sendfile`, which shows none of them: zeros stand for what is not there.
fn answer(
    calls: &[&Call],
    to: Thing,
    told: &Told,
    header: &RequestHeader,
) -> Outcome<PartitionHeader> {
    let bytes = bytes_of(calls, &["write", "writev", "sendmsg"], to, told);
    let Some(head) = bytes.get(SIZE_BYTES..) else {
        return failed("the leader has written no response");
    };
    let mut frame = head.to_vec();
    frame.resize(frame_bytes(&bytes), 0);
    let header = RequestHeader { correlation_id: 0, ..header.clone() };
    let ResponseBody::Fetch(response) = parse_response(&header, &frame)?.1 else {
        return failed("the response is none to a fetch");
    };
    let partition = response.topics.into_iter().flat_map(|it| it.partitions).next();
    partition.map(|it| it.header).ok_or_else(|| "the response has no partition".into())
}

fn frame_bytes(bytes: &[u8]) -> usize {
    let size = bytes.first_chunk::<SIZE_BYTES>().map_or(0, |it| u32::from_be_bytes(*it));
    size as usize
}

/// What these calls moved to or from a connection, as far as strace shows it.
fn bytes_of(calls: &[&Call], names: &[&str], thing: Thing, told: &Told) -> Vec<u8> {
    let of = |call: &&&Call| {
        let is_one = names.contains(&call.name.as_str()) && call.value() > 0;
        is_one && Thing::of_call(call, told) == thing
    };
    let bytes = calls.iter().filter(of).flat_map(|call| {
        let mut bytes = in_hexadecimal(&call.arguments);
        bytes.truncate(usize::try_from(call.value()).unwrap_or_default());
        bytes
    });
    bytes.collect()
}

/// The bytes of all strings in `"\x00\x01\x02"..`.
fn in_hexadecimal(arguments: &str) -> Vec<u8> {
    let digits = arguments.split("\\x").skip(1);
    digits.filter_map(|it| u8::from_str_radix(it.get(..2)?, 16).ok()).collect()
}
