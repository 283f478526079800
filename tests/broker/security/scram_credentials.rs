//! The users of SCRAM, made, listed and removed over real sockets, and what of them is on disk.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use nix::sys::signal::Signal;
use support::broker::Broker;
use support::broker_process::BrokerProcess;
use support::client::Client;
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::protocol::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResult, ScramCredentialDeletion,
    ScramCredentialUpsertion,
};
use transferto::protocol::describe_user_scram_credentials::{
    CredentialInfo, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    UserName,
};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::wire::secret_bytes::SecretBytes;
use transferto::registry::scram_registry::SCRAM_REGISTRY_FILE;

const SHA_256: i8 = 1;
const SHA_512: i8 = 2;

fn set(user: &str, mechanism: i8, iterations: i32) -> ScramCredentialUpsertion {
    ScramCredentialUpsertion {
        name: user.to_string(),
        mechanism,
        iterations,
        salt: b"salt".to_vec(),
        salted_password: SecretBytes(vec![7; if mechanism == SHA_512 { 64 } else { 32 }]),
    }
}

fn remove(user: &str, mechanism: i8) -> ScramCredentialDeletion {
    ScramCredentialDeletion { name: user.to_string(), mechanism }
}

fn alter(
    client: &mut Client,
    deletions: &[ScramCredentialDeletion],
    upsertions: &[ScramCredentialUpsertion],
) -> Vec<AlterUserScramCredentialsResult> {
    let request = RequestBody::AlterUserScramCredentials(AlterUserScramCredentialsRequest {
        deletions: deletions.to_vec(),
        upsertions: upsertions.to_vec(),
    });
    match client.call(0, &request, &[]).0 {
        ResponseBody::AlterUserScramCredentials(response) => response.results,
        other => panic!("{other:?}"),
    }
}

/// The user, the error and the words for it, of the only result.
fn alter_one(
    client: &mut Client,
    deletions: &[ScramCredentialDeletion],
    upsertions: &[ScramCredentialUpsertion],
) -> (String, i16, String) {
    let results = alter(client, deletions, upsertions);
    let [result] = <[_; 1]>::try_from(results).unwrap();
    (result.user, result.error_code, result.error_message.unwrap_or_default())
}

fn describe(client: &mut Client, users: Option<&[&str]>) -> DescribeUserScramCredentialsResponse {
    let named = |names: &[&str]| names.iter().map(|it| UserName { name: it.to_string() }).collect();
    let request = DescribeUserScramCredentialsRequest { users: users.map(named) };
    let request = RequestBody::DescribeUserScramCredentials(request);
    match client.call(0, &request, &[]).0 {
        ResponseBody::DescribeUserScramCredentials(response) => response,
        other => panic!("{other:?}"),
    }
}

/// Each user with its mechanisms and iterations.
fn all(client: &mut Client) -> Vec<(String, Vec<(i8, i32)>)> {
    let response = describe(client, None);
    assert_eq!(response.error_code, 0);
    let infos = |it: &[_]| -> Vec<(i8, i32)> { it.iter().map(info).collect() };
    response.results.into_iter().map(|it| (it.user, infos(&it.credential_infos))).collect()
}

fn info(it: &CredentialInfo) -> (i8, i32) {
    (it.mechanism, it.iterations)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Port of `AlterUserScramCredentialsRequestTest.testAlterAndDescribe`,
/// `AlterUserScramCredentialsRequestTest.testAlterNothing`,
/// `DescribeUserScramCredentialsRequestTest.testDescribeNothing` and
/// `DescribeUserScramCredentialsRequestTest.testDescribeWithNull`.
#[test]
fn users_are_made_changed_and_removed_and_survive_a_restart() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    assert_eq!(all(&mut client), []);
    assert!(alter(&mut client, &[], &[]).is_empty());
    let made = [set("alice", SHA_256, 4096), set("b c\n", SHA_512, 16_384)];
    assert!(alter(&mut client, &[], &made).iter().all(|it| it.error_code == 0));
    assert_eq!(alter_one(&mut client, &[], &[set("alice", SHA_512, 8192)]).1, 0);
    let alice = ("alice".to_string(), vec![(SHA_256, 4096), (SHA_512, 8192)]);
    let other = ("b c\n".to_string(), vec![(SHA_512, 16_384)]);
    assert_eq!(all(&mut client), [alice.clone(), other]);
    assert_eq!(alter_one(&mut client, &[remove("b c\n", SHA_512)], &[]).1, 0);
    assert_eq!(all(&mut client), std::slice::from_ref(&alice));
    assert_eq!(describe(&mut client, Some(&[])).results.len(), 1);

    let dir = broker.stop();
    let file = dir.path().join(SCRAM_REGISTRY_FILE);
    assert_eq!(mode(&file), 0o600);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("0\n2\nalice SCRAM-SHA-256 salt="), "{text}");
    let broker = Broker::start_in(dir, &[]);
    let mut client = broker.connect();
    assert_eq!(all(&mut client), [alice]);
    assert_eq!(alter_one(&mut client, &[remove("alice", SHA_256)], &[]).1, 0);
    assert_eq!(mode(&file), 0o600);
    assert_eq!(alter_one(&mut client, &[remove("alice", SHA_512)], &[]).1, 0);
    assert_eq!(all(&mut client), []);
    assert_eq!(fs::read_to_string(&file).unwrap(), "0\n0\n");
}

