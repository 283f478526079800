//! Rights, quotas and users that a cluster has, on their way into a broker.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use transferto::common::acl::{AclBindingFilter, Operation, Resource, ResourceType};
use transferto::common::kafka_principal::KafkaPrincipal;
use transferto::common::metrics::Metrics;
use transferto::common::mock_time::MockTime;
use transferto::common::time::Time;
use transferto::config::kafka_config::KafkaConfig;
use transferto::image::metadata_image::MetadataImage;
use transferto::image::records::config_records::{ClientQuotaRecord, EntityData};
use transferto::image::records::metadata_record::MetadataRecord;
use transferto::image::records::security_records::{
    AccessControlEntryRecord, RemoveAccessControlEntryRecord, RemoveUserScramCredentialRecord,
    UserScramCredentialRecord,
};
use transferto::protocol::wire::secret_bytes::SecretBytes;
use transferto::protocol::wire::uuid::Uuid;
use transferto::security::scram::credential_cache::CredentialCache;
use transferto::security::scram::scram_mechanism::ScramMechanism;
use transferto::server::cluster::acl_publisher::AclPublisher;
use transferto::server::cluster::dynamic_client_quota_publisher::DynamicClientQuotaPublisher;
use transferto::server::cluster::scram_publisher::ScramPublisher;
use transferto::server::cluster::security_publishers::SecurityPublishers;
use transferto::server::quota::client_limits::{UNLIMITED, UserClient};
use transferto::server::quota::quota_managers::QuotaManagers;
use transferto::server::security::authorizer::Authorizer;
use transferto::server::security::standard_authorizer::StandardAuthorizer;

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SHA_256: ScramMechanism = ScramMechanism::ScramSha256;

struct Scene {
    image: MetadataImage,
    authorizer: Arc<StandardAuthorizer>,
    quota_managers: Arc<QuotaManagers>,
    credentials: Arc<CredentialCache>,
    publishers: SecurityPublishers,
}

impl Scene {
    fn new() -> Self {
        Self::with(StandardAuthorizer::new(vec![KafkaPrincipal::user("admin")], false))
    }

    fn with(authorizer: StandardAuthorizer) -> Self {
        let authorizer = Arc::new(authorizer);
        let time: Arc<dyn Time> = Arc::new(MockTime::new());
        let metrics = Arc::new(Metrics::default());
        let quota_managers =
            QuotaManagers::start(&KafkaConfig::default(), &time, &metrics).unwrap();
        let credentials = Arc::default();
        let publishers = SecurityPublishers {
            acls: Some(AclPublisher::new(&authorizer)),
            client_quotas: DynamicClientQuotaPublisher::new(&quota_managers),
            scram: ScramPublisher::new(&credentials).unwrap(),
        };
        let image = MetadataImage::default();
        Self { image, authorizer, quota_managers, credentials, publishers }
    }

    fn publish(&mut self, records: &[MetadataRecord]) {
        let before = self.image.security.clone();
        for record in records {
            self.image.replay(record).unwrap();
        }
        self.publishers.on_metadata_update(&before, &self.image.security);
    }

    fn may(&self, user: &str, operation: Operation, topic: &str) -> bool {
        let principal = KafkaPrincipal::user(user);
        self.authorizer.authorize(&principal, HOST, operation, Resource::topic(topic))
    }

    fn may_any(&self, user: &str, operation: Operation) -> bool {
        let principal = KafkaPrincipal::user(user);
        self.authorizer.authorize_by_resource_type(&principal, HOST, operation, ResourceType::Topic)
    }

    fn quota(&self, user: &str, client_id: &str) -> (i64, i64) {
        let client = UserClient { user, client_id };
        (self.quota_managers.produce.quota(client), self.quota_managers.fetch.quota(client))
    }

    fn knows(&self, user: &str, mechanism: ScramMechanism) -> bool {
        self.credentials.credential_or_decoy(user, mechanism).1
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.quota_managers.shutdown();
    }
}

