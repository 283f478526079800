//! A file on a slow disk: a file system of one file, mounted over that file itself, that takes its
//! time for every read.
//!
//! It speaks the protocol of `/dev/fuse` (linux/fuse.h) as far as a file needs it that is read and
//! never written. The numbers are the machine's own, not Kafka's, and so is their byte order.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use byteorder::{ByteOrder, NativeEndian};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::outcome::Outcome;

const FUSE: &str = "/dev/fuse";
/// The root of the file system is a regular file.
const ROOT_MODE: u32 = 0o100_644;

// struct fuse_in_header
const IN_HEADER_BYTES: usize = 40;
const OPCODE_OFFSET: usize = 4;
const UNIQUE_OFFSET: usize = 8;
// struct fuse_read_in, behind the header
const READ_POSITION_OFFSET: usize = IN_HEADER_BYTES + 8;
const READ_SIZE_OFFSET: usize = IN_HEADER_BYTES + 16;
const OUT_HEADER_BYTES: usize = 16;
/// The kernel demands room for the largest request.
const REQUEST_BYTES: usize = 256 << 10;

// enum fuse_opcode
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const WRITE: u32 = 16;
const RELEASE: u32 = 18;
const SETATTR: u32 = 4;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;

const MAJOR: u32 = 7;
const MINOR: u32 = 31;
const READAHEAD_BYTES: u32 = 128 << 10;
/// What the kernel has cached stays there when the file is opened again.
const FOPEN_KEEP_CACHE: u32 = 1 << 1;
/// Nothing changes, so the kernel need not ask again.
const ATTR_VALID_S: u64 = 3_600;

/// A mounted slow file; dropped, it is what it was before.
#[derive(Debug)]
pub struct SlowFile {
    path: PathBuf,
    server: Option<JoinHandle<()>>,
}

impl SlowFile {
    /// Puts the file at `path` on a disk that takes `delay` for each read, however short, and does
    /// one at a time.
    ///
    /// # Errors
    /// If FUSE is missing, or may not be mounted by this user.
    pub fn over(path: &Path, delay: Duration) -> Outcome<Self> {
        let file = File::open(path)?;
        let device = OpenOptions::new().read(true).write(true).open(FUSE)?;
        let options = format!(
            "fd={},rootmode={ROOT_MODE:o},user_id=0,group_id=0,allow_other",
            device.as_raw_fd()
        );
        mount(Some("slow"), path, Some("fuse"), MsFlags::empty(), Some(options.as_str()))?;
        let mut disk = SlowDisk { file, device, delay };
        let server = thread::spawn(move || disk.serve());
        Ok(Self { path: path.to_path_buf(), server: Some(server) })
    }
}

impl Drop for SlowFile {
    fn drop(&mut self) {
        if let Err(error) = umount2(&self.path, MntFlags::MNT_DETACH) {
            println!("cannot unmount {}: {error}", self.path.display());
            return;
        }
        // It ends with the last file that is open on it.
        if let Some(server) = self.server.take()
            && server.join().is_err()
        {
            println!("the slow disk panicked");
        }
    }
}

struct SlowDisk {
    file: File,
    device: File,
    delay: Duration,
}

impl SlowDisk {
    /// Answers the kernel until the file system is unmounted.
    fn serve(&mut self) {
        let mut request = vec![0; REQUEST_BYTES];
        loop {
            match self.device.read(&mut request) {
                Ok(size) => self.answer(&request[..size]),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                // Interrupted before it was read.
                Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => (),
                Err(_unmounted) => return,
            }
        }
    }

    fn answer(&mut self, request: &[u8]) {
        let answer = match NativeEndian::read_u32(&request[OPCODE_OFFSET..]) {
            FORGET | INTERRUPT => return,
            INIT => Ok(init()),
            GETATTR | SETATTR => self.attributes().map_err(|_| Errno::EIO),
            OPEN => Ok(words(&[0, 0, FOPEN_KEEP_CACHE, 0])),
            READ => self.read(request).map_err(|_| Errno::EIO),
            RELEASE => Ok(Vec::new()),
            WRITE => Err(Errno::EROFS),
            // The kernel then does without.
            _ => Err(Errno::ENOSYS),
        };
        let unique = NativeEndian::read_u64(&request[UNIQUE_OFFSET..]);
        // The kernel no longer waits for an answer to what was interrupted.
        let _ = self.device.write(&out(unique, answer));
    }

    fn read(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        thread::sleep(self.delay);
        let position = NativeEndian::read_u64(&request[READ_POSITION_OFFSET..]);
        let size = NativeEndian::read_u32(&request[READ_SIZE_OFFSET..]);
        let mut bytes = vec![0; size as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.file.read_at(&mut bytes[filled..], position + filled as u64)? {
                0 => break,
                taken => filled += taken,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// struct fuse_attr_out
    fn attributes(&self) -> io::Result<Vec<u8>> {
        let metadata = self.file.metadata()?;
        let mut out = vec![0; 104];
        NativeEndian::write_u64(&mut out[0..], ATTR_VALID_S);
        NativeEndian::write_u64(&mut out[16..], 1);
        NativeEndian::write_u64(&mut out[24..], metadata.size());
        NativeEndian::write_u64(&mut out[32..], metadata.blocks());
        NativeEndian::write_i64(&mut out[48..], metadata.mtime());
        NativeEndian::write_u32(&mut out[76..], ROOT_MODE);
        NativeEndian::write_u32(&mut out[80..], 1);
        NativeEndian::write_u32(&mut out[96..], 4_096);
        Ok(out)
    }
}

/// struct fuse_init_out
fn init() -> Vec<u8> {
    let mut out = words(&[MAJOR, MINOR, READAHEAD_BYTES, 0, 0, READAHEAD_BYTES]);
    out.resize(64, 0);
    out
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// struct fuse_out_header, and what follows it.
fn out(unique: u64, answer: Result<Vec<u8>, Errno>) -> Vec<u8> {
    let (body, error) = match answer {
        Ok(body) => (body, 0),
        Err(errno) => (Vec::new(), -(errno as i32)),
    };
    let mut out = vec![0; OUT_HEADER_BYTES];
    NativeEndian::write_u32(&mut out[0..], (OUT_HEADER_BYTES + body.len()) as u32);
    NativeEndian::write_i32(&mut out[4..], error);
    NativeEndian::write_u64(&mut out[8..], unique);
    out.extend(body);
    out
}
