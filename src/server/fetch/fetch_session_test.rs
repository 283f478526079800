//! Port of `org.apache.kafka.server.FetchSessionTest`: sessions as the requests and responses of one
//! client after another make and use them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::common::end_point::ListenerName;
use crate::common::errors::Errors;
use crate::common::metrics::Metrics;
use crate::common::mock_time::MockTime;
use crate::common::time::Time;
use crate::common::units::LeaderEpoch;
use crate::image::topic_image::TopicImage;
use crate::message::byte_buffer_message_set::ByteBufferMessageSet;
use crate::protocol::fetch::{
    EpochEndOffset, FetchPartition, FetchRequest, FetchTopic, ForgottenTopic, ReplicaState,
};
use crate::protocol::fetch_response_send::{FetchResponsePartitionData, TopicData};
use crate::protocol::wire::uuid::Uuid;
use crate::server::fetch::asked::Asked;
use crate::server::fetch::cached_partitions::CachedPartitions;
use crate::server::fetch::fetch_context::{FetchContext, SessionAnswer};
use crate::server::fetch::fetch_manager::{Fetch, FetchManager};
use crate::server::fetch::fetch_session::{FINAL_EPOCH, INITIAL_EPOCH, INVALID_SESSION_ID};
use crate::server::fetch::fetch_session_cache::{CacheLimits, FetchSessionCache, NewSession};
use crate::server::metadata::metadata_cache::{IsFenced, MetadataCache, Node};
use crate::server::metadata::reachable_brokers::ReachableBrokers;

const NEWEST: i16 = 18;
const NEWEST_BY_NAME: i16 = 12;
const FOO: [u8; 16] = [1; 16];
const BAR: [u8; 16] = [2; 16];
const ZAR: [u8; 16] = [3; 16];

/// Knows topics by their ids, and nothing else.
#[derive(Default)]
struct Names(Mutex<HashMap<[u8; 16], Arc<str>>>);

impl Names {
    fn are(&self, names: &[([u8; 16], &str)]) {
        *self.0.lock().unwrap() = names.iter().map(|&(id, name)| (id, name.into())).collect();
    }
}

impl MetadataCache for Names {
    fn cluster_id(&self) -> &str {
        ""
    }

    fn broker_id(&self) -> i32 {
        0
    }

    fn controller_id(&self) -> i32 {
        0
    }

    fn alive_brokers(&self, _: &ListenerName, _: SocketAddr) -> Vec<Node> {
        Vec::new()
    }

    fn registered_brokers(&self, _: &ListenerName, _: SocketAddr) -> Vec<(Node, IsFenced)> {
        Vec::new()
    }

    fn reachable_brokers(&self) -> ReachableBrokers {
        ReachableBrokers::ThisOne
    }

    fn topic(&self, _: &str) -> Option<Arc<TopicImage>> {
        None
    }

    fn topic_name(&self, id: &[u8; 16]) -> Option<Arc<str>> {
        self.0.lock().unwrap().get(id).cloned()
    }

    fn topics(&self) -> Vec<(String, Arc<TopicImage>)> {
        Vec::new()
    }
}

/// A broker's side of sessions, of which there may be `slots`.
struct Sessions {
    manager: FetchManager,
    names: Arc<Names>,
    metrics: Arc<Metrics>,
    time: Arc<MockTime>,
}

impl Sessions {
    /// The topics are known, and a session may be evicted after a second.
    fn new(slots: usize) -> Self {
        let (names, metrics) = (Arc::new(Names::default()), Arc::new(Metrics::default()));
        names.are(&[(FOO, "foo"), (BAR, "bar"), (ZAR, "zar")]);
        let time = Arc::new(MockTime::default());
        let manager = FetchManager::new(
            limits(slots, 1_000),
            Arc::clone(&names) as Arc<dyn MetadataCache>,
            Arc::clone(&metrics),
            Arc::clone(&time) as Arc<dyn Time>,
        );
        Self { manager, names, metrics, time }
    }

    /// How many there are.
    fn count(&self) -> u64 {
        self.metrics.incremental_fetch_sessions.value()
    }

    fn has(&self, session_id: i32) -> bool {
        let request = FetchRequest { session_id, session_epoch: 1, ..FetchRequest::default() };
        self.manager.partitions_by_session(&request) > 0
    }

    fn fetch(&self, request: &FetchRequest) -> Fetch {
        self.manager.new_context(NEWEST, request)
    }

