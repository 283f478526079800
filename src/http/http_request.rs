//! A request of HTTP/1.1 (RFC 9112), as far as a server reads it that only answers GET. Not in
//! Kafka.
//!
//! What is unusual is refused, not interpreted: two parsers that read the same bytes in two ways are
//! how requests are smuggled.

use crate::http::http_response::{HttpResponse, Status};

/// The longest head of a request, in bytes.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

const HEAD_END: &[u8] = b"\r\n\r\n";

/// A request for a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HttpRequest {
    /// Begins with a slash; without the query.
    pub path: String,
    /// What stands behind the question mark, as it came.
    pub query: Option<String>,
    /// By what name the client has called this server; only a client of HTTP/1.0 may leave it out.
    pub host: Option<String>,
    /// Whether there is an `X-Requested-With`. A page of another site cannot send one unasked, so
    /// whoever does is a page of this server, or no browser.
    pub has_requested_with: bool,
    /// Whether the client may send another request on this connection.
    pub keeps_alive: bool,
}

impl HttpRequest {
    /// Reads the request that `received` begins with, and how long its head is; `None` if its end
    /// has not come yet.
    ///
    /// # Errors
    /// The answer to bytes that are no request for a page. The connection is to be closed after it:
    /// nobody knows where the next request would begin.
    pub fn parse(received: &[u8]) -> Result<Option<(Self, usize)>, HttpResponse> {
        let Some(end) = received.windows(HEAD_END.len()).position(|it| it == HEAD_END) else {
            let is_too_long = received.len() >= HEAD_BYTES_MAX;
            let why = "the head of a request ends within 8 KiB";
            return if is_too_long { refuse(Status::HeadTooLarge, why) } else { Ok(None) };
        };
        let Ok(head) = std::str::from_utf8(&received[..end]) else {
            return refuse(Status::BadRequest, "the head of a request is text");
        };
        Ok(Some((read_head(head)?, end + HEAD_END.len())))
    }
}

fn refuse<T>(status: Status, why: &str) -> Result<T, HttpResponse> {
    Err(HttpResponse::text(status, why))
}

fn read_head(head: &str) -> Result<HttpRequest, HttpResponse> {
    let mut lines = head.split("\r\n");
    let (target, is_newest) = read_request_line(lines.next().unwrap_or_default())?;
    let fields = Fields::read(lines)?;
    if fields.announces_body {
        return refuse(Status::BadRequest, "a GET has no body here");
    }
    if is_newest && fields.host.is_none() {
        return refuse(Status::BadRequest, "the Host is missing");
    }
    let says = |option| fields.connection.split(',').any(|it| it.trim() == option);
    let keeps_alive = !says("close") && (is_newest || says("keep-alive"));
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_string())),
        None => (target, None),
    };
    Ok(HttpRequest {
        path: path.to_string(),
        query,
        host: fields.host,
        has_requested_with: fields.has_requested_with,
        keeps_alive,
    })
}

/// The target, and whether the version is HTTP/1.1 and not HTTP/1.0.
fn read_request_line(line: &str) -> Result<(&str, bool), HttpResponse> {
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    let [method, target, version] = words[..] else {
        return refuse(Status::BadRequest, "a request line has three words");
    };
    let is_newest = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ if version.starts_with("HTTP/") => {
            return refuse(Status::VersionNotSupported, "HTTP/1.1 is spoken here");
        }
        _ => return refuse(Status::BadRequest, "the version is not one of HTTP"),
    };
    if method != "GET" {
        return refuse(Status::MethodNotAllowed, "only GET is answered here");
    }
    if !target.starts_with('/') || target.contains(char::is_control) {
        return refuse(Status::BadRequest, "the target is a path");
    }
    Ok((target, is_newest))
}

/// What the header fields say that matters here.
#[derive(Default)]
struct Fields {
    host: Option<String>,
    connection: String,
    announces_body: bool,
    has_requested_with: bool,
}

