//! Rights, quotas and users of a cluster under Apache Kafka's own controller: set through one broker, in force on
//! another, and there again after a restart.

use std::num::NonZeroU32;
use std::sync::Arc;

use support::broker::Broker;
use support::client::{Client, fetch_request};
use support::login::{Mechanism, log_in};
use support::records::batch;
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::protocol::acl_filter::AclFilter;
use transferto::protocol::alter_client_quotas::{AlterClientQuotasRequest, AlterEntryData, OpData};
use transferto::protocol::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use transferto::protocol::create_acls::{AclCreation, CreateAclsRequest};
use transferto::protocol::delete_acls::{DeleteAclsFilter, DeleteAclsRequest};
use transferto::protocol::describe_acls::DescribeAclsRequest;
use transferto::protocol::describe_client_quotas::{DescribeClientQuotasRequest, EntityData};
use transferto::protocol::describe_user_scram_credentials::DescribeUserScramCredentialsRequest;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::wire::secret_bytes::SecretBytes;
use transferto::security::scram::scram_formatter::ScramFormatter;
use transferto::security::scram::scram_mechanism::ScramMechanism;
use transferto::server::quota::client_limits::{UNLIMITED, UserClient};

use crate::apache_cluster::{create, produce_one, settings};
use crate::apache_controller::ApacheController;

const LISTENER: &str = "SASL_PLAINTEXT";
const SHA_256: ScramMechanism = ScramMechanism::ScramSha256;
const TOPIC: &str = "guarded";
const NONE: i16 = Errors::None.code();
const DENIED: i16 = Errors::TopicAuthorizationFailed.code();
/// Before sessions of fetches.
const FETCH_VERSION: i16 = 4;

/// A broker with a listener for the other brokers and for admins, and one for users.
fn start(dir: &Arc<TempDir>, controller: &ApacheController, id: i32) -> Broker {
    let mut settings = settings(controller, id);
    settings.extend(
        [
            ("listeners", "PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0"),
            ("sasl.enabled.mechanisms", "SCRAM-SHA-256"),
            ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
            ("super.users", "User:ANONYMOUS"),
            ("connection.failed.authentication.delay.ms", "0"),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string())),
    );
    let settings: Vec<_> = settings.iter().map(|(name, value)| (&**name, &**value)).collect();
    Broker::start_in(Arc::clone(dir), &settings)
}

/// A client that has logged in as alice, if she can.
fn as_alice(broker: &Broker) -> Option<Client> {
    let mut client = Client::connect(broker.server().bound_port_of(LISTENER).unwrap());
    let last = log_in(&mut client.stream, Mechanism::Scram(SHA_256), "alice", "secret").unwrap();
    (last.error_code == 0).then_some(client)
}

fn ask(broker: &Broker, version: i16, body: RequestBody) -> ResponseBody {
    broker.connect().call(version, &body, &[]).0
}

/// Sends what the controller has to change, and expects it to.
fn change(broker: &Broker, version: i16, body: RequestBody) {
    let mut client = broker.connect();
    let header = client.send(version, &body, &[]);
    let response = client.receive(&header).0;
    let mut errors = Vec::new();
    response.for_each_error_code(header.version(), &mut |code| errors.push(code));
    assert!(errors.iter().all(|it| *it == 0), "{response:?}");
}

fn make_alice() -> RequestBody {
    let (salt, iterations) = (b"salt".to_vec(), 4096);
    let formatter = ScramFormatter::new(SHA_256);
    let salted = formatter.salted_password("secret", &salt, NonZeroU32::new(iterations).unwrap());
    let upsertion = ScramCredentialUpsertion {
        name: "alice".to_string(),
        mechanism: SHA_256.id(),
        iterations: 4096,
        salt,
        salted_password: SecretBytes(salted),
    };
    RequestBody::AlterUserScramCredentials(AlterUserScramCredentialsRequest {
        deletions: Vec::new(),
        upsertions: vec![upsertion],
    })
}

fn remove_alice() -> RequestBody {
    let deletion = ScramCredentialDeletion { name: "alice".to_string(), mechanism: SHA_256.id() };
    RequestBody::AlterUserScramCredentials(AlterUserScramCredentialsRequest {
        deletions: vec![deletion],
        upsertions: Vec::new(),
    })
}

fn let_alice_read() -> RequestBody {
    let creation = AclCreation {
        resource_type: 2,
        resource_name: TOPIC.to_string(),
        resource_pattern_type: 3,
        principal: "User:alice".to_string(),
        host: "*".to_string(),
        operation: 3,
        permission_type: 3,
    };
    RequestBody::CreateAcls(CreateAclsRequest { creations: vec![creation] })
}

/// The ACLs about the topic.
fn filter() -> AclFilter {
    AclFilter {
        resource_type_filter: 2,
        resource_name_filter: Some(TOPIC.to_string()),
        pattern_type_filter: 3,
        principal_filter: None,
        host_filter: None,
        operation: 1,
        permission_type: 1,
    }
}