    /// Answers a fetch with these data, one for each partition that it asks for, and returns what it is
    /// told of its session, and of which partitions it gets an answer.
    fn answer(
        &self,
        fetch: &Fetch,
        data: Vec<FetchResponsePartitionData>,
    ) -> (SessionAnswer, Vec<(String, i32)>) {
        assert_eq!(fetch.asked.len(), data.len());
        let topic = |(asked, data): (&Asked, _)| TopicData {
            topic: Arc::clone(&asked.key.topic),
            topic_id: Uuid(asked.fetch_info.topic_id),
            partitions: vec![data],
        };
        let mut topics = fetch.asked.iter().zip(data).map(topic).collect();
        let answer = self.manager.update_and_generate_response_data(fetch, &mut topics);
        let answered = topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|it| (topic.topic.to_string(), it.partition))
        });
        (answer, answered.collect())
    }

    /// Begins a session for partitions of the topic foo, each of which has a watermark of its own.
    fn begin(&self, request: &FetchRequest) -> i32 {
        let fetch = self.fetch(request);
        assert!(matches!(fetch.context, FetchContext::Full { .. }));
        let data = fetch.asked.iter().map(|it| data(it.key.partition, 10)).collect();
        let (answer, answered) = self.answer(&fetch, data);
        assert_eq!((answer.error, answered.len()), (Errors::None, fetch.asked.len()));
        answer.session_id
    }
}

fn limits(slots: usize, eviction_ms: i64) -> CacheLimits {
    CacheLimits { slots, partitions: 1_000_000, eviction_ms }
}

/// A partition as a request names it: its number, and the offset to read from.
fn partition(partition: i32, fetch_offset: i64) -> FetchPartition {
    FetchPartition { partition, fetch_offset, partition_max_bytes: 100, ..Default::default() }
}

fn topic(topic_id: [u8; 16], partitions: &[FetchPartition]) -> FetchTopic {
    FetchTopic { topic_id: Uuid(topic_id), partitions: partitions.to_vec(), ..Default::default() }
}

fn topic_named(topic: &str, partitions: &[FetchPartition]) -> FetchTopic {
    FetchTopic { topic: topic.into(), partitions: partitions.to_vec(), ..Default::default() }
}

fn forgotten(topic_id: [u8; 16], partitions: &[i32]) -> ForgottenTopic {
    let partitions = partitions.to_vec();
    ForgottenTopic { topic_id: Uuid(topic_id), partitions, ..Default::default() }
}

fn request(session_id: i32, session_epoch: i32, topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest { session_id, session_epoch, topics, ..FetchRequest::default() }
}

fn full(topics: Vec<FetchTopic>) -> FetchRequest {
    request(INVALID_SESSION_ID, INITIAL_EPOCH, topics)
}

fn from_follower(request: FetchRequest) -> FetchRequest {
    let replica_state = ReplicaState { replica_id: 1, replica_epoch: 1 };
    FetchRequest { replica_state, ..request }
}

/// An answer without messages.
fn data(partition: i32, high_watermark: i64) -> FetchResponsePartitionData {
    FetchResponsePartitionData {
        partition,
        error: Errors::None,
        high_watermark,
        last_stable_offset: high_watermark,
        log_start_offset: 0,
        diverging_epoch: None,
        preferred_read_replica: None,
        current_leader: None,
        messages: Box::new(ByteBufferMessageSet::empty()),
    }
}

fn messages(partition: i32, high_watermark: i64) -> FetchResponsePartitionData {
    let messages = Box::new(ByteBufferMessageSet::new(vec![0; 61]));
    FetchResponsePartitionData { messages, ..data(partition, high_watermark) }
}

fn failed(partition: i32, error: Errors) -> FetchResponsePartitionData {
    FetchResponsePartitionData { error, log_start_offset: -1, ..data(partition, -1) }
}

fn diverging(partition: i32, high_watermark: i64) -> FetchResponsePartitionData {
    let diverging_epoch = Some(EpochEndOffset { epoch: 3, end_offset: 90 });
    FetchResponsePartitionData { diverging_epoch, ..data(partition, high_watermark) }
}

/// The partitions that a fetch asks for, in its order; a topic whose name is not known is empty.
fn order(fetch: &Fetch) -> Vec<(&str, i32)> {
    fetch.asked.iter().map(|it| (&*it.key.topic, it.key.partition)).collect()
}

