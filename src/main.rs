//! Port of `kafka.Kafka`: the broker's binary. Reads the settings, starts, waits for a signal,
//! stops. Or runs one of the tools that need no broker.

use std::env;
use std::io;
use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use log::{LevelFilter, info, warn};
use nix::sys::signal::{SigSet, Signal};

use transferto::common::end_point::{EndPoint, SecurityProtocol};
use transferto::common::file_descriptors::{RaisedLimit, raise_limit};
use transferto::common::loading_progress::LoadingProgress;
use transferto::common::memory_limit::address_space_bytes;
use transferto::common::named_thread::spawn_named;
use transferto::common::service_manager::ServiceManager;
use transferto::common::step::line_prefix;
use transferto::common::sys::share_one_heap;
use transferto::common::text::on_one_line;
use transferto::config::command_line::{CommandLine, HELP, VERSION, settings};
use transferto::config::config_reader::read_file;
use transferto::config::help_text::HelpText;
use transferto::config::man_page::man_page;
use transferto::config::settings_check::SettingsCheck;
use transferto::network::request_log::REQUEST_LOGGER;
use transferto::security::channel_builders::check_listeners;
use transferto::server::cluster::start_cancellation::StartCancellation;
use transferto::tools::add_scram::add_scram;
use transferto::tools::add_scram_options::{ADD_SCRAM_HELP, AddScramOptions, AddScramRequest};
use transferto::tools::dump_log_segments::dump_log_segments;
use transferto::tools::dump_log_segments_options::{
    DUMP_LOG_HELP, DumpLogRequest, DumpLogSegmentsOptions,
};
use transferto::tools::metadata_log::print_metadata_log;
use transferto::tools::metadata_log_options::{
    METADATA_LOG_HELP, MetadataLogOptions, MetadataLogRequest,
};
use transferto::tools::move_to_cluster::move_to_cluster;
use transferto::tools::move_to_cluster_options::{
    MOVE_TO_CLUSTER_HELP, MoveToClusterOptions, MoveToClusterRequest,
};
use transferto::{KafkaConfig, KafkaServer, KafkaServerBuilder, StartupError};

/// Each with its help.
const SUB_COMMANDS: [(&str, HelpText<'static>); 4] = [
    ("dump-log", HelpText(DUMP_LOG_HELP)),
    ("metadata-log", HelpText(METADATA_LOG_HELP)),
    ("add-scram", HelpText(ADD_SCRAM_HELP)),
    ("move-to-cluster", HelpText(MOVE_TO_CLUSTER_HELP)),
];

fn main() -> ExitCode {
    match CommandLine::parse(env::args().skip(1)) {
        Ok(CommandLine::Help) => print(HELP),
        Ok(CommandLine::Settings) => print(&settings()),
        Ok(CommandLine::Completion(shell)) => print(&shell.script(HelpText(HELP), &SUB_COMMANDS)),
        Ok(CommandLine::Man) => print(&man_page(HelpText(HELP), &SUB_COMMANDS, VERSION)),
        Ok(CommandLine::Check { properties, overrides }) => {
            check(properties.as_deref(), &overrides)
        }
        Ok(CommandLine::Version) => print(&format!("{VERSION}\n")),
        Ok(CommandLine::DumpLog(arguments)) => dump_log(&arguments),
        Ok(CommandLine::MetadataLog(arguments)) => metadata_log(&arguments),
        Ok(CommandLine::AddScram(arguments)) => add_users(&arguments),
        Ok(CommandLine::MoveToCluster(arguments)) => move_single_node(&arguments),
        Ok(CommandLine::Start { properties, overrides }) => {
            start_logging();
            run(properties.as_deref(), &overrides)
        }
        Err(wrong) => fail(&[wrong]),
    }
}

/// Prints what is in the files of a log.
fn dump_log(arguments: &[String]) -> ExitCode {
    let options = match DumpLogSegmentsOptions::parse(arguments) {
        Ok(DumpLogRequest::Dump(options)) => options,
        Ok(DumpLogRequest::Help) => return print(DUMP_LOG_HELP),
        Ok(DumpLogRequest::Version) => return print(&format!("{VERSION}\n")),
        Err(wrong) => return fail(&[wrong]),
    };
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let is_terminal = out.is_terminal();
    let dumped = dump_log_segments(&options, &mut out, &mut err, is_terminal);
    drop(err);
    match dumped {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&[format!("cannot print: {error}")]),
    }
}

/// Prints the metadata log of a cluster.
fn metadata_log(arguments: &[String]) -> ExitCode {
    let options = match MetadataLogOptions::parse(arguments) {
        Ok(MetadataLogRequest::Print(options)) => options,
        Ok(MetadataLogRequest::Help) => return print(METADATA_LOG_HELP),
        Ok(MetadataLogRequest::Version) => return print(&format!("{VERSION}\n")),
        Err(wrong) => return fail(&[wrong]),
    };
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let is_terminal = out.is_terminal();
    let printed = print_metadata_log(&options, &mut out, &mut err, is_terminal);
    drop(err);
    match printed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&[format!("cannot print: {error}")]),
    }
}

