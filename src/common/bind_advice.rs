//! What to do if a socket cannot be bound to its address.

use std::io;

/// The error, with advice if the address is the reason: `remedy` leads to another port, and
/// `other_address` is for an address that this machine does not have.
pub fn with_bind_advice(error: io::Error, remedy: &str, other_address: &str) -> io::Error {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    let advice = match error.kind() {
        AddrInUse => format!("another program listens there: stop it, or {remedy}"),
        PermissionDenied => format!("only the superuser may use such a low port: {remedy}"),
        AddrNotAvailable => other_address.to_string(),
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{error}; {advice}"))
}
