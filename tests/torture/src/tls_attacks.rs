//! What hostile peers do to listeners of TLS and SASL, each for about a second.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use rustls::version::TLS13;
use support::login::{Mechanism, log_in};
use support::tls::TlsConnector;
use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::RequestBody;
use transferto::protocol::sasl_handshake::SaslHandshakeRequest;
use transferto::security::scram::scram_mechanism::ScramMechanism;

use crate::attacks::{Attack, BIG_TOPIC, DURATION, Field, MIB, fill, framed};
use crate::client::{Client, fetch_request};
use crate::hostile;
use crate::outcome::{Outcome, failed};
use crate::plan::Plan;
use crate::report::Report;
use crate::security::{DELAY_MS, PASSWORD, SESSION_MS, Security, USER};

const HALF_HANDSHAKES: usize = 1_000;
const SCRAM: Mechanism = Mechanism::Scram(ScramMechanism::ScramSha256);
/// A client that waits for its end has waited long enough.
const PATIENCE: Duration = Duration::from_secs(10);
/// More changes of keys in a row than any broker should bear.
const KEY_UPDATES: usize = 200;
const HUGE_TOKEN_BYTES: u32 = 100_000_000;

/// All of them.
const ATTACKS: &[Attack] = &[
    Attack { name: "half handshakes", run: half_handshakes, peak_kib_max: 32 * MIB },
    Attack { name: "dripped handshakes", run: dripped_handshakes, peak_kib_max: 32 * MIB },
    Attack { name: "readers over TLS that do not", run: slow_readers, peak_kib_max: 32 * MIB },
    Attack { name: "missing goodbyes", run: missing_goodbyes, peak_kib_max: 32 * MIB },
    Attack { name: "changes of keys", run: key_updates, peak_kib_max: 32 * MIB },
    Attack { name: "random records", run: random_records, peak_kib_max: 32 * MIB },
    Attack { name: "tokens of 100 MB", run: huge_tokens, peak_kib_max: 32 * MIB },
    Attack { name: "wrong passwords", run: wrong_passwords, peak_kib_max: 32 * MIB },
    Attack { name: "expired sessions", run: expired_sessions, peak_kib_max: 32 * MIB },
];

/// Runs the torture: the ordinary client beside the peers comes in by TLS and SASL.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> Outcome<()> {
    hostile::torture(plan, ATTACKS, Some(&Security::new()), report)
}

fn half_handshakes(field: &mut Field<'_>) -> Outcome<String> {
    let entrances = field.entrances()?;
    let hello = hello(&entrances.connector)?;
    let mut peers = Vec::with_capacity(HALF_HANDSHAKES);
    for number in 0..HALF_HANDSHAKES {
        let mut peer = connect(entrances.tls)?;
        peer.write_all(&hello[..number % (hello.len() + 1)])?;
        peers.push(peer);
    }
    thread::sleep(DURATION);
    Ok(format!("{} at once go no further", peers.len()))
}

fn dripped_handshakes(field: &mut Field<'_>) -> Outcome<String> {
    let entrances = field.entrances()?;
    let hello = hello(&entrances.connector)?;
    let mut peers = Vec::new();
    for _ in 0..200 {
        peers.push(connect(entrances.tls)?);
    }
    let (began, mut bytes) = (Instant::now(), 0);
    for byte in &hello {
        if began.elapsed() > DURATION {
            break;
        }
        for peer in &mut peers {
            peer.write_all(&[*byte])?;
            bytes += 1;
        }
    }
    Ok(format!("{bytes} bytes of 200 handshakes, one by one"))
}

fn slow_readers(field: &mut Field<'_>) -> Outcome<String> {
    fill(field, 20)?;
    let entrances = field.entrances()?;
    let request = FetchRequest { max_bytes: i32::MAX, ..fetch_request(BIG_TOPIC, 0) };
    let frame = framed(11, &RequestBody::Fetch(request));
    let mut peers = Vec::new();
    for _ in 0..20 {
        let mut peer = entrances.connector.connect(entrances.tls)?;
        setsockopt(peer.tcp(), sockopt::RcvBuf, &4096)?;
        peer.write_all(&frame)?;
        peers.push(peer);
    }
    thread::sleep(DURATION);
    Ok(format!("{} peers read nothing of what they fetch", peers.len()))
}

