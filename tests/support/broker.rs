//! A broker in this process on port 0, and a client that speaks to it in frames over a real socket.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "shared by test binaries, of which none exports anything")]
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use transferto::common::end_point::SecurityProtocol;
use transferto::common::errors::Errors;
use transferto::common::metrics::Metrics;
use transferto::common::time::{SystemTime, Time};
use transferto::config::config_reader::read_file;
use transferto::config::kafka_config::KafkaConfig;
use transferto::message::record_batch_builder::RecordBatchBuilder;
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
use transferto::server::kafka_server::KafkaServer;
use transferto::server::kafka_server_builder::KafkaServerBuilder;
use transferto::transport::channel_builder::{ChannelBuilder, PlaintextChannelBuilder};

/// Long enough for the slowest machine; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The newest versions that are spoken here.
pub const NEWEST_PRODUCE: i16 = 11;
pub const NEWEST_FETCH: i16 = 12;

/// A directory that is gone when the test is over.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("transferto-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A broker in this process.
pub struct Broker {
    server: Option<KafkaServer>,
    pub dir: Arc<TempDir>,
}

impl Broker {
    /// A broker with the default settings and those that are given, on an empty directory.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(Arc::new(TempDir::new("broker")), settings)
    }

    /// A broker on a directory that may hold data.
    pub fn start_in(dir: Arc<TempDir>, settings: &[(&str, &str)]) -> Self {
        let metrics = Arc::new(Metrics::default());
        let builder = Arc::new(PlaintextChannelBuilder::new(Arc::clone(&metrics)));
        Self::start_with(dir, settings, metrics, builder)
    }

    /// A broker whose connections are made by `builder`.
    pub fn start_with(
        dir: Arc<TempDir>,
        settings: &[(&str, &str)],
        metrics: Arc<Metrics>,
        builder: Arc<dyn ChannelBuilder>,
    ) -> Self {
        Self::start_at(dir, settings, Arc::new(SystemTime::new()), metrics, builder)
    }

    /// A broker that goes by the clock `time`.
    pub fn start_by(dir: Arc<TempDir>, settings: &[(&str, &str)], time: Arc<dyn Time>) -> Self {
        let metrics = Arc::new(Metrics::default());
        let builder = Arc::new(PlaintextChannelBuilder::new(Arc::clone(&metrics)));
        Self::start_at(dir, settings, time, metrics, builder)
    }

    fn start_at(
        dir: Arc<TempDir>,
        settings: &[(&str, &str)],
        time: Arc<dyn Time>,
        metrics: Arc<Metrics>,
        builder: Arc<dyn ChannelBuilder>,
    ) -> Self {
        let config = config_for(&dir, settings);
        let server = KafkaServerBuilder::new(config)
            .time(time)
            .metrics(metrics)
            .channel_builder(builder)
            .start()
            .unwrap();
        Self { server: Some(server), dir }
    }

    pub fn server(&self) -> &KafkaServer {
        self.server.as_ref().unwrap()
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.server().bound_port(SecurityProtocol::Plaintext).unwrap())
    }

    /// A client, and a topic that exists.
    pub fn connect_with_topic(&self, topic: &str) -> Client {
        let mut client = self.connect();
        client.create_topic(topic);
        client
    }

    /// Stops the broker and returns its directory.
    pub fn stop(mut self) -> Arc<TempDir> {
        self.server.take().unwrap().shutdown();
        Arc::clone(&self.dir)
    }

    /// The bytes of a partition's segment that begins at offset 0.
    pub fn first_segment(&self, topic: &str, partition: i32) -> Vec<u8> {
        let name = format!("{topic}-{partition}/00000000000000000000.log");
        std::fs::read(self.dir.path().join(name)).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown();
        }
    }
}

pub fn topic_named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic { name: Some(name.to_string()), ..MetadataRequestTopic::default() }
}

/// The settings of a test's broker: few threads, port 0, its own directory.
pub fn config_for(dir: &TempDir, settings: &[(&str, &str)]) -> KafkaConfig {
    let dir = dir.path().display().to_string();
    let defaults = [
        ("listeners", "PLAINTEXT://127.0.0.1:0"),
        ("log.dirs", dir.as_str()),
        ("num.network.threads", "1"),
        ("num.io.threads", "2"),
        ("background.threads", "2"),
    ];
    let all: Vec<_> = defaults
        .iter()
        .chain(settings)
        .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
        .collect();
    read_file(None, &all).unwrap()
}

/// A connection that sends a request and waits for its response, one after another.
pub struct Client {
    pub stream: TcpStream,
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

    /// Speaks over a connection that is there.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
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
    FetchTopic { topic: topic.to_string(), partitions: partitions.iter().map(partition).collect() }
}

/// A record batch with these values, as a producer sends it.
pub fn batch(values: &[&[u8]]) -> Vec<u8> {
    let empty = RecordBatchBuilder::new(0);
    let filled = values.iter().fold(empty, |batch, value| batch.record(1_000, None, Some(value)));
    filled.build().unwrap()
}

/// The batch as the log keeps it: with its base offset and the leader's epoch, and not a bit else
/// changed.
pub fn stored(batch: &[u8], base_offset: i64) -> Vec<u8> {
    let mut stored = batch.to_vec();
    stored[..8].copy_from_slice(&base_offset.to_be_bytes());
    stored[12..16].copy_from_slice(&0_i32.to_be_bytes());
    stored
}
