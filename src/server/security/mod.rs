//! What a client may do.

pub mod authorizer;
pub mod request_context;
pub mod authorization;
pub mod acl_cache;
pub mod standard_authorizer_data;
pub mod standard_authorizer;
pub mod simple_acl_authorizer;
