//! Not in Kafka: which TLS connections the kernel is given (`transferto.ktls`).

use std::io;
use std::sync::Arc;

use log::info;
use rustls::{CipherSuite, ProtocolVersion};

use crate::common::tls_connections::WhyUserSpace;
use crate::transport::kernel_tls::{Cipher, KernelTls};

/// The choice for all connections of a broker.
#[derive(Clone, Debug)]
pub enum TlsOffload {
    /// The kernel is given none.
    Off,
    /// It is given those that it can take.
    To(Arc<KernelTls>),
}

impl TlsOffload {
    /// Asks the kernel, and says in the log what it can and cannot.
    pub fn probe() -> Self {
        let kernel = KernelTls::probe();
        match kernel.refusal() {
            None => info!("the kernel takes over TLS connections (`transferto.ktls`): {kernel}"),
            Some(_) => info!(
                "the kernel takes over no TLS connections (`transferto.ktls`), so that this process \
                 encrypts them and copies their messages: {kernel}"
            ),
        }
        Self::To(Arc::new(kernel))
    }

    /// For a broker that is not to start without.
    ///
    /// # Errors
    /// If the kernel takes nothing, with what it says and what can be done.
    pub fn require(&self) -> io::Result<()> {
        match self {
            Self::To(kernel) if kernel.refusal().is_some() => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "`transferto.ktls=required`, and the kernel takes over no TLS connections: \
                     {kernel}; with `transferto.ktls=auto` this process encrypts them"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The kernel, if it is to have a connection of this version and suite.
    ///
    /// # Errors
    /// Why it is not.
    pub fn kernel_for(
        &self,
        version: ProtocolVersion,
        suite: CipherSuite,
    ) -> Result<&Arc<KernelTls>, WhyUserSpace> {
        let Self::To(kernel) = self else { return Err(WhyUserSpace::SwitchedOff) };
        if kernel.refusal().is_some() {
            return Err(WhyUserSpace::KernelWithoutTls);
        }
        let cipher = Cipher::of(suite).ok_or(WhyUserSpace::CipherUnknownToKernel)?;
        match kernel.takes(version, cipher) {
            Ok(()) => Ok(kernel),
            Err(_) => Err(WhyUserSpace::CipherUnknownToKernel),
        }
    }
}

/// As Java names it.
pub fn protocol_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        _ => "unknown",
    }
}

/// As Java names it. rustls marks the suites of TLS 1.3.
pub fn cipher_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("unknown"),
    }
}
