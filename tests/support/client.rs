//! A client that speaks to a broker in frames, over a real socket.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use transferto::common::errors::Errors;
use transferto::protocol::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use transferto::protocol::fetch::{FetchPartition, FetchRequest, FetchTopic};
use transferto::protocol::header::RequestHeader;
use transferto::protocol::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};
use transferto::protocol::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseTopic,
};
use transferto::protocol::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use transferto::protocol::request::{RequestBody, ResponseBody, parse_response, request_bytes};

use crate::tunnel;
use crate::wait::PATIENCE;

/// The newest versions that are spoken here: those that name topics by their names.
pub const NEWEST_PRODUCE: i16 = 11;
pub const NEWEST_FETCH: i16 = 12;

/// A connection that sends a request and waits for its response, one after another.
pub struct Client<S = TcpStream> {
    pub stream: S,
    /// How the client names itself; a quota is for a name.
    pub client_id: &'static str,
    correlation_id: i32,
}

/// What a fetch of one partition brought.
#[derive(Debug)]
pub struct Fetched {
    pub error: i16,
    pub high_watermark: i64,
    pub records: Vec<u8>,
}

impl Client {
    pub fn connect(port: u16) -> Self {
        Self::over(TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap())
    }

    /// Speaks over a connection that is there, through a tunnel if it leads to a broker with TLS.
    pub fn over(stream: TcpStream) -> Self {
        let stream = tunnel::if_it_has_tls(stream);
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::on(stream)
    }

    /// Asks for topics, sends nothing more, and waits for the close that a refused client gets for it.
    pub fn assert_refused(&mut self) {
        self.send(1, &RequestBody::Metadata(MetadataRequest::default()), &[]);
        self.stream.shutdown(Shutdown::Write).unwrap();
        self.assert_closed();
    }
}

impl<S: Read + Write> Client<S> {
    /// Speaks over what bytes go by, such as TLS.
    pub fn on(stream: S) -> Self {
        Self { stream, client_id: "test", correlation_id: 0 }
    }

    /// Sends a request and returns the response with its frame, of which its records are ranges.
    pub fn call(
        &mut self,
        version: i16,
        body: &RequestBody,
        records: &[u8],
    ) -> (ResponseBody, Vec<u8>) {
        let header = self.send(version, body, records);
        self.receive(&header)
    }

    /// Sends a request and does not wait.
    pub fn send(&mut self, version: i16, body: &RequestBody, records: &[u8]) -> RequestHeader {
        self.correlation_id += 1;
        let header = RequestHeader {
            api_key: body.api_key(),
            api_version: version,
            correlation_id: self.correlation_id,
            client_id: Some(self.client_id.to_string()),
        };
        self.send_frame(&request_bytes(&header, body, records));
        header
    }

    pub fn send_frame(&mut self, frame: &[u8]) {
        let size = u32::try_from(frame.len()).unwrap().to_be_bytes();
        self.stream.write_all(&[&size, frame].concat()).unwrap();
    }

    /// Waits for the response to the request with this header.
    pub fn receive(&mut self, header: &RequestHeader) -> (ResponseBody, Vec<u8>) {
        let frame = self.receive_frame();
        let (correlation_id, body) = parse_response(header, &frame).unwrap();
        assert_eq!(correlation_id, header.correlation_id, "responses come in request order");
        (body, frame)
    }

