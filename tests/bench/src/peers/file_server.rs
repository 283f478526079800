//! The limit of the machine: a loop that takes a small request and sends a stretch of a file, by
//! `sendfile(2)` or through a buffer. It runs as a child process of this binary, one thread for each
//! connection.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use byteorder::{BigEndian, ByteOrder, ReadBytesExt};
use nix::libc::off_t;
use nix::sys::sendfile::sendfile64;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SndBuf;

use crate::connection::{Connection, Tally};
use crate::outcome::{Outcome, failed};
use crate::peers::{Consumer, Errand, FetchPeer};
use crate::process::Server;

/// The first argument of the child process.
pub const COMMAND: &str = "serve-file";
/// As much as `cp` reads at once.
const COPY_BUFFER_BYTES: usize = 128 << 10;
/// A position, the bytes of each piece, the pieces, and the distance between their beginnings.
const REQUEST_BYTES: usize = 4 * 8;

/// How the bytes leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Sendfile,
    /// `pread(2)` into a buffer, `write(2)` out of it.
    Copy,
}

/// A loop that runs; dropped, it is stopped.
#[derive(Debug)]
pub struct FileServer {
    server: Server,
    port: u16,
    file_bytes: usize,
}

impl FileServer {
    /// Starts one for this file. Without `send_buffer_bytes` the kernel sizes its send buffers.
    pub fn start(way: Way, file: &Path, send_buffer_bytes: Option<usize>) -> Outcome<Self> {
        let way = if way == Way::Sendfile { "sendfile" } else { "copy" };
        let buffer = send_buffer_bytes.unwrap_or(0).to_string();
        let arguments = [COMMAND.as_ref(), way.as_ref(), file.as_os_str(), buffer.as_ref()];
        let (server, port) = Server::of_this_binary(&arguments)?;
        let file_bytes = usize::try_from(file.metadata()?.len())?;
        Ok(Self { server, port, file_bytes })
    }
}

impl FileServer {
    /// Copies the first `bytes` of the file, a piece of `piece_bytes` at a time, into another one; returns
    /// how long it took.
    pub fn copy_to(&self, path: &Path, bytes: u64, piece_bytes: u64) -> Outcome<Duration> {
        let (mut connection, mut file) = (Connection::open(self.port)?, File::create(path)?);
        let began = Instant::now();
        for position in (0..bytes).step_by(usize::try_from(piece_bytes)?) {
            let mut left = usize::try_from(piece_bytes.min(bytes - position))?;
            let fields = [position, left as u64, 1, bytes];
            let mut request = [0; REQUEST_BYTES];
            for (bytes, field) in request.chunks_exact_mut(8).zip(fields) {
                BigEndian::write_u64(bytes, field);
            }
            connection.send(&request)?;
            while left > 0 {
                let come = connection.take_up_to(left)?;
                file.write_all(come)?;
                left -= come.len();
            }
        }
        Ok(began.elapsed())
    }
}

impl FetchPeer for FileServer {
    fn server(&self) -> &Server {
        &self.server
    }

    fn consumer(&self, errand: &Errand) -> Outcome<Box<dyn Consumer>> {
        let connection = Connection::open(self.port)?;
        Ok(Box::new(FileConsumer { connection, stretch: FileStretch::of(errand, self.file_bytes) }))
    }
}

/// Where a consumer of a file stands: it is treated as if it were as many partitions as are asked
/// for.
#[derive(Clone, Copy, Debug)]
pub struct FileStretch {
    pub position: usize,
    pub piece_bytes: usize,
    pub pieces: usize,
    /// The size of a partition.
    distance: usize,
}

impl FileStretch {
    pub fn of(errand: &Errand, file_bytes: usize) -> Self {
        let (pieces, distance) = (errand.partitions, file_bytes / errand.partitions);
        let position = (distance as f64 * errand.behind) as usize;
        Self { position, piece_bytes: errand.partition_bytes(), pieces, distance }
    }

