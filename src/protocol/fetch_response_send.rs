//! Port of `kafka.api.FetchResponseSend`, `TopicDataSend` and `PartitionDataSend`: a response round
//! slices of files.
//!
//! A fetch response is never encoded into one buffer. Each of the three writes the fields that
//! stand before its children, then lets the children write themselves, and at the bottom of the
//! tree a slice of a file hands itself to the socket:
//!
//! ```text
//! FetchResponseSend   size, response header, throttle time .. session id, count of topics
//!   TopicDataSend     name, count of partitions
//!     PartitionDataSend   partition .. preferred replica, size of the messages
//!       MessageSet        the messages: sendfile(2)
//! ```
//!
//! From version 12 on, which is flexible, each of the three also ends with a section of tagged fields: a
//! single byte, unless two logs part, or another broker leads.

use std::sync::Arc;
use std::{io, iter};

use log::log;

use crate::common::errors::{Errors, KafkaError};
use crate::common::log_limit::{LogKind, limited};
use crate::common::step::{Step, step};
use crate::message::byte_buffer_message_set::ByteBufferMessageSet;
use crate::message::message_set::{Destination, MessageSet};
use crate::protocol::fetch::{
    EpochEndOffset, FetchResponse, FetchResponseHeader, FetchResponsePartition, LeaderIdAndEpoch,
    NO_REPLICA, NodeEndpoint, PartitionHeader, TOPIC_IDS_VERSION,
};
use crate::protocol::header::RequestHeader;
use crate::protocol::wire::types::{Version, WireType, Writer};
use crate::protocol::wire::uuid::Uuid;
use crate::transport::multi_send::MultiSend;
use crate::transport::send;
use crate::transport::send::{ByteBufferSend, Send as _};
use crate::transport::transport_layer::TransportLayer;

/// What the size in front of a frame can say.
const FRAME_SIZE_MAX: u64 = i32::MAX.unsigned_abs() as u64;

/// More than the fields of a response, a topic or a partition take, without a name.
const FIELDS_BYTES_MAX: usize = 64;

