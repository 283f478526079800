//! Apache Kafka's own controller, for the tests that take nobody's word for what a controller does.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The release whose level the brokers understand.
const RELEASE_VERSION: &str = "3.9";

/// A client that has not said who it is may do everything, as without an authorizer.
const OPEN_TO_ALL: &str =
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS";

/// Runs the controller until the pipe from the test's process closes, which a process does that ends in whatever
/// way: no JVM outlives the tests.
const WATCHDOG: &str = r#"
set -eu
trap '' INT TERM HUP
end() {
    local pid
    if pid=$(cat "$CLUSTER_DIR/controller.pid" 2>/dev/null); then
        while kill -KILL "$pid" 2>/dev/null; do sleep 0.02; done
    fi
    rm -rf "$CLUSTER_DIR"
}
CLUSTER_DIR=$(mktemp -d "${TMPDIR:-/tmp}/transferto-controller.XXXXXX")
trap end EXIT
source tests/cluster/controller.sh
require_java
fetch_kafka >&2
write_controller_properties "$1"
format_controller
eval "${BEFORE_CONTROLLER_START:-}" >&2
start_controller "$1"
echo started
read -r _ || true
"#;

/// A controller in a JVM of its own, which ends with this value or with the process.
pub(crate) struct ApacheController {
    port: u16,
    watchdog: Child,
}

impl ApacheController {
    /// The one that all tests share: they keep apart by the ids of their brokers and the names of their topics.
    /// None, with a word about it, where there is no Java; continuous integration has it.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<ApacheController>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(RELEASE_VERSION)).as_ref()
    }

    /// One whose directory is formatted at the level of this release of Kafka.
    pub(crate) fn start(release_version: &str) -> Option<Self> {
        Self::start_after(release_version, "")
    }

    /// The same after a command of the shell, which finds `$CLUSTER_DIR/controller.properties` and the directory
    /// that it names, formatted.
    pub(crate) fn start_after(release_version: &str, command: &str) -> Option<Self> {
        Self::run(release_version, OPEN_TO_ALL, None, command)
    }

    /// One with these settings, which prevail, as lines of a properties file.
    pub(crate) fn secured(settings: &str) -> Option<Self> {
        Self::run(RELEASE_VERSION, settings, None, "")
    }

    /// The same, and its log begins with a user, as `kafka-storage format --add-scram` takes it.
    pub(crate) fn with_user(settings: &str, user: &str) -> Option<Self> {
        Self::run(RELEASE_VERSION, settings, Some(user), "")
    }

    fn run(
        release_version: &str,
        settings: &str,
        user: Option<&str>,
        command: &str,
    ) -> Option<Self> {
        if !has_java() {
            assert!(env::var_os("CI").is_none(), "java and mvn are missing, with CI set");
            eprintln!("skipped: Apache's controller needs java and mvn");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut watchdog = Command::new("bash")
            .args(["-c", WATCHDOG, "watchdog", &port.to_string()])
            .env("RELEASE_VERSION", release_version)
            .env("BEFORE_CONTROLLER_START", command)
            .env("CONTROLLER_USERS", user.unwrap_or_default())
            .env("CONTROLLER_SETTINGS", format!("broker.session.timeout.ms=2000\n{settings}"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            // A Ctrl-C is for the tests.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(watchdog.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "started\n", "the controller has not started; its reason is above");
        Some(Self { port, watchdog })
    }

    pub(crate) fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for ApacheController {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().unwrap();
    }
}

fn has_java() -> bool {
    let is_there = |tool: &&str| {
        let mut command = Command::new(tool);
        command.arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    ["java", "mvn"].iter().all(is_there)
}
