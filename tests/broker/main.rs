//! Tests of `src/server` and of what it alone uses: a whole broker, asked over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod apis {
    pub(crate) mod group_client;

    mod metadata;
    mod produce;
    mod fetch;
    mod list_offsets;
    mod leader_epochs;
    mod groups;
    mod group_offsets;
    mod topics;
    mod configs;
    mod broker_configs;
    mod logs;
}

mod security {
    mod rights;

    mod authorization;
    mod simple_acl_authorizer;
}

mod quota {
    mod quota_managers;
}

mod metadata {
    mod led_topics;
}

mod reply {
    mod refusal_log;
}

mod monitoring {
    mod pages;
    mod dashboard;
    mod prometheus;
}

mod zero_copy;
mod idempotence;
mod compacted_topic;
mod restart;

mod purgatory {
    mod delayed_operation;
}

mod config {
    mod config_reader;
}