/// The answer to a fetch: Kafka's `FetchResponse` before it is sent.
pub struct FetchResponseData {
    /// How long the response was held back by a quota, in milliseconds.
    pub throttle_time_ms: i32,
    /// For the request as a whole; on the wire from version 7 on.
    pub error: Errors,
    /// 0 for none.
    pub session_id: i32,
    /// Every partition that was asked for, under its topic, even where there is nothing to send; within
    /// a session those with news.
    pub topics: Vec<TopicData>,
    /// Where the leaders can be reached that partitions name (from version 16 on).
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl FetchResponseData {
    /// As [`ResponseBody::for_each_error_code`](crate::protocol::request::ResponseBody::for_each_error_code).
    pub fn for_each_error_code(&self, found: &mut dyn FnMut(i16)) {
        found(self.error.code());
        for data in self.topics.iter().flat_map(|topic| &topic.partitions) {
            found(data.error.code());
        }
    }
}

/// The answer for the partitions of one topic.
pub struct TopicData {
    /// On the wire up to version 12.
    pub topic: Arc<str>,
    /// From version 13 on.
    pub topic_id: Uuid,
    pub partitions: Vec<FetchResponsePartitionData>,
}

/// The answer for one partition.
pub struct FetchResponsePartitionData {
    pub partition: i32,
    pub error: Errors,
    /// The offset up to which all replicas in sync have the log, -1 on error.
    pub high_watermark: i64,
    /// The offset up to which every transaction is decided: the high watermark, as long as there
    /// are no transactions.
    pub last_stable_offset: i64,
    /// The first offset of the log, -1 if unknown.
    pub log_start_offset: i64,
    /// Where the reader's log and this one part, if they do.
    pub diverging_epoch: Option<EpochEndOffset>,
    /// The follower that the consumer is to read instead, if it is to.
    pub preferred_read_replica: Option<i32>,
    /// Who leads the partition, if that is an answer to its error.
    pub current_leader: Option<LeaderIdAndEpoch>,
    /// The messages: a slice of a file, or bytes in memory; empty on error.
    pub messages: Box<dyn MessageSet>,
}

/// A whole fetch response, with its size in front.
pub type FetchResponseSend = Part<Response>;
/// The part of a fetch response that belongs to one topic.
type TopicDataSend = Part<Topic>;
/// The part of a fetch response that belongs to one partition.
type PartitionDataSend = Part<Partition>;

/// Any of the three: fields, then children.
pub struct Part<L> {
    level: L,
    fields: ByteBufferSend,
    /// In a flexible version, its tagged fields follow the last of them.
    children: MultiSend,
}

/// Which of the three it is.
pub trait Level: std::marker::Send {
    /// Traces that a part of `size` bytes is written, under Kafka's name of it, until the step ends.
    fn step(&self, size: u64) -> Step;
}

pub struct Response;

struct Topic(Arc<str>);

struct Partition(i32);

impl Part<Response> {
    /// Answers the request that came with `header`, in its version.
    ///
    /// A frame holds 2 GiB. Where messages would exceed it, the last partitions go without, and the
    /// client fetches them with its next request.
    ///
    /// # Errors
    /// `INVALID_REQUEST` if the response exceeds 2 GiB even without messages.
    pub fn new(
        header: &RequestHeader,
        mut response: FetchResponseData,
    ) -> Result<Self, KafkaError> {
        let version = header.version();
        let size = hold_to(FRAME_SIZE_MAX, header, &mut response)?;
        let fields = FetchResponseHeader {
            throttle_time_ms: response.throttle_time_ms,
            error_code: response.error.code(),
            session_id: response.session_id,
        };
        let mut writer = with_room_for("");
        let end = response_end(response.node_endpoints);
        i32::try_from(size)
            .expect("the messages were held to what fits")
            .write(&mut writer, version);
        write_response_fields(&mut writer, header, &fields, response.topics.len());
        // ANCHOR: topics_of_response
        let topics = response.topics.into_iter().map(|topic| TopicDataSend::new(topic, version));
        let part = Self::surrounding(Response, writer, topics, version, end);
        // ANCHOR_END: topics_of_response
        debug_assert_eq!(part.size(), size + size_of::<i32>() as u64, "the size in front is true");
        Ok(part)
    }
}

impl Part<Topic> {
    fn new(data: TopicData, version: Version) -> Self {
        let mut writer = with_room_for(&data.topic);
        write_topic_fields(&mut writer, &data, version);
        let TopicData { topic, partitions, .. } = data;
        let partitions = partitions.into_iter().map(|data| PartitionDataSend::new(data, version));
        Self::surrounding(Topic(topic), writer, partitions, version, end_topic)
    }
}

impl Part<Partition> {
    fn new(data: FetchResponsePartitionData, version: Version) -> Self {
        let mut writer = with_room_for("");
        write_partition_fields(&mut writer, &data, version);
        let (level, end) = (Partition(data.partition), partition_end(&data));
        let size = data.messages.size_in_bytes();
        let messages = MessageSetSend { messages: data.messages, size, sent: 0 };
        Self::surrounding(level, writer, iter::once(messages), version, end)
    }
}

impl<L> Part<L> {
    /// The fields in `writer`, the children, and the tagged fields, where the version has any.
    fn surrounding<S: send::Send + 'static>(
        level: L,
        writer: Writer<'_>,
        children: impl ExactSizeIterator<Item = S>,
        version: Version,
        write_tagged_fields: impl FnOnce(&mut Writer<'_>, Version),
    ) -> Self {
        // ANCHOR: multi_send
        let mut sends: Vec<Box<dyn send::Send>> = Vec::with_capacity(children.len() + 1);
        for child in children {
            sends.push(Box::new(child));
        }
        if version.is_flexible {
            let mut end = Writer::new();
            write_tagged_fields(&mut end, version);
            sends.push(Box::new(ByteBufferSend::new(end.into_bytes())));
        }
        let fields = ByteBufferSend::new(writer.into_bytes());
        Self { level, fields, children: MultiSend::new(sends) }
        // ANCHOR_END: multi_send
    }
}

impl<L: Level> send::Send for Part<L> {
    fn size(&self) -> u64 {
        self.fields.size() + self.children.size()
    }