fn error_of(fetch: &Fetch) -> Option<Errors> {
    match fetch.context {
        FetchContext::SessionError(error) => Some(error),
        _ => None,
    }
}

/// A session of `size` partitions, straight in a cache.
fn create(cache: &FetchSessionCache, now_ms: i64, is_privileged: bool, size: usize) -> i32 {
    let partitions = || {
        let numbers = 0..i32::try_from(size).unwrap();
        let named = numbers.map(|number| partition(number, 0)).collect::<Vec<_>>();
        let asked = Sessions::new(1).fetch(&full(vec![topic(FOO, &named)])).asked;
        let mut partitions = CachedPartitions::default();
        asked.iter().for_each(|it| partitions.add_or_update(it));
        partitions
    };
    let new = NewSession { is_privileged, size, uses_topic_ids: true };
    cache.maybe_create_session(now_ms, new, partitions)
}

fn assert_contains(cache: &FetchSessionCache, metrics: &Metrics, ids: &[i32]) {
    for (index, id) in ids.iter().enumerate() {
        assert!(cache.get(*id).is_some(), "session {index} is missing");
    }
    assert_eq!(metrics.incremental_fetch_sessions.value(), ids.len() as u64);
}

/// Port of `FetchSessionTest.testNewSessionId`.
#[test]
fn the_id_of_a_session_is_positive() {
    let cache = FetchSessionCache::new(limits(10_000, 100), Arc::default());
    assert!((0..10_000).all(|_| create(&cache, 0, false, 0) > INVALID_SESSION_ID));
}

/// Port of `FetchSessionTest.testSessionCache`.
#[test]
fn a_session_takes_the_place_of_one_that_is_idle_smaller_or_a_consumers() {
    let metrics = Arc::new(Metrics::default());
    let cache = FetchSessionCache::new(limits(3, 100), Arc::clone(&metrics));
    let touch = |id: i32, now_ms| cache.touch(&cache.get(id).unwrap(), now_ms);
    let first = create(&cache, 0, false, 10);
    let second = create(&cache, 10, false, 20);
    let third = create(&cache, 20, false, 30);
    assert_eq!(create(&cache, 30, false, 40), INVALID_SESSION_ID);
    assert_eq!(create(&cache, 40, false, 5), INVALID_SESSION_ID);
    assert_contains(&cache, &metrics, &[first, second, third]);
    touch(first, 200);
    let fourth = create(&cache, 210, false, 11);
    assert_contains(&cache, &metrics, &[first, third, fourth]);
    touch(first, 400);
    touch(third, 390);
    touch(fourth, 400);
    let fifth = create(&cache, 410, false, 50);
    assert_contains(&cache, &metrics, &[third, fourth, fifth]);
    assert_eq!(create(&cache, 410, false, 5), INVALID_SESSION_ID);
    let sixth = create(&cache, 410, true, 5);
    assert_contains(&cache, &metrics, &[third, fifth, sixth]);
}

/// Port of `FetchSessionTest.testResizeCachedSessions`.
#[test]
fn the_partitions_of_all_sessions_are_counted_as_they_come_and_go() {
    let metrics = Arc::new(Metrics::default());
    let cache = FetchSessionCache::new(limits(2, 100), Arc::clone(&metrics));
    let counts = || {
        let (sessions, evictions) =
            (&metrics.incremental_fetch_sessions, &metrics.incremental_fetch_session_evictions);
        let partitions = metrics.incremental_fetch_partitions_cached.value();
        (sessions.value(), partitions, evictions.value())
    };
    assert_eq!(counts(), (0, 0, 0));
    let first = create(&cache, 0, false, 2);
    assert_eq!(counts(), (1, 2, 0));
    let second = create(&cache, 0, false, 4);
    assert_eq!(counts(), (2, 6, 0));
    for id in [first, second] {
        cache.touch(&cache.get(id).unwrap(), 200);
    }
    let third = create(&cache, 200, false, 5);
    assert_contains(&cache, &metrics, &[second, third]);
    assert_eq!(counts(), (2, 9, 1));
    cache.remove(third);
    assert_eq!(counts(), (1, 4, 1));
}