/// Port of `AlterUserScramCredentialsRequestTest.testAlterEmptyUser`,
/// `AlterUserScramCredentialsRequestTest.testAlterUnknownMechanism`,
/// `AlterUserScramCredentialsRequestTest.testAlterTooFewIterations`,
/// `AlterUserScramCredentialsRequestTest.testAlterTooManyIterations` and
/// `AlterUserScramCredentialsRequestTest.testDeleteSomethingThatDoesNotExist`.
#[test]
fn what_cannot_be_is_refused_in_kafkas_words() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    assert_eq!(alter_one(&mut client, &[], &[set("u", SHA_256, 4096)]).1, 0);
    let long = "x".repeat(1025);
    let short = ScramCredentialUpsertion {
        salted_password: SecretBytes(vec![]),
        ..set("v", SHA_256, 4096)
    };
    let unsalted = ScramCredentialUpsertion { salt: vec![], ..set("v", SHA_256, 4096) };
    let (unacceptable, unknown) =
        (Errors::UnacceptableCredential, Errors::UnsupportedSaslMechanism);
    for (upsertion, error, why) in [
        (set("", SHA_256, 4096), unacceptable, "Username must not be empty"),
        (set("v", 0, 4096), unknown, "Unknown SCRAM mechanism"),
        (set("v", 3, 4096), unknown, "Unknown SCRAM mechanism"),
        (set("v", SHA_256, 4095), unacceptable, "Too few iterations"),
        (set("v", SHA_512, i32::MIN), unacceptable, "Too few iterations"),
        (set("v", SHA_256, 16_385), unacceptable, "Too many iterations"),
        (set(&long, SHA_256, 4096), unacceptable, "the name is longer than 1024 bytes"),
        (short, unacceptable, "a salted password of SCRAM-SHA-256 has 32 bytes"),
        (unsalted, unacceptable, "a salt has 1 to 1024 bytes"),
    ] {
        let (_, code, message) = alter_one(&mut client, &[], &[upsertion]);
        assert_eq!((code, &*message), (error.code(), why));
    }
    for (deletion, error) in [
        (remove("", SHA_256), unacceptable),
        (remove("u", 0), unknown),
        (remove("u", SHA_512), Errors::ResourceNotFound),
        (remove("v", SHA_256), Errors::ResourceNotFound),
    ] {
        assert_eq!(alter_one(&mut client, &[deletion], &[]).1, error.code());
    }
    assert_eq!(all(&mut client), [("u".to_string(), vec![(SHA_256, 4096)])]);
}

#[test]
fn a_user_with_one_error_loses_all_its_changes_and_no_other_does() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let duplicate = Errors::DuplicateResource.code();
    let twice = [set("u", SHA_256, 4096), set("u", SHA_512, 4096), set("u", SHA_256, 4096)];
    assert_eq!(alter_one(&mut client, &[], &twice).1, duplicate);
    assert_eq!(alter_one(&mut client, &[], &[set("u", SHA_256, 4096)]).1, 0);
    // The third change does not revive the first.
    let thrice = [set("u", SHA_256, 8192), set("u", SHA_256, 8192)];
    assert_eq!(alter_one(&mut client, &[remove("u", SHA_256)], &thrice).1, duplicate);
    let (lost, made) = ([remove("u", SHA_512)], [set("u", SHA_256, 8192)]);
    assert_eq!(alter_one(&mut client, &lost, &made).1, Errors::ResourceNotFound.code());
    let (kept, bad) = ([remove("u", SHA_256)], [set("u", SHA_512, 1)]);
    assert_eq!(alter_one(&mut client, &kept, &bad).1, Errors::UnacceptableCredential.code());
    assert_eq!(all(&mut client), [("u".to_string(), vec![(SHA_256, 4096)])]);
    let mixed = [set("v", SHA_256, 4096), set("w", SHA_256, 1)];
    let results = alter(&mut client, &[remove("nobody", SHA_256)], &mixed);
    let codes: Vec<_> = results.iter().map(|it| (&*it.user, it.error_code)).collect();
    assert_eq!(codes, [("nobody", 91), ("v", 0), ("w", 93)]);
    let both = [set("u", SHA_256, 8192), set("u", SHA_512, 4096)];
    assert_eq!(alter_one(&mut client, &[], &both).1, 0);
    let found: Vec<_> = all(&mut client).into_iter().map(|it| it.0).collect();
    assert_eq!(found, ["u", "v"]);
}