    fn left(&self) -> u64 {
        self.fields.left() + self.children.left()
    }

    fn completed(&self) -> bool {
        self.fields.completed() && self.children.completed()
    }

    // ANCHOR: part_write_to
    fn write_to(&mut self, transport: &mut dyn TransportLayer, more: bool) -> io::Result<()> {
        let _step = self.level.step(self.size());
        let more_than_fields = more || !self.children.completed();
        self.fields.write_to(transport, more_than_fields)?;
        self.children.write_to(transport, more)
    }
    // ANCHOR_END: part_write_to
}

impl Level for Response {
    fn step(&self, size: u64) -> Step {
        step!([16] "FetchResponseSend.writeTo", "a frame of {size} bytes")
    }
}

impl Level for Topic {
    fn step(&self, size: u64) -> Step {
        step!([16] "TopicDataSend.writeTo", "topic {}, {size} bytes", self.0)
    }
}

impl Level for Partition {
    fn step(&self, size: u64) -> Step {
        step!([16] "PartitionDataSend.writeTo", "partition {}, {size} bytes", self.0)
    }
}

/// The messages of one partition, of a size that does not change any more.
struct MessageSetSend {
    messages: Box<dyn MessageSet>,
    size: usize,
    /// `sent <= size`.
    sent: usize,
}

impl send::Send for MessageSetSend {
    fn size(&self) -> u64 {
        self.size as u64
    }

    fn left(&self) -> u64 {
        (self.size - self.sent) as u64
    }

    fn completed(&self) -> bool {
        self.sent == self.size
    }

