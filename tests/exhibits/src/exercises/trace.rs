//! What a broker has traced, to be asked.

use bench::outcome::{Outcome, failed};
use support::client::Client;
use support::trace_line::TraceLine;

/// The lines of all threads, in the order in which they were written. Those of one thread, and
/// those of one request, are in the order of what they tell.
pub(crate) struct Trace(Vec<TraceLine>);

impl Trace {
    pub(crate) fn of(lines: &[String]) -> Self {
        Self(lines.iter().filter_map(|line| TraceLine::parse(line)).collect())
    }

    pub(crate) fn lines(&self) -> &[TraceLine] {
        &self.0
    }

    /// The name of the connection whose client has this port: `2#0`.
    pub(crate) fn connection_of(&self, client_port: u16) -> Outcome<&str> {
        let peer = format!(":{client_port}, ");
        let is_its = |it: &&TraceLine| it.says("Selector.register", &peer);
        match self.0.iter().find(is_its) {
            Some(line) => Ok(&line.subject),
            None => failed(format!("no connection from port {client_port} is in the trace")),
        }
    }

    /// The lines of a connection and of its requests.
    pub(crate) fn of_connection<'a>(
        &'a self,
        connection: &str,
    ) -> impl Iterator<Item = &'a TraceLine> {
        let request = format!("{connection}/");
        let connection = connection.to_string();
        self.0.iter().filter(move |it| it.subject == connection || it.subject.starts_with(&request))
    }

    /// The lines of one request: `2#0/5`.
    pub(crate) fn of_request(&self, connection: &str, correlation_id: i32) -> Vec<&TraceLine> {
        let subject = format!("{connection}/{correlation_id}");
        self.0.iter().filter(|it| it.subject == subject).collect()
    }
}

/// What is asked of a line.
pub(crate) trait Says {
    fn says(&self, kafkas_name: &str, words: &str) -> bool;
}

impl Says for TraceLine {
    fn says(&self, kafkas_name: &str, words: &str) -> bool {
        self.kafkas_name == kafkas_name && self.words.contains(words)
    }
}

/// The first line that says this.
pub(crate) fn line_of<'a>(
    lines: &[&'a TraceLine],
    kafkas_name: &str,
    words: &str,
) -> Outcome<&'a TraceLine> {
    match lines.iter().find(|it| it.says(kafkas_name, words)) {
        Some(line) => Ok(line),
        None => failed(format!("the trace has no line {kafkas_name}: ..{words}..")),
    }
}

/// The first number behind `before` in a line's words.
pub(crate) fn number_after(line: &TraceLine, before: &str) -> Outcome<i64> {
    let rest = line.words.split_once(before).map(|it| it.1);
    let digits = rest.map(|it| it.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
    match digits.map(str::parse) {
        Some(Ok(number)) => Ok(number),
        _ => failed(format!("there is no number behind \"{before}\" in \"{}\"", line.words)),
    }
}

pub(crate) fn port_of(client: &Client) -> Outcome<u16> {
    Ok(client.stream.local_addr()?.port())
}
