//! Bytes that were meant to hurt: the codec answers each frame with a value or an error, and never
//! takes more memory than a small multiple of what its sender sent, nor more than an allowance
//! besides what he sent.

#![allow(unsafe_code, reason = "an allocator that counts is an `unsafe impl` by its nature")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use support::random::Random;
use transferto::common::memory_pool::FREE_BYTES;
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::fetch::{FetchPartition, FetchRequest, FetchTopic};
use transferto::protocol::header::RequestHeader;
use transferto::protocol::metadata::{MetadataRequest, MetadataRequestTopic};
use transferto::protocol::request::{RequestBody, parse, parse_response, request_bytes};
use transferto::protocol::wire::allowance::{ALLOWANCE_BYTES, ALLOWANCE_PER_BYTE, Allowance};
use transferto::protocol::wire::decode_error::{DecodeError, Malformed};

use crate::messages::log::RECORDS;
use crate::messages::{empty_requests, header, requests, response_frame, responses};

/// What a byte may become as an element, and as a letter that is copied.
const MEMORY_PER_BYTE_MAX: usize = ALLOWANCE_PER_BYTE + 1;
/// What the shortest frames may take besides.
const MEMORY_PER_FRAME_MAX: usize = FREE_BYTES + 256;

thread_local! {
    static LIVE_BYTES: Cell<usize> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, and per thread the bytes that are allocated and the most there have
/// been.
struct CountingAllocator;

impl CountingAllocator {
    fn grow(size: usize) {
        // `try_with` and wrapping sums: memory may be freed by another thread, or after a thread's
        // locals are gone.
        let _ = LIVE_BYTES.try_with(|live| {
            live.set(live.get().wrapping_add(size));
            let _ = PEAK_BYTES.try_with(|peak| {
                if live.get().cast_signed() > peak.get().cast_signed() {
                    peak.set(live.get());
                }
            });
        });
    }

    fn shrink(size: usize) {
        let _ = LIVE_BYTES.try_with(|live| live.set(live.get().wrapping_sub(size)));
    }
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::grow(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        Self::shrink(layout.size());
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Runs `work` and returns its result with the most memory that it held at one time, in bytes.
fn with_peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE_BYTES.get();
    PEAK_BYTES.set(before);
    let result = work();
    (result, PEAK_BYTES.get().wrapping_sub(before))
}

/// As a request that no other contends with.
fn parse_alone(frame: &[u8]) -> Result<(RequestHeader, RequestBody), DecodeError> {
    parse(frame, Allowance::full())
}

/// Parses a frame, holds the memory to the bound, and returns whether it was a request.
fn parses(frame: &[u8]) -> bool {
    memory_to_parse(frame).1
}

/// Like [`parses`], but returns also the bytes of memory that it took.
fn memory_to_parse(frame: &[u8]) -> (usize, bool) {
    let (result, peak) = with_peak(|| parse_alone(frame));
    let bound = MEMORY_PER_FRAME_MAX + MEMORY_PER_BYTE_MAX * frame.len();
    assert!(peak <= bound, "{peak} bytes of memory for {} bytes: {frame:?}", frame.len());
    if let Ok((_, RequestBody::Produce(request))) = &result {
        for data in request.topics.iter().flat_map(|topic| &topic.partitions) {
            assert!(data.records.clone().is_none_or(|range| range.end <= frame.len()));
        }
    }
    (peak, result.is_ok())
}

/// The frame of every valid request, full and empty, in every version.
fn frames() -> Vec<Vec<u8>> {
    let bodies: Vec<_> = requests().into_iter().chain(empty_requests()).collect();
    let frames = bodies.iter().flat_map(|body| {
        let api = body.api_key();
        api.versions().map(move |version| request_bytes(&header(api, version), body, RECORDS))
    });
    frames.collect()
}

#[test]
fn every_truncation_of_every_request_is_refused() {
    for frame in frames() {
        assert!(parses(&frame), "{frame:?}");
        for length in 0..frame.len() {
            assert!(!parses(&frame[..length]), "{length} of {frame:?}");
        }
    }
}

/// What a count, a length or a varint may be replaced with.
const HOSTILE: &[&[u8]] = &[
    &[0xFF, 0xFE],                                     // -2, 2 bytes
    &[0x7F, 0xFF],                                     // the largest, 2 bytes
    &[0x80, 0x00],                                     // the smallest, 2 bytes
    &[0xFF, 0xFF, 0xFF, 0xFF],                         // -1, 4 bytes
    &[0xFF, 0xFF, 0xFF, 0xFE],                         // -2, 4 bytes
    &[0x7F, 0xFF, 0xFF, 0xFF],                         // the largest, 4 bytes
    &[0x80, 0x00, 0x00, 0x00],                         // the smallest, 4 bytes
    &[0x00, 0xFF, 0xFF, 0xFF],                         // 16 million
    &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F],                   // the largest varint
    &[0xFF, 0xFF, 0xFF, 0xFF, 0x07],                   // 2 GiB as a varint
    &[0xFF, 0xFF, 0xFF, 0xFF, 0x1F],                   // a varint of 33 bits
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], // a varint that does not end
    &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], // ones
    &[0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00], // zeros
];

