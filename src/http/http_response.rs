//! The answer to a request of HTTP/1.1. Not in Kafka.

use std::sync::Arc;

/// The statuses that this server answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok,
    BadRequest,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    HeadTooLarge,
    InternalServerError,
    ServiceUnavailable,
    VersionNotSupported,
}

impl Status {
    /// The code and its reason phrase, as the status line has them.
    const fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::Forbidden => "403 Forbidden",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::InternalServerError => "500 Internal Server Error",
            Self::ServiceUnavailable => "503 Service Unavailable",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

/// The policy of an answer that is no page of HTML.
const NOTHING: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// An answer. Its body may be shared, so that one page serves many connections at once.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    pub status: Status,
    content_type: &'static str,
    /// What a page may load and run.
    content_security_policy: String,
    pub body: Arc<[u8]>,
}

impl HttpResponse {
    pub fn new(status: Status, content_type: &'static str, body: impl Into<Arc<[u8]>>) -> Self {
        let content_security_policy = NOTHING.to_string();
        Self { status, content_type, content_security_policy, body: body.into() }
    }

    /// A page of HTML whose own script and style bear `nonce`, and which may ask this server for
    /// data; nothing else is loaded or run.
    pub fn html(nonce: &str, page: String) -> Self {
        let mut response = Self::new(Status::Ok, "text/html; charset=utf-8", page.into_bytes());
        response.content_security_policy = format!(
            "{NOTHING}; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'"
        );
        response
    }

    /// A line of plain text.
    pub fn text(status: Status, line: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", format!("{line}\n").into_bytes())
    }

    /// What stands before the body. `keeps_alive` says whether another request may follow.
    ///
    /// No page may be cached, for each says what is now; and none may be taken for another type
    /// than it says, for it may hold what a client has called itself. A page of another site may not
    /// even load one as if it were an image, which would bring it into that page's process.
    pub fn head(&self, keeps_alive: bool) -> String {
        let Self { status, content_type, content_security_policy, body } = self;
        let connection = if keeps_alive { "keep-alive" } else { "close" };
        let allow = if *status == Status::MethodNotAllowed { "Allow: GET\r\n" } else { "" };
        format!(
            "HTTP/1.1 {}\r\n\
             Content-Type: {content_type}\r\n\
             Content-Length: {}\r\n\
             Cache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\n\
             Content-Security-Policy: {content_security_policy}\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\n\
             Referrer-Policy: no-referrer\r\n\
             {allow}\
             Connection: {connection}\r\n\
             \r\n",
            status.line(),
            body.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_long_the_body_is_and_whether_the_connection_stays() {
        let head = HttpResponse::text(Status::Ok, "yes").head(true);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Length: 4\r\n"), "{head}");
        assert!(head.ends_with("\r\nConnection: keep-alive\r\n\r\n"), "{head}");
        let head = HttpResponse::text(Status::MethodNotAllowed, "no").head(false);
        assert!(head.contains("\r\nAllow: GET\r\nConnection: close\r\n\r\n"), "{head}");
    }
}