/// Connections that end without a goodbye, or say it too early, or go on after it.
fn missing_goodbyes(field: &mut Field<'_>) -> Outcome<String> {
    let entrances = field.entrances()?;
    let reset = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    let question = framed(0, &RequestBody::ApiVersions(ApiVersionsRequest::default()));
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < DURATION {
        let mut peer = entrances.connector.connect(entrances.tls)?;
        match count % 5 {
            0 => (),
            1 => {
                peer.write_all(&question)?;
                setsockopt(peer.tcp(), sockopt::Linger, &reset)?;
            }
            2 => {
                // Half of a record.
                peer.0.conn.writer().write_all(&question)?;
                let mut record = Vec::new();
                peer.0.conn.write_tls(&mut record)?;
                peer.0.sock.write_all(&record[..record.len() / 2])?;
            }
            3 => {
                // In the midst of a request.
                peer.write_all(&question[..6])?;
                peer.close_notify()?;
                demand_end(&mut peer)?;
            }
            _ => {
                peer.close_notify()?;
                // The broker may have closed the connection already.
                drop(peer.0.sock.write_all(&question));
                demand_end(&mut peer)?;
            }
        }
        count += 1;
    }
    Ok(format!("{count} connections"))
}

fn key_updates(field: &mut Field<'_>) -> Outcome<String> {
    let entrances = field.entrances()?;
    let connector = entrances.connector.clone().with_versions(&[&TLS13]);
    let (began, mut connections, mut updates) = (Instant::now(), 0, 0);
    while began.elapsed() < DURATION {
        let mut peer = connector.connect(entrances.tls)?;
        connections += 1;
        for _ in 0..KEY_UPDATES {
            if peer.update_keys().is_err() {
                break;
            }
            updates += 1;
        }
        demand_end(&mut peer)?;
    }
    Ok(format!("{updates} on {connections} connections, each of which was closed"))
}

fn random_records(field: &mut Field<'_>) -> Outcome<String> {
    let noise = field.random.bytes(1 << 15);
    let mut numbers: Vec<usize> = (0..4096).map(|_| field.random.index(1 << 14)).collect();
    let entrances = field.entrances()?;
    let (began, mut connections, mut records) = (Instant::now(), 0, 0);
    while began.elapsed() < DURATION {
        let mut peer = match connections % 2 {
            0 => connect(entrances.tls)?,
            _ => entrances.connector.connect(entrances.tls)?.0.sock,
        };
        connections += 1;
        while began.elapsed() < DURATION {
            numbers.rotate_left(1);
            let (length, at) = (numbers[0], numbers[1]);
            let kind = [20, 21, 22, 23, 24][at % 5];
            let size = (length as u16).to_be_bytes();
            let record = [&[kind, 3, 3, size[0], size[1]], &noise[at..at + length]].concat();
            // The broker hangs up, as it should.
            if peer.write_all(&record).is_err() {
                break;
            }
            records += 1;
        }
    }
    Ok(format!("{records} on {connections} connections"))
}

/// In front of a handshake, bare behind one, in SaslAuthenticate.
fn huge_tokens(field: &mut Field<'_>) -> Outcome<String> {
    let port = field.entrances()?.sasl;
    let mut peers = Vec::new();
    for number in 0..300 {
        let mut peer = Client::connect(port)?;
        let version = number % 3 - 1;
        if version >= 0 {
            let request = SaslHandshakeRequest { mechanism: "PLAIN".to_string() };
            peer.call(version, &RequestBody::SaslHandshake(request), &[])?;
        }
        peer.stream.write_all(&HUGE_TOKEN_BYTES.to_be_bytes())?;
        peers.push(peer.stream);
    }
    for peer in &mut peers {
        demand_end(peer)?;
    }
    Ok(format!("{} announced, each of which ended its connection", peers.len()))
}