#[test]
fn no_count_or_length_can_hurt() {
    for frame in frames() {
        for position in 0..frame.len() {
            for hostile in HOSTILE {
                let mut replaced = frame.clone();
                let count = hostile.len().min(frame.len() - position);
                replaced[position..position + count].copy_from_slice(&hostile[..count]);
                parses(&replaced);
                let mut inserted = frame.clone();
                inserted.splice(position..position + 1, hostile.iter().copied());
                parses(&inserted);
            }
        }
    }
}

/// Puts a count of 10,000 wherever a count may stand, and enough zeros behind it to be that many
/// elements of one byte or of two.
#[test]
fn a_large_frame_of_the_smallest_elements_costs_no_more_than_its_share() {
    const COUNT: &[u8] = &[0x00, 0x00, 0x27, 0x10];
    const COMPACT_COUNT: &[u8] = &[0x91, 0x4E];
    let mut dearest = 0;
    for api in ApiKeys::ALL.iter().copied() {
        for version in api.versions() {
            let no_body = RequestBody::UnsupportedApiVersions;
            let head = request_bytes(&header(api, version), &no_body, &[]);
            for fields in 0..24 {
                for (count, behind) in
                    [(COUNT, 20_000), (COMPACT_COUNT, 20_000), (COMPACT_COUNT, 15_500)]
                {
                    let mut frame = head.clone();
                    frame.resize(head.len() + fields, 0);
                    frame.extend_from_slice(count);
                    frame.resize(frame.len() + behind, 0);
                    dearest = dearest.max(memory_to_parse(&frame).0 / frame.len());
                }
            }
        }
    }
    assert_eq!(dearest, 15, "the bound is reached, or this test misses its aim");
}

/// Announces as many resources as the frame can hold, and in the first as many settings. A resource of
/// 4 bytes becomes 56 in memory, and in a resource the empty name of a setting, 1 byte, becomes 24:
/// with both believed, each byte would take 38.
#[test]
fn counts_that_lie_in_each_other_are_not_believed_beyond_the_bound() {
    const BEHIND: usize = 100_000;
    let no_body = RequestBody::UnsupportedApiVersions;
    let mut frame = request_bytes(&header(ApiKeys::DescribeConfigs, 4), &no_body, &[]);
    // 25,001 resources; the first is the topic with the empty name, and has 100,000 settings.
    frame.extend_from_slice(&[0xAA, 0xC3, 0x01, 2, 1, 0xA1, 0x8D, 0x06]);
    frame.resize(frame.len() + BEHIND, 0);
    let (peak, is_request) = memory_to_parse(&frame);
    assert_eq!((peak / frame.len(), is_request), (13, false));
}

/// 100 MiB, the largest frame there may be, in the shape of the dearest: before there was an
/// allowance, it took 3.8 GiB, 38 bytes for each that was sent.
#[test]
fn the_largest_frame_costs_no_more_than_itself_and_the_allowance() {
    const FRAME_BYTES: usize = 100 * 1024 * 1024;
    let no_body = RequestBody::UnsupportedApiVersions;
    let mut frame = request_bytes(&header(ApiKeys::DescribeConfigs, 4), &no_body, &[]);
    // 250,000 resources; the first has 104 million settings.
    frame.extend_from_slice(&[0x91, 0xA1, 0x0F, 2, 1, 0x81, 0xD4, 0xCB, 0x31]);
    frame.resize(FRAME_BYTES, 0);
    let (result, peak) = with_peak(|| parse_alone(&frame));
    assert!(peak <= ALLOWANCE_BYTES, "{peak} bytes of memory for {FRAME_BYTES}");
    let what = result.unwrap_err().what;
    assert!(matches!(what, Malformed::TooMuchMemory { needed: 2_496_000_000, .. }), "{what:?}");
}

/// A name of bytes that are not UTF-8 becomes three times as long.
#[test]
fn wrong_text_comes_out_of_the_allowance() {
    let no_body = RequestBody::UnsupportedApiVersions;
    let head = request_bytes(&header(ApiKeys::Metadata, 12), &no_body, &[]);
    // 6 MiB, and then 4 MiB, as the name of the one topic.
    for (compact_length, length, is_request) in
        [([0x81, 0x80, 0x80, 0x03], 6 << 20, false), ([0x81, 0x80, 0x80, 0x02], 4 << 20, true)]
    {
        let mut frame = [&head[..], &[2], &[0; 16], &compact_length].concat();
        frame.resize(frame.len() + length, 0xFF);
        // Two flags and two sections of tags.
        frame.extend_from_slice(&[0; 4]);
        let (result, peak) = with_peak(|| parse_alone(&frame));
        assert_eq!(result.is_ok(), is_request, "{length} bytes: {:?}", result.err());
        assert!(peak <= frame.len() + 2 * ALLOWANCE_BYTES, "{peak} bytes of memory");
    }
}

