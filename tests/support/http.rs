//! An HTTP client that is as bad as a test wants it to be.

use std::io;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::wait::PATIENCE;

/// The setting with which a broker has its pages on a port of its own.
pub const HTTP_LISTENER: (&str, &str) = ("transferto.http.listener", "127.0.0.1:0");

/// A connection to an HTTP server.
pub struct HttpClient {
    pub stream: TcpStream,
}

/// An answer as it came.
#[derive(Debug)]
pub struct HttpAnswer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl HttpClient {
    pub fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }

    /// Asks for a page and waits for it. The connection stays.
    pub fn get(&mut self, path: &str) -> HttpAnswer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.receive()
    }

    /// The same, of a server that may close the connection at any moment.
    pub fn try_get(&mut self, path: &str) -> Option<HttpAnswer> {
        self.try_send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).ok()?;
        self.try_receive().ok()
    }

    pub fn send(&mut self, text: &str) {
        self.try_send(text).unwrap();
    }

    pub fn try_send(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes())
    }

    /// Waits for one whole answer.
    pub fn receive(&mut self) -> HttpAnswer {
        self.try_receive().unwrap()
    }

    fn try_receive(&mut self) -> io::Result<HttpAnswer> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            bytes.push(byte[0]);
        }
        let head = String::from_utf8(bytes).unwrap();
        let length = head.split("Content-Length: ").nth(1).unwrap();
        let length = length.split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(HttpAnswer { status, head, body: String::from_utf8(body).unwrap() })
    }

    /// Whether the server closes the connection without another byte.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        matches!(self.stream.read(&mut byte), Ok(0) | Err(_))
    }
}

/// Asks for a page on a connection of its own.
pub fn get(server: SocketAddr, path: &str) -> HttpAnswer {
    HttpClient::connect(server).get(path)
}
