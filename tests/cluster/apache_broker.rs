//! Apache Kafka's own broker, beside which ours have to live.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::apache_controller::ApacheController;

/// Runs the broker until the pipe from the test's process closes, or says that it is to stop in order.
const WATCHDOG: &str = r#"
set -eu
trap '' INT TERM HUP
end() {
    while kill -KILL "$pid" 2>/dev/null; do sleep 0.02; done
    rm -rf "$CLUSTER_DIR"
}
CLUSTER_DIR=$(mktemp -d "${TMPDIR:-/tmp}/transferto-kafka.XXXXXX")
source tests/cluster/controller.sh
cat >"$CLUSTER_DIR/broker.properties" <<END
process.roles=broker
node.id=$1
controller.quorum.bootstrap.servers=$2
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$3
log.dirs=${4:-$CLUSTER_DIR/logs}
offsets.topic.num.partitions=2
broker.heartbeat.interval.ms=200
END
printf '%s\n' "$BROKER_SETTINGS" >>"$CLUSTER_DIR/broker.properties"
kafka kafka.tools.StorageTool format --ignore-formatted -t "$CLUSTER_ID" -c "$CLUSTER_DIR/broker.properties" >&2
(
    # What is ignored stays ignored in a JVM.
    trap - INT TERM HUP
    # shellcheck disable=SC2086 # Several flags.
    exec java $CONTROLLER_JVM_FLAGS -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$KAFKA_JARS/*" \
        kafka.Kafka "$CLUSTER_DIR/broker.properties"
) </dev/null >"$CLUSTER_DIR/broker.log" 2>&1 &
pid=$!
disown "$pid"
trap end EXIT
wait_for_port "$3" "$pid" "Kafka's broker" "$CLUSTER_DIR/broker.log" 120
echo "${4:-$CLUSTER_DIR/logs}"
if read -r _; then
    kill -TERM "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
fi
"#;

/// A broker in a JVM of its own, which ends with this value or with the process.
pub(crate) struct ApacheBroker {
    pub(crate) port: u16,
    pub(crate) log_dir: PathBuf,
    watchdog: Child,
}

impl ApacheBroker {
    pub(crate) fn start(controller: &ApacheController, id: i32) -> Self {
        Self::start_with(controller, id, |_| String::new())
    }

    /// On a directory that may hold what a broker of this id has left.
    pub(crate) fn start_in(controller: &ApacheController, id: i32, log_dir: &Path) -> Self {
        Self::start_in_or_new(controller, id, |_| String::new(), Some(log_dir))
    }

    /// One with the settings that `settings` makes for its port, which prevail, as lines of a properties file.
    pub(crate) fn start_with(
        controller: &ApacheController,
        id: i32,
        settings: impl FnOnce(u16) -> String,
    ) -> Self {
        Self::start_in_or_new(controller, id, settings, None)
    }

    fn start_in_or_new(
        controller: &ApacheController,
        id: i32,
        settings: impl FnOnce(u16) -> String,
        log_dir: Option<&Path>,
    ) -> Self {
        let port = free_port();
        let mut watchdog = Command::new("bash")
            .args(["-c", WATCHDOG, "watchdog", &id.to_string(), &controller.addr()])
            .arg(port.to_string())
            .args(log_dir)
            .env("BROKER_SETTINGS", settings(port))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            // A Ctrl-C is for the tests.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(watchdog.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let log_dir = PathBuf::from(line.trim_end());
        assert!(log_dir.is_dir(), "the broker has not started; its reason is above");
        Self { port, log_dir, watchdog }
    }

    /// Asks for a clean stop, and waits for it.
    pub(crate) fn stop(mut self) {
        writeln!(self.watchdog.stdin.as_mut().unwrap(), "stop").unwrap();
        self.watchdog.wait().unwrap();
    }
}

/// One that nobody has now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Drop for ApacheBroker {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().unwrap();
    }
}