    pub fn receive_frame(&mut self) -> Vec<u8> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut frame).unwrap();
        frame
    }

    /// Waits for the broker to close the connection without another byte.
    pub fn assert_closed(&mut self) {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => (),
            Ok(_) => panic!("the broker answered instead of closing the connection"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
    }

    /// Asks for the topic until it has partitions: its first use creates it.
    pub fn create_topic(&mut self, topic: &str) -> MetadataResponseTopic {
        for _ in 0..100 {
            let found = self.metadata(1, Some(&[topic])).topics.remove(0);
            match found.error_code {
                0 => return found,
                code => assert_eq!(code, Errors::LeaderNotAvailable.code()),
            }
        }
        panic!("the topic {topic} never got a leader");
    }

    /// Creates a topic of one partition that overrides these settings.
    pub fn create_topic_with(&mut self, topic: &str, configs: &[(&str, &str)]) {
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
        match self.call(7, &RequestBody::CreateTopics(request), &[]).0 {
            ResponseBody::CreateTopics(it) => assert_eq!(it.topics[0].error_code, 0, "{it:?}"),
            other => panic!("{other:?}"),
        }
    }

    pub fn metadata(&mut self, version: i16, topics: Option<&[&str]>) -> MetadataResponse {
        let topics = topics.map(|names| names.iter().map(|name| topic_named(name)).collect());
        let request = MetadataRequest { topics, ..MetadataRequest::default() };
        match self.call(version, &RequestBody::Metadata(request), &[]).0 {
            ResponseBody::Metadata(response) => response,
            other => panic!("{other:?}"),
        }
    }

    /// Produces `records` to one partition with acks 1 in the newest version.
    pub fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        records: &[u8],
    ) -> PartitionProduceResponse {
        self.produce_with(NEWEST_PRODUCE, 1, (topic, partition), records)
    }

    pub fn produce_with(
        &mut self,
        version: i16,
        acks: i16,
        (topic, partition): (&str, i32),
        records: &[u8],
    ) -> PartitionProduceResponse {
        let request = produce_request(acks, topic, partition, records.len());
        match self.call(version, &RequestBody::Produce(request), records).0 {
            ResponseBody::Produce(mut response) => {
                response.responses.remove(0).partition_responses.remove(0)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Fetches one partition in the newest version, without waiting.
    pub fn fetch(&mut self, topic: &str, partition: i32, offset: i64) -> Fetched {
        let request = fetch_request(topic, partition, offset);
        self.fetch_with(NEWEST_FETCH, request).remove(0)
    }

    /// Fetches, and returns what each partition brought, in the order of the response.
    pub fn fetch_with(&mut self, version: i16, request: FetchRequest) -> Vec<Fetched> {
        let header = self.send(version, &RequestBody::Fetch(request), &[]);
        self.receive_fetch(&header)
    }

    pub fn receive_fetch(&mut self, header: &RequestHeader) -> Vec<Fetched> {
        let (body, frame) = self.receive(header);
        let ResponseBody::Fetch(response) = body else { panic!("{body:?}") };
        assert_eq!(response.header.error_code, 0);
        let partitions = response.topics.into_iter().flat_map(|topic| topic.partitions);
        partitions
            .map(|partition| Fetched {
                error: partition.header.error_code,
                high_watermark: partition.header.high_watermark,
                records: frame[partition.records.unwrap()].to_vec(),
            })
            .collect()
    }

    pub fn list_offset(
        &mut self,
        version: i16,
        topic: &str,
        timestamp: i64,
    ) -> ListOffsetsPartitionResponse {
        let partition = ListOffsetsPartition {
            timestamp,
            max_num_offsets: 10,
            ..ListOffsetsPartition::default()
        };
        let topic = ListOffsetsTopic { name: topic.to_string(), partitions: vec![partition] };
        let request = ListOffsetsRequest { topics: vec![topic], ..ListOffsetsRequest::default() };
        match self.call(version, &RequestBody::ListOffsets(request), &[]).0 {
            ResponseBody::ListOffsets(mut response) => {
                response.topics.remove(0).partitions.remove(0)
            }
            other => panic!("{other:?}"),
        }
    }
}

pub fn produce_request(acks: i16, topic: &str, partition: i32, size: usize) -> ProduceRequest {
    let partition = PartitionProduceData { index: partition, records: Some(0..size) };
    let topic = TopicProduceData { name: topic.to_string(), partitions: vec![partition] };
    ProduceRequest { acks, timeout_ms: 30_000, topics: vec![topic], ..ProduceRequest::default() }
}

/// A fetch of one partition that takes what is there and does not wait.
pub fn fetch_request(topic: &str, partition: i32, fetch_offset: i64) -> FetchRequest {
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        topics: vec![fetch_topic(topic, &[(partition, fetch_offset)])],
        ..FetchRequest::default()
    }
}

pub fn fetch_topic(topic: &str, partitions: &[(i32, i64)]) -> FetchTopic {
    let partition = |&(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: 1024 * 1024,
        ..FetchPartition::default()
    };
    FetchTopic {
        topic: topic.to_string(),
        partitions: partitions.iter().map(partition).collect(),
        ..FetchTopic::default()
    }
}

pub fn topic_named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic { name: Some(name.to_string()), ..MetadataRequestTopic::default() }
}