    fn write_to(&mut self, transport: &mut dyn TransportLayer, _: bool) -> io::Result<()> {
        while !self.completed() {
            let destination = Destination::TransportLayer(&mut *transport);
            let left = self.size - self.sent;
            match self.messages.write_to(destination, self.sent, left)? {
                0 => return Err(io::Error::new(io::ErrorKind::WriteZero, "no message was taken")),
                taken => self.sent += taken,
            }
        }
        Ok(())
    }
}

/// Kafka's `FetchResponse.responseSize`: how long the response to the request with `header` will be, in
/// bytes, without its size in front.
///
/// The functions that write the fields of the response count them here. So a client's quota is
/// charged what will leave, and [`FetchResponseSend::new`] knows whether a frame holds it.
pub fn response_size(header: &RequestHeader, response: &FetchResponseData) -> u64 {
    let version = header.version();
    let mut writer = Writer::counting();
    let mut messages_size = 0;
    let topics = &response.topics;
    write_response_fields(&mut writer, header, &FetchResponseHeader::default(), topics.len());
    for topic in topics {
        write_topic_fields(&mut writer, topic, version);
        for data in &topic.partitions {
            write_partition_fields(&mut writer, data, version);
            messages_size += data.messages.size_in_bytes() as u64;
            count_end(&mut writer, version, partition_end(data));
        }
        count_end(&mut writer, version, end_topic);
    }
    count_end(&mut writer, version, response_end(response.node_endpoints.clone()));
    writer.size() as u64 + messages_size
}

fn count_end(
    writer: &mut Writer<'_>,
    version: Version,
    write_tagged_fields: impl FnOnce(&mut Writer<'_>, Version),
) {
    if version.is_flexible {
        write_tagged_fields(writer, version);
    }
}

/// Takes the messages from the last partitions until the response has `size_max` bytes at most.
/// Returns how many it has.
///
/// # Errors
/// `INVALID_REQUEST` if it has more even without messages.
fn hold_to(
    size_max: u64,
    header: &RequestHeader,
    response: &mut FetchResponseData,
) -> Result<u64, KafkaError> {
    let size = response_size(header, response);
    let mut surplus = size.saturating_sub(size_max);
    if surplus == 0 {
        return Ok(size);
    }
    for TopicData { topic, partitions, .. } in response.topics.iter_mut().rev() {
        for data in partitions.iter_mut().rev() {
            let size = data.messages.size_in_bytes() as u64;
            if surplus > 0 && size > 0 {
                let level = limited(LogKind::Failures, log::Level::Warn);
                log!(level, "{topic}-{}: {size} bytes do not fit this response", data.partition);
                data.messages = Box::new(ByteBufferMessageSet::empty());
                surplus = surplus.saturating_sub(size);
            }
        }
    }
    if surplus > 0 {
        let why = "the fetch names more partitions than fit a response";
        return Err(KafkaError::api(Errors::InvalidRequest, why));
    }
    // Not the difference: a shorter size of messages may take fewer bytes, too.
    Ok(response_size(header, response))
}

/// The fields of a response that stand before its topics.
fn write_response_fields(
    writer: &mut Writer<'_>,
    header: &RequestHeader,
    fields: &FetchResponseHeader,
    topic_count: usize,
) {
    let version = header.version();
    header.write_response_header(writer);
    fields.write(writer, version);
    writer.write_length(Some(topic_count), version);
}

/// The fields of a topic that stand before its partitions: those of `TopicHeader`.
fn write_topic_fields(writer: &mut Writer<'_>, data: &TopicData, version: Version) {
    if version.number < TOPIC_IDS_VERSION {
        writer.write_text(&data.topic, version);
    } else {
        data.topic_id.write(writer, version);
    }
    writer.write_length(Some(data.partitions.len()), version);
}

/// The fields of a partition that stand before its messages, and their size.
fn write_partition_fields(
    writer: &mut Writer<'_>,
    data: &FetchResponsePartitionData,
    version: Version,
) {
    let header = PartitionHeader {
        partition: data.partition,
        error_code: data.error.code(),
        high_watermark: data.high_watermark,
        last_stable_offset: data.last_stable_offset,
        log_start_offset: data.log_start_offset,
        preferred_read_replica: data.preferred_read_replica.unwrap_or(NO_REPLICA),
        ..PartitionHeader::default()
    };
    header.write(writer, version);
    writer.write_length(Some(data.messages.size_in_bytes()), version);
}

/// What ends a partition, in a flexible version.
fn partition_end(
    data: &FetchResponsePartitionData,
) -> impl FnOnce(&mut Writer<'_>, Version) + use<> {
    let tagged = FetchResponsePartition {
        diverging_epoch: data.diverging_epoch.clone().unwrap_or_default(),
        current_leader: data.current_leader.clone().unwrap_or_default(),
        ..FetchResponsePartition::default()
    };
    move |writer, version| tagged.write_tagged_fields(writer, version)
}

/// A topic has no tagged fields.
fn end_topic(writer: &mut Writer<'_>, _: Version) {
    writer.write_no_tagged_fields();
}

fn response_end(
    node_endpoints: Vec<NodeEndpoint>,
) -> impl FnOnce(&mut Writer<'_>, Version) + use<> {
    let tagged = FetchResponse { node_endpoints, ..FetchResponse::default() };
    move |writer, version| tagged.write_tagged_fields(writer, version)
}

/// Takes the fields of any of the three without growing, but for those that bear no limit: `text`.
fn with_room_for(text: &str) -> Writer<'static> {
    Writer::keeping(Vec::with_capacity(FIELDS_BYTES_MAX + text.len()), usize::MAX)
}

#[cfg(test)]
mod tests {
    use byteorder::{BigEndian, ByteOrder};

    use super::*;
    use crate::protocol::api_keys::ApiKeys;
    use crate::protocol::fetch::FetchResponse;
    use crate::protocol::request::{ResponseBody, parse_response};
    use crate::transport::memory_transport::MemoryTransport;
    use crate::transport::send::Send;

    /// Messages in memory that hand out their bytes as a file would, from any position on.
    struct Messages(Vec<u8>);

    impl MessageSet for Messages {
        fn size_in_bytes(&self) -> usize {
            self.0.len()
        }

        fn write_to(
            &self,
            destination: Destination<'_>,
            write_position: usize,
            size: usize,
        ) -> io::Result<usize> {
            let bytes = &self.0[write_position..][..size];
            match destination {
                Destination::TransportLayer(transport) => transport.write(bytes, false),
                Destination::Channel(channel) => channel.write(bytes),
            }
        }
    }

