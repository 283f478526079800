//! Port of `kafka.server.MockNodeToControllerChannelManager`: a way to the controller on which nothing moves but
//! by the test's hand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use transferto::clients::node_api_versions::NodeApiVersions;
use transferto::protocol::client_request::ClientRequest;
use transferto::protocol::wire::types::{Reader, Version, WireType, Writer};
use transferto::server::cluster::controller_channel::{
    ControllerCallback, ControllerChannel, ControllerError, ControllerRequest, ControllerResponse,
};

#[derive(Default)]
pub(crate) struct MockControllerChannel {
    sent: Mutex<VecDeque<Sent>>,
    versions: Mutex<Option<Arc<NodeApiVersions>>>,
}

/// A request that waits for the test to end it.
pub(crate) struct Sent {
    pub(crate) request: ControllerRequest,
    callback: ControllerCallback,
}

impl MockControllerChannel {
    /// As the channel that the code under test has, and the same for the test.
    pub(crate) fn new() -> (Arc<Self>, Arc<dyn ControllerChannel>) {
        let channel = Arc::new(Self::default());
        (Arc::clone(&channel), channel)
    }

    /// Connects it to a controller with these APIs: key, lowest and highest version.
    pub(crate) fn connect(&self, apis: &[(i16, i16, i16)]) {
        let versions = NodeApiVersions::new(apis.to_vec(), Vec::new());
        *self.versions.lock().unwrap() = Some(Arc::new(versions));
    }

    /// As [`connect`](Self::connect), to one that has no APIs and whose cluster has agreed on these.
    pub(crate) fn connect_with_features(&self, finalized: &[(&str, i16)]) {
        let mut versions = NodeApiVersions::default();
        versions.finalized_features =
            finalized.iter().map(|(name, level)| ((*name).to_string(), *level)).collect();
        *self.versions.lock().unwrap() = Some(Arc::new(versions));
    }

    pub(crate) fn disconnect(&self) {
        *self.versions.lock().unwrap() = None;
    }

    /// The first request that was sent and is not taken yet.
    pub(crate) fn take(&self) -> Sent {
        self.sent.lock().unwrap().pop_front().expect("something was sent")
    }

    pub(crate) fn sent_count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }
}

impl ControllerChannel for MockControllerChannel {
    fn send(&self, request: ControllerRequest, callback: ControllerCallback) {
        self.sent.lock().unwrap().push_back(Sent { request, callback });
    }

    fn controller_api_versions(&self) -> Option<Arc<NodeApiVersions>> {
        self.versions.lock().unwrap().clone()
    }
}

impl Sent {
    /// The request, as a controller reads it in the newest version of the sender.
    pub(crate) fn body<R: ClientRequest>(&self) -> R {
        assert_eq!(self.request.api_key, R::API_KEY);
        let version = *self.request.versions.end();
        let bytes = (self.request.body)(version);
        Reader::new(&bytes).read(version_of::<R>(version), R::NAME).unwrap()
    }

    /// Answers it.
    pub(crate) fn respond<R: ClientRequest>(self, response: &R::Response) {
        let version = *self.request.versions.end();
        let mut writer = Writer::new();
        response.write(&mut writer, version_of::<R>(version));
        let body = writer.into_bytes();
        (self.callback)(Ok(ControllerResponse { version, body: &body }));
    }

    /// Ends it without an answer.
    pub(crate) fn fail(self, error: ControllerError) {
        (self.callback)(Err(error));
    }
}

fn version_of<R: ClientRequest>(number: i16) -> Version {
    Version { number, is_flexible: number >= R::FIRST_FLEXIBLE_VERSION }
}
