//! Holds messages to tables of their bytes.
//!
//! Between bars stands the name of what follows; behind it bytes in hexadecimal, or text in quotes.

mod log;
mod offsets;
mod groups;
mod topics;
mod configs;
mod access;

use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::request::{parse, parse_response, request_bytes};
use transferto::protocol::wire::allowance::Allowance;

use crate::messages::log::RECORDS;
use crate::messages::{header, request_of, response_frame, response_of};

/// Turns lines of `name | bytes` into the bytes.
fn bytes(table: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let (_, values) = line.split_once('|').unwrap();
        // Every second piece between quotes is text.
        for (index, piece) in values.split('\'').enumerate() {
            if index % 2 == 1 {
                bytes.extend_from_slice(piece.as_bytes());
                continue;
            }
            let digits: String = piece.split_whitespace().collect();
            assert!(digits.len().is_multiple_of(2), "half a byte in {line:?}");
            let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            bytes.extend((0..digits.len()).step_by(2).map(byte));
        }
    }
    bytes
}

pub(crate) fn assert_request(api: ApiKeys, version: i16, table: &str) {
    let expected = bytes(table);
    let body = request_of(api);
    let written = request_bytes(&header(api, version), &body, RECORDS);
    assert_eq!(written, expected, "{api:?} {version} as it is written");
    let (read_header, read_body) = parse(&expected, Allowance::full()).unwrap();
    let rewritten = request_bytes(&read_header, &read_body, &expected);
    assert_eq!(rewritten, expected, "{api:?} {version} as it is read");
}

pub(crate) fn assert_response(api: ApiKeys, version: i16, table: &str) {
    let expected = bytes(table);
    let header = header(api, version);
    let body = response_of(api);
    let written = response_frame(&header, &body, RECORDS);
    assert_eq!(written, expected, "{api:?} {version} as it is written");
    let (_, read_body) = parse_response(&header, &expected).unwrap();
    let rewritten = response_frame(&header, &read_body, &expected);
    assert_eq!(rewritten, expected, "{api:?} {version} as it is read");
}