/// That alice may read the topic `post`, but for what `change` makes of it.
fn acl(id: u8, change: impl FnOnce(&mut AccessControlEntryRecord)) -> MetadataRecord {
    let mut record = AccessControlEntryRecord {
        id: Uuid([id; 16]),
        resource_type: 2,
        resource_name: "post".to_string(),
        pattern_type: 3,
        principal: "User:alice".to_string(),
        host: "*".to_string(),
        operation: 3,
        permission_type: 3,
    };
    change(&mut record);
    MetadataRecord::AccessControlEntry(record)
}

fn without_acl(id: u8) -> MetadataRecord {
    MetadataRecord::RemoveAccessControlEntry(RemoveAccessControlEntryRecord { id: Uuid([id; 16]) })
}

/// `None` takes the quota away.
fn quota(entity: &[(&str, Option<&str>)], key: &str, value: Option<f64>) -> MetadataRecord {
    let component = |(entity_type, name): &(&str, Option<&str>)| EntityData {
        entity_type: entity_type.to_string(),
        entity_name: name.map(str::to_string),
    };
    MetadataRecord::ClientQuota(ClientQuotaRecord {
        entity: entity.iter().map(component).collect(),
        key: key.to_string(),
        value: value.unwrap_or_default(),
        remove: value.is_none(),
    })
}

fn user(name: &str, mechanism: i8, key_bytes: usize) -> MetadataRecord {
    MetadataRecord::UserScramCredential(UserScramCredentialRecord {
        name: name.to_string(),
        mechanism,
        salt: SecretBytes(b"salt".to_vec()),
        stored_key: SecretBytes(vec![1; key_bytes]),
        server_key: SecretBytes(vec![2; key_bytes]),
        iterations: 4096,
    })
}

#[test]
fn a_right_holds_as_long_as_the_cluster_has_it() {
    let mut scene = Scene::new();
    assert!(scene.may("admin", Operation::Read, "post"), "a super user needs no ACL");
    assert!(!scene.may("alice", Operation::Read, "post"));
    scene.publish(&[acl(1, |_| {})]);
    assert!(scene.may("alice", Operation::Read, "post"));
    assert!(scene.may("alice", Operation::Describe, "post"), "who may read may look");
    assert!(!scene.may("alice", Operation::Write, "post"));
    assert!(!scene.may("bob", Operation::Read, "post"));
    assert_eq!(scene.authorizer.acls(&AclBindingFilter::ANY).len(), 1);
    scene.publish(&[acl(2, |it| it.permission_type = 2)]);
    assert!(!scene.may("alice", Operation::Read, "post"), "a denial prevails");
    scene.publish(&[without_acl(2)]);
    assert!(scene.may("alice", Operation::Read, "post"));
    scene.publish(&[without_acl(1)]);
    assert!(!scene.may("alice", Operation::Read, "post"));
}

#[test]
fn what_is_not_known_in_an_acl_opens_nothing() {
    let unknown = 99;
    for change in [
        (|it| it.resource_type = 99) as fn(&mut AccessControlEntryRecord),
        |it| it.operation = 99,
        |it| it.permission_type = 99,
        |it| it.pattern_type = 99,
        |it| it.principal = "alice".to_string(),
        |it| it.host = "localhost".to_string(),
    ] {
        let mut scene = Scene::new();
        scene.publish(&[acl(unknown, change)]);
        for topic in ["post", "post-2"] {
            assert!(!scene.may("alice", Operation::Read, topic), "{topic}");
        }
        assert!(!scene.may_any("alice", Operation::Read));
    }
}

#[test]
fn a_permission_that_is_not_known_denies_and_an_operation_that_is_not_known_closes_the_resource() {
    let mut scene = Scene::new();
    scene.publish(&[acl(1, |_| {}), acl(2, |it| it.permission_type = 99)]);
    assert!(!scene.may("alice", Operation::Read, "post"));

    let open = StandardAuthorizer::new(Vec::new(), true);
    let mut scene = Scene::with(open);
    assert!(scene.may("bob", Operation::Read, "post"), "no ACL covers it");
    scene.publish(&[acl(1, |it| it.operation = 99)]);
    assert!(!scene.may("bob", Operation::Read, "post"), "an ACL covers it");
    assert!(scene.may("bob", Operation::Read, "other"));
}