/// Not in Kafka, whose sessions may have as many partitions as a request has room for.
#[test]
fn a_session_that_has_no_room_in_memory_is_not_made_and_one_that_outgrows_it_ends() {
    let metrics = Arc::new(Metrics::default());
    let limits = CacheLimits { partitions: 10, ..limits(100, 1_000) };
    let cache = FetchSessionCache::new(limits, Arc::clone(&metrics));
    let first = create(&cache, 0, false, 6);
    assert_eq!(create(&cache, 0, false, 5), INVALID_SESSION_ID);
    let second = create(&cache, 0, false, 4);
    assert_contains(&cache, &metrics, &[first, second]);
    assert_eq!(create(&cache, 0, true, 1), INVALID_SESSION_ID);
    // Idle ones give way.
    let third = create(&cache, 1_001, false, 10);
    assert_contains(&cache, &metrics, &[third]);

    let sessions = Sessions::new(10);
    let many = |count| (0..count).map(|number| partition(number, 0)).collect::<Vec<_>>();
    let id = sessions.begin(&full(vec![topic(FOO, &many(1))]));
    let grown = sessions.fetch(&request(id, 1, vec![topic(BAR, &many(20_000))]));
    assert_eq!(grown.asked.len(), 20_001);
    assert_eq!((sessions.count(), sessions.has(id)), (0, false));
    assert_eq!(sessions.begin(&full(vec![topic(BAR, &many(20_001))])), INVALID_SESSION_ID);
}

/// Port of `FetchSessionTest.testCachedLeaderEpoch` and of `FetchSessionTest.testLastFetchedEpoch`.
#[test]
fn a_session_keeps_what_was_asked_for_until_it_is_asked_for_otherwise() {
    let sessions = Sessions::new(10);
    let epochs = |number, offset, current, last| FetchPartition {
        current_leader_epoch: current,
        last_fetched_epoch: last,
        ..partition(number, offset)
    };
    let asked_for = |fetch: &Fetch| {
        let epochs =
            |it: &Asked| (it.fetch_info.current_leader_epoch.0, it.fetch_info.last_fetched_epoch.0);
        fetch.asked.iter().map(epochs).collect::<Vec<_>>()
    };
    let id = sessions.begin(&full(vec![
        topic(FOO, &[epochs(0, 0, -1, -1), epochs(1, 10, 1, -1)]),
        topic(BAR, &[epochs(1, 10, 2, 1)]),
    ]));
    let same = sessions.fetch(&request(id, 1, Vec::new()));
    assert_eq!(asked_for(&same), [(-1, -1), (1, -1), (2, 1)]);
    let changed = sessions.fetch(&request(
        id,
        2,
        vec![
            topic(FOO, &[epochs(0, 0, 6, 5), epochs(1, 10, -1, -1)]),
            topic(BAR, &[epochs(1, 10, 3, 3)]),
        ],
    ));
    assert_eq!(asked_for(&changed), [(6, 5), (-1, -1), (3, 3)]);
    assert_eq!(changed.asked[0].fetch_info.current_leader_epoch, LeaderEpoch(6));
}

/// Port of `FetchSessionTest.testFetchRequests`.
#[test]
fn a_fetch_is_what_its_session_and_its_epoch_say() {
    let sessions = Sessions::new(10);
    let sessionless = sessions.fetch(&request(INVALID_SESSION_ID, FINAL_EPOCH, Vec::new()));
    assert!(matches!(sessionless.context, FetchContext::Sessionless));
    let id = sessions.begin(&full(vec![topic(FOO, &[partition(0, 0), partition(1, 10)])]));
    assert_ne!(id, INVALID_SESSION_ID);

    let wrong_epoch = sessions.fetch(&request(id, 5, Vec::new()));
    assert_eq!(error_of(&wrong_epoch), Some(Errors::InvalidFetchSessionEpoch));
    let no_session = sessions.fetch(&request(id ^ 1, 1, Vec::new()));
    assert_eq!(error_of(&no_session), Some(Errors::FetchSessionIdNotFound));
    let (answer, answered) = sessions.answer(&no_session, Vec::new());
    assert_eq!((answer.error, answer.session_id), (Errors::FetchSessionIdNotFound, 0));
    assert!(answered.is_empty());

    let incremental = sessions.fetch(&request(id, 1, Vec::new()));
    assert_eq!(order(&incremental), [("foo", 0), ("foo", 1)]);
    assert_eq!(incremental.asked[1].fetch_info.offset.0, 10);
    let (answer, answered) = sessions.answer(&incremental, vec![data(0, 10), data(1, 10)]);
    assert_eq!((answer.error, answer.session_id), (Errors::None, id));
    assert!(answered.is_empty(), "there is no news");

    let closed = sessions.fetch(&request(id, FINAL_EPOCH, vec![topic(BAR, &[partition(0, 0)])]));
    assert!(matches!(closed.context, FetchContext::Sessionless));
    assert_eq!(sessions.count(), 0);
    let (answer, answered) = sessions.answer(&closed, vec![data(0, 100)]);
    assert_eq!((answer.session_id, answered.len()), (INVALID_SESSION_ID, 1));
}

