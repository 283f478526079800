//! Port of `org.apache.kafka.server.FetchContext`: what a fetch is to its session, and what of its
//! answers its client gets.

use std::sync::Arc;

use log::log;

use crate::common::errors::Errors;
use crate::common::log_limit::{LogKind, limited};
use crate::common::time::Time;
use crate::protocol::fetch_response_send::TopicData;
use crate::server::fetch::asked::Asked;
use crate::server::fetch::cached_partitions::CachedPartitions;
use crate::server::fetch::fetch_session::{FetchSession, INVALID_SESSION_ID};
use crate::server::fetch::fetch_session_cache::{FetchSessionCache, NewSession};

/// Which of the four it is.
#[derive(Debug)]
pub(crate) enum FetchContext {
    /// The session does not go on with this fetch, which so asks for nothing.
    SessionError(Errors),
    /// It names all that it asks for, and wants no session.
    Sessionless,
    /// It names all that it asks for, and wants a session for it.
    Full { is_from_follower: bool, uses_topic_ids: bool },
    /// It asks for what is in its session, which it has left with `next_epoch`.
    Incremental { session: Arc<FetchSession>, next_epoch: i32 },
}

/// What a response says of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionAnswer {
    pub(crate) error: Errors,
    pub(crate) session_id: i32,
}

impl FetchContext {
    /// Port of `updateAndGenerateResponseData`: leaves of the answers in `topics`, which stand in the
    /// order of `asked`, those that the client is to get, and makes its session, if it wants one.
    pub(crate) fn update_and_generate_response_data(
        &self,
        cache: &FetchSessionCache,
        time: &dyn Time,
        asked: &[Asked],
        topics: &mut Vec<TopicData>,
    ) -> SessionAnswer {
        match self {
            &Self::SessionError(error) => SessionAnswer { error, session_id: INVALID_SESSION_ID },
            Self::Sessionless => of_no_session(),
            &Self::Full { is_from_follower: is_privileged, uses_topic_ids } => {
                let new = NewSession { is_privileged, size: asked.len(), uses_topic_ids };
                let partitions = || cached_partitions(asked, topics);
                let now_ms = time.hi_res_clock_ms();
                let session_id = cache.maybe_create_session(now_ms, new, partitions);
                SessionAnswer { error: Errors::None, session_id }
            }
            Self::Incremental { session, next_epoch } => {
                let retained = session.retain_news(*next_epoch, asked, topics);
                let error = retained.err().unwrap_or(Errors::None);
                if error != Errors::None {
                    let level = limited(LogKind::Refusals, log::Level::Info);
                    let id = session.id;
                    log!(level, "fetch session {id} went on before a fetch in it was answered");
                }
                SessionAnswer { error, session_id: session.id }
            }
        }
    }
}

fn of_no_session() -> SessionAnswer {
    SessionAnswer { error: Errors::None, session_id: INVALID_SESSION_ID }
}

/// The partitions of a new session, with what the client is told of them now.
fn cached_partitions(asked: &[Asked], topics: &[TopicData]) -> CachedPartitions {
    let mut partitions = CachedPartitions::default();
    let answers = topics.iter().flat_map(|topic| &topic.partitions);
    for (asked, data) in asked.iter().zip(answers) {
        partitions.add_answered(asked, data);
    }
    partitions
}