#[test]
fn honest_requests_of_a_quarter_million_partitions_pass() {
    let partition = FetchPartition::default();
    let topic = FetchTopic { partitions: vec![partition; 250_000], ..FetchTopic::default() };
    let fetch = FetchRequest { topics: vec![topic], ..FetchRequest::default() };
    let topic = MetadataRequestTopic { name: Some("a topic".to_string()), ..Default::default() };
    let metadata =
        MetadataRequest { topics: Some(vec![topic; 250_000]), ..MetadataRequest::default() };
    for body in [RequestBody::Fetch(fetch), RequestBody::Metadata(metadata)] {
        let api = body.api_key();
        let frame = request_bytes(&header(api, *api.versions().end()), &body, &[]);
        assert_eq!(parse_alone(&frame).unwrap().1, body);
    }
}

#[test]
fn a_count_that_the_frame_cannot_hold_allocates_nothing() {
    // Metadata v0, two billion topics; Fetch v0, a billion partitions; Produce v9, records of 4
    // GiB; OffsetFetch v1, a billion partitions; OffsetCommit v2, two billion topics; JoinGroup v0,
    // metadata of two GiB; DeleteGroups v2, four billion groups.
    let metadata = [0, 3, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0];
    let mut fetch = vec![0, 1, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF];
    fetch.extend_from_slice(&[0; 12]);
    fetch.extend_from_slice(&[0, 0, 0, 1, 0, 1, b't', 0x40, 0, 0, 0, 0, 0]);
    let mut produce = vec![0, 0, 0, 9, 0, 0, 0, 1, 0xFF, 0xFF, 0, 0];
    produce.extend_from_slice(&[0, 1, 0, 0, 0, 1, 2, 2, b't', 2]);
    produce.extend_from_slice(&[0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0, 0]);
    let mut offset_fetch = vec![0, 9, 0, 1, 0, 0, 0, 1, 0xFF, 0xFF, 0, 1, b'g'];
    offset_fetch.extend_from_slice(&[0, 0, 0, 1, 0, 1, b't', 0x40, 0, 0, 0, 0, 0]);
    let mut offset_commit = vec![0, 8, 0, 2, 0, 0, 0, 1, 0xFF, 0xFF, 0, 1, b'g'];
    offset_commit.extend_from_slice(&[0; 14]);
    offset_commit.extend_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0, 0]);
    let mut join_group = vec![0, 11, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF, 0, 1, b'g'];
    join_group.extend_from_slice(&[0; 8]);
    join_group.extend_from_slice(&[0, 0, 0, 1, 0, 1, b'p', 0x7F, 0xFF, 0xFF, 0xFF, 0, 0]);
    let delete_groups = [0, 42, 0, 2, 0, 0, 0, 1, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 1];
    let groups = [&offset_fetch[..], &offset_commit, &join_group, &delete_groups];
    for frame in [&metadata[..], &fetch, &produce].into_iter().chain(groups) {
        let (result, peak) = with_peak(|| parse_alone(frame));
        assert!(result.is_err(), "{result:?}");
        assert!(peak <= 128, "{peak} bytes for {result:?}");
    }
}

fn mutate(frame: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.index(4) {
        let position = random.index(frame.len());
        match random.index(5) {
            0 if !frame.is_empty() => frame[position] = random.next_u64() as u8,
            1 if !frame.is_empty() => frame[position] ^= 1 << random.index(8),
            2 => frame.insert(position, random.next_u64() as u8),
            3 if !frame.is_empty() => drop(frame.remove(position)),
            _ => frame.truncate(random.index(frame.len() + 1)),
        }
    }
}

#[test]
fn random_mutations_of_valid_requests_are_values_or_errors() {
    let mut random = Random(0x5EED_0001);
    let frames = frames();
    for round in 0..200_000 {
        let mut frame = frames[round % frames.len()].clone();
        mutate(&mut frame, &mut random);
        parses(&frame);
    }
}

#[test]
fn random_bytes_behind_a_valid_header_are_values_or_errors() {
    let mut random = Random(0x5EED_0002);
    for api in ApiKeys::ALL.iter().copied() {
        for version in api.versions() {
            let header = header(api, version);
            for _ in 0..1000 {
                let mut frame = request_bytes(&header, &RequestBody::UnsupportedApiVersions, &[]);
                // Small numbers are counts that hold; random ones are not.
                let is_small = random.index(2) == 0;
                for _ in 0..random.index(200) {
                    let byte = random.next_u64() as u8;
                    frame.push(if is_small { byte % 3 } else { byte });
                }
                parses(&frame);
            }
        }
    }
}

#[test]
fn a_client_survives_a_hostile_broker() {
    let mut random = Random(0x5EED_0003);
    for body in responses() {
        let api = body.api_key();
        for version in api.versions() {
            let header = header(api, version);
            let whole = response_frame(&header, &body, RECORDS);
            for _ in 0..2000 {
                let mut frame = whole.clone();
                mutate(&mut frame, &mut random);
                let (_, peak) = with_peak(|| parse_response(&header, &frame));
                assert!(peak <= 1024 + 64 * frame.len(), "{peak} bytes for {frame:?}");
            }
        }
    }
}
