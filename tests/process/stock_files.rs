//! The files that come with Kafka: the broker starts with them, and says in one line what it does not
//! follow.

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::stock_files;
use support::temp::TempDir;

#[test]
fn a_stock_file_starts_with_one_line_on_what_has_no_effect() {
    for text in [
        stock_files::zookeeper_0_9(),
        stock_files::zookeeper_2_8(),
        stock_files::combined_2_8(),
        stock_files::combined_4(),
    ] {
        let dir = TempDir::new();
        let is_elsewhere =
            |line: &&str| !line.contains("listeners=") && !line.contains("log.dirs=");
        let settings: Vec<&str> = text.lines().filter(is_elsewhere).collect();
        let broker = BrokerProcess::start(dir.path(), &settings);
        let warnings: Vec<_> = broker.first_lines.iter().filter(|it| it.contains("WARN")).collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("without effect here: `"), "{warnings:?}");
        let (status, _) = broker.end_with(Signal::SIGTERM);
        assert!(status.success(), "{status}");
    }
}