impl Fields {
    fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Self, HttpResponse> {
        let mut fields = Self::default();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or_default();
            // Also refuses a line that goes on with the one before, and a blank before the colon.
            if name.is_empty() || !name.bytes().all(is_of_field_name) {
                return refuse(Status::BadRequest, "a header field is a name, a colon and a value");
            }
            fields.take(&name.to_ascii_lowercase(), value.trim_matches([' ', '\t']))?;
        }
        Ok(fields)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), HttpResponse> {
        match name {
            "host" if self.host.is_some() => {
                return refuse(Status::BadRequest, "there is one Host");
            }
            "host" => self.host = Some(value.to_string()),
            "connection" => self.connection = value.to_ascii_lowercase(),
            "content-length" => self.announces_body |= value != "0",
            "x-requested-with" => self.has_requested_with = true,
            "transfer-encoding" => self.announces_body = true,
            _ => {}
        }
        Ok(())
    }
}

/// What RFC 9110 calls a token.
fn is_of_field_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str) -> HttpRequest {
        HttpRequest::parse(head.as_bytes()).unwrap().unwrap().0
    }

    fn refused(head: &[u8]) -> Status {
        match HttpRequest::parse(head) {
            Err(answer) => answer.status,
            other => panic!("{:?}: {other:?}", String::from_utf8_lossy(head)),
        }
    }

    #[test]
    fn a_request_is_read_as_soon_as_its_head_is_complete() {
        let head = "GET /metrics?x=1 HTTP/1.1\r\nhost: a:1\r\nAccept: */*\r\n\r\n";
        for end in 0..head.len() {
            assert_eq!(HttpRequest::parse(&head.as_bytes()[..end]).unwrap(), None);
        }
        let (request, length) =
            HttpRequest::parse(format!("{head}GET").as_bytes()).unwrap().unwrap();
        assert_eq!((request.path.as_str(), length), ("/metrics", head.len()));
        assert_eq!((request.host.as_deref(), request.keeps_alive), (Some("a:1"), true));
        assert_eq!((request.query.as_deref(), request.has_requested_with), (Some("x=1"), false));
    }

    #[test]
    fn a_connection_stays_as_its_version_and_its_field_say() {
        for (version, field, stays) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
        ] {
            let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{field}\r\n");
            assert_eq!(parsed(&head).keeps_alive, stays, "{head}");
        }
        assert_eq!(parsed("GET / HTTP/1.0\r\n\r\n").host, None);
    }

    #[test]
    fn what_is_no_plain_get_is_refused_with_its_status() {
        let of = |line: &str, fields: &str| format!("{line}\r\n{fields}\r\n").into_bytes();
        let get = |fields: &str| of("GET / HTTP/1.1", &format!("Host: a\r\n{fields}"));
        for (head, status) in [
            (of("rubbish", ""), Status::BadRequest),
            (of("GET /a b HTTP/1.1", "Host: a\r\n"), Status::BadRequest),
            (of("GET / FTP/1.1", "Host: a\r\n"), Status::BadRequest),
            (of("GET / HTTP/2.0", "Host: a\r\n"), Status::VersionNotSupported),
            (of("POST / HTTP/1.1", "Host: a\r\n"), Status::MethodNotAllowed),
            (of("get / HTTP/1.1", "Host: a\r\n"), Status::MethodNotAllowed),
            (of("GET http://a/ HTTP/1.1", "Host: a\r\n"), Status::BadRequest),
            (of("GET * HTTP/1.1", "Host: a\r\n"), Status::BadRequest),
            (of("GET / HTTP/1.1", ""), Status::BadRequest),
            (get("Host: b\r\n"), Status::BadRequest),
            (get("Content-Length: 3\r\n"), Status::BadRequest),
            (get("Content-Length: 0\r\nContent-Length: 5\r\n"), Status::BadRequest),
            (get("Transfer-Encoding: chunked\r\n"), Status::BadRequest),
            (get("no colon\r\n"), Status::BadRequest),
            (get("Name : v\r\n"), Status::BadRequest),
            (get(" folded: v\r\n"), Status::BadRequest),
            (vec![0xFF; HEAD_BYTES_MAX], Status::HeadTooLarge),
            (b"GET /\xFF HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), Status::BadRequest),
        ] {
            assert_eq!(refused(&head), status, "{:?}", String::from_utf8_lossy(&head));
        }
        assert_eq!(parsed("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").path, "/");
    }
}