    /// A message set that says it is large and was never meant to be written.
    struct Large(usize);

    impl MessageSet for Large {
        fn size_in_bytes(&self) -> usize {
            self.0
        }

        fn write_to(&self, _: Destination<'_>, _: usize, _: usize) -> io::Result<usize> {
            Ok(0)
        }
    }

    fn header(api_version: i16) -> RequestHeader {
        RequestHeader { api_key: ApiKeys::Fetch, api_version, correlation_id: 77, client_id: None }
    }

    fn data(partition: i32, messages: Box<dyn MessageSet>) -> FetchResponsePartitionData {
        FetchResponsePartitionData {
            partition,
            error: Errors::None,
            high_watermark: 1000 + i64::from(partition),
            last_stable_offset: 1000 + i64::from(partition),
            log_start_offset: 5,
            diverging_epoch: None,
            preferred_read_replica: None,
            current_leader: None,
            messages,
        }
    }

    fn response(topics: Vec<TopicData>) -> FetchResponseData {
        FetchResponseData {
            throttle_time_ms: 3,
            error: Errors::None,
            session_id: 0,
            topics,
            node_endpoints: Vec::new(),
        }
    }

    fn topic(topic: &str, partitions: Vec<FetchResponsePartitionData>) -> TopicData {
        let topic_id = Uuid([topic.as_bytes()[0]; 16]);
        TopicData { topic: topic.into(), topic_id, partitions }
    }

    /// Two topics, three partitions: with messages, without, and with many.
    fn three_partitions() -> FetchResponseData {
        let messages = |text: &[u8]| Box::new(Messages(text.to_vec()));
        response(vec![
            topic("first", vec![data(0, messages(b"some messages")), data(1, messages(b""))]),
            topic("second", vec![data(7, messages(&[0xAB; 300]))]),
        ])
    }

    /// Writes `send` to the end, however often it is stopped, and returns the frame behind the
    /// size.
    fn frame(mut send: FetchResponseSend, mut transport: MemoryTransport) -> Vec<u8> {
        let size = send.size();
        while let Err(error) = send.write_to(&mut transport, false) {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert!(!send.completed());
        }
        assert!(send.completed());
        assert_eq!(transport.written.len() as u64, size);
        assert_eq!(u64::from(BigEndian::read_u32(&transport.written)) + 4, size);
        transport.written.split_off(4)
    }

    fn decoded(version: i16, frame: &[u8]) -> FetchResponse {
        match parse_response(&header(version), frame) {
            Ok((77, ResponseBody::Fetch(response))) => response,
            other => panic!("version {version}: {other:?}"),
        }
    }

    #[test]
    fn every_version_is_read_back_as_it_was_sent() {
        for version in ApiKeys::Fetch.versions() {
            let send = FetchResponseSend::new(&header(version), three_partitions()).unwrap();
            let frame = frame(send, MemoryTransport::unlimited());
            let size = response_size(&header(version), &three_partitions());
            assert_eq!(size, frame.len() as u64, "version {version}");
            let response = decoded(version, &frame);
            let throttle_time_ms = if version >= 1 { 3 } else { 0 };
            assert_eq!(response.header.throttle_time_ms, throttle_time_ms);
            let names = response.topics.iter().map(|it| it.header.topic.as_str());
            let ids = response.topics.iter().map(|it| it.header.topic_id);
            if version < TOPIC_IDS_VERSION {
                assert_eq!(names.collect::<Vec<_>>(), ["first", "second"]);
            } else {
                assert_eq!(ids.collect::<Vec<_>>(), [Uuid([b'f'; 16]), Uuid([b's'; 16])]);
            }
            let found: Vec<_> = response.topics.iter().flat_map(|it| &it.partitions).collect();
            let numbers: Vec<_> = found.iter().map(|it| it.header.partition).collect();
            assert_eq!(numbers, [0, 1, 7]);
            let messages = |index: usize| &frame[found[index].records.clone().unwrap()];
            assert_eq!(messages(0), b"some messages");
            assert_eq!(messages(1), b"");
            assert_eq!(messages(2), [0xAB; 300]);
            assert_eq!(found[2].header.high_watermark, 1007);
            let last_stable_offset = if version >= 4 { 1007 } else { -1 };
            assert_eq!(found[2].header.last_stable_offset, last_stable_offset);
            assert_eq!(found[2].header.aborted_transactions, None);
            assert_eq!(found[2].header.preferred_read_replica, -1);
        }
    }

