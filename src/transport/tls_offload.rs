//! Not in Kafka: which TLS connections the kernel is given (`transferto.ktls`).

use std::io;
use std::sync::Arc;

use log::info;
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion};

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

    /// For a listener with these versions and suites that is not to be opened without.
    ///
    /// # Errors
    /// If the kernel takes nothing, or not all that clients may agree on, with what it says and what
    /// can be done.
    pub fn require(
        &self,
        versions: &[&SupportedProtocolVersion],
        suites: &[SupportedCipherSuite],
    ) -> io::Result<()> {
        let Self::To(kernel) = self else { return Ok(()) };
        if kernel.refusal().is_some() {
            return Err(unsupported(&format!("no TLS connections: {kernel}")));
        }
        let offered = suites.iter().filter(|it| versions.contains(&it.version()));
        for suite in offered.map(|it| (it.version().version, it.suite())) {
            if self.kernel_for(suite.0, suite.1).is_err() {
                let name = cipher_name(suite.1);
                let remedy = "`ssl.cipher.suites` may leave that out";
                return Err(unsupported(&format!("none with {name}: {kernel}; {remedy}")));
            }
        }
        Ok(())
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

fn unsupported(what: &str) -> io::Error {
    let why = format!(
        "`transferto.ktls=required`, and the kernel takes over {what}; with `transferto.ktls=auto` this \
         process encrypts them"
    );
    io::Error::new(io::ErrorKind::Unsupported, why)
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

#[cfg(test)]
mod tests {
    use rustls::ALL_VERSIONS;
    use rustls::crypto::ring::ALL_CIPHER_SUITES;
    use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    use rustls::version::{TLS12, TLS13};

    use super::*;

    #[test]
    fn required_means_every_cipher_that_clients_may_agree_on() {
        let kernel = KernelTls::taking_all_but(Cipher::Chacha20Poly1305);
        let offload = TlsOffload::To(Arc::new(kernel));
        let why = offload.require(ALL_VERSIONS, ALL_CIPHER_SUITES).unwrap_err().to_string();
        assert!(why.contains("CHACHA20_POLY1305_SHA256: TLSv1.3 with"), "{why}");
        assert!(why.contains("`ssl.cipher.suites`"), "{why}");
        assert!(offload.require(&[&TLS13], &[TLS13_AES_128_GCM_SHA256]).is_ok());
        let without = ALL_CIPHER_SUITES.iter().copied();
        let without: Vec<_> =
            without.filter(|it| !cipher_name(it.suite()).contains("CHACHA")).collect();
        assert!(offload.require(&[&TLS12, &TLS13], &without).is_ok());
    }
}
