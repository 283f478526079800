//! Port of `KafkaApis.handleInitProducerIdRequest` and of what `TransactionCoordinator` does for a
//! producer without transactions.

use log::debug;

use crate::common::errors::Errors;
use crate::common::errors::KafkaError;
use crate::protocol::init_producer_id::InitProducerIdRequest;
use crate::protocol::init_producer_id::InitProducerIdResponse;
use crate::protocol::init_producer_id::NO_PRODUCER_EPOCH;
use crate::protocol::init_producer_id::NO_PRODUCER_ID;
use crate::protocol::request::ResponseBody;
use crate::server::kafka_apis::KafkaApis;
use crate::server::reply::Reply;

/// The epoch of an id that is new.
const FIRST_PRODUCER_EPOCH: i16 = 0;

impl KafkaApis {
    /// A producer asks for an id. It always gets a new one, also if it has one already: as in
    /// Kafka, an old id lives on under a new epoch only for the sake of transactions.
    pub(crate) fn handle_init_producer_id_request(
        &self,
        reply: Reply,
        request: &InitProducerIdRequest,
    ) {
        let producer_id = check(request).and_then(|()| self.producer_ids.generate_producer_id());
        let response = match producer_id {
            Ok(producer_id) => InitProducerIdResponse {
                producer_id,
                producer_epoch: FIRST_PRODUCER_EPOCH,
                ..InitProducerIdResponse::default()
            },
            Err(error) => {
                debug!("{}: no producer id: {error}", reply.client);
                request.error_response(error.code())
            }
        };
        reply.send_body(&ResponseBody::InitProducerId(response));
    }
}

fn check(request: &InitProducerIdRequest) -> Result<(), KafkaError> {
    if let Some(transactional_id) = &request.transactional_id {
        let why = format!("there are no transactions here, also not of {transactional_id:?}");
        return Err(KafkaError::api(Errors::TransactionalIdAuthorizationFailed, why));
    }
    let (has_id, has_epoch) =
        (request.producer_id != NO_PRODUCER_ID, request.producer_epoch != NO_PRODUCER_EPOCH);
    if has_id != has_epoch {
        let why = "a producer id comes with an epoch, and an epoch with an id";
        return Err(KafkaError::api(Errors::InvalidRequest, why));
    }
    Ok(())
}
