//! TLS in the kernel, for the tests that can do with or without it. `KTLS=required`, as in `make ktls`,
//! has them run in the kernel's hands, and fail where they would be skipped; `KTLS=off` has brokers speak
//! TLS in user space.

use std::os::fd::AsFd;
use std::sync::Arc;

use rustls::ProtocolVersion;
use transferto::transport::kernel_tls::{Cipher, KernelTls, crypto_info, hand_over};

/// What brokers get as `transferto.ktls`, if they are to speak TLS.
pub fn mode() -> Option<String> {
    std::env::var("KTLS").ok()
}

/// Whether the tests are to run in the kernel's hands.
pub fn is_required() -> bool {
    mode().is_some_and(|it| it == "required")
}

/// What the kernel takes over; `None`, and a word, if it takes nothing and need not.
pub fn probed() -> Option<Arc<KernelTls>> {
    let probed = KernelTls::probe();
    match probed.refusal() {
        None => Some(Arc::new(probed)),
        Some(_) if is_required() => panic!("KTLS=required, and the kernel says {probed}"),
        Some(_) => {
            eprintln!("skipped: the kernel says {probed}");
            None
        }
    }
}

/// Has the kernel encrypt and decrypt on this end of a connection. Two ends that were given to it like
/// this understand each other.
pub fn give_to_kernel(socket: &impl AsFd) {
    let info =
        crypto_info(ProtocolVersion::TLSv1_3, Cipher::Aes128Gcm, 0, &[7; 16], &[7; 12]).unwrap();
    hand_over(socket, &info, &info).unwrap();
}
