//! What the page that shows the path at work says of the cluster of its broker, as JSON: the brokers, and the
//! replicas that this one has.
//!
//! The list of replicas is cut, with those first that an operator has to look at, and stands beside the whole
//! counts.

use crate::common::json::Json;
use crate::common::topic_partition::TopicAndPartition;
use crate::image::cluster_image::BrokerRegistration;
use crate::image::topic_image::NO_LEADER;
use crate::raft::quorum::ControllerNode;
use crate::replica::fetcher::copying::Copying;
use crate::replica::isr_state::IsrState;
use crate::replica::partition_snapshot::{FollowerSnapshot, PartitionSnapshot};
use crate::server::cluster::broker_lifecycle::LifecycleState;
use crate::server::cluster::cluster_view::ClusterView;
use crate::server::monitoring::observed::ObservedParts;
use crate::server::monitoring::replica_rows::{Concern, ReplicaRow, ReplicaRows};

const BROKERS_MAX: usize = 50;
const REPLICAS_MAX: usize = 100;

pub(super) fn put_cluster(json: &mut Json, cluster: &ClusterView, parts: &ObservedParts) {
    let image = cluster.image();
    let own_id = parts.metadata_cache.broker_id();
    let brokers: Vec<_> = image.cluster.iter().collect();
    json.object(|it| {
        it.field("id").string(parts.metadata_cache.cluster_id());
        it.field("broker_id").number(own_id);
        put_controller(it.field("controller"), cluster.active_controller());
        it.field("quorum_epoch").number(cluster.leader_and_epoch().epoch);
        it.field("metadata_version").number(image.features.metadata_version());
        put_nullable(it.field("broker_epoch"), cluster.broker_epoch());
        it.field("state").string(word_for(cluster.lifecycle_state()));
        it.field("applied_offset").number(cluster.applied_offset());
        it.field("metadata_lag").number(cluster.metadata_lag());
        it.field("applied_ms").number(image.provenance.last_contained_log_time_ms);
        it.field("broker_count").count(brokers.len());
        it.field("fenced_count").count(brokers.iter().filter(|it| it.fenced).count());
        it.field("brokers").array(brokers.iter().take(BROKERS_MAX), |it, broker| {
            put_broker(it, broker);
        });
        put_replicas(it.field("replicas"), &ReplicaRows::of(parts, &image, REPLICAS_MAX), parts);
    });
}

fn put_nullable(json: &mut Json, number: Option<i64>) {
    match number {
        Some(number) => json.number(number),
        None => json.null(),
    }
}

fn put_controller(json: &mut Json, controller: Option<ControllerNode>) {
    let Some(ControllerNode { id, host, port }) = controller else { return json.null() };
    json.object(|it| {
        it.field("id").number(id);
        it.field("host").string(&host);
        it.field("port").number(port);
    });
}

fn word_for(state: LifecycleState) -> &'static str {
    match state {
        LifecycleState::Starting => "starting",
        LifecycleState::Recovery => "recovery",
        LifecycleState::Running => "running",
        LifecycleState::PendingControlledShutdown => "leaving",
        LifecycleState::ShuttingDown => "stopping",
    }
}

/// With the first of its listeners, by name.
fn put_broker(json: &mut Json, broker: &BrokerRegistration) {
    json.object(|it| {
        it.field("id").number(broker.id);
        it.field("epoch").number(broker.epoch);
        it.field("is_fenced").bool(broker.fenced);
        it.field("is_leaving").bool(broker.in_controlled_shutdown);
        it.field("rack").nullable_string(broker.rack.as_deref());
        if let Some((name, endpoint)) = broker.listeners.first_key_value() {
            it.field("listener").string(name.as_str());
            it.field("host").string(&endpoint.host);
            it.field("port").number(endpoint.port);
        }
    });
}

