//! A client that costs little: it speaks the protocol by the broker's own tables, and takes in what a
//! fetch brings through one small buffer, without a look at the records.

use std::net::TcpStream;

use byteorder::{BigEndian, ByteOrder};
use transferto::common::errors::Errors;
use transferto::message::message_set::{LOG_OVERHEAD, SIZE_OFFSET};
use transferto::message::record_batch::LAST_OFFSET_DELTA_OFFSET;
use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use transferto::protocol::delete_topics::DeleteTopicsRequest;
use transferto::protocol::fetch::{FetchPartition, FetchRequest, FetchTopic};
use transferto::protocol::header::RequestHeader;
use transferto::protocol::list_offsets::{
    LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use transferto::protocol::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use transferto::protocol::request::{RequestBody, ResponseBody, parse_response, request_bytes};

use crate::connection::{Connection, Tally};
use crate::outcome::{Outcome, failed};
use crate::wire::Wire;

/// The last versions that name topics and are not flexible, which both brokers have.
const CREATE_TOPICS_VERSION: i16 = 4;
const DELETE_TOPICS_VERSION: i16 = 3;
const API_VERSIONS_VERSION: i16 = 2;
const LIST_OFFSETS_VERSION: i16 = 4;
pub const PRODUCE_VERSION: i16 = 7;
pub const FETCH_VERSION: i16 = 11;
const PRODUCE_TIMEOUT_MS: i32 = 30_000;
const DELETE_TIMEOUT_MS: i32 = 10_000;
const FETCH_MAX_WAIT_MS: i32 = 500;
/// The records may bear a time long past, and are measured, not deleted for it.
const NO_RETENTION: (&str, &str) = ("retention.ms", "-1");
const CLIENT_ID: &str = "bench";
/// What a client must see of a batch to know what comes after it.
const HEAD_BYTES: usize = LAST_OFFSET_DELTA_OFFSET + 4;

/// Where a consumer stands in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub partition: i32,
    pub offset: i64,
}

/// A connection to a broker.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    correlation_id: i32,
}

impl Client {
    /// Connects to the broker on this port of 127.0.0.1.
    pub fn connect(port: u16) -> Outcome<Self> {
        Ok(Self::over(Connection::open(port)?))
    }

    /// A client on a connection that is there.
    pub fn over(connection: Connection) -> Self {
        Self { connection, correlation_id: 0 }
    }

    /// For one who goes on without a client, when nothing is under way.
    pub fn into_wire(self) -> Wire {
        self.connection.into_wire()
    }

    /// For what is not done here: an option, another thread.
    pub fn stream(&self) -> &TcpStream {
        self.connection.stream()
    }

    /// Sends a request and waits for its response. The records are ranges of the frame.
    pub fn call(
        &mut self,
        version: i16,
        body: &RequestBody,
        records: &[u8],
    ) -> Outcome<(ResponseBody, Vec<u8>)> {
        let header = self.send(version, body, records)?;
        self.receive(&header)
    }

    /// Sends a request and does not wait.
    pub fn send(
        &mut self,
        version: i16,
        body: &RequestBody,
        records: &[u8],
    ) -> Outcome<RequestHeader> {
        self.correlation_id += 1;
        let header = request_header(version, body, self.correlation_id);
        self.send_bytes(&sized(&request_bytes(&header, body, records))?)?;
        Ok(header)
    }

