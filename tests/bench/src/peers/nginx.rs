//! nginx with one worker, which sends the same file by `sendfile(2)`.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::{Pid, Uid};

use crate::connection::{Connection, Tally};
use crate::outcome::{Outcome, failed};
use crate::peers::file_server::FileStretch;
use crate::peers::{Consumer, Errand, FetchPeer};
use crate::process::Server;

const START_PATIENCE: Duration = Duration::from_secs(10);
/// An nginx sends no longer head than this for one range of a file.
const HEAD_BYTES_MAX: usize = 4 << 10;

/// An nginx that runs; dropped, it is stopped.
#[derive(Debug)]
pub struct Nginx {
    server: Server,
    port: u16,
    file_bytes: usize,
}

impl Nginx {
    /// Its version, such as `nginx 1.22.1`, if it is installed.
    pub fn name() -> Option<String> {
        let output = Command::new("nginx").arg("-v").output().ok()?;
        // nginx version: nginx/1.22.1
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let version = words.trim().rsplit('/').next()?.to_string();
        Some(format!("nginx {version}"))
    }

    /// Starts one that serves this file and keeps its own files in `dir`.
    pub fn start(dir: &Path, file: &Path) -> Outcome<Self> {
        fs::create_dir_all(dir)?;
        let port = free_port()?;
        let conf = dir.join("nginx.conf");
        fs::write(&conf, configuration(port, file))?;
        let child = Command::new("nginx")
            .arg("-p")
            .arg(dir)
            .arg("-e")
            .arg(dir.join("error.log"))
            .arg("-c")
            .arg(&conf)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let master = Server::of(child);
        let worker = wait_for_worker(&master, port);
        if worker.is_err() {
            let log = fs::read_to_string(dir.join("error.log")).unwrap_or_default();
            return failed(format!("nginx did not start: {}", log.trim()));
        }
        let file_bytes = usize::try_from(file.metadata()?.len())?;
        Ok(Self { server: master.measured_at(worker?), port, file_bytes })
    }
}

impl FetchPeer for Nginx {
    fn server(&self) -> &Server {
        &self.server
    }

    fn consumer(&self, errand: &Errand) -> Outcome<Box<dyn Consumer>> {
        let connection = Connection::open(self.port)?;
        Ok(Box::new(HttpConsumer { connection, stretch: FileStretch::of(errand, self.file_bytes) }))
    }
}

fn free_port() -> Outcome<u16> {
    // Free again when the listener is dropped, and nobody else is about to take it.
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// As its documentation advises for large files. Only root may name the worker's user, and needs to.
fn configuration(port: u16, file: &Path) -> String {
    let user = if Uid::effective().is_root() { "user root;" } else { "" };
    format!(
        "{user}
daemon off;
worker_processes 1;
pid nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    sendfile_max_chunk 2m;
    tcp_nopush on;
    tcp_nodelay on;
    open_file_cache max=8 inactive=1h;
    open_file_cache_valid 1h;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        location = /file {{ alias {}; }}
    }}
}}
",
        file.display()
    )
}

/// The one child of the master, which does the work.
fn wait_for_worker(master: &Server, port: u16) -> Outcome<Pid> {
    let children = format!("/proc/{0}/task/{0}/children", master.pid());
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let began = Instant::now();
    while began.elapsed() < START_PATIENCE {
        let worker = fs::read_to_string(&children)?;
        if let (Ok(pid), Ok(_)) = (worker.trim().parse(), TcpStream::connect(address)) {
            return Ok(Pid::from_raw(pid));
        }
        thread::sleep(Duration::from_millis(2));
    }
    failed("no worker")
}

struct HttpConsumer {
    connection: Connection,
    stretch: FileStretch,
}

impl Consumer for HttpConsumer {
    fn stream(&self) -> &TcpStream {
        self.connection.stream()
    }

    fn fetch(&mut self, tally: &Tally) -> Outcome<()> {
        let stretch = self.stretch.advance();
        let (first, end) = (stretch.position, stretch.position + stretch.bytes());
        let last = end - 1;
        let request =
            format!("GET /file HTTP/1.1\r\nHost: bench\r\nRange: bytes={first}-{last}\r\n\r\n");
        self.connection.send(request.as_bytes())?;
        let head = self.head()?;
        tally.count_wire(head.len());
        let length = format!("Content-Length: {}\r\n", stretch.bytes());
        if !head.starts_with("HTTP/1.1 206 ") || !head.contains(&length) {
            return failed(format!("another answer of nginx: {head}"));
        }
        self.connection.discard_file(stretch.bytes(), tally)?;
        tally.count_fetch();
        Ok(())
    }
}

impl HttpConsumer {
    /// All up to the empty line.
    fn head(&mut self) -> Outcome<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
            head.push(self.connection.take(1)?[0]);
        }
        Ok(String::from_utf8(head)?)
    }
}
