//! How many connections are encrypted, by what, and by whom: the gauge `connections` of Kafka's
//! `SelectorMetrics`, which names cipher and protocol (KAFKA-9091), and what only this broker can say of
//! one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::common::lock::locked;

/// Who encrypts and decrypts what a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EncryptedBy {
    /// The kernel, so that files leave by `sendfile(2)`.
    Kernel,
    /// This process, so that they are copied.
    UserSpace(WhyUserSpace),
}

/// Why the kernel does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyUserSpace {
    /// `transferto.ktls=off`
    SwitchedOff,
    /// The kernel has no TLS, or has not loaded it.
    KernelWithoutTls,
    /// The kernel has TLS, but not this cipher in this version.
    CipherUnknownToKernel,
}

impl fmt::Display for WhyUserSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SwitchedOff => "transferto.ktls is off",
            Self::KernelWithoutTls => "the kernel has no TLS",
            Self::CipherUnknownToKernel => "the kernel lacks the cipher",
        })
    }
}

/// What connections are counted by. There are as many as suites and reasons, and no client chooses one
/// that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsConnectionKind {
    /// As Java names it: `TLSv1.3`.
    pub protocol: &'static str,
    /// As Java names it: `TLS_AES_256_GCM_SHA384`.
    pub cipher: &'static str,
    pub by: EncryptedBy,
}

type Counts = BTreeMap<TlsConnectionKind, u64>;

/// The connections that are open.
#[derive(Debug, Default)]
pub struct TlsConnections(Arc<Mutex<Counts>>);

impl TlsConnections {
    /// One more, for as long as what is returned lives.
    pub fn enter(&self, kind: TlsConnectionKind) -> TlsConnection {
        *locked(&self.0).entry(kind).or_default() += 1;
        TlsConnection { counts: Arc::clone(&self.0), kind }
    }

    /// How many there are of each kind that there ever was.
    pub fn values(&self) -> Vec<(TlsConnectionKind, u64)> {
        locked(&self.0).iter().map(|(kind, count)| (*kind, *count)).collect()
    }

    /// How many there are of those that `is` is true of.
    pub fn count(&self, is: impl Fn(TlsConnectionKind) -> bool) -> u64 {
        locked(&self.0).iter().filter(|(kind, _)| is(**kind)).map(|(_, count)| *count).sum()
    }
}

/// One of them.
pub struct TlsConnection {
    counts: Arc<Mutex<Counts>>,
    kind: TlsConnectionKind,
}

impl Drop for TlsConnection {
    fn drop(&mut self) {
        if let Some(count) = locked(&self.counts).get_mut(&self.kind) {
            *count -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_as_long_as_it_lives() {
        let connections = TlsConnections::default();
        let of =
            |by| TlsConnectionKind { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", by };
        let by_us = of(EncryptedBy::UserSpace(WhyUserSpace::SwitchedOff));
        let first = connections.enter(of(EncryptedBy::Kernel));
        let second = connections.enter(of(EncryptedBy::Kernel));
        let third = connections.enter(by_us);
        drop(first);
        assert_eq!(connections.values(), [(of(EncryptedBy::Kernel), 1), (by_us, 1)]);
        drop((second, third));
        assert_eq!(connections.count(|_| true), 0);
        assert_eq!(connections.values().len(), 2, "a gauge goes to 0, and does not go away");
    }
}
