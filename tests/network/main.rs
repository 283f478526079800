//! Tests of `src/network`, `src/transport` and `src/http`: connections, without the broker behind them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod frames;
mod test_server;
mod scripted;

mod acceptor;
mod socket_server;
mod socket_server_faults;
mod request_memory;
mod inline_handler;
mod lessons;

mod transport {
    pub(crate) mod harness;

    mod selector;
    mod selector_faults;
    mod hang_up;
    mod memory;
    mod plaintext_transport_layer;
    mod kernel_tls;
    pub(crate) mod nio_echo_server;
    pub(crate) mod ssl_transport_layer;
    mod ssl_failure;
    mod ssl_records;
    mod java_key_limits;
    mod ssl_selector;
    mod renegotiation;
}

mod sasl {
    mod server;

    mod sasl_authenticator;
    mod sasl_server_authenticator;
    mod reauthentication;
    mod failure_delay;
    mod hostile;
}

mod http {
    mod http_server;
}
