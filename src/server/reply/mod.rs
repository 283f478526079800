//! The one answer that each request is owed.

pub mod refusals;
pub mod reply;