/// Makes users of SCRAM in the log directory of a broker that does not run.
fn add_users(arguments: &[String]) -> ExitCode {
    let options = match AddScramOptions::parse(arguments) {
        Ok(AddScramRequest::Add(options)) => options,
        Ok(AddScramRequest::Help) => return print(ADD_SCRAM_HELP),
        Ok(AddScramRequest::Version) => return print(&format!("{VERSION}\n")),
        Err(wrong) => return fail(&[wrong]),
    };
    match add_scram(&options, &mut io::stdin().lock()) {
        Ok(lines) => print(&(lines.join("\n") + "\n")),
        Err(errors) => fail(&errors),
    }
}

/// Makes a single node, which does not run, the first broker of a cluster.
fn move_single_node(arguments: &[String]) -> ExitCode {
    let options = match MoveToClusterOptions::parse(arguments) {
        Ok(MoveToClusterRequest::Move(options)) => options,
        Ok(MoveToClusterRequest::Help) => return print(MOVE_TO_CLUSTER_HELP),
        Ok(MoveToClusterRequest::Version) => return print(&format!("{VERSION}\n")),
        Err(wrong) => return fail(&[wrong]),
    };
    match move_to_cluster(&options) {
        Ok(lines) => print(&(lines.join("\n") + "\n")),
        Err(errors) => fail(&errors),
    }
}

/// Says what a broker would make of the settings, and starts none.
fn check(properties: Option<&Path>, overrides: &[(String, String)]) -> ExitCode {
    let check = SettingsCheck::of(properties, overrides, check_listeners);
    for warning in &check.warnings {
        eprintln!("transferto: warning: {warning}");
    }
    match check.errors.as_slice() {
        [] => print(&check.findings),
        errors => fail(errors),
    }
}

/// Runs a broker until a signal ends it.
fn run(properties: Option<&Path>, overrides: &[(String, String)]) -> ExitCode {
    let service_manager = ServiceManager::from_environment();
    let config = match read_file(properties, overrides) {
        Ok(config) => config,
        Err(errors) => return fail_to_start(&service_manager, &errors),
    };
    if address_space_bytes().is_some() {
        share_one_heap();
    }
    // Before the first thread starts, so that all inherit it: a signal is for this one, which waits
    // for it, and interrupts no other.
    let signals = signals_of_interest();
    if let Err(error) = signals.thread_block() {
        return fail_to_start(&service_manager, &[format!("cannot block signals: {error}")]);
    }
    info!("{VERSION}, pid {}", std::process::id());
    raise_descriptor_limit();
    for (name, value) in config.settings_to_show() {
        info!("setting {name} = {value}");
    }
    let cancellation = Arc::default();
    let signals = match Signals::of(signals, &config, &cancellation) {
        Ok(signals) => signals,
        Err(error) => return fail_to_start(&service_manager, &[error]),
    };
    let server = match start(config, &service_manager, cancellation) {
        Ok(server) => server,
        Err(error) => return fail_to_start(&service_manager, &[error]),
    };
    greet(&server);
    service_manager.ready(&format!("listening on {}", listeners_of(&server)));
    wait_for_end(&signals, &server);
    service_manager.stopping();
    server.log_metrics();
    match server.shutdown() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&[error]),
    }
}

fn start(
    config: KafkaConfig,
    service_manager: &ServiceManager,
    cancellation: Arc<StartCancellation>,
) -> Result<KafkaServer, StartupError> {
    let progress = Arc::new(LoadingProgress::default());
    let builder = KafkaServerBuilder::new(config).loading_progress(Arc::clone(&progress));
    let builder = builder.cancellation(cancellation);
    // At once: nothing that is left to be done could be kept.
    let builder = builder.halt_procedure(|| exit(1));
    service_manager.watch_start(&progress, || builder.start())
}

/// Takes as many file descriptors as the system gives: each connection and each segment needs one.
fn raise_descriptor_limit() {
    let raised = match raise_limit() {
        Ok(raised) => raised,
        Err(error) => return warn!("cannot raise the limit on file descriptors: {error}"),
    };
    match raised {
        RaisedLimit { before, now } if before < now => {
            info!("up to {now} file descriptors: the soft limit was {before}");
        }
        RaisedLimit { now, .. } => info!("up to {now} file descriptors"),
    }
    if let Some(warning) = raised.warning() {
        warn!("{warning}");
    }
}

