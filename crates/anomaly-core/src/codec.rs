//! User state as bytes: one format byte, then [postcard](https://postcard.jamesmunns.com/wire-format): varints for integers,
//! IEEE 754 for floats, so a state comes back bit for bit.
//!
//! The format byte makes old and new code safe side by side: code that meets an unknown byte returns
//! [`CodecError::UnknownFormat`] instead of guessing. A new layout takes a new byte and keeps reading the old one. Deploy a version
//! that reads both and writes the old one first, or a rollback would meet states that it cannot read.
//!
//! ```
//! use anomaly_core::codec::{CodecError, decode, encode};
//! use anomaly_core::{Rule, RuleSettings, UserState};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let state = UserState::new(&Rule::new(RuleSettings::default())?);
//! let bytes = encode(&state);
//! assert_eq!(decode(&bytes)?, state);
//! assert_eq!(decode(&[99]), Err(CodecError::UnknownFormat(99)));
//! # Ok(())
//! # }
//! ```

use serde::{Deserialize, Serialize};

use crate::moments::is_mean;
use crate::state::{FINGERPRINT_BYTES, RECENT_TRANSACTIONS_MAX, SHARDS_PER_USER_MAX, UserState};
use crate::{EVENT_TIME_MS_MAX, LongTerm, Moments, PANES_KEPT, Position, Run, SequenceNumber, ShardId, Window};

/// Window, long-term baseline, positions and recent transactions.
const FORMAT_1: u8 = 1;
/// The same, followed by run and withheld amount. Written only if there is either, so that code that reads format 1 alone still reads
/// almost every state after a rollback.
const FORMAT_2: u8 = 2;

/// Why bytes are not a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Written by newer code, or not a state at all.
    #[error("the state has format {0}; this version reads formats {FORMAT_1} and {FORMAT_2}")]
    UnknownFormat(u8),
    /// No bytes.
    #[error("the state is empty")]
    Empty,
    /// Not the layout of its format.
    #[error("the state cannot be read")]
    Layout,
    /// Well-formed, but with a value that no state can have.
    #[error("the state has an impossible {0}")]
    Impossible(&'static str),
}

/// The stored layout. Only panes that hold something are written; `occupied` says which, the oldest in the lowest bit.
#[derive(Serialize, Deserialize)]
struct Packed {
    window_length_ms: i64,
    newest_event_time_ms: Option<i64>,
    occupied: u32,
    panes: Vec<PackedMoments>,
    long_term: LongTerm,
    positions: Vec<PackedPosition>,
    recent: Vec<[u8; FINGERPRINT_BYTES]>,
}

/// What format 2 adds.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Extra {
    run_halves: i8,
    withheld: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct PackedMoments {
    count: u32,
    mean: f64,
    mean_low: [u8; 2],
    sum_squares: f64,
}

#[derive(Serialize, Deserialize)]
struct PackedPosition {
    shard: PackedShard,
    digits: u8,
    sequence: Vec<u8>,
    sub_sequence: u32,
}

/// Kinesis numbers its shards: `shardId-000000000042` is 42.
#[derive(Serialize, Deserialize)]
enum PackedShard {
    Numbered(u64),
    Named(String),
}

/// The bytes of a state: 889 for a full one (31 panes, four shards, sixteen recent transactions) with Kinesis's 56-digit numbers.
#[must_use]
pub fn encode(state: &UserState) -> Vec<u8> {
    let (occupied, panes) = pack_panes(&state.window);
    let packed = Packed {
        window_length_ms: state.window.length_ms(),
        newest_event_time_ms: state.window.newest_event_time_ms(),
        occupied,
        panes,
        long_term: state.long_term,
        positions: state.positions.iter().map(pack_position).collect(),
        recent: state.recent.iter().copied().collect(),
    };
    let extra = Extra { run_halves: state.run.halves, withheld: state.withheld };
    let bytes = if extra == Extra::default() {
        postcard::to_extend(&packed, vec![FORMAT_1])
    } else {
        postcard::to_extend(&packed, vec![FORMAT_2]).and_then(|bytes| postcard::to_extend(&extra, bytes))
    };
    // Writing plain values to a growing vector cannot fail. If it did, `decode` would refuse the empty bytes.
    debug_assert!(bytes.is_ok(), "{bytes:?}");
    bytes.unwrap_or_default()
}

/// The state in `bytes`, equal to the bit to the one that was encoded.
///
/// # Errors
/// [`CodecError`] for anything that [`encode`] did not write. A corrupt state is reported, never repaired or reset.
pub fn decode(bytes: &[u8]) -> Result<UserState, CodecError> {
    let (format, body) = bytes.split_first().ok_or(CodecError::Empty)?;
    if ![FORMAT_1, FORMAT_2].contains(format) {
        return Err(CodecError::UnknownFormat(*format));
    }
    let (packed, rest) = postcard::take_from_bytes::<Packed>(body).map_err(|_| CodecError::Layout)?;
    let (extra, rest) = match *format {
        FORMAT_1 => (Extra::default(), rest),
        _ => postcard::take_from_bytes::<Extra>(rest).map_err(|_| CodecError::Layout)?,
    };
    if !rest.is_empty() {
        return Err(CodecError::Layout);
    }
    let state = unpack(packed, &extra)?;
    // A state has exactly one form. `encode` never pads a varint or writes a numbered shard as a name.
    if encode(&state) == bytes { Ok(state) } else { Err(CodecError::Layout) }
}

