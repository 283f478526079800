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
    ///
    /// # Errors
    /// If it cannot be asked.
    pub fn probe() -> io::Result<Self> {
        let kernel = KernelTls::probe()?;
        match kernel.refusal() {
            None => info!("the kernel takes over TLS connections (transferto.ktls): {kernel}"),
            Some(_) => info!(
                "the kernel does not take over TLS connections, so that this process encrypts them and \
                 copies their messages (transferto.ktls): it takes {kernel}"
            ),
        }
        Ok(Self::To(Arc::new(kernel)))
    }

    /// The same for a broker that is not to start without.
    ///
    /// # Errors
    /// If the kernel takes nothing, with what it says and what can be done; if it cannot be asked.
    pub fn require() -> io::Result<Self> {
        let kernel = KernelTls::probe()?;
        if kernel.refusal().is_some() {
            let why = format!("`transferto.ktls=required`, and the kernel takes {kernel}");
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        info!("the kernel takes over TLS connections (transferto.ktls=required): {kernel}");
        Ok(Self::To(Arc::new(kernel)))
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