    /// The last byte of a frame must belong to its last field: a decoder that stops early would
    /// hide a surplus byte.
    #[test]
    fn every_version_is_what_the_table_writes_byte_for_byte() {
        for version in ApiKeys::Fetch.versions() {
            let send = FetchResponseSend::new(&header(version), three_partitions()).unwrap();
            let frame = frame(send, MemoryTransport::unlimited());
            let response = decoded(version, &frame);
            let mut writer = Writer::with_records_from(&frame);
            header(version).write_response_header(&mut writer);
            response.write(&mut writer, header(version).version());
            assert_eq!(writer.into_bytes(), frame, "version {version}");
        }
    }

    #[test]
    fn a_send_that_is_stopped_anywhere_resumes_there() {
        for version in [0, 11, 12] {
            let send = || FetchResponseSend::new(&header(version), three_partitions()).unwrap();
            let whole = frame(send(), MemoryTransport::unlimited());
            for step in [1, 3, 7] {
                let limits: Vec<_> = (0..2 * whole.len()).map(|i| (i % 2) * step).collect();
                assert_eq!(frame(send(), MemoryTransport::taking(&limits)), whole);
            }
        }
    }

    #[test]
    fn only_the_last_piece_promises_no_more() {
        let empty = || vec![topic("t", vec![data(0, Box::new(Messages(Vec::new())))])];
        for version in [0, 11, 12] {
            let mut transport = MemoryTransport::unlimited();
            let mut send = FetchResponseSend::new(&header(version), response(empty())).unwrap();
            send.write_to(&mut transport, false).unwrap();
            let (last, others) = transport.more_flags.split_last().unwrap();
            assert!(!last && others.iter().all(|&more| more), "version {version}");
        }
    }

    #[test]
    fn a_fetch_of_no_topics_is_answered() {
        for version in ApiKeys::Fetch.versions() {
            let send = FetchResponseSend::new(&header(version), response(Vec::new())).unwrap();
            let frame = frame(send, MemoryTransport::unlimited());
            assert_eq!(decoded(version, &frame).topics, []);
        }
    }

    #[test]
    fn messages_beyond_the_size_of_a_frame_are_left_for_the_next_fetch() {
        let gigabyte = 1 << 30;
        let partitions = (0..3).map(|partition| data(partition, Box::new(Large(gigabyte))));
        let topics = vec![topic("t", partitions.collect())];
        let send = FetchResponseSend::new(&header(12), response(topics)).unwrap();
        assert!(send.size() > gigabyte as u64);
        assert!(send.size() < gigabyte as u64 + 1000);
    }

    /// The sizes of the messages that stay when the frame of `topics` may have `size_max` bytes.
    fn kept(version: i16, sizes: &[usize], size_max: u64) -> Option<Vec<usize>> {
        let partitions = sizes.iter().map(|&size| data(0, Box::new(Large(size))));
        let mut response = response(vec![topic("t", partitions.collect())]);
        hold_to(size_max, &header(version), &mut response).ok()?;
        let kept = &response.topics[0].partitions;
        Some(kept.iter().map(|it| it.messages.size_in_bytes()).collect())
    }

    #[test]
    fn the_last_partitions_go_without_messages_where_a_frame_is_too_small() {
        for version in ApiKeys::Fetch.versions() {
            let sizes = [100, 0, 200, 300];
            let partitions = sizes.map(|size| data(0, Box::new(Large(size))));
            let topics = vec![topic("t", partitions.into())];
            let whole = response_size(&header(version), &response(topics));
            assert_eq!(kept(version, &sizes, whole).unwrap(), sizes);
            assert_eq!(kept(version, &sizes, whole - 1).unwrap(), [100, 0, 200, 0]);
            assert_eq!(kept(version, &sizes, whole - 301).unwrap(), [100, 0, 0, 0]);
            assert_eq!(kept(version, &sizes, whole - 600).unwrap(), [0; 4]);
            assert_eq!(kept(version, &sizes, whole - 601), None);
        }
    }

