//! A further listener of a broker, beside the plain one that every broker has here.

/// The name of it, and what it speaks: `("MUTUAL", "SSL")`.
pub type Listener = (&'static str, &'static str);

/// The name, and the protocol, of the one that every broker has.
pub const PLAINTEXT: &str = "PLAINTEXT";

/// `listeners`, and `listener.security.protocol.map` for the names in it, of the plain one and these:
/// each with its port, or 0 for one that the system chooses.
pub fn settings(ports: &[(Listener, u16)]) -> (String, String) {
    let address = |(listener, port): &(Listener, u16)| format!("{}://127.0.0.1:{port}", listener.0);
    let protocol = |(listener, _): &(Listener, u16)| format!("{}:{}", listener.0, listener.1);
    let listed = |words: Vec<String>| words.join(",");
    (listed(ports.iter().map(address).collect()), listed(ports.iter().map(protocol).collect()))
}