/// Port of `FetchSessionTest.testIncrementalFetchSession`.
#[test]
fn partitions_enter_a_session_and_leave_it() {
    for version in [NEWEST_BY_NAME, NEWEST] {
        let sessions = Sessions::new(10);
        let topic = |id, name, partitions: &[_]| match version {
            NEWEST => topic(id, partitions),
            _ => topic_named(name, partitions),
        };
        let foo = topic(FOO, "foo", &[partition(0, 0), partition(1, 10)]);
        let begun = sessions.manager.new_context(version, &full(vec![foo]));
        let (answer, _) = sessions.answer(&begun, vec![data(0, 100), data(1, 10)]);
        let foo_0 = ForgottenTopic { topic: "foo".into(), ..forgotten(FOO, &[0]) };
        let next = FetchRequest {
            forgotten_topics: vec![match version {
                NEWEST => foo_0,
                _ => ForgottenTopic { topic_id: Uuid::ZERO, ..foo_0 },
            }],
            ..request(answer.session_id, 1, vec![topic(BAR, "bar", &[partition(0, 15)])])
        };
        let fetch = sessions.manager.new_context(version, &next);
        assert_eq!(order(&fetch), [("foo", 1), ("bar", 0)]);
        let offsets = fetch.asked.iter().map(|it| it.fetch_info.offset.0);
        assert_eq!(offsets.collect::<Vec<_>>(), [10, 15]);
        let (_, answered) = sessions.answer(&fetch, vec![data(1, 10), data(0, 10)]);
        assert_eq!(answered, [("bar".to_string(), 0)], "version {version}");
    }
}

/// Port of `FetchSessionTest.testFetchSessionWithUnknownIdOldRequestVersion`.
#[test]
fn a_fetch_by_names_needs_no_id() {
    let sessions = Sessions::new(10);
    sessions.names.are(&[(BAR, "bar")]);
    let named = full(vec![topic_named("foo", &[partition(0, 0), partition(1, 10)])]);
    let fetch = sessions.manager.new_context(NEWEST_BY_NAME, &named);
    assert_eq!(order(&fetch), [("foo", 0), ("foo", 1)]);
    assert!(fetch.asked.iter().all(|it| it.refusal.is_none()));
}

/// Port of `FetchSessionTest.testFetchSessionWithUnknownId` and of
/// `FetchSessionTest.testResolveUnknownPartitions`.
#[test]
fn an_id_that_is_not_known_is_refused_until_it_has_a_name_and_keeps_that() {
    let sessions = Sessions::new(10);
    sessions.names.are(&[]);
    let all = [FOO, BAR, ZAR].map(|id| topic(id, &[partition(0, 0)])).to_vec();
    let fetch = sessions.fetch(&full(all));
    assert_eq!(order(&fetch), [("", 0), ("", 0), ("", 0)]);
    assert!(fetch.asked.iter().all(|it| it.refusal == Some(Errors::UnknownTopicId)));
    let unknown = || failed(0, Errors::UnknownTopicId);
    let (answer, answered) = sessions.answer(&fetch, vec![unknown(), unknown(), unknown()]);
    assert_eq!(answered.len(), 3);
    let id = answer.session_id;

    sessions.names.are(&[(FOO, "foo")]);
    let fetch = sessions.fetch(&request(id, 1, Vec::new()));
    assert_eq!(order(&fetch), [("foo", 0), ("", 0), ("", 0)]);
    let (_, answered) = sessions.answer(&fetch, vec![data(0, 100), unknown(), unknown()]);
    assert_eq!(answered.len(), 3, "errors are news each time");

    sessions.names.are(&[(FOO, "foo"), (BAR, "bar")]);
    let named = vec![topic(BAR, &[partition(0, 0)])];
    let fetch = sessions.fetch(&request(id, 2, named));
    assert_eq!(order(&fetch), [("foo", 0), ("bar", 0), ("", 0)]);

    sessions.names.are(&[(FOO, "foo"), (BAR, "bar"), (ZAR, "zar")]);
    let known = [("foo", 0), ("bar", 0), ("zar", 0)];
    assert_eq!(order(&sessions.fetch(&request(id, 3, Vec::new()))), known);
    // The topics are deleted, or have new ids; their logs will tell.
    sessions.names.are(&[([9; 16], "foo")]);
    assert_eq!(order(&sessions.fetch(&request(id, 4, Vec::new()))), known);
}