/// By clients that wait for their answers, and by clients that do not.
fn wrong_passwords(field: &mut Field<'_>) -> Outcome<String> {
    let port = field.entrances()?.sasl;
    let began = Instant::now();
    let storm = |mechanism: Mechanism, user: &'static str| -> Outcome<u32> {
        let mut refused = 0;
        while began.elapsed() < DURATION {
            let asked = Instant::now();
            let mut peer = connect(port)?;
            let answer = log_in(&mut peer, mechanism, user, "wrong")?;
            let waited = asked.elapsed();
            if answer.error_code == 0 {
                return failed(format!("{user} is let in with a wrong password"));
            }
            // The broker counts whole milliseconds.
            if waited < Duration::from_millis(DELAY_MS - 1) {
                return failed(format!("a wrong password is answered after {waited:?}"));
            }
            demand_end(&mut peer)?;
            refused += 1;
        }
        Ok(refused)
    };
    let who = [(Mechanism::Plain, USER), (SCRAM, USER), (Mechanism::Plain, "x"), (SCRAM, "x")];
    let refused = thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|number| who[number % who.len()])
            .map(|(mechanism, user)| scope.spawn(move || storm(mechanism, user)))
            .collect();
        let impatient = storm_and_leave(port, began);
        let mut sum = impatient?;
        for thread in threads {
            match thread.join() {
                Ok(refused) => sum += refused?,
                Err(_) => return failed("a client panicked"),
            }
        }
        Ok(sum)
    })?;
    let mut peer = connect(port)?;
    let answer = log_in(&mut peer, SCRAM, USER, PASSWORD)?;
    match answer.error_code {
        0 => Ok(format!("{refused}, of which none was answered before its time")),
        code => failed(format!("the right password is answered by error {code}")),
    }
}

fn storm_and_leave(port: u16, began: Instant) -> Outcome<u32> {
    let handshake = SaslHandshakeRequest { mechanism: "PLAIN".to_string() };
    let handshake = framed(0, &RequestBody::SaslHandshake(handshake));
    let token = format!("\0{USER}\0wrong").into_bytes();
    let both = [&handshake[..], &(token.len() as u32).to_be_bytes(), &token].concat();
    let mut left = 0;
    while began.elapsed() < DURATION {
        connect(port)?.write_all(&both)?;
        left += 1;
    }
    Ok(left)
}

fn expired_sessions(field: &mut Field<'_>) -> Outcome<String> {
    let port = field.entrances()?.expiring;
    let question = framed(0, &RequestBody::ApiVersions(ApiVersionsRequest::default()));
    let mut peers = Vec::new();
    for _ in 0..100 {
        let mut peer = connect(port)?;
        let answer = log_in(&mut peer, SCRAM, USER, PASSWORD)?;
        let announced_ms = answer.session_lifetime_ms;
        if announced_ms != i64::try_from(SESSION_MS)? {
            return failed(format!("a session of {announced_ms} ms"));
        }
        peers.push(peer);
    }
    thread::sleep(2 * Duration::from_millis(SESSION_MS));
    for peer in &mut peers {
        peer.write_all(&question)?;
    }
    for peer in &mut peers {
        demand_end(peer)?;
    }
    Ok(format!("{} ask for more, and are closed", peers.len()))
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let peer = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    peer.set_nodelay(true)?;
    peer.set_read_timeout(Some(PATIENCE))?;
    peer.set_write_timeout(Some(PATIENCE))?;
    Ok(peer)
}

fn hello(connector: &TlsConnector) -> Outcome<Vec<u8>> {
    let mut hello = Vec::new();
    connector.session().write_tls(&mut hello)?;
    Ok(hello)
}

/// Reads what still comes; the broker must end the connection.
fn demand_end(peer: &mut impl Read) -> Outcome<()> {
    match io::copy(peer, &mut io::sink()) {
        Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
            failed("a connection that should be closed stays open")
        }
        // An end, a reset, or an alert.
        Ok(_) | Err(_) => Ok(()),
    }
}