#[test]
fn quotas_hold_for_users_and_client_ids_by_kafkas_order() {
    let (produce, fetch) = ("producer_byte_rate", "consumer_byte_rate");
    let mut scene = Scene::new();
    scene.publish(&[
        quota(&[("user", Some("alice"))], produce, Some(1000.0)),
        quota(&[("client-id", Some("c")), ("user", Some("alice"))], produce, Some(2000.0)),
        quota(&[("user", None)], fetch, Some(3000.0)),
        quota(&[("client-id", None)], produce, Some(4000.0)),
        quota(&[("client-id", Some("c"))], produce, Some(5000.0)),
    ]);
    assert_eq!(scene.quota("alice", "c"), (2000, 3000));
    assert_eq!(scene.quota("alice", "d"), (1000, 3000));
    assert_eq!(scene.quota("bob", "c"), (5000, 3000));
    assert_eq!(scene.quota("bob", "d"), (4000, 3000));
    scene.publish(&[
        quota(&[("user", Some("alice")), ("client-id", Some("c"))], produce, None),
        quota(&[("user", None)], fetch, Some(7000.0)),
    ]);
    assert_eq!(
        scene.quota("alice", "c"),
        (1000, 7000),
        "the order of an entity's parts is no matter"
    );
    assert_eq!(scene.image.security.client_quotas.len(), 4);
}

#[test]
fn quotas_of_other_kinds_limit_nothing_here() {
    let mut scene = Scene::new();
    scene.publish(&[
        quota(&[("ip", Some("127.0.0.1"))], "connection_creation_rate", Some(1.0)),
        quota(&[("ip", None)], "producer_byte_rate", Some(1.0)),
        quota(&[("user", Some("alice"))], "request_percentage", Some(1.0)),
    ]);
    assert_eq!(scene.quota("alice", "c"), (UNLIMITED, UNLIMITED));
}

/// What a controller refuses, but a log may hold all the same.
#[test]
fn a_quota_is_never_less_than_one_byte() {
    let mut scene = Scene::new();
    for value in [0.0, -5.0, 0.2, f64::NAN] {
        scene.publish(&[quota(&[("user", Some("alice"))], "producer_byte_rate", Some(value))]);
        assert_eq!(scene.quota("alice", "c").0, 1, "{value}");
    }
}

#[test]
fn a_user_can_log_in_until_the_cluster_takes_the_credential_away() {
    let mut scene = Scene::new();
    assert!(!scene.knows("alice", SHA_256));
    scene.publish(&[user("alice", 1, 32), user("alice", 2, 64), user("bob", 1, 32)]);
    assert!(scene.knows("alice", SHA_256) && scene.knows("alice", ScramMechanism::ScramSha512));
    assert!(scene.knows("bob", SHA_256) && !scene.knows("bob", ScramMechanism::ScramSha512));
    let gone = RemoveUserScramCredentialRecord { name: "alice".to_string(), mechanism: 1 };
    scene.publish(&[MetadataRecord::RemoveUserScramCredential(gone)]);
    assert!(!scene.knows("alice", SHA_256) && scene.knows("alice", ScramMechanism::ScramSha512));
}

#[test]
fn a_credential_that_cannot_be_one_is_left_out_and_the_others_count() {
    let mut scene = Scene::new();
    scene.publish(&[user("short", 1, 31), user("later", 3, 32), user("alice", 1, 32)]);
    let users: BTreeMap<_, _> = (*scene.credentials.credentials()).clone();
    assert_eq!(users.keys().collect::<Vec<_>>(), ["alice"]);
}

/// Whoever asks two brokers must not learn by the difference that there is no such user.
#[test]
fn all_brokers_ask_the_same_of_a_user_that_there_is_not() {
    let [mut one, mut other] = [Scene::new(), Scene::new()];
    for scene in [&mut one, &mut other] {
        scene.publish(&[user("alice", 1, 32)]);
    }
    let decoy = |scene: &Scene| scene.credentials.credential_or_decoy("nobody", SHA_256);
    assert_eq!(decoy(&one), decoy(&other));
    assert!(!decoy(&one).1);
}
