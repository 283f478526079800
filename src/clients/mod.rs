//! Port of `org.apache.kafka.clients`: connections that this broker opens to other nodes.
