//! Port of `org.apache.kafka.raft.KafkaNetworkChannel`: the connection of an observer to one controller, and
//! the versions that both have.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::clients::api_versions_exchange::api_versions;
use crate::clients::blocking_channel::{BlockingChannel, Response};
use crate::clients::client_channel_builder::ClientChannelBuilder;
use crate::clients::interrupter::Interrupter;
use crate::clients::node_api_versions::NodeApiVersions;
use crate::config::quorum_config::BootstrapServer;
use crate::protocol::client_request::ClientRequest;
use crate::protocol::fetch::FetchRequest;
use crate::protocol::fetch_snapshot::FetchSnapshotRequest;
use crate::raft::quorum::LeaderAndEpoch;

/// From the version of the first quorums on, up to the last that changes anything for an observer.
const FETCH_VERSIONS: RangeInclusive<i16> = 12..=17;
const FETCH_SNAPSHOT_VERSIONS: RangeInclusive<i16> = 0..=1;

/// Closed when it is dropped.
#[derive(Debug)]
pub struct ControllerConnection {
    pub address: BootstrapServer,
    /// Whose leader it has shown itself to be; the default is nobody's.
    pub is_of: LeaderAndEpoch,
    channel: BlockingChannel,
    fetch_version: i16,
    fetch_snapshot_version: i16,
    request_timeout: Duration,
}

impl ControllerConnection {
    /// Connects, and asks for the versions.
    ///
    /// # Errors
    /// As [`BlockingChannel::connect`] and [`api_versions`]; if it is no controller, or one of a version
    /// that has nothing in common.
    pub fn open(
        builder: &dyn ClientChannelBuilder,
        address: BootstrapServer,
        client_id: &str,
        request_timeout: Duration,
        interrupter: &Arc<Interrupter>,
    ) -> io::Result<Self> {
        let at = (address.host.as_str(), address.port);
        let mut channel =
            BlockingChannel::connect(builder, at, client_id, request_timeout, interrupter)?;
        let theirs = NodeApiVersions::of(api_versions(&mut channel, request_timeout)?);
        Ok(Self {
            is_of: LeaderAndEpoch::default(),
            fetch_version: usable_version::<FetchRequest>(&theirs, &FETCH_VERSIONS)?,
            fetch_snapshot_version: usable_version::<FetchSnapshotRequest>(
                &theirs,
                &FETCH_SNAPSHOT_VERSIONS,
            )?,
            channel,
            address,
            request_timeout,
        })
    }

    /// # Errors
    /// As [`BlockingChannel::call`].
    pub fn fetch(&mut self, request: &FetchRequest) -> io::Result<ResponseTo<FetchRequest>> {
        self.channel.call(request, self.fetch_version, self.request_timeout)
    }

    /// # Errors
    /// As [`BlockingChannel::call`].
    pub fn fetch_snapshot(
        &mut self,
        request: &FetchSnapshotRequest,
    ) -> io::Result<ResponseTo<FetchSnapshotRequest>> {
        self.channel.call(request, self.fetch_snapshot_version, self.request_timeout)
    }
}

type ResponseTo<R> = Response<<R as ClientRequest>::Response>;

/// As [`NodeApiVersions::usable_version`].
fn usable_version<R: ClientRequest>(
    theirs: &NodeApiVersions,
    ours: &RangeInclusive<i16>,
) -> io::Result<i16> {
    theirs.usable_version::<R>(ours).map_err(|error| {
        let advice = "the address of a controller's listener is needed, of Kafka 3.3 or later";
        io::Error::new(error.kind(), format!("{error}: {advice}"))
    })
}