/// Port of `DescribeUserScramCredentialsRequestTest.testDescribeSameUserTwice` and
/// `DescribeUserScramCredentialsRequestTest.testUnknownUser`.
#[test]
fn who_is_not_there_or_is_asked_for_twice_has_an_error_of_its_own() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let made = [set("alice", SHA_256, 4096), set("bob", SHA_256, 4096)];
    alter(&mut client, &[], &made);
    let response = describe(&mut client, Some(&["alice", "nobody", "bob", "alice"]));
    assert_eq!(response.error_code, 0);
    let found = response.results.iter().map(|it| {
        let why = it.error_message.as_deref().unwrap_or_default();
        (&*it.user, it.error_code, why, it.credential_infos.len())
    });
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            (
                "alice",
                92,
                "Cannot describe SCRAM credentials for the same user twice in a single request: alice",
                0
            ),
            ("nobody", 91, "Attempt to describe a user credential that does not exist: nobody", 0),
            ("bob", 0, "", 1),
        ]
    );
}

#[test]
fn a_file_that_others_could_read_is_closed_to_them_at_the_start() {
    let broker = Broker::start(&[]);
    alter(&mut broker.connect(), &[], &[set("alice", SHA_256, 4096)]);
    let dir = broker.stop();
    let file = dir.path().join(SCRAM_REGISTRY_FILE);
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let broker = Broker::start_in(dir, &[]);
    assert_eq!(mode(&file), 0o600);
    assert_eq!(all(&mut broker.connect()).len(), 1);
}

/// A directory in the place of the file that is prepared: the disk refuses the change.
#[test]
fn a_change_that_cannot_be_written_changes_nothing() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    assert_eq!(alter_one(&mut client, &[], &[set("alice", SHA_256, 4096)]).1, 0);
    let dir = Arc::clone(&broker.dir);
    let blocked = dir.path().join(format!("{SCRAM_REGISTRY_FILE}.tmp"));
    fs::create_dir(&blocked).unwrap();
    let changes = [set("bob", SHA_256, 4096), set("alice", SHA_256, 8192)];
    let results = alter(&mut client, &[], &changes);
    assert!(results.iter().all(|it| it.error_code != 0), "{results:?}");
    assert_eq!(all(&mut client), [("alice".to_string(), vec![(SHA_256, 4096)])]);
    fs::remove_dir(&blocked).unwrap();
    assert_eq!(alter_one(&mut client, &[], &[set("bob", SHA_256, 4096)]).1, 0);
}

#[test]
fn a_broker_does_not_start_on_credentials_it_cannot_read() {
    let dir = TempDir::new();
    let path = dir.path().join(SCRAM_REGISTRY_FILE);
    fs::write(&path, "0\n1\nalice SCRAM-SHA-256 secret\n").unwrap();
    let why = Broker::start_error(&dir, &[], |it| it);
    assert!(why.contains(SCRAM_REGISTRY_FILE) && why.contains("line 3"), "{why}");
    assert!(why.contains("put back a copy") && !why.contains("secret\n"), "{why}");
}

#[test]
fn the_log_shows_who_has_altered_a_user_and_how() {
    let dir = TempDir::new();
    let process = BrokerProcess::start(dir.path(), &[]);
    let mut admin = Client::connect(process.port);
    alter_one(&mut admin, &[], &[set("alice", SHA_256, 4096), set("alice", SHA_512, 4096)]);
    alter_one(&mut admin, &[remove("alice", SHA_256)], &[set("alice", SHA_512, 8192)]);
    let (_, lines) = process.end_with(Signal::SIGTERM);
    let altered: Vec<_> = lines.iter().filter(|it| it.contains("were altered by")).collect();
    let whats =
        ["SCRAM-SHA-256 set, SCRAM-SHA-512 set", "SCRAM-SHA-256 removed, SCRAM-SHA-512 set"];
    assert_eq!(altered.len(), whats.len(), "{lines:?}");
    for (line, what) in altered.iter().zip(whats) {
        let begins =
            "the SCRAM credentials of 1 user were altered by User:ANONYMOUS from 127.0.0.1:";
        assert!(line.contains(begins), "{line}");
        assert!(line.ends_with(&format!(", the first: \"alice\", {what}")), "{line}");
    }
}
