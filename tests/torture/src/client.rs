//! A client whose broker may be killed under it: every call may fail, and none panics.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use transferto::common::errors::Errors;
use transferto::protocol::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use transferto::protocol::fetch::{FetchPartition, FetchRequest, FetchTopic};
use transferto::protocol::header::RequestHeader;
use transferto::protocol::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use transferto::protocol::request::{RequestBody, ResponseBody, parse_response, request_bytes};

use crate::outcome::{Outcome, failed};
use crate::records::{Found, found, found_until_trouble};

/// Longer than any answer takes here.
const PATIENCE: Duration = Duration::from_secs(20);
const PRODUCE_TIMEOUT_MS: i32 = 10_000;
const FETCH_BYTES: i32 = 4 << 20;
/// The newest versions that are spoken here.
pub(crate) const PRODUCE_VERSION: i16 = 9;
const FETCH_VERSION: i16 = 11;

/// A connection that sends a request and waits for its answer.
pub(crate) struct Client {
    /// The connection.
    pub(crate) stream: TcpStream,
    correlation_id: i32,
}

/// Takes the body of the answer that belongs to a request.
#[macro_export]
macro_rules! answer {
    ($client:expr, $version:expr, $api:ident, $request:expr) => {{
        let body = transferto::protocol::request::RequestBody::$api($request);
        match $client.call($version, &body, &[])?.0 {
            transferto::protocol::request::ResponseBody::$api(response) => response,
            other => return $crate::outcome::failed(format!("another answer: {other:?}")),
        }
    }};
}