    /// What comes next; from the beginning again where less is left.
    pub fn advance(&mut self) -> Self {
        if self.position + self.piece_bytes > self.distance {
            self.position = 0;
        }
        let now = *self;
        self.position += self.piece_bytes;
        now
    }

    pub fn bytes(&self) -> usize {
        self.piece_bytes * self.pieces
    }
}

struct FileConsumer {
    connection: Connection,
    stretch: FileStretch,
}

impl Consumer for FileConsumer {
    fn stream(&self) -> &TcpStream {
        self.connection.stream()
    }

    fn fetch(&mut self, tally: &Tally) -> Outcome<()> {
        let stretch = self.stretch.advance();
        let fields = [stretch.position, stretch.piece_bytes, stretch.pieces, stretch.distance];
        let mut request = [0; REQUEST_BYTES];
        for (bytes, field) in request.chunks_exact_mut(8).zip(fields) {
            BigEndian::write_u64(bytes, field as u64);
        }
        self.connection.send(&request)?;
        self.connection.discard_file(stretch.bytes(), tally)?;
        tally.count_fetch();
        Ok(())
    }
}

/// The child process: says its port, and serves until it is stopped or its parent is gone.
pub fn serve(arguments: &[String]) -> Outcome<()> {
    let [way, file, send_buffer_bytes] = arguments else {
        return failed(format!("{COMMAND} takes a way, a file and the size of a buffer"));
    };
    let way = if way == "sendfile" { Way::Sendfile } else { Way::Copy };
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    // Connections inherit it.
    match send_buffer_bytes.parse::<usize>()? {
        0 => {}
        bytes => setsockopt(&listener, SndBuf, &bytes)?,
    }
    println!("{}", listener.local_addr()?.port());
    let file = PathBuf::from(file);
    thread::spawn(move || accept(&listener, way, &file));
    // The parent holds the other end, and never writes.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn accept(listener: &TcpListener, way: Way, file: &Path) {
    for stream in listener.incoming().map_while(Result::ok) {
        let file = file.to_path_buf();
        // A client that hangs up ends its thread.
        thread::spawn(move || converse(stream, way, &file));
    }
}

fn converse(mut stream: TcpStream, way: Way, path: &Path) -> Outcome<()> {
    stream.set_nodelay(true)?;
    // One of its own: threads that share a file share the count of its users.
    let file = File::open(path)?;
    let mut buffer = vec![0; if way == Way::Copy { COPY_BUFFER_BYTES } else { 0 }];
    loop {
        let mut request = [0; REQUEST_BYTES];
        stream.read_exact(&mut request)?;
        let mut fields = &request[..];
        let mut field = || fields.read_u64::<BigEndian>();
        let (position, bytes, pieces, distance) = (field()?, field()?, field()?, field()?);
        for piece in 0..pieces {
            let from = position + piece * distance;
            match way {
                Way::Sendfile => send(&mut stream, &file, from, bytes)?,
                Way::Copy => copy(&mut stream, &file, from, bytes, &mut buffer)?,
            }
        }
    }
}

fn send(stream: &mut TcpStream, file: &File, from: u64, bytes: u64) -> Outcome<()> {
    let mut position = off_t::try_from(from)?;
    let end = position + off_t::try_from(bytes)?;
    while position < end {
        let left = usize::try_from(end - position)?;
        if sendfile64(&*stream, file, Some(&mut position), left)? == 0 {
            return failed("the file ends before the stretch");
        }
    }
    Ok(())
}

fn copy(
    stream: &mut TcpStream,
    file: &File,
    from: u64,
    bytes: u64,
    buffer: &mut [u8],
) -> Outcome<()> {
    let end = from + bytes;
    let mut position = from;
    while position < end {
        let size = usize::try_from(end - position)?.min(buffer.len());
        file.read_exact_at(&mut buffer[..size], position)?;
        stream.write_all(&buffer[..size])?;
        position += size as u64;
    }
    Ok(())
}