/// Port of `FetchSessionTest.testIncrementalFetchSessionWithIdsWhenSessionDoesNotUseIds` and of
/// `FetchSessionTest.testIncrementalFetchSessionWithoutIdsWhenSessionUsesIds`.
#[test]
fn a_session_goes_by_ids_or_by_names_to_its_end() {
    let sessions = Sessions::new(10);
    let named = full(vec![topic_named("foo", &[partition(0, 0)])]);
    for (first, second) in [(NEWEST_BY_NAME, NEWEST), (NEWEST, NEWEST_BY_NAME)] {
        let begun = sessions.manager.new_context(first, &named);
        let (answer, _) = sessions.answer(&begun, vec![data(0, 100)]);
        let next = request(answer.session_id, 1, Vec::new());
        let refused = sessions.manager.new_context(second, &next);
        assert_eq!(error_of(&refused), Some(Errors::FetchSessionTopicIdError));
        assert_eq!(error_of(&sessions.manager.new_context(first, &next)), None);
    }
}

/// Port of `FetchSessionTest.testToForgetPartitions` and of `FetchSessionTest.testZeroSizeFetchSession`.
#[test]
fn a_session_that_has_forgotten_its_last_partition_ends() {
    let (known, unknown) = (&[(FOO, "foo")][..], &[][..]);
    for (at_first, in_the_end) in
        [(known, known), (known, unknown), (unknown, known), (unknown, unknown)]
    {
        let sessions = Sessions::new(10);
        sessions.names.are(at_first);
        let both = [FOO, BAR].map(|id| topic(id, &[partition(0, 0)])).to_vec();
        let id = sessions.begin(&full(both));
        sessions.names.are(in_the_end);
        let forget = |epoch, topic_id| FetchRequest {
            forgotten_topics: vec![forgotten(topic_id, &[0])],
            ..request(id, epoch, Vec::new())
        };
        let fetch = sessions.fetch(&forget(1, FOO));
        assert_eq!(order(&fetch), [("", 0)]);
        let last = sessions.fetch(&forget(2, BAR));
        assert!(matches!(last.context, FetchContext::Sessionless));
        assert!(last.asked.is_empty());
        let (answer, answered) = sessions.answer(&last, Vec::new());
        assert_eq!((answer.session_id, answered.len()), (INVALID_SESSION_ID, 0));
        assert_eq!(sessions.count(), 0);
    }
}

/// Port of `FetchSessionTest.testUpdateAndGenerateResponseData` and of
/// `FetchSessionTest.testFetchSessionUpdateTopicIdsBrokerSide`.
#[test]
fn an_error_is_news_each_time_and_so_is_its_end() {
    let sessions = Sessions::new(10);
    let id = sessions.begin(&full(vec![topic(FOO, &[partition(0, 0)])]));
    for epoch in 1..3 {
        let fetch = sessions.fetch(&request(id, epoch, Vec::new()));
        let wrong = vec![failed(0, Errors::InconsistentTopicId)];
        assert_eq!(sessions.answer(&fetch, wrong).1.len(), 1);
    }
    let again = sessions.fetch(&request(id, 2, Vec::new()));
    assert_eq!(error_of(&again), Some(Errors::InvalidFetchSessionEpoch));
    assert!(sessions.answer(&again, Vec::new()).1.is_empty());
    // As it was before the error: the client has been told otherwise since.
    let fetch = sessions.fetch(&request(id, 3, Vec::new()));
    assert_eq!(sessions.answer(&fetch, vec![data(0, 10)]).1.len(), 1);
    let fetch = sessions.fetch(&request(id, 4, Vec::new()));
    assert!(sessions.answer(&fetch, vec![data(0, 10)]).1.is_empty());
}

