//! Port of `org.apache.kafka.coordinator.transaction.RPCProducerIdManager`: ids for idempotent producers from
//! blocks of the controller.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use log::{Level, debug, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::time::Time;
use crate::protocol::allocate_producer_ids::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse,
};
use crate::server::cluster::controller_channel::{
    ControllerChannel, ControllerError, send_request,
};
use crate::server::metadata::producer_id_manager::ProducerIdManager;

/// How long the next request waits after one has failed.
const RETRY_BACKOFF_MS: i64 = 50;
/// How long a request may wait for a controller and for its response.
const REQUEST_TIMEOUT_MS: i64 = 60_000;
/// The part of a block after which the next one is asked for, in percent.
const PREFETCH_PERCENT: i64 = 90;

/// The broker epoch of this broker's registration; `None` while it has none.
pub type BrokerEpoch = Box<dyn Fn() -> Option<i64> + Send + Sync>;

/// Gives out the ids of a block while the next one is on its way. Nobody waits for the controller: a producer
/// that comes too early asks again.
pub struct RpcProducerIdManager {
    broker_id: i32,
    broker_epoch: BrokerEpoch,
    channel: Arc<dyn ControllerChannel>,
    time: Arc<dyn Time>,
    blocks: Arc<Mutex<Blocks>>,
}

#[derive(Debug, Default)]
struct Blocks {
    /// Not yet given out.
    current: Range<i64>,
    /// The id with which the next block is asked for.
    prefetch_at: i64,
    next: Option<Range<i64>>,
    is_request_in_flight: bool,
    /// No request before this moment.
    backoff_deadline_ms: Option<i64>,
}

impl RpcProducerIdManager {
    pub fn new(
        broker_id: i32,
        broker_epoch: BrokerEpoch,
        channel: &Arc<dyn ControllerChannel>,
        time: &Arc<dyn Time>,
    ) -> Self {
        let (channel, time) = (Arc::clone(channel), Arc::clone(time));
        Self { broker_id, broker_epoch, channel, time, blocks: Arc::default() }
    }

    /// Not under the lock: the callback may run at once.
    fn send_request(&self) {
        debug!("RPCProducerIdManager: asking the controller for the next block of ids");
        let request = AllocateProducerIdsRequest {
            broker_id: self.broker_id,
            broker_epoch: (self.broker_epoch)().unwrap_or(-1),
        };
        let (blocks, time) = (Arc::clone(&self.blocks), Arc::clone(&self.time));
        let on_complete = move |response: Result<AllocateProducerIdsResponse, ControllerError>| {
            let now_ms = time.hi_res_clock_ms();
            locked(&blocks).received(block_of(response), now_ms);
        };
        send_request(&*self.channel, request, 0..=0, REQUEST_TIMEOUT_MS, on_complete);
    }
}

impl ProducerIdManager for RpcProducerIdManager {
    fn generate_producer_id(&self) -> Result<i64, KafkaError> {
        let now_ms = self.time.hi_res_clock_ms();
        let (id, asks_for_next) = locked(&self.blocks).claim(now_ms);
        if asks_for_next {
            self.send_request();
        }
        id.ok_or_else(|| {
            // Older clients give up for good after a timeout, and ask again after this.
            let why = "the controller has not given out the next block of producer ids yet";
            KafkaError::api(Errors::CoordinatorLoadInProgress, why)
        })
    }
}

impl Blocks {
    /// The next id, if there is one, and whether the caller is to send a request for the next block.
    fn claim(&mut self, now_ms: i64) -> (Option<i64>, bool) {
        if self.current.is_empty()
            && let Some(next) = self.next.take()
        {
            let size = next.end - next.start;
            self.prefetch_at = next.start + size * PREFETCH_PERCENT / 100;
            self.current = next;
        }
        let id = self.current.next();
        let is_due = id.is_none_or(|id| id == self.prefetch_at);
        (id, is_due && self.may_request(now_ms))
    }

    fn may_request(&mut self, now_ms: i64) -> bool {
        let has_to_wait = self.backoff_deadline_ms.is_some_and(|deadline| now_ms < deadline);
        if has_to_wait || self.next.is_some() || self.is_request_in_flight {
            return false;
        }
        self.backoff_deadline_ms = None;
        self.is_request_in_flight = true;
        true
    }

    fn received(&mut self, block: Option<Range<i64>>, now_ms: i64) {
        self.is_request_in_flight = false;
        match block {
            Some(block) => self.next = Some(block),
            None => self.backoff_deadline_ms = Some(now_ms + RETRY_BACKOFF_MS),
        }
    }
}

/// The block that the controller has given this broker; none, and a line in the log, if it has not.
fn block_of(response: Result<AllocateProducerIdsResponse, ControllerError>) -> Option<Range<i64>> {
    let response = match response {
        Ok(response) => response,
        Err(error) => {
            let level = limited(LogKind::Failures, Level::Warn);
            log!(level, "no block of producer ids: {error}; asking again");
            return None;
        }
    };
    let (start, length) = (response.producer_id_start, i64::from(response.producer_id_len));
    match Errors::for_code(response.error_code) {
        Errors::None if start >= 0 && length > 0 => {
            let block = start.checked_add(length).map(|end| start..end);
            if block.is_none() {
                report_wrong_block(start, length);
            }
            block
        }
        Errors::None => {
            report_wrong_block(start, length);
            None
        }
        error @ (Errors::StaleBrokerEpoch | Errors::BrokerIdNotRegistered) => {
            let level = limited(LogKind::Failures, Level::Warn);
            let why = error.message();
            log!(level, "no block of producer ids before this broker is registered: {why}");
            None
        }
        error => {
            let level = limited(LogKind::Failures, Level::Error);
            log!(level, "the controller gave no block of producer ids: {}", error.message());
            None
        }
    }
}

fn report_wrong_block(start: i64, length: i64) {
    let level = limited(LogKind::Failures, Level::Error);
    log!(
        level,
        "the controller gave {length} producer ids from {start} on: there is no such block"
    );
}
