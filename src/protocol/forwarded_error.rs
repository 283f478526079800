//! Port of the `getErrorResponse` of requests that this broker only forwards: what their clients read when no
//! controller has answered.
//!
//! The tables end where the error does. What follows are lists, empty here, so that it makes no difference
//! what their elements would be.

use crate::common::errors::Errors;
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::header::RequestHeader;
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::types::{WireType, Writer};

message! {
    /// Before version 1 an error shows as an election of nothing.
    pub struct ElectLeadersError {
        0.. => throttle_time_ms: i32,
        1.. => error_code: i16,
        0.. => replica_election_results: Vec<i32>,
    }

    pub struct AlterPartitionReassignmentsError {
        0.. => throttle_time_ms: i32,
        1.. => allow_replication_factor_change: bool = true,
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
        0.. => responses: Vec<i32>,
    }

    pub struct ListPartitionReassignmentsError {
        0.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
        0.. => topics: Vec<i32>,
    }

    pub struct DescribeQuorumError {
        0.. => error_code: i16,
        2.. => error_message: Option<String>,
        0.. => topics: Vec<i32>,
        2.. => nodes: Vec<i32>,
    }

    pub struct UpdateFeaturesError {
        0.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
        0..=1 => results: Vec<i32>,
    }

    /// Of UnregisterBroker, AddRaftVoter, RemoveRaftVoter and UnregisterController.
    pub struct PlainError {
        0.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
    }
}

/// The response to a request of which only the header was read, without the 4-byte size in front: all that it
/// asked for fails with `error`. `None` for a request that is not [only
/// forwarded](ApiKeys::is_forwarded_only).
pub fn forwarded_error_bytes(header: &RequestHeader, error: Errors) -> Option<Vec<u8>> {
    let (error_code, error_message) = (error.code(), Some(error.message().to_string()));
    let of = |body: &dyn Fn(&mut Writer<'_>)| {
        let mut writer = Writer::new();
        header.write_response_header(&mut writer);
        body(&mut writer);
        Some(writer.into_bytes())
    };
    let version = header.version();
    match header.api_key {
        ApiKeys::ElectLeaders => {
            let body = ElectLeadersError { error_code, ..ElectLeadersError::default() };
            of(&|writer| body.write(writer, version))
        }
        ApiKeys::AlterPartitionReassignments => {
            let none = AlterPartitionReassignmentsError::default();
            let body = AlterPartitionReassignmentsError { error_code, error_message, ..none };
            of(&|writer| body.write(writer, version))
        }
        ApiKeys::ListPartitionReassignments => {
            let none = ListPartitionReassignmentsError::default();
            let body = ListPartitionReassignmentsError { error_code, error_message, ..none };
            of(&|writer| body.write(writer, version))
        }
        ApiKeys::DescribeQuorum => {
            let none = DescribeQuorumError::default();
            let body = DescribeQuorumError { error_code, error_message, ..none };
            of(&|writer| body.write(writer, version))
        }
        ApiKeys::UpdateFeatures => {
            let none = UpdateFeaturesError::default();
            let body = UpdateFeaturesError { error_code, error_message, ..none };
            of(&|writer| body.write(writer, version))
        }
        ApiKeys::UnregisterBroker
        | ApiKeys::AddRaftVoter
        | ApiKeys::RemoveRaftVoter
        | ApiKeys::UnregisterController => {
            let body = PlainError { throttle_time_ms: 0, error_code, error_message };
            of(&|writer| body.write(writer, version))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::hex::to_hex;

    fn body(api_key: ApiKeys, api_version: i16) -> String {
        let header = RequestHeader { api_key, api_version, correlation_id: 7, client_id: None };
        let bytes = forwarded_error_bytes(&header, Errors::RequestTimedOut).unwrap();
        let head = if header.version().is_flexible { 5 } else { 4 };
        assert_eq!(bytes[..4], 7_i32.to_be_bytes());
        bytes[head..].iter().map(|it| to_hex(&[*it])).collect()
    }

    /// The text of `REQUEST_TIMED_OUT`, as a compact string.
    fn text() -> String {
        let text = Errors::RequestTimedOut.message();
        let length = u8::try_from(text.len() + 1).unwrap();
        [&[length], text.as_bytes()].concat().iter().map(|it| to_hex(&[*it])).collect()
    }

    /// As Kafka 4.4.0 writes them, but for its texts: it leaves some out.
    #[test]
    fn an_error_reads_as_that_of_kafka() {
        assert_eq!(body(ApiKeys::ElectLeaders, 0), "0000000000000000");
        assert_eq!(body(ApiKeys::ElectLeaders, 1), "00000000000700000000");
        assert_eq!(body(ApiKeys::ElectLeaders, 2), "0000000000070100");
        let (timed_out, text) = ("000000000007", text());
        let reassignments = ApiKeys::AlterPartitionReassignments;
        assert_eq!(body(reassignments, 0), format!("{timed_out}{text}0100"));
        assert_eq!(body(reassignments, 1), format!("00000000010007{text}0100"));
        let list = ApiKeys::ListPartitionReassignments;
        assert_eq!(body(list, 0), format!("{timed_out}{text}0100"));
        assert_eq!(body(ApiKeys::DescribeQuorum, 0), "00070100");
        assert_eq!(body(ApiKeys::DescribeQuorum, 1), "00070100");
        assert_eq!(body(ApiKeys::DescribeQuorum, 2), format!("0007{text}010100"));
        assert_eq!(body(ApiKeys::UpdateFeatures, 1), format!("{timed_out}{text}0100"));
        assert_eq!(body(ApiKeys::UpdateFeatures, 2), format!("{timed_out}{text}00"));
        for api in [ApiKeys::UnregisterBroker, ApiKeys::AddRaftVoter, ApiKeys::RemoveRaftVoter] {
            assert_eq!(body(api, 0), format!("{timed_out}{text}00"));
        }
        assert_eq!(body(ApiKeys::UnregisterController, 0), format!("{timed_out}{text}00"));
    }

    #[test]
    fn whatever_is_forwarded_only_has_an_error_to_read() {
        for &api_key in ApiKeys::FORWARDED {
            for api_version in api_key.versions() {
                assert!(!body(api_key, api_version).is_empty());
            }
        }
    }
}