    #[test]
    fn the_parts_of_a_response_have_the_sizes_in_the_picture_of_the_sends() {
        let picture = include_str!("../../docs/img/sends.svg");
        let has = |bytes: u64| picture.contains(&format!(">{bytes} B</text>"));
        let messages = || data(0, Box::new(Large(700_504)));
        let topic = || topic("post", vec![messages()]);
        let version = header(12).version();
        let partition = PartitionDataSend::new(messages(), version);
        let topic_part = TopicDataSend::new(topic(), version);
        let whole = FetchResponseSend::new(&header(12), response(vec![topic()])).unwrap();
        for size in [partition.size(), topic_part.size(), whole.size()] {
            assert!(has(size), "the picture has no part of {size} bytes");
        }
        let fields = [whole.fields.size(), topic_part.fields.size(), partition.fields.size()];
        assert!(fields.iter().all(|&it| has(it)), "{fields:?}");
    }

    #[test]
    fn messages_that_take_no_bytes_end_the_send_instead_of_spinning() {
        let topics = vec![topic("t", vec![data(0, Box::new(Large(1)))])];
        let mut send = FetchResponseSend::new(&header(0), response(topics)).unwrap();
        let error = send.write_to(&mut MemoryTransport::unlimited(), false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }

    #[test]
    fn the_bytes_of_versions_0_11_and_12_are_kafkas() {
        let one = || {
            let messages = Box::new(Messages(b"MSG".to_vec()));
            response(vec![topic("t", vec![data(2, messages)])])
        };
        let hw = [0, 0, 0, 0, 0, 0, 3, 0xEA];
        let log_start = [0, 0, 0, 0, 0, 0, 0, 5];
        let v0: Vec<u8> = [
            &[0, 0, 0, 77][..],              // correlation id
            &[0, 0, 0, 1],                   // topics
            &[0, 1, b't'],                   // topic
            &[0, 0, 0, 1],                   // partitions
            &[0, 0, 0, 2, 0, 0],             // partition, error
            &hw,                             // high watermark
            &[0, 0, 0, 3, b'M', b'S', b'G'], // messages
        ]
        .concat();
        let v11: Vec<u8> = [
            &[0, 0, 0, 77][..],                    // correlation id
            &[0, 0, 0, 3, 0, 0, 0, 0, 0, 0],       // throttle time, error, session
            &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1], // topics, topic, partitions
            &[0, 0, 0, 2, 0, 0],                   // partition, error
            &hw,                                   // high watermark
            &hw,                                   // last stable offset
            &log_start,                            // log start offset
            &[0xFF, 0xFF, 0xFF, 0xFF],             // aborted transactions: null
            &[0xFF, 0xFF, 0xFF, 0xFF],             // preferred read replica: none
            &[0, 0, 0, 3, b'M', b'S', b'G'],       // messages
        ]
        .concat();
        let v12: Vec<u8> = [
            &[0, 0, 0, 77, 0][..],           // correlation id, tags
            &[0, 0, 0, 3, 0, 0, 0, 0, 0, 0], // throttle time, error, session
            &[2, 2, b't', 2],                // topics, topic, partitions
            &[0, 0, 0, 2, 0, 0],             // partition, error
            &hw,                             // high watermark
            &hw,                             // last stable offset
            &log_start,                      // log start offset
            &[0],                            // aborted transactions: null
            &[0xFF, 0xFF, 0xFF, 0xFF],       // preferred read replica: none
            &[4, b'M', b'S', b'G'],          // messages
            &[0, 0, 0],                      // tags of partition, topic, response
        ]
        .concat();
        for (version, expected) in [(0, v0), (11, v11), (12, v12)] {
            let send = FetchResponseSend::new(&header(version), one()).unwrap();
            assert_eq!(frame(send, MemoryTransport::unlimited()), expected, "version {version}");
        }
    }
}
