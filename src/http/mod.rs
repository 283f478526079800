//! A small HTTP server, for people, probes and scrapers: GET only, a few connections, one thread.
//! Knows nothing of the broker: who wants to be read puts a page into the [`routes`].

pub mod http_response;
pub mod http_request;
pub mod known_hosts;
pub mod routes;
pub mod http_connection;
pub mod http_server;