fn limit_alice(value: Option<f64>) -> RequestBody {
    let op = OpData {
        key: "producer_byte_rate".to_string(),
        value: value.unwrap_or_default(),
        remove: value.is_none(),
    };
    let component =
        EntityData { entity_type: "user".to_string(), entity_name: Some("alice".to_string()) };
    let entry = AlterEntryData { entity: vec![component], ops: vec![op] };
    RequestBody::AlterClientQuotas(AlterClientQuotasRequest {
        entries: vec![entry],
        validate_only: false,
    })
}

fn quota_of_alice(broker: &Broker) -> i64 {
    let alice = UserClient { user: "alice", client_id: "any" };
    broker.server().quota_managers().produce.quota(alice)
}

/// All that the broker shows of alice: her mechanisms, her quotas, the ACLs about the topic.
fn shown(broker: &Broker) -> (Vec<i8>, Vec<f64>, Vec<String>) {
    let users = RequestBody::DescribeUserScramCredentials(DescribeUserScramCredentialsRequest {
        users: None,
    });
    let ResponseBody::DescribeUserScramCredentials(users) = ask(broker, 0, users) else { panic!() };
    let of_alice = users.results.into_iter().filter(|it| it.user == "alice");
    let mechanisms = of_alice.flat_map(|it| it.credential_infos).map(|it| it.mechanism).collect();
    let quotas = RequestBody::DescribeClientQuotas(DescribeClientQuotasRequest::default());
    let ResponseBody::DescribeClientQuotas(quotas) = ask(broker, 1, quotas) else { panic!() };
    let values = quotas.entries.unwrap().into_iter().flat_map(|it| it.values).map(|it| it.value);
    let acls = RequestBody::DescribeAcls(DescribeAclsRequest { filter: filter() });
    let ResponseBody::DescribeAcls(acls) = ask(broker, 1, acls) else { panic!() };
    let acls = acls.resources.into_iter().flat_map(|it| it.acls).map(|it| it.principal);
    (mechanisms, values.collect(), acls.collect())
}

/// The error for whoever asks for another directory of the broker, which it takes from nobody.
fn alter_broker(client: &mut Client) -> i16 {
    let config = IncrementalAlterableConfig {
        name: "log.dirs".to_string(),
        config_operation: 0,
        value: Some("elsewhere".to_string()),
    };
    let resource = IncrementalAlterConfigsResource {
        resource_type: 4,
        resource_name: "22".to_string(),
        configs: vec![config],
    };
    let request =
        IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    match client.call(1, &RequestBody::IncrementalAlterConfigs(request), &[]).0 {
        ResponseBody::IncrementalAlterConfigs(it) => it.responses[0].error_code,
        other => panic!("{other:?}"),
    }
}

fn fetch(client: &mut Client, replica_id: i32) -> i16 {
    let request = FetchRequest { replica_id, ..fetch_request(TOPIC, 0, 0) };
    client.fetch_with(FETCH_VERSION, request).remove(0).error
}

#[test]
fn what_is_set_through_one_broker_holds_on_another_and_after_its_restart() {
    let Some(controller) = ApacheController::shared() else { return };
    let [here, there] = [(); 2].map(|()| Arc::new(TempDir::new()));
    let one = start(&here, controller, 21);
    let other = start(&there, controller, 22);
    create(&mut one.connect(), TOPIC, &[22]);
    produce_one(&mut other.connect(), TOPIC);
    assert!(as_alice(&other).is_none(), "nobody has made her yet");

    change(&one, 0, make_alice());
    wait_until("alice", || as_alice(&other).is_some());
    let mut alice = as_alice(&other).unwrap();
    assert_eq!(fetch(&mut alice, -1), DENIED);
    change(&one, 1, let_alice_read());
    wait_until("her right", || fetch(&mut alice, -1) == NONE);
    assert_eq!(fetch(&mut alice, 21), DENIED, "a follower needs another right");
    assert_eq!(alice.produce(TOPIC, 0, &batch(&["x"])).error_code, DENIED);
    assert_eq!(alter_broker(&mut alice), Errors::ClusterAuthorizationFailed.code());
    assert_eq!(alter_broker(&mut other.connect()), Errors::InvalidRequest.code());
    change(&one, 1, limit_alice(Some(12345.0)));
    wait_until("her quota", || quota_of_alice(&other) == 12345);
    let all = (vec![SHA_256.id()], vec![12345.0], vec!["User:alice".to_string()]);
    assert_eq!(shown(&other), all);

    other.stop();
    let other = start(&there, controller, 22);
    // Its ports open when it has read all of it.
    let mut alice = as_alice(&other).expect("the users of the cluster");
    assert_eq!(quota_of_alice(&other), 12345);
    assert_eq!(shown(&other), all);
    wait_until("the leader", || fetch(&mut alice, -1) == NONE);

    change(&one, 1, limit_alice(None));
    let filters = vec![DeleteAclsFilter { filter: filter() }];
    change(&one, 1, RequestBody::DeleteAcls(DeleteAclsRequest { filters }));
    change(&one, 0, remove_alice());
    wait_until("the end of alice", || as_alice(&other).is_none());
    assert_eq!(fetch(&mut alice, -1), DENIED, "she is logged in, and has no right");
    assert_eq!(quota_of_alice(&other), UNLIMITED);
    assert_eq!(shown(&other), (vec![], vec![], vec![]));
}
