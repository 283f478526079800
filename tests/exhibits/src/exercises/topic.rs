//! What exercises store and fetch.

use bench::outcome::{Outcome, failed};
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::records::batch;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::RequestBody;

pub(crate) const TOPIC: &str = "post";
/// The records of `support` are of 1970, older than the default retention.
pub(crate) const FOR_EVER: (&str, &str) = ("retention.ms", "-1");

/// Creates the topic and stores so many batches of so many records in it.
pub(crate) fn fill(
    client: &mut Client,
    batches: usize,
    records: usize,
    value_bytes: usize,
) -> Outcome<()> {
    client.create_topic_with(TOPIC, &[FOR_EVER]);
    let values = vec![vec![b'x'; value_bytes]; records];
    for _ in 0..batches {
        append(client, &batch(&values))?;
    }
    Ok(())
}

/// Stores one batch.
pub(crate) fn append(client: &mut Client, batch: &[u8]) -> Outcome<()> {
    match client.produce(TOPIC, 0, batch).error_code {
        0 => Ok(()),
        code => failed(format!("the broker does not store a batch: error {code}")),
    }
}

/// A fetch of the topic that waits so long for a byte.
pub(crate) fn patient_fetch(offset: i64, max_wait_ms: i32) -> RequestBody {
    RequestBody::Fetch(FetchRequest { max_wait_ms, ..fetch_request(TOPIC, 0, offset) })
}

/// A fetch of the topic from `offset` on, of at most so many bytes.
pub(crate) fn fetch_of(offset: i64, max_bytes: i32) -> FetchRequest {
    let mut request = fetch_request(TOPIC, 0, offset);
    for partition in request.topics.iter_mut().flat_map(|it| &mut it.partitions) {
        partition.partition_max_bytes = max_bytes;
    }
    request
}

/// Fetches in the newest version, and returns the bytes of the messages and the request's id.
pub(crate) fn fetch(client: &mut Client, request: FetchRequest) -> (Vec<u8>, i32) {
    let header = client.send(NEWEST_FETCH, &RequestBody::Fetch(request), &[]);
    let fetched = client.receive_fetch(&header).remove(0);
    (fetched.records, header.correlation_id)
}

/// Once this is answered, all that the connection has asked before is over, and counted.
pub(crate) fn let_it_end(client: &mut Client) {
    client.metadata(1, Some(&[]));
}
