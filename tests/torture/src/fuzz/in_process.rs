//! The parser and the checks of record sets, called directly: what they take must hold water, and
//! nothing makes them panic.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::{Arc, Mutex};

use support::random::Random;
use transferto::common::errors::Errors;
use transferto::common::lock::locked;
use transferto::common::memory_pool::{MemoryDraw, MemoryPool};
use transferto::message::append_format::AppendFormat;
use transferto::message::byte_buffer_message_set::{for_each_record, shallow_entries};
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::conversion::down_convert;
use transferto::message::log_validator::validate_messages_and_assign_offsets;
use transferto::message::timestamp_type::TimestampType;
use transferto::protocol::request::{parse, parse_response, request_bytes, response_bytes};
use transferto::protocol::wire::allowance::Allowance;

const NOW_MS: i64 = 1_700_000_000_000;
const NEXT_OFFSET: i64 = 1_000_000;
/// Kafka's default for `socket.request.max.bytes`.
const FRAME_BYTES_MAX: usize = 100 << 20;
/// A frame is shown so far in a failure.
const SHOWN_BYTES: usize = 400;

/// Where panics were, instead of lines between those of the tortures.
pub(crate) struct CaughtPanics(Arc<Mutex<Vec<String>>>);

impl CaughtPanics {
    pub(crate) fn install() -> Self {
        let places = Arc::new(Mutex::new(Vec::new()));
        let hook_places = Arc::clone(&places);
        set_hook(Box::new(move |info| locked(&hook_places).push(info.to_string())));
        Self(places)
    }

    /// Runs `check`; a panic is a failure like any other.
    fn catch<T>(&self, check: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|_| {
            let places = std::mem::take(&mut *locked(&self.0));
            Err(format!("a panic: {}", places.join("; ")))
        })
    }
}

/// What is known of a frame before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A request, in the only bytes that it can have.
    Valid,
    /// A request with tagged fields: one that has its default value need not be sent.
    ValidWithTaggedFields,
    Mutated,
}

/// A frame that is taken for a request is written again as the same bytes, and can be refused.
/// Returns whether it was taken.
pub(crate) fn check_request(
    frame: &[u8],
    kind: Frame,
    panics: &CaughtPanics,
) -> Result<bool, String> {
    let checked = panics.catch(|| {
        let (header, body) = match parse(frame, Allowance::full()) {
            Ok(parsed) => parsed,
            Err(error) if kind != Frame::Mutated => {
                return Err(format!("a valid request is refused: {error}"));
            }
            Err(_) => return Ok(false),
        };
        let written = request_bytes(&header, &body, frame);
        if kind == Frame::Valid && written != frame {
            return Err("a valid request is not written again as it was".to_string());
        }
        let (header, body) =
            parse(&written, Allowance::full()).map_err(|it| format!("what was written: {it}"))?;
        if request_bytes(&header, &body, &written) != written {
            return Err("what was written is read as something else".to_string());
        }
        let Some(response) = body.error_response(Errors::UnknownServerError) else {
            return Ok(true);
        };
        let mut memory = MemoryDraw::new(&MemoryPool::for_frames_of(FRAME_BYTES_MAX));
        let response = response_bytes(&header, &response, &mut memory)
            .map_err(|it| format!("the refusal cannot be written: {it}"))?;
        let parsed = parse_response(&header, &response);
        parsed.map(|_| true).map_err(|it| format!("the refusal cannot be read: {it}"))
    });
    checked.map_err(|why| format!("{why}: {}", hex(frame)))
}

/// A set that is taken has the offsets that it was given, and can be read by every consumer.
/// Returns whether it was taken.
pub(crate) fn check_set(
    set: &[u8],
    random: &mut Random,
    panics: &CaughtPanics,
) -> Result<bool, String> {
    let format = format(random);
    let checked = panics.catch(|| {
        // Reads it as a consumer would that trusts nobody.
        let _ = for_each_record(set, &mut |_| Ok(()));
        let mut produced = set.to_vec();
        let validated =
            validate_messages_and_assign_offsets(&mut produced, NEXT_OFFSET, NOW_MS, &format);
        match validated {
            Ok(validated) => {
                check_taken(&validated.bytes, validated.record_count)?;
                Ok(validated.record_count > 0)
            }
            Err(_) => Ok(false),
        }
    });
    checked.map_err(|why| format!("{why}: {format:?} {}", hex(set)))
}

fn check_taken(bytes: &[u8], record_count: u64) -> Result<(), String> {
    for entry in shallow_entries(bytes) {
        let entry = entry.map_err(|it| format!("what was taken: {it}"))?;
        if !entry.has_valid_crc() {
            return Err("what was taken has a wrong CRC".to_string());
        }
    }
    let mut offsets = Vec::new();
    let read = for_each_record(bytes, &mut |record| {
        offsets.push(record.offset);
        Ok(())
    });
    read.map_err(|it| format!("what was taken cannot be read: {it}"))?;
    let expected = NEXT_OFFSET..NEXT_OFFSET + record_count.cast_signed();
    if !offsets.iter().copied().eq(expected) {
        return Err(format!("{record_count} records were taken, at the offsets {offsets:?}"));
    }
    // Some sets have no older form; that is an error, not a panic.
    let _ = (down_convert(bytes, 0, NEXT_OFFSET), down_convert(bytes, 1, NEXT_OFFSET));
    Ok(())
}

fn format(random: &mut Random) -> AppendFormat {
    let compression = CompressionCodec::ALL[random.index(CompressionCodec::ALL.len())];
    let is_log_append_time = random.below(4) == 0;
    AppendFormat {
        magic: [2, 2, 1, 0][random.index(4)],
        compression: (random.below(3) == 0).then_some(compression),
        timestamp_type: if is_log_append_time {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        },
        compression_level: None,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: if random.below(2) == 0 { 3_600_000 } else { i64::MAX },
        message_bytes_max: 1_000_000,
        is_compacted: random.below(4) == 0,
        validates_compressed: true,
        partition_leader_epoch: 0,
    }
}

fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}"));
    format!("{} bytes {}", bytes.len(), shown.collect::<String>())
}
