//! The first users of SCRAM, made by the binary while no broker runs.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use support::broker_process::{BrokerProcess, broker_binary};
use support::temp::TempDir;

const ALICE: &str = "SCRAM-SHA-256=[name=alice,password=alice-secret]";

/// Runs the tool on `dir`, and gives it `stdin`.
fn add_scram(dir: &TempDir, arguments: &[&str], stdin: &str) -> Output {
    let log_dirs = format!("log.dirs={}", dir.path().display());
    let mut command = Command::new(broker_binary());
    command.args(["add-scram", "--override", &log_dirs]).args(arguments).current_dir(dir.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tool = command.spawn().unwrap();
    // It may have ended without reading.
    let _ = tool.stdin.take().unwrap().write_all(stdin.as_bytes());
    tool.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What was printed, of a tool that has done its work.
fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout)
}

/// The complaint of one that has not.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert_eq!(text(&output.stdout), "");
    text(&output.stderr)
}

fn users(dir: &TempDir) -> Vec<String> {
    let file = fs::read_to_string(dir.path().join("scram_credentials")).unwrap();
    let words = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    file.lines().skip(2).map(words).collect()
}

#[test]
fn users_are_made_in_a_file_that_only_the_owner_may_read_and_may_be_changed() {
    let dir = TempDir::new();
    let printed = done(&add_scram(&dir, &[ALICE, "SCRAM-SHA-512=[name=bob,password=x]"], ""));
    let file = dir.path().join("scram_credentials");
    let expected = format!(
        "added SCRAM-SHA-256 of user \"alice\"\nadded SCRAM-SHA-512 of user \"bob\"\nthe users are in \
         {}\n",
        file.canonicalize().unwrap().display()
    );
    assert_eq!(printed, expected);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read_to_string(&file).unwrap();
    assert!(!before.contains("alice-secret"));
    assert!(done(&add_scram(&dir, &[ALICE], "")).starts_with("replaced SCRAM-SHA-256 of user"));
    assert!(fs::read_to_string(&file).unwrap() != before, "the salt is a new one");
    assert_eq!(users(&dir), ["alice SCRAM-SHA-256", "bob SCRAM-SHA-512"]);
}

#[test]
fn a_password_comes_from_the_standard_input_or_a_file() {
    let dir = TempDir::new();
    let salted = "SCRAM-SHA-256=[name=alice,salt=c2FsdA==]";
    done(&add_scram(&dir, &["--password-file", "-", salted], "a,]\"b \u{e9}\r\nmore\n"));
    let file = dir.path().join("scram_credentials");
    let by_stdin = fs::read_to_string(&file).unwrap();
    fs::write(dir.path().join("password"), "a,]\"b \u{e9}").unwrap();
    done(&add_scram(&dir, &[salted, "--password-file=password"], ""));
    assert_eq!(fs::read_to_string(&file).unwrap(), by_stdin);
    for (arguments, stdin, why) in [
        (&["--password-file", "-", salted][..], "", "no password"),
        (&["--password-file", "-", salted], "\nhush\n", "no password"),
        (&["--password-file", "none", salted], "", "cannot read the password from none"),
        (&["--password-file", "-", ALICE], "hush\n", "every user has a password of its own"),
        (&[salted], "hush\n", "You must supply one of 'password'"),
    ] {
        let said = complaint(&add_scram(&dir, arguments, stdin));
        assert!(said.contains(why) && !said.contains("hush"), "{said}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), by_stdin);
}

#[test]
fn beside_a_running_broker_no_user_is_made_and_the_tool_says_who_can() {
    let dir = TempDir::new();
    let broker = BrokerProcess::start(dir.path(), &[]);
    let said = complaint(&add_scram(&dir, &[ALICE], ""));
    assert!(said.contains("a broker is running on") && said.contains("kafka-configs"), "{said}");
    assert!(!said.contains("alice-secret") && !dir.path().join("scram_credentials").exists());
    broker.end_with(Signal::SIGTERM);
    done(&add_scram(&dir, &[ALICE], ""));
    // And a broker starts with it.
    BrokerProcess::start(dir.path(), &[]).end_with(Signal::SIGTERM);
}

#[test]
fn a_damaged_file_stays_as_it_is() {
    let dir = TempDir::new();
    let file = dir.path().join("scram_credentials");
    fs::write(&file, "0\n1\nalice SCRAM-SHA-256 salt=hush\n").unwrap();
    let said = complaint(&add_scram(&dir, &[ALICE], ""));
    assert!(said.contains("line 3") && said.contains("put back a copy"), "{said}");
    assert!(!said.contains("hush"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "0\n1\nalice SCRAM-SHA-256 salt=hush\n");
}

#[test]
fn a_listener_of_scram_without_a_user_is_reported_with_the_command_that_makes_one() {
    let dir = TempDir::new();
    let settings = [
        "listeners=PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0",
        "sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512",
    ];
    done(&add_scram(&dir, &[ALICE], ""));
    let broker = BrokerProcess::start(dir.path(), &settings);
    let lines = &broker.first_lines;
    let hints: Vec<_> = lines.iter().filter(|it| it.contains("nobody can log in")).collect();
    let [hint] = hints[..] else { panic!("{lines:?}") };
    assert!(hint.contains("SCRAM-SHA-512") && hint.contains("transferto add-scram"), "{hint}");
    broker.end_with(Signal::SIGTERM);
}