fn put_replicas(json: &mut Json, rows: &ReplicaRows, parts: &ObservedParts) {
    let keys: Vec<TopicAndPartition> = rows.first.iter().map(|it| it.key.clone()).collect();
    let copying = parts.fetchers.as_ref().map(|it| it.copying(&keys)).unwrap_or_default();
    json.object(|it| {
        it.field("count").count(rows.count);
        it.field("led").count(rows.led);
        it.field("offline").count(rows.count_of(Concern::Offline));
        it.field("under_min_isr").count(rows.count_of(Concern::UnderMinIsr));
        it.field("under_replicated").count(rows.count_of(Concern::UnderReplicated));
        it.field("lagging").count(rows.count_of(Concern::Lagging));
        it.field("first").array(rows.first.iter().zip(&copying), |it, (row, copying)| {
            put_replica(it, row, copying, parts.metadata_cache.broker_id());
        });
    });
}

fn put_replica(json: &mut Json, row: &ReplicaRow, copying: &Copying, own_id: i32) {
    let registered = &row.registered;
    let is_led = registered.leader == own_id;
    json.object(|it| {
        it.field("name").string(&row.key.to_string());
        it.field("concern").string(concern_word(row.concern));
        it.field("role").string(match (&row.hosted, is_led) {
            (None, _) => "offline",
            (Some(_), true) => "leader",
            (Some(_), false) => "follower",
        });
        let leader = (registered.leader != NO_LEADER).then_some(registered.leader);
        put_nullable(it.field("leader"), leader.map(i64::from));
        it.field("leader_epoch").number(registered.leader_epoch.0);
        put_ids(it.field("replicas"), &registered.replicas);
        put_ids(it.field("isr"), &registered.isr);
        put_ids(it.field("adding"), &registered.adding_replicas);
        put_ids(it.field("removing"), &registered.removing_replicas);
        if let Some(partition) = &row.hosted {
            put_hosted(it, &partition.snapshot());
        }
        if row.hosted.is_some() && !is_led {
            put_copying(it.field("copying"), copying);
        }
    });
}

fn concern_word(concern: Concern) -> &'static str {
    match concern {
        Concern::Offline => "offline",
        Concern::UnderMinIsr => "under_min_isr",
        Concern::UnderReplicated => "under_replicated",
        Concern::Lagging => "lagging",
        Concern::Nothing => "nothing",
    }
}

fn put_ids(json: &mut Json, ids: &[i32]) {
    json.array(ids, |it, id| it.number(*id));
}

fn put_hosted(json: &mut Json, partition: &PartitionSnapshot) {
    let end_offset = partition.log_end_offset;
    json.field("high_watermark").number(partition.high_watermark.0);
    json.field("log_end_offset").number(end_offset.0);
    json.field("min_isr").count(partition.min_in_sync_replicas);
    json.field("asks_for").nullable_string(match partition.state.isr {
        IsrState::Committed { .. } => None,
        IsrState::PendingExpand { .. } => Some("expand"),
        IsrState::PendingShrink { .. } => Some("shrink"),
    });
    json.field("followers").array(&partition.followers, |it, follower: &FollowerSnapshot| {
        it.object(|it| {
            it.field("id").number(follower.broker_id);
            put_nullable(it.field("lag"), follower.lag(end_offset));
            put_nullable(it.field("behind_for_ms"), follower.behind_for_ms);
        });
    });
}

fn put_copying(json: &mut Json, copying: &Copying) {
    let (state, lag) = match copying {
        Copying::Not => ("not", None),
        Copying::Truncating => ("truncating", None),
        Copying::Fetching { lag } => ("fetching", *lag),
        Copying::Delayed { .. } => ("delayed", None),
        Copying::Failed => ("failed", None),
    };
    json.object(|it| {
        it.field("state").string(state);
        put_nullable(it.field("lag"), lag);
        if let Copying::Delayed { for_ms } = copying {
            it.field("for_ms").number(*for_ms);
        }
    });
}
