//! Requests that are sent before the first is answered.

use std::io::Write;

use bench::outcome::{Outcome, failed};
use support::client::{Client, NEWEST_FETCH};
use transferto::protocol::header::RequestHeader;
use transferto::protocol::request::{RequestBody, request_bytes};

/// Above all that the other requests of an exercise have.
pub(crate) const FIRST_ID: i32 = 101;

/// Sends the fetches in one write, with the ids [`FIRST_ID`] and those that follow.
pub(crate) fn send_at_once(client: &mut Client, fetches: &[RequestBody]) -> Outcome<()> {
    let mut bytes = Vec::new();
    for (correlation_id, body) in (FIRST_ID..).zip(fetches) {
        let header = RequestHeader {
            api_key: body.api_key(),
            api_version: NEWEST_FETCH,
            correlation_id,
            client_id: Some("pipeline".to_string()),
        };
        let request = request_bytes(&header, body, &[]);
        bytes.extend(u32::try_from(request.len())?.to_be_bytes());
        bytes.extend(request);
    }
    Ok(client.stream.write_all(&bytes)?)
}

/// The ids of so many responses, in the order in which they come.
pub(crate) fn receive_ids(client: &mut Client, count: usize) -> Outcome<Vec<i32>> {
    let id = |frame: Vec<u8>| match frame.first_chunk() {
        Some(id) => Ok(i32::from_be_bytes(*id)),
        None => failed("a response has no id"),
    };
    (0..count).map(|_| id(client.receive_frame())).collect()
}
