//! Not in Kafka: TLS in the kernel. What it can take over, asked of it at the start, and the calls that
//! hand a connection over.
//!
//! A socket gets the "upper layer protocol" `tls`, and then one key for each direction. From then on
//! what is written to it leaves encrypted, by `sendfile(2)`, too, and what is read from it was
//! decrypted. The kernel knows nothing of handshakes, and leaves all records that are no data to us.

use std::fmt;
use std::io;
use std::io::IoSliceMut;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::{TcpTlsRx, TcpTlsTx, TcpUlp, TlsCryptoInfo};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, TlsGetRecordType, recvmsg, setsockopt};
use rustls::{
    AlertDescription, CipherSuite, ConnectionTrafficSecrets, ContentType, ProtocolVersion,
};

use crate::transport::control_records::Misbehaviour;

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2];
/// Both ciphers of AES-GCM divide the 12 bytes of rustls's vector so.
const SALT_BYTES: usize = 4;
const VECTOR_BYTES: usize = 12;

/// What encrypts: all that rustls can agree on with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    Chacha20Poly1305,
}

impl Cipher {
    pub const ALL: [Self; 3] = [Self::Aes128Gcm, Self::Aes256Gcm, Self::Chacha20Poly1305];

    /// What encrypts in this suite.
    pub fn of(suite: CipherSuite) -> Option<Self> {
        let name = suite.as_str()?;
        let parts = [
            ("AES_128_GCM", Self::Aes128Gcm),
            ("AES_256_GCM", Self::Aes256Gcm),
            ("CHACHA20_POLY1305", Self::Chacha20Poly1305),
        ];
        parts.into_iter().find(|(part, _)| name.contains(part)).map(|(_, cipher)| cipher)
    }

    fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm | Self::Chacha20Poly1305 => 32,
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aes128Gcm => "AES-128-GCM",
            Self::Aes256Gcm => "AES-256-GCM",
            Self::Chacha20Poly1305 => "CHACHA20-POLY1305",
        })
    }
}

/// What the kernel has refused, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The option of setsockopt(2), or what it was to be tried on.
    pub option: &'static str,
    pub errno: Errno,
}

impl Refusal {
    fn of(option: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self { option, errno }
    }

    /// Whether the kernel has no TLS at all, or none that is loaded.
    pub fn is_of_module(self) -> bool {
        self.option == TCP_ULP
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} gives {:?} ({})", self.option, self.errno, self.errno.desc())
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::other(format!("the kernel does not take the connection over: {refusal}"))
    }
}

const TCP_ULP: &str = "TCP_ULP";
const TLS_TX: &str = "TLS_TX";
const TLS_RX: &str = "TLS_RX";
const LOOPBACK: &str = "a connection to 127.0.0.1";

/// What the kernel can take over.
#[derive(Clone, Debug)]
pub struct KernelTls {
    /// By version and cipher, in the order of `VERSIONS` and [`Cipher::ALL`].
    answers: [[Result<(), Refusal>; 3]; 2],
    /// Why keys cannot be changed, if they cannot. Linux learnt to in 6.14.
    rekey: Result<(), Refusal>,
}

impl KernelTls {
    /// Tries each version with each cipher on a connection to ourselves. A cipher whose module is
    /// missing is refused alone.
    /// Without such a connection nothing is taken over.
    pub fn probe() -> Self {
        Self::probe_over_loopback().unwrap_or_else(|error| {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
            let refusal = Refusal { option: LOOPBACK, errno };
            Self { answers: [[Err(refusal); 3]; 2], rekey: Err(refusal) }
        })
    }