impl Client {
    /// Connects to the broker on this port.
    pub(crate) fn connect(port: u16) -> Outcome<Self> {
        Self::connect_to(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), PATIENCE)
    }

    /// Connects to a broker that may not answer: no step waits longer than `patience`.
    pub(crate) fn connect_to(address: SocketAddrV4, patience: Duration) -> Outcome<Self> {
        let stream = TcpStream::connect_timeout(&address.into(), patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self { stream, correlation_id: 0 })
    }

    /// Sends a request and returns the answer with its frame, of which its records are ranges.
    pub(crate) fn call(
        &mut self,
        version: i16,
        body: &RequestBody,
        records: &[u8],
    ) -> Outcome<(ResponseBody, Vec<u8>)> {
        let header = self.send(version, body, records)?;
        let frame = self.receive_frame()?;
        let (correlation_id, body) = parse_response(&header, &frame)?;
        if correlation_id != header.correlation_id {
            return failed(format!("answer {correlation_id} to request {}", header.correlation_id));
        }
        Ok((body, frame))
    }

    /// Sends a request and does not wait.
    pub(crate) fn send(
        &mut self,
        version: i16,
        body: &RequestBody,
        records: &[u8],
    ) -> Outcome<RequestHeader> {
        self.correlation_id += 1;
        let header = RequestHeader {
            api_key: body.api_key(),
            api_version: version,
            correlation_id: self.correlation_id,
            client_id: Some("torture".to_string()),
        };
        self.send_frame(&request_bytes(&header, body, records))?;
        Ok(header)
    }

    /// Sends the size and the frame.
    pub(crate) fn send_frame(&mut self, frame: &[u8]) -> Outcome<()> {
        let size = u32::try_from(frame.len())?.to_be_bytes();
        Ok(self.stream.write_all(&[&size, frame].concat())?)
    }

    /// Waits for a frame, without its size.
    pub(crate) fn receive_frame(&mut self) -> Outcome<Vec<u8>> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut frame)?;
        Ok(frame)
    }

    /// Produces to partition 0 and returns what became of it, in the words of the protocol.
    pub(crate) fn produce(
        &mut self,
        version: i16,
        acks: i16,
        topic: &str,
        records: &[u8],
    ) -> Outcome<PartitionProduceResponse> {
        let partition = PartitionProduceData { index: 0, records: Some(0..records.len()) };
        let topics =
            vec![TopicProduceData { name: topic.to_string(), partitions: vec![partition] }];
        let timeout_ms = PRODUCE_TIMEOUT_MS;
        let request = ProduceRequest { acks, timeout_ms, topics, ..ProduceRequest::default() };
        match self.call(version, &RequestBody::Produce(request), records)?.0 {
            ResponseBody::Produce(response) => {
                let mut all = response.responses.into_iter().flat_map(|it| it.partition_responses);
                all.next().map_or_else(|| failed("an answer without a partition"), Ok)
            }
            other => failed(format!("another answer: {other:?}")),
        }
    }

    /// What partition 0 has from `offset` on: an error code, the high watermark, the bytes.
    pub(crate) fn fetch(&mut self, topic: &str, offset: i64) -> Outcome<(i16, i64, Vec<u8>)> {
        let request = fetch_request(topic, offset);
        let (body, frame) = self.call(FETCH_VERSION, &RequestBody::Fetch(request), &[])?;
        let ResponseBody::Fetch(response) = body else { return failed("another answer") };
        let mut partitions = response.topics.into_iter().flat_map(|it| it.partitions);
        let Some(partition) = partitions.next() else { return failed("no partition") };
        let records = partition.records.map(|range| frame[range].to_vec()).unwrap_or_default();
        Ok((partition.header.error_code, partition.header.high_watermark, records))
    }

    /// All records of partition 0 from `offset` to the high watermark.
    ///
    /// # Errors
    /// Also if a record cannot be read or the partition answers with an error.
    pub(crate) fn read_all(&mut self, topic: &str, offset: i64) -> Outcome<Vec<Found>> {
        let mut all: Vec<Found> = Vec::new();
        let mut next = offset;
        loop {
            let (error, high_watermark, bytes) = self.fetch(topic, next)?;
            if error != 0 {
                return failed(format!("a fetch of {topic} from {next} on answers error {error}"));
            }
            let (records, end) = found(&bytes, next)?;
            if end == next {
                if next >= high_watermark {
                    return Ok(all);
                }
                return failed(format!("{topic} shows nothing from {next} to {high_watermark}"));
            }
            next = end;
            all.extend(records);
        }
    }

    /// What can be read of partition 0 from its first record on, and what ended it early.
    pub(crate) fn read_what_is_whole(
        &mut self,
        topic: &str,
    ) -> Outcome<(Vec<Found>, Option<String>)> {
        let (mut all, mut next) = (Vec::new(), 0);
        loop {
            let (error, _, bytes) = self.fetch(topic, next)?;
            if error != 0 {
                return Ok((all, Some(format!("error {error} at {next}"))));
            }
            let (records, end, trouble) = found_until_trouble(&bytes, next);
            all.extend(records);
            if trouble.is_some() {
                return Ok((all, trouble));
            }
            if end == next {
                return Ok((all, None));
            }
            next = end;
        }
    }

    /// Creates a topic of one partition and returns the error code.
    pub(crate) fn create_topic(&mut self, topic: &str, configs: &[(&str, &str)]) -> Outcome<i16> {
        let config = |&(name, value): &(&str, &str)| CreatableTopicConfig {
            name: name.to_string(),
            value: Some(value.to_string()),
        };
        let topic = CreatableTopic {
            name: topic.to_string(),
            num_partitions: 1,
            replication_factor: 1,
            configs: configs.iter().map(config).collect(),
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
        let response = answer!(self, 4, CreateTopics, request);
        response.topics.first().map_or_else(|| failed("no topic"), |it| Ok(it.error_code))
    }

    /// The same, of a topic that must be there afterwards.
    pub(crate) fn ensure_topic(&mut self, topic: &str, configs: &[(&str, &str)]) -> Outcome<()> {
        let code = self.create_topic(topic, configs)?;
        if code == 0 || code == Errors::TopicAlreadyExists.code() {
            return Ok(());
        }
        failed(format!("cannot create {topic}: error {code}"))
    }
}

/// A fetch of partition 0 that takes what is there and does not wait.
pub(crate) fn fetch_request(topic: &str, fetch_offset: i64) -> FetchRequest {
    let partition = FetchPartition {
        fetch_offset,
        partition_max_bytes: FETCH_BYTES,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic: topic.to_string(),
        partitions: vec![partition],
        ..FetchTopic::default()
    };
    FetchRequest { max_wait_ms: 0, min_bytes: 1, topics: vec![topic], ..FetchRequest::default() }
}

/// Asks again and again, at most for `patience`, until there is an answer.
pub(crate) fn wait_for<T>(
    what: &str,
    patience: Duration,
    mut ask: impl FnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if began.elapsed() > patience {
            return failed(format!("waited {} s in vain for {what}", patience.as_secs()));
        }
        thread::park_timeout(Duration::from_millis(5));
    }
}
