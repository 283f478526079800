//! The limit of the machine for a producer: a loop that takes in a request, writes its records to a
//! file as they are, and answers. It runs as a child process of this binary, one thread and one file
//! for each connection.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

use byteorder::{BigEndian, ByteOrder, ReadBytesExt, WriteBytesExt};
use transferto::message::record_batch::{RECORDS_COUNT_OFFSET, RECORDS_OFFSET};

use crate::outcome::{Outcome, failed};
use crate::peers::Broker;
use crate::process::Server;

pub const NAME: &str = "bare write loop";
/// The first argument of the child process.
pub const COMMAND: &str = "write-batches";
/// Small requests that came together are read at once.
const BUFFER_BYTES: usize = 64 << 10;

const NO_ERROR: i16 = 0;
const NO_TIMESTAMP: i64 = -1;
const LOG_START_OFFSET: i64 = 0;
const NO_THROTTLE_MS: i32 = 0;

/// A loop that runs; dropped, it is stopped.
#[derive(Debug)]
pub struct WriteLoop {
    server: Server,
    port: u16,
}

impl WriteLoop {
    /// Starts one that makes its files in this directory.
    pub fn start(dir: &Path) -> Outcome<Self> {
        let (server, port) = Server::of_this_binary(&[COMMAND.as_ref(), dir.as_os_str()])?;
        Ok(Self { server, port })
    }
}

/// As far as Produce goes.
impl Broker for WriteLoop {
    fn name(&self) -> &str {
        NAME
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn port(&self) -> u16 {
        self.port
    }
}

/// The child process: says its port, and serves until it is stopped or its parent is gone.
pub fn serve(arguments: &[String]) -> Outcome<()> {
    let [dir] = arguments else { return failed(format!("{COMMAND} takes a directory")) };
    let dir = PathBuf::from(dir);
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("{}", listener.local_addr()?.port());
    thread::spawn(move || accept(&listener, &dir));
    // The parent holds the other end, and never writes.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn accept(listener: &TcpListener, dir: &Path) {
    for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
        let path = dir.join(number.to_string());
        // A client that hangs up ends its thread.
        thread::spawn(move || converse(stream, &path));
    }
}

fn converse(mut stream: TcpStream, path: &Path) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let mut file = File::create(path)?;
    // Its bytes go with the connection.
    std::fs::remove_file(path)?;
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, stream.try_clone()?);
    let (mut frame, mut response) = (Vec::new(), Vec::new());
    let mut next_offset = 0;
    loop {
        let size = reader.read_u32::<BigEndian>()? as usize;
        frame.resize(size, 0);
        reader.read_exact(&mut frame)?;
        let request = Request::read(&frame)?;
        file.write_all(request.records)?;
        request.respond(next_offset, &mut response)?;
        stream.write_all(&response)?;
        next_offset += request.records_count();
    }
}

/// What is needed of a Produce request with one batch, of a version between 5 and 7.
struct Request<'a> {
    correlation_id: i32,
    topic: &'a [u8],
    partition: i32,
    records: &'a [u8],
}

impl<'a> Request<'a> {
    fn read(frame: &'a [u8]) -> Outcome<Self> {
        let mut rest = frame;
        let _api_key = rest.read_i16::<BigEndian>()?;
        let _version = rest.read_i16::<BigEndian>()?;
        let correlation_id = rest.read_i32::<BigEndian>()?;
        let _client_id = take_text(&mut rest)?;
        let _transactional_id = take_text(&mut rest)?;
        let _acks = rest.read_i16::<BigEndian>()?;
        let _timeout_ms = rest.read_i32::<BigEndian>()?;
        let _topics = rest.read_i32::<BigEndian>()?;
        let topic = take_text(&mut rest)?;
        let _partitions = rest.read_i32::<BigEndian>()?;
        let partition = rest.read_i32::<BigEndian>()?;
        let records_bytes = usize::try_from(rest.read_i32::<BigEndian>()?)?;
        if records_bytes != rest.len() || records_bytes < RECORDS_OFFSET {
            return failed(format!("{records_bytes} bytes are no batch of one partition"));
        }
        Ok(Self { correlation_id, topic, partition, records: rest })
    }

    fn records_count(&self) -> i64 {
        BigEndian::read_i32(&self.records[RECORDS_COUNT_OFFSET..]).into()
    }

    /// Writes its response, with the size in front.
    fn respond(&self, base_offset: i64, bytes: &mut Vec<u8>) -> Outcome<()> {
        bytes.clear();
        bytes.write_u32::<BigEndian>(0)?;
        bytes.write_i32::<BigEndian>(self.correlation_id)?;
        bytes.write_i32::<BigEndian>(1)?;
        bytes.write_i16::<BigEndian>(i16::try_from(self.topic.len())?)?;
        bytes.write_all(self.topic)?;
        bytes.write_i32::<BigEndian>(1)?;
        bytes.write_i32::<BigEndian>(self.partition)?;
        bytes.write_i16::<BigEndian>(NO_ERROR)?;
        bytes.write_i64::<BigEndian>(base_offset)?;
        bytes.write_i64::<BigEndian>(NO_TIMESTAMP)?;
        bytes.write_i64::<BigEndian>(LOG_START_OFFSET)?;
        bytes.write_i32::<BigEndian>(NO_THROTTLE_MS)?;
        let size = u32::try_from(bytes.len() - 4)?;
        BigEndian::write_u32(bytes, size);
        Ok(())
    }
}

/// A string of two bytes' length; a null string has none.
fn take_text<'a>(rest: &mut &'a [u8]) -> Outcome<&'a [u8]> {
    let length = usize::try_from(rest.read_i16::<BigEndian>()?.max(0))?;
    let Some((text, behind)) = rest.split_at_checked(length) else {
        return failed("the request ends early");
    };
    *rest = behind;
    Ok(text)
}