    fn probe_over_loopback() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let connect = || TcpStream::connect(listener.local_addr()?);
        let mut answers = [[Ok(()); 3]; 2];
        let mut rekey = Ok(());
        for (of_version, version) in answers.iter_mut().zip(VERSIONS) {
            for (answer, cipher) in of_version.iter_mut().zip(Cipher::ALL) {
                let info = crypto_info(version, cipher, 0, &[0; 32], &[0; VECTOR_BYTES]);
                let info = info.expect("the probe knows its versions and its ciphers");
                let socket = connect()?;
                *answer = hand_over(&socket, &info, &info);
                if version == ProtocolVersion::TLSv1_3 && answer.is_ok() {
                    rekey = set_transmit(&socket, &info);
                }
            }
        }
        Ok(Self { answers, rekey })
    }

    /// One that lacks a module.
    #[cfg(test)]
    pub(super) fn taking_all_but(cipher: Cipher) -> Self {
        let refusal = Refusal { option: TLS_TX, errno: Errno::ENOENT };
        let answer = |it| if it == cipher { Err(refusal) } else { Ok(()) };
        Self { answers: [Cipher::ALL.map(answer); 2], rekey: Ok(()) }
    }

    /// Whether it takes connections of this version and cipher over.
    ///
    /// # Errors
    /// What it has refused.
    pub fn takes(&self, version: ProtocolVersion, cipher: Cipher) -> Result<(), Refusal> {
        let row = usize::from(version != ProtocolVersion::TLSv1_3);
        self.answers[row][cipher as usize]
    }

    /// Whether it changes keys that it has, as TLS 1.3 can (KeyUpdate).
    pub fn changes_keys(&self) -> bool {
        self.rekey.is_ok()
    }

    /// Whether it takes nothing over, and why.
    pub fn refusal(&self) -> Option<Refusal> {
        let all = self.answers.as_flattened();
        let first = all.first().and_then(|it| it.err());
        first.filter(|_| all.iter().all(Result::is_err))
    }
}

impl fmt::Display for KernelTls {
    /// What it takes over and what it does not, for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(refusal) = self.refusal() {
            return write!(f, "{refusal}{}", remedy(refusal));
        }
        for (index, (answers, version)) in
            self.answers.iter().zip(["TLSv1.3", "TLSv1.2"]).enumerate()
        {
            write!(f, "{}{version} with ", if index > 0 { "; " } else { "" })?;
            for (index, (answer, cipher)) in answers.iter().zip(Cipher::ALL).enumerate() {
                let comma = if index > 0 { ", " } else { "" };
                match answer {
                    Ok(()) => write!(f, "{comma}{cipher}")?,
                    Err(refusal) => write!(f, "{comma}not {cipher} ({refusal})")?,
                }
            }
        }
        match self.rekey {
            Ok(()) => write!(f, "; it changes keys"),
            Err(refusal) => write!(
                f,
                "; it does not change keys ({refusal}; Linux 6.14 does), so that a connection is closed \
                 when its keys are due"
            ),
        }
    }
}

/// What somebody can do about it.
fn remedy(refusal: Refusal) -> &'static str {
    if refusal.is_of_module() && refusal.errno == Errno::ENOENT {
        "; `modprobe tls`, as root of the machine, loads the module if the kernel has it"
    } else {
        ""
    }
}

/// Gives `socket` to the kernel, in both directions.
///
/// # Errors
/// What was refused. The socket is of no use then, unless it was the first call that failed.
// ANCHOR: hand_over
pub fn hand_over(
    socket: &impl AsFd,
    transmit: &TlsCryptoInfo,
    receive: &TlsCryptoInfo,
) -> Result<(), Refusal> {
    setsockopt(socket, TcpUlp::default(), b"tls").map_err(Refusal::of(TCP_ULP))?;
    set_transmit(socket, transmit)?;
    set_receive(socket, receive)
}
// ANCHOR_END: hand_over

/// Has the kernel encrypt by this key from now on.
///
/// # Errors
/// What was refused.
pub fn set_transmit(socket: &impl AsFd, info: &TlsCryptoInfo) -> Result<(), Refusal> {
    setsockopt(socket, TcpTlsTx, info).map_err(Refusal::of(TLS_TX))
}

/// Has the kernel decrypt by this key from now on.
///
/// # Errors
/// What was refused.
pub fn set_receive(socket: &impl AsFd, info: &TlsCryptoInfo) -> Result<(), Refusal> {
    setsockopt(socket, TcpTlsRx, info).map_err(Refusal::of(TLS_RX))
}

/// What a call has brought: data, or one record of another kind, as far as there was room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub bytes: usize,
    /// `None` at the end of the stream.
    pub content: Option<ContentType>,
}

/// Reads into `dst` and then into `spare`. Data never come together with a record of another kind.
///
/// # Errors
/// `WouldBlock` if no record is whole; `InvalidData` for bytes that are no record of this connection;
/// whatever `recvmsg(2)` reports otherwise.
pub fn receive(
    socket: &impl AsFd,
    dst: &mut [u8],
    spare: &mut [u8],
    flags: MsgFlags,
) -> io::Result<Received> {
    let mut control = ControlBuffer([0; CONTROL_BYTES]);
    let mut parts = [IoSliceMut::new(dst), IoSliceMut::new(spare)];
    let fd = socket.as_fd().as_raw_fd();
    let received = recvmsg::<()>(fd, &mut parts, Some(&mut control.0), flags).map_err(in_words)?;
    let content = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::TlsGetRecordType(content) => Some(content_type(content)),
        _ => None,
    });
    Ok(Received { bytes: received.bytes, content })
}

