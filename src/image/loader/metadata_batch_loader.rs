//! Port of `org.apache.kafka.image.loader.MetadataBatchLoader`: from batches of the metadata log to an
//! image, with the transactions in which controllers write what does not fit into one batch.

use crate::image::features_image::KRAFT_VERSION;
use crate::image::metadata_image::{MetadataImage, MetadataProvenance};
use crate::image::records::metadata_record::{MetadataRecord, RecordAndVersion, RecordError};
use crate::message::record_batch::RecordBatch;
use crate::message::records::LogRecord;
use crate::protocol::quorum_records::QuorumRecord;
use crate::raft::raft_listener::{MetadataFault, SnapshotId};

/// The image that the records add up to.
#[derive(Debug, Default)]
pub(crate) struct MetadataBatchLoader {
    image: MetadataImage,
    /// The image from before the transaction that is open, if one is.
    before_transaction: Option<MetadataImage>,
    has_seen_record: bool,
}

impl MetadataBatchLoader {
    /// What counts: all records, without those of a transaction that is open.
    pub(crate) fn committed(&self) -> &MetadataImage {
        self.before_transaction.as_ref().unwrap_or(&self.image)
    }

    /// Whether a controller has said anything: the log of a quorum that was just founded has records of the
    /// quorum only.
    pub(crate) fn has_seen_record(&self) -> bool {
        self.has_seen_record
    }

    /// Follows whole batches of the log.
    ///
    /// # Errors
    /// Which record cannot be followed, and why.
    pub(crate) fn load_batches(&mut self, bytes: &[u8]) -> Result<(), MetadataFault> {
        for_each_batch(bytes, |batch| {
            self.check_follows(batch)?;
            let (epoch, time_ms) = (batch.partition_leader_epoch(), batch.max_timestamp());
            for_each_record(batch, |record| {
                self.replay(batch, record, "offset")?;
                self.image.provenance = provenance(record.offset, epoch, time_ms);
                Ok(())
            })?;
            // The batch may end with an offset whose record is gone.
            self.image.provenance = provenance(batch.last_offset(), epoch, time_ms);
            Ok(())
        })
    }

    /// A change that is followed twice counts twice.
    fn check_follows(&self, batch: &RecordBatch<'_>) -> Result<(), MetadataFault> {
        let (offset, last) = (batch.base_offset(), self.image.provenance.last_contained_offset);
        if offset > last {
            return Ok(());
        }
        Err(MetadataFault(format!(
            "metadata log, batch at offset {offset}: offset {last} was followed already"
        )))
    }

    /// Forgets everything and reads a snapshot instead.
    ///
    /// # Errors
    /// Which record of the snapshot cannot be followed, and why.
    pub(crate) fn load_snapshot(
        &mut self,
        id: SnapshotId,
        bytes: &[u8],
    ) -> Result<(), MetadataFault> {
        self.image = MetadataImage::default();
        self.before_transaction = None;
        self.has_seen_record = true;
        for_each_batch(bytes, |batch| {
            for_each_record(batch, |record| self.replay(batch, record, "snapshot, record"))
        })?;
        let time_ms = self.image.provenance.last_contained_log_time_ms;
        self.image.provenance = provenance(id.end_offset - 1, id.epoch, time_ms);
        Ok(())
    }

    fn replay(
        &mut self,
        batch: &RecordBatch<'_>,
        record: &LogRecord<'_>,
        at: &str,
    ) -> Result<(), MetadataFault> {
        let fault =
            |why: String| MetadataFault(format!("metadata log, {at} {}: {why}", record.offset));
        if batch.is_control_batch() {
            return self.replay_control(record).map_err(fault);
        }
        let value = record.value.ok_or_else(|| fault("the record has no value".to_string()))?;
        let read = RecordAndVersion::read(value).map_err(|error| fault(advice(&error)))?;
        self.has_seen_record = true;
        self.replay_data(&read.record).map_err(|why| {
            let RecordAndVersion { record, version } = &read;
            fault(format!(
                "{} (version {version}): {why}. What this broker knows of the cluster contradicts its \
                 controllers; restart it, so that it reads the log anew",
                record.name()
            ))
        })
    }

    fn replay_control(&mut self, record: &LogRecord<'_>) -> Result<(), String> {
        let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        let read = QuorumRecord::read(key, value);
        let read = read.map_err(|error| format!("a control record cannot be read: {error}"))?;
        // Who leads and who votes is the observer's affair.
        match read {
            QuorumRecord::KRaftVersion(it) => {
                self.image.features.set(KRAFT_VERSION, it.k_raft_version);
            }
            QuorumRecord::SnapshotHeader(it) => {
                let time_ms = it.last_contained_log_timestamp;
                self.image.provenance.last_contained_log_time_ms = time_ms;
            }
            _ => (),
        }
        Ok(())
    }

    fn replay_data(&mut self, record: &MetadataRecord) -> Result<(), String> {
        match record {
            MetadataRecord::BeginTransaction(_) => match self.before_transaction {
                None => self.before_transaction = Some(self.image.clone()),
                Some(_) => return Err("a transaction is open already".to_string()),
            },
            MetadataRecord::EndTransaction(_) => {
                self.take_transaction()?;
            }
            MetadataRecord::AbortTransaction(_) => self.image = self.take_transaction()?,
            record => self.image.replay(record)?,
        }
        Ok(())
    }

    /// Closes the transaction that is open, and returns the image from before it.
    fn take_transaction(&mut self) -> Result<MetadataImage, String> {
        self.before_transaction.take().ok_or_else(|| "no transaction is open".to_string())
    }
}

fn provenance(
    last_contained_offset: i64,
    last_contained_epoch: i32,
    last_contained_log_time_ms: i64,
) -> MetadataProvenance {
    MetadataProvenance { last_contained_offset, last_contained_epoch, last_contained_log_time_ms }
}

/// What is wrong with a record, and what to do about it.
fn advice(error: &RecordError) -> String {
    match error {
        RecordError::UnknownFrameVersion(_)
        | RecordError::UnknownType(_)
        | RecordError::UnknownVersion { .. } => format!(
            "{error}. The cluster has a later metadata.version than this broker knows; use a broker \
             that knows it"
        ),
        RecordError::Malformed(_) | RecordError::TrailingBytes { .. } => error.to_string(),
    }
}

fn for_each_batch(
    mut bytes: &[u8],
    mut handle: impl FnMut(&RecordBatch<'_>) -> Result<(), MetadataFault>,
) -> Result<(), MetadataFault> {
    while !bytes.is_empty() {
        let batch = RecordBatch::parse(bytes);
        let batch = batch.map_err(|error| MetadataFault(format!("metadata log: {error}")))?;
        handle(&batch)?;
        bytes = &bytes[batch.size_in_bytes()..];
    }
    Ok(())
}

fn for_each_record(
    batch: &RecordBatch<'_>,
    mut handle: impl FnMut(&LogRecord<'_>) -> Result<(), MetadataFault>,
) -> Result<(), MetadataFault> {
    let mut handled = Ok(());
    let read = batch.for_each_record(&mut |record| {
        if handled.is_ok() {
            handled = handle(record);
        }
        Ok(())
    });
    let offset = batch.base_offset();
    read.map_err(|error| {
        MetadataFault(format!("metadata log, batch at offset {offset}: {error}"))
    })?;
    handled
}
