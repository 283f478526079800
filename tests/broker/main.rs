//! Tests of `src/server` and of what it alone uses: a whole broker, asked over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod apis {
    pub(crate) mod group_client;

    mod metadata;
    mod produce;
    mod fetch;
    mod fetch_sessions;
    mod list_offsets;
    mod leader_epochs;
    mod groups;
    mod group_failures;
    mod group_elections;
    mod group_memory;
    mod group_offsets;
    mod topics;
    mod configs;
    mod broker_configs;
    mod logs;
    mod largest_answers;
}

mod security {
    pub(crate) mod rights;

    mod authorization;
    mod default_ssl_engine_factory;
    mod bad_keys;
    mod sasl;
    mod oauthbearer;
    mod scram_credentials;
    pub(crate) mod scram_login;
    mod simple_acl_authorizer;
    mod users;
}

mod quota {
    pub(crate) mod altered_quotas;

    mod quota_managers;
    mod client_quotas_request;
}

mod metadata {
    mod led_topics;
}

mod kafka_server;
mod listeners;
mod dynamic_keystore;

mod reply {
    mod reply;
}

mod monitoring {
    pub(crate) mod pages;

    mod live;
    mod dashboard;
    mod prometheus;
}

mod zero_copy;
mod transfer_mode;
mod fetch_inline;
mod idempotence;
mod compacted_topic;
mod restart;
mod hang_up;
mod log_dir_failure_handler;

mod upgrade {
    mod contents;

    mod made;
    mod opened;

    /// The files of a fixture: the data directory, and what clients saw of it.
    const DATA: &str = "data.tar.gz";
    const CONTENTS: &str = "contents.txt";

    /// Nothing expires, however old a fixture becomes.
    const SETTINGS: &[(&str, &str)] = &[
        ("offsets.topic.num.partitions", "2"),
        ("offsets.retention.minutes", "2147483647"),
        ("producer.id.expiration.ms", "2147483647"),
        ("log.retention.ms", "-1"),
        ("log.index.interval.bytes", "100"),
        ("log.cleaner.enable", "false"),
        ("authorizer.class.name", "kafka.security.auth.SimpleAclAuthorizer"),
        ("super.users", "User:ANONYMOUS"),
    ];
}

mod purgatory {
    mod delayed_operation;
}

mod config {
    mod config_reader;
    mod stock_files;
}