/// Room for the type of a record behind its header.
const CONTROL_BYTES: usize = 64;

/// Aligned as the header in it is to be.
#[repr(align(8))]
struct ControlBuffer([u8; CONTROL_BYTES]);

fn content_type(content: TlsGetRecordType) -> ContentType {
    match content {
        TlsGetRecordType::ChangeCipherSpec => ContentType::ChangeCipherSpec,
        TlsGetRecordType::Alert => ContentType::Alert,
        TlsGetRecordType::Handshake => ContentType::Handshake,
        TlsGetRecordType::ApplicationData => ContentType::ApplicationData,
        TlsGetRecordType::Unknown(other) => ContentType::Unknown(other),
        _ => ContentType::Unknown(0),
    }
}

/// What the kernel means by its numbers when it reads a record.
fn in_words(errno: Errno) -> io::Error {
    let (what, alert) = match errno {
        Errno::EBADMSG => (
            "a record that its key does not open: damaged, or forged",
            AlertDescription::BadRecordMac,
        ),
        Errno::EMSGSIZE => {
            ("a record that is longer than TLS allows", AlertDescription::RecordOverflow)
        }
        Errno::EINVAL => {
            ("bytes that are no record of its version of TLS", AlertDescription::ProtocolVersion)
        }
        Errno::EKEYEXPIRED => {
            ("a record by a key that is not known", AlertDescription::UnexpectedMessage)
        }
        _ => return errno.into(),
    };
    Misbehaviour { alert, why: format!("the peer has sent {what} ({errno:?})") }.into()
}

/// A key as rustls gives it, for the record with the number `sequence`, as the kernel takes it. `None`
/// for what the kernel does not know.
pub fn crypto_info_of(
    version: ProtocolVersion,
    sequence: u64,
    secrets: &ConnectionTrafficSecrets,
) -> Option<TlsCryptoInfo> {
    let (cipher, key, vector) = match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (Cipher::Aes128Gcm, key, iv),
        ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (Cipher::Aes256Gcm, key, iv),
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
            (Cipher::Chacha20Poly1305, key, iv)
        }
        _ => return None,
    };
    let vector: &[u8; VECTOR_BYTES] = vector.as_ref().try_into().ok()?;
    crypto_info(version, cipher, sequence, key.as_ref(), vector)
}

/// The structs of `linux/tls.h`. Of `key`, as many bytes count as the cipher has. `None` for a version
/// that the kernel does not know.
pub fn crypto_info(
    version: ProtocolVersion,
    cipher: Cipher,
    sequence: u64,
    key: &[u8],
    vector: &[u8; VECTOR_BYTES],
) -> Option<TlsCryptoInfo> {
    let version = match version {
        ProtocolVersion::TLSv1_2 => libc::TLS_1_2_VERSION,
        ProtocolVersion::TLSv1_3 => libc::TLS_1_3_VERSION,
        _ => return None,
    };
    let key = key.get(..cipher.key_bytes())?;
    let info = |cipher_type| libc::tls_crypto_info { version, cipher_type };
    let (salt, iv) = vector.split_at(SALT_BYTES);
    let rec_seq = sequence.to_be_bytes();
    Some(match cipher {
        Cipher::Aes128Gcm => TlsCryptoInfo::Aes128Gcm(libc::tls12_crypto_info_aes_gcm_128 {
            info: info(libc::TLS_CIPHER_AES_GCM_128),
            iv: iv.try_into().ok()?,
            key: key.try_into().ok()?,
            salt: salt.try_into().ok()?,
            rec_seq,
        }),
        Cipher::Aes256Gcm => TlsCryptoInfo::Aes256Gcm(libc::tls12_crypto_info_aes_gcm_256 {
            info: info(libc::TLS_CIPHER_AES_GCM_256),
            iv: iv.try_into().ok()?,
            key: key.try_into().ok()?,
            salt: salt.try_into().ok()?,
            rec_seq,
        }),
        Cipher::Chacha20Poly1305 => {
            TlsCryptoInfo::Chacha20Poly1305(libc::tls12_crypto_info_chacha20_poly1305 {
                info: info(libc::TLS_CIPHER_CHACHA20_POLY1305),
                iv: *vector,
                key: key.try_into().ok()?,
                salt: [],
                rec_seq,
            })
        }
    })
}