/// The first lines of a broker's life: where it listens, how it is set up, and what to try next.
fn greet(server: &KafkaServer) {
    let current = server.dynamic_config().current();
    let config = current.config();
    let dirs: Vec<_> = config.log_dirs.iter().map(|dir| dir.display().to_string()).collect();
    info!(
        "threads: per listener 1 acceptor and {} processors; {} request handlers; up to {} for background tasks",
        config.num_network_threads, config.num_io_threads, config.background_threads
    );
    info!("logs in {}", dirs.join(", "));
    info!(
        "listening on {}; started in {:.1} ms",
        listeners_of(server),
        server.startup_duration().as_secs_f64() * 1000.0
    );
    let mut end_points = server.bound_endpoints().iter();
    let is_plaintext = |it: &&EndPoint| it.security_protocol == SecurityProtocol::Plaintext;
    if let Some(end_point) = end_points.find(is_plaintext) {
        let address = end_point.address_on_this_machine();
        info!("try:  echo hello | kcat -b {address} -t post -P && kcat -b {address} -t post -C -e");
        info!(
            "watch a fetch leave by sendfile:  strace -f -y -e trace=sendfile -p {}",
            std::process::id()
        );
    }
    match server.http_addr().map(address_on_this_machine) {
        Some(address) => info!("watch the path at work:  http://{address}/live"),
        None => info!(
            "watch the path at work in a browser:  start with --override \
             transferto.http.listener=9404, open http://127.0.0.1:9404/live"
        ),
    }
}

/// Where a browser on this machine finds what listens on `address`.
fn address_on_this_machine(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn listeners_of(server: &KafkaServer) -> String {
    let listeners: Vec<_> = server.bound_endpoints().iter().map(ToString::to_string).collect();
    listeners.join(", ")
}

/// Where the signals of the process come from.
enum Signals {
    /// The thread that asks waits for them.
    Awaited(SigSet),
    /// Another thread passes them on: the start of a broker of a cluster may wait for a controller for long,
    /// and who wants it to end does not.
    PassedOn(Receiver<Signal>),
}

impl Signals {
    fn of(
        signals: SigSet,
        config: &KafkaConfig,
        cancellation: &Arc<StartCancellation>,
    ) -> io::Result<Self> {
        if !config.joins_a_cluster() {
            return Ok(Self::Awaited(signals));
        }
        let (sender, receiver) = channel();
        let cancellation = Arc::clone(cancellation);
        spawn_named("signals".to_string(), move || {
            while let Ok(signal) = signals.wait() {
                if signal != Signal::SIGUSR1 {
                    cancellation.cancel();
                }
                if sender.send(signal).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self::PassedOn(receiver))
    }

    fn wait(&self) -> io::Result<Signal> {
        match self {
            Self::Awaited(signals) => Ok(signals.wait()?),
            // Without the thread no signal would come any more: the broker ends while it can.
            Self::PassedOn(receiver) => Ok(receiver.recv().unwrap_or(Signal::SIGTERM)),
        }
    }
}

/// SIGINT and SIGTERM end the broker; SIGUSR1 logs its counters.
fn wait_for_end(signals: &Signals, server: &KafkaServer) {
    loop {
        match signals.wait() {
            Ok(Signal::SIGUSR1) => server.log_metrics(),
            Ok(signal) => {
                info!("got {signal}");
                return;
            }
            Err(error) => warn!("cannot wait for a signal: {error}"),
        }
    }
}

fn signals_of_interest() -> SigSet {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1] {
        signals.add(signal);
    }
    signals
}

/// Log lines go to the standard error, each with the thread that says it, and in a trace with the
/// request that it is said of, and indented as calls are. RUST_LOG says how many, `info` without it.
fn start_logging() {
    env_logger::Builder::new()
        .filter_level(LevelFilter::Info)
        // What the library beneath traces would drown the hops of a fetch.
        .filter_module("mio", LevelFilter::Warn)
        // Off unless it is asked for by name, as Kafka delivers it; of slow requests it warns.
        .filter_module(REQUEST_LOGGER, LevelFilter::Warn)
        .parse_default_env()
        .format(|out, record| {
            let (time, level) = (out.timestamp_micros(), record.level());
            let style = out.default_level_style(level);
            let thread = thread::current();
            let thread = thread.name().unwrap_or("unnamed");
            let (prefix, text) = (line_prefix(), on_one_line(&record.args().to_string()));
            writeln!(out, "{time} {style}{level:<5}{style:#} [{thread}] {prefix}{text}")
        })
        .init();
}

fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader who has closed the pipe has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            fail(&[format!("cannot print: {error}")])
        }
        _ => ExitCode::SUCCESS,
    }
}

fn fail_to_start(service_manager: &ServiceManager, errors: &[impl std::fmt::Display]) -> ExitCode {
    let reasons: Vec<_> = errors.iter().map(ToString::to_string).collect();
    service_manager.status(&format!("cannot start: {}", reasons.join("; ")));
    fail(errors)
}

fn fail(errors: &[impl std::fmt::Display]) -> ExitCode {
    for error in errors {
        eprintln!("transferto: {error}");
    }
    ExitCode::FAILURE
}
