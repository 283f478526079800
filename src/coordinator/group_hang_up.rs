//! Not in Kafka: a client hangs up while its join or sync waits.
//!
//! A closed connection is no LeaveGroup: the client may be back on another one. Its request fails
//! with `REBALANCE_IN_PROGRESS`, upon which a client that has only closed its half joins again. The
//! member stays, and counts as one that has joined, until its session ends.

use std::sync::Arc;

use crate::common::errors::Errors;
use crate::common::hang_up::HangUp;
use crate::coordinator::rebalance::Rebalance;

/// Ends what waits in the group on this connection.
pub fn end_waits(change: &mut Rebalance<'_>, client: &Arc<HangUp>) {
    for member_id in change.group.ids(|it| it.is_waiting_on(client)) {
        end_wait(change, &member_id);
    }
}

/// Its session begins: until now the broker kept it waiting. A new member learns its id by this
/// answer.
fn end_wait(change: &mut Rebalance<'_>, member_id: &str) {
    let Some(member) = change.group.get_mut(member_id) else { return };
    let has_joined = member.is_awaiting_join();
    member.has_hung_up = true;
    member.is_new = false;
    change.group.answer_sync(member_id, Err(Errors::RebalanceInProgress));
    if has_joined {
        // In the place of its join, which fails by that; nobody waits for this one's answer.
        change.group.await_join(member_id, &mut Some(Box::new(|_| ())));
    }
    change.schedule_session(member_id);
}
