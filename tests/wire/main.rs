//! Tests of `src/protocol` and `src/message`: what stands on the wire, byte for byte.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod messages;

mod request;
mod error_response;
mod golden;
mod oracle;
mod hostile_frames;
mod client_requests;

mod message {
    mod hostile_sets;
}
