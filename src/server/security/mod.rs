//! What a client may do.

pub mod authorizer;
pub mod authorization;
pub mod acl_cache;
pub mod simple_acl_authorizer;