/// Port of `FetchSessionTest.testFetchSessionExpiration`.
#[test]
fn the_session_that_is_idle_longest_gives_way() {
    let sessions = Sessions::new(2);
    let foo = full(vec![topic(FOO, &[partition(0, 0), partition(1, 10)])]);
    let first = sessions.begin(&foo);
    sessions.time.sleep(500);
    let second = sessions.begin(&foo);
    sessions.time.sleep(500);
    sessions.fetch(&request(first, 1, Vec::new()));
    sessions.time.sleep(501);
    let third = sessions.begin(&foo);
    assert_eq!([first, second, third].map(|id| sessions.has(id)), [true, false, true]);
}

/// Port of `FetchSessionTest.testPrivilegedSessionHandling`.
#[test]
fn a_followers_session_takes_the_place_of_a_consumers_and_of_an_idle_one() {
    let sessions = Sessions::new(2);
    let foo = || full(vec![topic(FOO, &[partition(0, 0), partition(1, 10)])]);
    let first = sessions.begin(&from_follower(foo()));
    sessions.time.sleep(500);
    let second = sessions.begin(&foo());
    sessions.time.sleep(500);
    let third = sessions.begin(&from_follower(foo()));
    assert_eq!([first, second, third].map(|id| sessions.has(id)), [true, false, true]);
    sessions.time.sleep(501);
    let fourth = sessions.begin(&from_follower(foo()));
    assert_eq!([first, third, fourth].map(|id| sessions.has(id)), [false, true, true]);
    assert_eq!(sessions.count(), 2);
}

/// Port of `FetchSessionTest.testDivergingEpoch`.
#[test]
fn logs_that_part_are_news_each_time() {
    let sessions = Sessions::new(10);
    let asked = full(vec![topic(FOO, &[partition(1, 100)]), topic(BAR, &[partition(2, 100)])]);
    let fetch = sessions.fetch(&asked);
    let (answer, answered) = sessions.answer(&fetch, vec![data(1, 105), diverging(2, 105)]);
    assert_eq!(answered.len(), 2);
    let fetch = sessions.fetch(&request(answer.session_id, 1, Vec::new()));
    let (foo, bar) = (("foo".to_string(), 1), ("bar".to_string(), 2));
    let answered_of = |foo, bar| sessions.answer(&fetch, vec![foo, bar]).1;
    assert_eq!(answered_of(data(1, 105), diverging(2, 105)), std::slice::from_ref(&bar));
    assert_eq!(answered_of(diverging(1, 105), diverging(2, 105)), [foo.clone(), bar.clone()]);
    assert_eq!(answered_of(data(1, 110), diverging(2, 105)), [foo, bar]);
}

/// Port of `FetchSessionTest.testDeprioritizesPartitionsWithRecordsOnly`.
#[test]
fn a_partition_goes_behind_the_others_with_its_messages_and_by_nothing_else() {
    let sessions = Sessions::new(10);
    let all = [FOO, BAR, ZAR].map(|id| topic(id, &[partition(1, 100)])).to_vec();
    let id = sessions.begin(&full(all.clone()));
    let fetch = sessions.fetch(&request(id, 1, all));
    assert_eq!(order(&fetch), [("foo", 1), ("bar", 1), ("zar", 1)]);
    let (_, answered) = sessions.answer(&fetch, vec![data(1, 60), messages(1, 60), data(1, 10)]);
    assert_eq!(answered, [("foo".to_string(), 1), ("bar".to_string(), 1)]);
    let next = sessions.fetch(&request(id, 2, Vec::new()));
    assert_eq!(order(&next), [("foo", 1), ("zar", 1), ("bar", 1)]);
}

/// Port of `FetchSessionTest.testCachedPartitionEqualsAndHashCode`.
#[test]
fn a_partition_is_found_by_its_id_whatever_its_name_and_without_one_by_that() {
    let sessions = Sessions::new(10);
    let asked =
        |version, topic| sessions.manager.new_context(version, &full(vec![topic])).asked.remove(0);
    let mut partitions = CachedPartitions::default();
    let by_id = asked(NEWEST, topic(FOO, &[partition(0, 0)]));
    partitions.add_or_update(&by_id);
    sessions.names.are(&[]);
    let without_name = asked(NEWEST, topic(FOO, &[partition(0, 0)]));
    assert_eq!(partitions.place_of(&without_name), partitions.place_of(&by_id));
    let by_name = asked(NEWEST_BY_NAME, topic_named("foo", &[partition(0, 0)]));
    assert_eq!(partitions.place_of(&by_name), None);
    assert_eq!(partitions.place_of(&asked(NEWEST, topic(BAR, &[partition(0, 0)]))), None);
    assert_eq!(partitions.place_of(&asked(NEWEST, topic(FOO, &[partition(1, 0)]))), None);
    partitions.add_or_update(&by_name);
    let other = asked(NEWEST_BY_NAME, topic_named("otherTopic", &[partition(0, 0)]));
    assert_eq!((partitions.place_of(&other), partitions.len()), (None, 2));
}

