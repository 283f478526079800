//! The names of SASL mechanisms, as the registry of IANA has them: what settings and clients call them.

pub const PLAIN: &str = "PLAIN";
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
pub const SCRAM_SHA_512: &str = "SCRAM-SHA-512";
pub const OAUTHBEARER: &str = "OAUTHBEARER";

/// Those that this broker has. No other list says so.
pub const ALL: [&str; 4] = [PLAIN, SCRAM_SHA_256, SCRAM_SHA_512, OAUTHBEARER];

/// Those by which this broker logs in to other nodes.
pub const OF_CLIENTS: [&str; 3] = [PLAIN, SCRAM_SHA_256, SCRAM_SHA_512];

/// Kerberos, Kafka's default, which this broker has not.
pub const GSSAPI: &str = "GSSAPI";