    /// Sends a request that was made before, its size in front.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.connection.send(bytes)
    }

    /// Waits for the response to a request.
    pub fn receive(&mut self, header: &RequestHeader) -> Outcome<(ResponseBody, Vec<u8>)> {
        let frame = self.receive_frame()?;
        let (correlation_id, body) = parse_response(header, &frame)?;
        if correlation_id != header.correlation_id {
            let expected = header.correlation_id;
            return failed(format!("the response to {correlation_id}, not to {expected}"));
        }
        Ok((body, frame))
    }

    /// Waits for a frame and returns it without its size.
    pub fn receive_frame(&mut self) -> Outcome<Vec<u8>> {
        let size = BigEndian::read_u32(self.connection.take(4)?) as usize;
        let mut frame = Vec::with_capacity(size);
        while frame.len() < size {
            let piece = self.connection.take_up_to(size - frame.len())?;
            frame.extend_from_slice(piece);
        }
        Ok(frame)
    }

    /// Creates a topic that keeps records of any age; one that is there already is left as it is.
    pub fn ensure_topic(
        &mut self,
        topic: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Outcome<()> {
        self.create_replicated_topic(topic, partitions, 1, configs)
    }

    /// The same, with so many replicas of each partition.
    pub fn create_replicated_topic(
        &mut self,
        topic: &str,
        partitions: i32,
        replication_factor: i16,
        configs: &[(&str, &str)],
    ) -> Outcome<()> {
        let config = |&(name, value): &(&str, &str)| CreatableTopicConfig {
            name: name.to_string(),
            value: Some(value.to_string()),
        };
        let asked = CreatableTopic {
            name: topic.to_string(),
            num_partitions: partitions,
            replication_factor,
            configs: [NO_RETENTION].iter().chain(configs).map(config).collect(),
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![asked], ..CreateTopicsRequest::default() };
        let body = RequestBody::CreateTopics(request);
        let ResponseBody::CreateTopics(response) = self.call(CREATE_TOPICS_VERSION, &body, &[])?.0
        else {
            return failed("not a response to CreateTopics");
        };
        let code = response.topics.first().map(|it| it.error_code);
        if code == Some(0) || code == Some(Errors::TopicAlreadyExists.code()) {
            return Ok(());
        }
        failed(format!("cannot create {topic}: {code:?}"))
    }

    /// Deletes a topic.
    pub fn delete_topic(&mut self, topic: &str) -> Outcome<()> {
        let request = DeleteTopicsRequest {
            topic_names: vec![topic.to_string()],
            timeout_ms: DELETE_TIMEOUT_MS,
            ..DeleteTopicsRequest::default()
        };
        let body = RequestBody::DeleteTopics(request);
        let ResponseBody::DeleteTopics(response) = self.call(DELETE_TOPICS_VERSION, &body, &[])?.0
        else {
            return failed("not a response to DeleteTopics");
        };
        match response.responses.first().map(|it| it.error_code) {
            Some(0) => Ok(()),
            code => failed(format!("cannot delete {topic}: {code:?}")),
        }
    }

    /// What every client asks first.
    pub fn ask_api_versions(&mut self) -> Outcome<()> {
        let body = RequestBody::ApiVersions(ApiVersionsRequest::default());
        self.call(API_VERSIONS_VERSION, &body, &[]).map(drop)
    }

    /// The offset of the record that comes next; an error if the partition is not led yet.
    pub fn end_offset(&mut self, topic: &str, partition: i32) -> Outcome<i64> {
        let asked = ListOffsetsPartition {
            partition_index: partition,
            timestamp: LATEST_TIMESTAMP,
            ..ListOffsetsPartition::default()
        };
        let asked = ListOffsetsTopic { name: topic.to_string(), partitions: vec![asked] };
        let request = ListOffsetsRequest { topics: vec![asked], ..ListOffsetsRequest::default() };
        let body = RequestBody::ListOffsets(request);
        let ResponseBody::ListOffsets(response) = self.call(LIST_OFFSETS_VERSION, &body, &[])?.0
        else {
            return failed("not a response to ListOffsets");
        };
        let mut all = response.topics.into_iter().flat_map(|it| it.partitions);
        match all.next() {
            Some(it) if it.error_code == 0 => Ok(it.offset),
            other => failed(format!("no end offset of {topic}-{partition}: {other:?}")),
        }
    }

    /// Produces one batch and returns its first offset.
    pub fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        acks: i16,
        batch: &[u8],
    ) -> Outcome<i64> {
        let body = produce_body(topic, partition, acks, batch.len());
        let ResponseBody::Produce(response) = self.call(PRODUCE_VERSION, &body, batch)?.0 else {
            return failed("not a response to Produce");
        };
        let mut all = response.responses.into_iter().flat_map(|it| it.partition_responses);
        match all.next() {
            Some(it) if it.error_code == 0 => Ok(it.base_offset),
            other => failed(format!("cannot produce to {topic}-{partition}: {other:?}")),
        }
    }

    /// Fetches from these places and sets each to where the next fetch goes on. The batches are
    /// counted and dropped; one that is cut short is not counted, and comes again.
    pub fn fetch(
        &mut self,
        topic: &str,
        places: &mut [Place],
        limits: Limits,
        tally: &Tally,
    ) -> Outcome<()> {
        self.send(FETCH_VERSION, &fetch_body(topic, places, limits), &[])?;
        self.receive_fetch(places, tally)
    }

    /// Takes in the response to a fetch: see [`fetch`](Self::fetch).
    pub fn receive_fetch(&mut self, places: &mut [Place], tally: &Tally) -> Outcome<()> {
        let size = BigEndian::read_u32(self.connection.take(4)?);
        let correlation_id = self.connection.take_i32()?;
        if correlation_id != self.correlation_id {
            let expected = self.correlation_id;
            return failed(format!("the response to {correlation_id}, not to {expected}"));
        }
        let _throttle_time_ms = self.connection.take_i32()?;
        let error = self.connection.take_i16()?;
        if error != 0 {
            return failed(format!("the fetch failed: error {error}"));
        }
        let _session_id = self.connection.take_i32()?;
        let mut records_bytes = 0;
        for _ in 0..self.connection.take_i32()? {
            let name_bytes = self.connection.take_i16()?;
            self.connection.take(usize::try_from(name_bytes)?)?;
            for _ in 0..self.connection.take_i32()? {
                records_bytes += self.receive_partition(places, tally)?;
            }
        }
        tally.count_wire(4 + size as usize - records_bytes);
        tally.count_fetch();
        Ok(())
    }

    /// Returns how many bytes of records came.
    fn receive_partition(&mut self, places: &mut [Place], tally: &Tally) -> Outcome<usize> {
        let partition = self.connection.take_i32()?;
        let error = self.connection.take_i16()?;
        if error != 0 {
            return failed(format!("the fetch of partition {partition} failed: error {error}"));
        }
        let _high_watermark = self.connection.take(8)?;
        let _last_stable_offset = self.connection.take(8)?;
        let _log_start_offset = self.connection.take(8)?;
        // As always when a consumer does not ask for committed records only.
        if self.connection.take_i32()? > 0 {
            return failed("aborted transactions, where there was none");
        }
        let _preferred_read_replica = self.connection.take_i32()?;
        let records_bytes = usize::try_from(self.connection.take_i32()?.max(0))?;
        let Some(place) = places.iter_mut().find(|it| it.partition == partition) else {
            return failed(format!("partition {partition}, which nobody asked for"));
        };
        self.receive_records(place, records_bytes, tally)?;
        Ok(records_bytes)
    }

    fn receive_records(
        &mut self,
        place: &mut Place,
        records_bytes: usize,
        tally: &Tally,
    ) -> Outcome<()> {
        let mut left = records_bytes;
        while left >= HEAD_BYTES {
            let head = self.connection.take(HEAD_BYTES)?;
            let base_offset = BigEndian::read_i64(head);
            let batch_bytes = LOG_OVERHEAD + BigEndian::read_u32(&head[SIZE_OFFSET..]) as usize;
            let last_offset_delta = BigEndian::read_i32(&head[LAST_OFFSET_DELTA_OFFSET..]);
            tally.count_wire(HEAD_BYTES);
            let next = base_offset + i64::from(last_offset_delta) + 1;
            // A fetch begins with the whole batch that has its offset.
            if next <= place.offset || batch_bytes < HEAD_BYTES {
                let offset = place.offset;
                return failed(format!("a batch {base_offset} of {batch_bytes} bytes at {offset}"));
            }
            let come = batch_bytes.min(left);
            self.connection.discard(come - HEAD_BYTES, tally)?;
            left -= come;
            if come == batch_bytes {
                place.offset = next;
                tally.count_kept(batch_bytes);
            }
        }
        self.connection.discard(left, tally)
    }
}