fn unpack(packed: Packed, extra: &Extra) -> Result<UserState, CodecError> {
    let times_are_sound = packed.window_length_ms > 0
        && match packed.newest_event_time_ms {
            None => packed.occupied == 0,
            Some(newest) => (0..=EVENT_TIME_MS_MAX).contains(&newest),
        };
    require(times_are_sound, "time")?;
    require(packed.long_term.is_sound(), "long-term baseline")?;
    require(packed.positions.len() <= SHARDS_PER_USER_MAX, "number of positions")?;
    require(packed.recent.len() <= RECENT_TRANSACTIONS_MAX, "number of recent transactions")?;
    let run = Run { halves: extra.run_halves };
    require(run.is_possible(), "run")?;
    require(extra.withheld.is_none_or(is_mean), "withheld amount")?;
    let panes = unpack_panes(packed.occupied, &packed.panes)?;
    Ok(UserState {
        window: Window::restore(packed.window_length_ms, packed.newest_event_time_ms, &panes),
        long_term: packed.long_term,
        run,
        withheld: extra.withheld,
        positions: packed.positions.into_iter().map(unpack_position).collect::<Result<_, _>>()?,
        recent: packed.recent.into(),
    })
}

fn require(holds: bool, what: &'static str) -> Result<(), CodecError> {
    if holds { Ok(()) } else { Err(CodecError::Impossible(what)) }
}

fn pack_panes(window: &Window) -> (u32, Vec<PackedMoments>) {
    let mut occupied = 0;
    let mut panes = Vec::with_capacity(PANES_KEPT);
    for (bit, pane) in window.panes().enumerate().filter(|(_, pane)| pane.count > 0) {
        occupied |= 1 << bit;
        panes.push(pack_moments(pane));
    }
    (occupied, panes)
}

const fn pack_moments(moments: &Moments) -> PackedMoments {
    let Moments { count, mean, mean_low, sum_squares } = *moments;
    PackedMoments { count, mean, mean_low: mean_low.to_le_bytes(), sum_squares }
}

const fn unpack_moments(packed: &PackedMoments) -> Moments {
    let PackedMoments { count, mean, mean_low, sum_squares } = *packed;
    Moments { count, mean, mean_low: i16::from_le_bytes(mean_low), sum_squares }
}

fn unpack_panes(occupied: u32, packed: &[PackedMoments]) -> Result<[Moments; PANES_KEPT], CodecError> {
    let mut panes = [Moments::default(); PANES_KEPT];
    let mut rest = packed.iter();
    for (_, pane) in panes.iter_mut().enumerate().filter(|(bit, _)| occupied >> bit & 1 == 1) {
        *pane = unpack_moments(rest.next().ok_or(CodecError::Layout)?);
        require(pane.count > 0 && pane.is_sound(), "pane")?;
    }
    require(rest.next().is_none() && occupied >> PANES_KEPT == 0, "number of panes")?;
    Ok(panes)
}

fn pack_position((shard, position): &(ShardId, Position)) -> PackedPosition {
    PackedPosition {
        shard: pack_shard(shard),
        digits: position.sequence_number.digits(),
        sequence: position.sequence_number.packed().to_vec(),
        sub_sequence: position.sub_sequence,
    }
}

fn unpack_position(packed: PackedPosition) -> Result<(ShardId, Position), CodecError> {
    let sequence_number = SequenceNumber::from_packed(packed.digits, &packed.sequence)
        .map_err(|_| CodecError::Impossible("sequence number"))?;
    Ok((unpack_shard(packed.shard)?, Position { sequence_number, sub_sequence: packed.sub_sequence }))
}

fn numbered(number: u64) -> String {
    format!("shardId-{number:012}")
}

fn pack_shard(shard: &ShardId) -> PackedShard {
    let number = shard.as_str().strip_prefix("shardId-").and_then(|digits| digits.parse().ok());
    match number {
        Some(number) if numbered(number) == shard.as_str() => PackedShard::Numbered(number),
        _ => PackedShard::Named(shard.as_str().to_owned()),
    }
}

fn unpack_shard(packed: PackedShard) -> Result<ShardId, CodecError> {
    let text = match packed {
        PackedShard::Numbered(number) => numbered(number),
        PackedShard::Named(name) => name,
    };
    text.parse().map_err(|_| CodecError::Impossible("shard id"))
}
