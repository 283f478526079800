//! Port of `org.apache.kafka.clients.consumer.internals.ConsumerProtocol`, the part that the broker
//! reads: which topics a consumer subscribes to.
//!
//! The metadata of members is for the leader, not for the broker, with this one exception: a group
//! must not lose the offsets of a topic that it reads.

use std::collections::BTreeSet;

use crate::protocol::wire::types::{Reader, Version};

/// The protocol type of groups of consumers.
pub const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// Every version of the subscription begins with a version and the topics, in the old encoding.
const SUBSCRIPTION: Version = Version { number: 0, is_flexible: false };

/// The topics in a consumer's subscription; `None` if the bytes are no subscription.
pub fn subscribed_topics(metadata: &[u8]) -> Option<BTreeSet<String>> {
    let mut reader = Reader::new(metadata);
    let version: i16 = reader.read(SUBSCRIPTION, "version").ok()?;
    let topics: Vec<String> = reader.read(SUBSCRIPTION, "topics").ok()?;
    (version >= 0).then(|| topics.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topics_stand_in_the_front_of_every_version() {
        let subscription = b"\0\x01\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff\0\0\0\0";
        let topics = subscribed_topics(subscription).unwrap();
        assert_eq!(topics.into_iter().collect::<Vec<_>>(), ["a", "bc"]);
    }

    #[test]
    fn bytes_that_are_no_subscription_are_none() {
        for bytes in [
            &b""[..],
            b"\0",
            b"\xff\xff\0\0\0\0",
            b"\0\0\x7f\xff\xff\xff",
            b"\0\0\0\0\0\x01\0\x05a",
        ] {
            assert_eq!(subscribed_topics(bytes), None, "{bytes:?}");
        }
    }
}
