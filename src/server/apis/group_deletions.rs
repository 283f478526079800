//! Port of `kafka.server.KafkaApis.handleDeleteGroupsRequest`, its second half: the groups of one DeleteGroups,
//! each of which is out of its log at a time of its own.

use std::sync::{Arc, Mutex};

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::coordinator::group_results::DoneCallback;
use crate::protocol::delete_groups::{DeletableGroupResult, DeleteGroupsResponse};
use crate::protocol::request::ResponseBody;
use crate::server::apis::groups::error_code;
use crate::server::reply::reply::Reply;

/// Answers when the last of the groups is done.
pub(crate) struct GroupDeletions {
    state: Mutex<State>,
}

struct State {
    /// In the order of the request.
    results: Vec<DeletableGroupResult>,
    left: usize,
    /// Taken with the answer.
    reply: Option<Reply>,
}

impl GroupDeletions {
    /// Of these groups, each of which has its callback called. Without one the answer is sent at once.
    pub(crate) fn begin(reply: Reply, group_ids: &[String]) -> Arc<Self> {
        let result = |group_id: &String| DeletableGroupResult {
            group_id: group_id.clone(),
            error_code: Errors::UnknownServerError.code(),
        };
        let results = group_ids.iter().map(result).collect();
        let state = Mutex::new(State { results, left: group_ids.len(), reply: Some(reply) });
        let deletions = Arc::new(Self { state });
        deletions.answer_if_done();
        deletions
    }

    /// Takes what has become of the group at this place of the request.
    pub(crate) fn of_group(self: &Arc<Self>, place: usize) -> DoneCallback {
        let deletions = Arc::clone(self);
        Box::new(move |deleted| {
            let mut state = locked(&deletions.state);
            state.left -= 1;
            if let Some(result) = state.results.get_mut(place) {
                result.error_code = error_code(deleted);
            }
            drop(state);
            deletions.answer_if_done();
        })
    }

    fn answer_if_done(&self) {
        let mut state = locked(&self.state);
        let reply = if state.left == 0 { state.reply.take() } else { None };
        let results = if reply.is_some() { std::mem::take(&mut state.results) } else { Vec::new() };
        drop(state);
        if let Some(reply) = reply {
            let response = DeleteGroupsResponse { throttle_time_ms: 0, results };
            reply.send_body(&ResponseBody::DeleteGroups(response));
        }
    }
}
