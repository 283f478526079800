//! A broker's way to the controller, on which requests and answers may be lost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use transferto::clients::node_api_versions::NodeApiVersions;
use transferto::protocol::alter_partition::{AlterPartitionRequest, AlterPartitionResponse};
use transferto::protocol::client_request::ClientRequest;
use transferto::protocol::wire::types::{Reader, Version, WireType, Writer};
use transferto::server::cluster::controller_channel::{
    ControllerCallback, ControllerChannel, ControllerRequest, ControllerResponse,
};

/// The version of all that goes this way.
const VERSION: i16 = 3;

/// As `NodeToControllerRequestThread` it has one request under way, and sends it again until it is answered.
#[derive(Default)]
pub(crate) struct SimulatedChannel {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    requests: VecDeque<(Vec<u8>, ControllerCallback)>,
    /// Of the first request.
    attempt: Option<u64>,
}

impl SimulatedChannel {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The first request, if it is not under way; from now on it is.
    pub(crate) fn begin(&self, attempt: u64) -> Option<Vec<u8>> {
        let mut queue = self.queue.lock().unwrap();
        if queue.attempt.is_some() {
            return None;
        }
        let body = queue.requests.front()?.0.clone();
        queue.attempt = Some(attempt);
        Some(body)
    }

    /// The connection is lost, if this is what it waits for.
    pub(crate) fn lose(&self, attempt: Option<u64>) {
        let mut queue = self.queue.lock().unwrap();
        if attempt.is_none() || queue.attempt == attempt {
            queue.attempt = None;
        }
    }

    /// An answer has come. One that is not waited for any more is not looked at.
    pub(crate) fn complete(&self, attempt: u64, body: &[u8]) {
        let mut queue = self.queue.lock().unwrap();
        if queue.attempt != Some(attempt) {
            return;
        }
        queue.attempt = None;
        let (_, callback) = queue.requests.pop_front().unwrap();
        drop(queue);
        callback(Ok(ControllerResponse { version: VERSION, body }));
    }
}

impl ControllerChannel for SimulatedChannel {
    fn send(&self, request: ControllerRequest, callback: ControllerCallback) {
        let body = (request.body)(VERSION);
        self.queue.lock().unwrap().requests.push_back((body, callback));
    }

    fn controller_api_versions(&self) -> Option<Arc<NodeApiVersions>> {
        None
    }
}

/// A request as the controller reads it.
pub(crate) fn read_request(body: &[u8]) -> AlterPartitionRequest {
    Reader::new(body).read(version(), AlterPartitionRequest::NAME).unwrap()
}

pub(crate) fn response_body(response: &AlterPartitionResponse) -> Vec<u8> {
    let mut writer = Writer::new();
    response.write(&mut writer, version());
    writer.into_bytes()
}

fn version() -> Version {
    Version { number: VERSION, is_flexible: true }
}