/// How much a fetch may bring.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In the whole response.
    pub bytes: i32,
    /// Of each partition.
    pub partition_bytes: i32,
}

/// As this client sends it.
pub fn request_header(version: i16, body: &RequestBody, correlation_id: i32) -> RequestHeader {
    let client_id = Some(CLIENT_ID.to_string());
    RequestHeader { api_key: body.api_key(), api_version: version, correlation_id, client_id }
}

/// A frame with its size in front.
pub fn sized(frame: &[u8]) -> Outcome<Vec<u8>> {
    let size = u32::try_from(frame.len())?.to_be_bytes();
    Ok([&size, frame].concat())
}

/// A request that produces one batch of this size, which is `records` of the frame.
pub fn produce_body(topic: &str, partition: i32, acks: i16, batch_bytes: usize) -> RequestBody {
    let data = PartitionProduceData { index: partition, records: Some(0..batch_bytes) };
    let topics = vec![TopicProduceData { name: topic.to_string(), partitions: vec![data] }];
    let timeout_ms = PRODUCE_TIMEOUT_MS;
    RequestBody::Produce(ProduceRequest { acks, timeout_ms, topics, ..ProduceRequest::default() })
}

/// A request that fetches from these places, as soon as there is a byte.
pub fn fetch_body(topic: &str, places: &[Place], limits: Limits) -> RequestBody {
    let partition = |place: &Place| FetchPartition {
        partition: place.partition,
        fetch_offset: place.offset,
        partition_max_bytes: limits.partition_bytes,
        ..FetchPartition::default()
    };
    let partitions = places.iter().map(partition).collect();
    RequestBody::Fetch(FetchRequest {
        max_wait_ms: FETCH_MAX_WAIT_MS,
        min_bytes: 1,
        max_bytes: limits.bytes,
        topics: vec![FetchTopic { topic: topic.to_string(), partitions, ..FetchTopic::default() }],
        ..FetchRequest::default()
    })
}