/// Two fetches that were sent at one time cannot both be answered from one session.
#[test]
fn a_fetch_whose_session_went_on_without_it_is_told_so() {
    let sessions = Sessions::new(10);
    let id = sessions.begin(&full(vec![topic(FOO, &[partition(0, 0)])]));
    let late = sessions.fetch(&request(id, 1, Vec::new()));
    let next = sessions.fetch(&request(id, 2, Vec::new()));
    let (answer, answered) = sessions.answer(&late, vec![messages(0, 20)]);
    assert_eq!((answer.error, answer.session_id), (Errors::InvalidFetchSessionEpoch, id));
    assert!(answered.is_empty());
    assert_eq!(sessions.answer(&next, vec![messages(0, 20)]).1.len(), 1);
}

/// The names of topics have an end; what a client made up has none.
#[test]
fn a_name_that_no_topic_can_have_enters_no_session() {
    let sessions = Sessions::new(10);
    let endless = || vec![topic_named(&"x".repeat(250), &[partition(0, 0)])];
    let fetch = sessions.manager.new_context(NEWEST_BY_NAME, &full(endless()));
    assert!(matches!(fetch.context, FetchContext::Sessionless));
    let foo = full(vec![topic_named("foo", &[partition(0, 0)])]);
    let begun = sessions.manager.new_context(NEWEST_BY_NAME, &foo);
    let (answer, _) = sessions.answer(&begun, vec![data(0, 10)]);
    let next = request(answer.session_id, 1, endless());
    let refused = sessions.manager.new_context(NEWEST_BY_NAME, &next);
    assert_eq!(error_of(&refused), Some(Errors::FetchSessionIdNotFound));
    assert_eq!(sessions.count(), 0);
}

/// What a Processor looks at may have to be asked for again by a handler.
#[test]
fn a_look_ahead_changes_nothing_until_the_fetch_goes_on() {
    let sessions = Sessions::new(10);
    let id = sessions.begin(&full(vec![topic(FOO, &[partition(0, 0), partition(1, 0)])]));
    let named = request(id, 1, vec![topic(FOO, &[partition(1, 7)])]);
    let look = || sessions.manager.look_ahead(NEWEST, &named).unwrap();
    let offsets =
        |fetch: &Fetch| fetch.asked.iter().map(|it| it.fetch_info.offset.0).collect::<Vec<_>>();
    assert_eq!((offsets(&look()), offsets(&look())), (vec![0, 7], vec![0, 7]));
    let fetch = look();
    assert!(sessions.manager.go_on(NEWEST, &named, &fetch));
    assert!(!sessions.manager.go_on(NEWEST, &named, &look_of_the_next(&sessions, id)));
    assert_eq!(sessions.answer(&fetch, vec![data(0, 10), messages(1, 10)]).1.len(), 1);
    let next = sessions.fetch(&request(id, 2, Vec::new()));
    assert_eq!((offsets(&next), order(&next)), (vec![0, 7], vec![("foo", 0), ("foo", 1)]));

    let comes = request(id, 3, vec![topic(BAR, &[partition(0, 0)])]);
    let goes =
        FetchRequest { forgotten_topics: vec![forgotten(FOO, &[0])], ..request(id, 3, Vec::new()) };
    let late = request(id, 2, Vec::new());
    let ends = request(id, FINAL_EPOCH, Vec::new());
    for handled_elsewhere in [comes, goes, late, ends] {
        assert!(sessions.manager.look_ahead(NEWEST, &handled_elsewhere).is_none());
    }
}

fn look_of_the_next(sessions: &Sessions, id: i32) -> Fetch {
    sessions.manager.look_ahead(NEWEST, &request(id, 2, Vec::new())).unwrap()
}
