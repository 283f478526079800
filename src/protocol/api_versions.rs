//! Port of `org.apache.kafka.common.requests.ApiVersionsRequest`: what this broker supports.
//!
//! Kafka 0.9 had no such request; every client since asks it first. How an unknown version of this
//! one request is answered decides whether newer clients can talk to an older broker at all
//! (KIP-511).

use std::ops::RangeInclusive;

use crate::common::errors::Errors;
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::message;

message! {
    /// The names are for the log; no value of them is refused.
    pub struct ApiVersionsRequest {
        3.. => client_software_name: String,
        3.. => client_software_version: String,
    }

    pub struct ApiVersionsResponse {
        0.. => error_code: i16,
        0.. => api_keys: Vec<ApiVersion>,
        1.. => throttle_time_ms: i32,
        /// What the node understands.
        3.., tag 0 => supported_features: Vec<SupportedFeature>,
        /// Of the metadata record behind `finalized_features`; -1 while it is not known.
        3.., tag 1 => finalized_features_epoch: i64 = -1,
        /// What the cluster has agreed on.
        3.., tag 2 => finalized_features: Vec<FinalizedFeature>,
    }

    pub struct SupportedFeature {
        3.. => name: String,
        3.. => min_version: i16,
        3.. => max_version: i16,
    }

    pub struct FinalizedFeature {
        3.. => name: String,
        3.. => max_version_level: i16,
        3.. => min_version_level: i16,
    }

    pub struct ApiVersion {
        0.. => api_key: i16,
        0.. => min_version: i16,
        0.. => max_version: i16,
    }
}

impl ApiVersionsResponse {
    /// All that is advertised.
    pub fn supported() -> Self {
        let api_keys = ApiKeys::ALL
            .iter()
            .filter_map(|&api| Some(ApiVersion::of(api, api.advertised_versions()?)))
            .collect();
        Self { api_keys, ..Self::default() }
    }

    /// The response to a version of ApiVersions that is not supported: it names those that are, and
    /// is written in version 0.
    pub fn unsupported_version() -> Self {
        ApiVersionsRequest::default().error_response(Errors::UnsupportedVersion)
    }
}

impl ApiVersionsRequest {
    /// With `UNSUPPORTED_VERSION` it names the versions of this API to try instead.
    pub fn error_response(&self, error: Errors) -> ApiVersionsResponse {
        let api_keys = match error {
            Errors::UnsupportedVersion => {
                vec![ApiVersion::of(ApiKeys::ApiVersions, ApiKeys::ApiVersions.versions())]
            }
            _ => Vec::new(),
        };
        ApiVersionsResponse { error_code: error.code(), api_keys, ..ApiVersionsResponse::default() }
    }
}

impl ApiVersion {
    /// An API, in these versions.
    pub fn of(api: ApiKeys, versions: RangeInclusive<i16>) -> Self {
        Self { api_key: api.id(), min_version: *versions.start(), max_version: *versions.end() }
    }
}

/// As this broker asks other nodes.
impl ClientRequest for ApiVersionsRequest {
    const NAME: &'static str = "ApiVersions";
    const API_KEY: i16 = 18;
    const FIRST_FLEXIBLE_VERSION: i16 = 3;
    type Response = ApiVersionsResponse;
}
