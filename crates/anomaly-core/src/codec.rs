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
use crate::panes::{Held, Panes};
use crate::state::{Fingerprint, RECENT_TRANSACTIONS_MAX, SHARDS_PER_USER_MAX, UserState};
use crate::{
    EVENT_TIME_MS_MAX, LongTerm, Memory, Moments, Position, Profile, Run, SequenceNumber, ShardId, Window, Windowed,
};

/// Window, long-term baseline, positions and recent transactions.
const FORMAT_1: u8 = 1;
/// The same, followed by run and withheld amount. Written only if there is either, so that code that reads format 1 alone still reads
/// almost every state after a rollback.
const FORMAT_2: u8 = 2;
/// The memory of `profile`, positions and recent transactions.
const FORMAT_3: u8 = 3;
/// Format 2 with a window of fewer panes, followed by the memory of `profile`.
const FORMAT_4: u8 = 4;

/// Why bytes are not a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Written by newer code, or not a state at all.
    #[error("the state has format {0}; this version reads formats {FORMAT_1} to {FORMAT_4}")]
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
    recent: Vec<Fingerprint>,
}

/// The stored layout of a profile, which is written from where it is.
#[derive(Serialize, Deserialize)]
struct PackedProfile<P> {
    profile: P,
    positions: Vec<PackedPosition>,
    recent: Vec<Fingerprint>,
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

/// The bytes of a state: 889 for a full one (31 panes, four shards, sixteen recent transactions) with Kinesis's 56-digit numbers; 362 of
/// `profile`, 605 with its context, 872 of both memories.
#[must_use]
pub fn encode(state: &UserState) -> Vec<u8> {
    let bytes = match &state.memory {
        Memory::Windowed(windowed) => {
            let extra = Extra::of(windowed);
            if extra == Extra::default() {
                postcard::to_extend(&pack(state, windowed), vec![FORMAT_1])
            } else {
                extended(&pack(state, windowed), FORMAT_2).and_then(|bytes| postcard::to_extend(&extra, bytes))
            }
        }
        Memory::Profile(profile) => {
            let (positions, recent) = pack_applied(state);
            extended(&PackedProfile { profile, positions, recent }, FORMAT_3)
        }
        Memory::Both(windowed, profile) => extended(&pack(state, windowed), FORMAT_4)
            .and_then(|bytes| postcard::to_extend(&Extra::of(windowed), bytes))
            .and_then(|bytes| postcard::to_extend(&**profile, bytes)),
    };
    // Writing plain values to a growing vector cannot fail. If it did, `decode` would refuse the empty bytes.
    debug_assert!(bytes.is_ok(), "{bytes:?}");
    bytes.unwrap_or_default()
}

fn extended(packed: &impl Serialize, format: u8) -> postcard::Result<Vec<u8>> {
    postcard::to_extend(packed, vec![format])
}

/// The state in `bytes`, equal to the bit to the one that was encoded.
///
/// # Errors
/// [`CodecError`] for anything that [`encode`] did not write. A corrupt state is reported, never repaired or reset.
pub fn decode(bytes: &[u8]) -> Result<UserState, CodecError> {
    let (format, body) = bytes.split_first().ok_or(CodecError::Empty)?;
    let (state, rest) = match *format {
        FORMAT_1 => read::<Packed>(body).and_then(|(packed, rest)| Ok((unpack(packed, &Extra::default())?, rest))),
        FORMAT_2 => decode_windowed(body),
        FORMAT_3 => read::<PackedProfile<Profile>>(body).and_then(|(packed, rest)| Ok((unpack_profile(packed)?, rest))),
        FORMAT_4 => decode_both(body),
        unknown => Err(CodecError::UnknownFormat(unknown)),
    }?;
    // A state has exactly one form. `encode` never pads a varint or writes a numbered shard as a name.
    if rest.is_empty() && encode(&state) == bytes { Ok(state) } else { Err(CodecError::Layout) }
}

/// One part, and the bytes after it.
fn read<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<(T, &'b [u8]), CodecError> {
    postcard::take_from_bytes(bytes).map_err(|_| CodecError::Layout)
}

fn decode_windowed(body: &[u8]) -> Result<(UserState, &[u8]), CodecError> {
    let (packed, rest) = read::<Packed>(body)?;
    let (extra, rest) = read::<Extra>(rest)?;
    Ok((unpack(packed, &extra)?, rest))
}

fn decode_both(body: &[u8]) -> Result<(UserState, &[u8]), CodecError> {
    let (packed, rest) = read::<Packed>(body)?;
    let (extra, rest) = read::<Extra>(rest)?;
    let (profile, rest) = read::<Profile>(rest)?;
    let empty = Window::shared(packed.window_length_ms);
    let windowed = unpack_windowed(&packed, &extra, empty)?;
    let memory = Memory::Both(windowed, Box::new(sound(profile)?));
    Ok((unpack_applied(memory, packed.positions, packed.recent)?, rest))
}

fn pack(state: &UserState, windowed: &Windowed) -> Packed {
    let panes = windowed.window.panes();
    let (positions, recent) = pack_applied(state);
    Packed {
        window_length_ms: windowed.window.length_ms(),
        newest_event_time_ms: windowed.window.newest_event_time_ms(),
        occupied: panes.occupied(),
        panes: panes.held().iter().map(pack_moments).collect(),
        long_term: windowed.long_term,
        positions,
        recent,
    }
}

fn pack_applied(state: &UserState) -> (Vec<PackedPosition>, Vec<Fingerprint>) {
    (state.positions.iter().map(pack_position).collect(), state.recent.iter().copied().collect())
}

fn unpack(packed: Packed, extra: &Extra) -> Result<UserState, CodecError> {
    let windowed = unpack_windowed(&packed, extra, Window::new(packed.window_length_ms))?;
    unpack_applied(Memory::Windowed(windowed), packed.positions, packed.recent)
}

fn unpack_profile(packed: PackedProfile<Profile>) -> Result<UserState, CodecError> {
    let memory = Memory::Profile(sound(packed.profile)?);
    unpack_applied(memory, packed.positions, packed.recent)
}

fn sound(profile: Profile) -> Result<Profile, CodecError> {
    require(profile.newest_event_time_ms().is_none_or(is_event_time), "time")?;
    require(profile.is_sound(), "profile")?;
    Ok(profile)
}

fn unpack_windowed(packed: &Packed, extra: &Extra, empty: Window) -> Result<Windowed, CodecError> {
    let times_are_sound =
        packed.window_length_ms > 0 && packed.newest_event_time_ms.map_or(packed.occupied == 0, is_event_time);
    require(times_are_sound, "time")?;
    require(packed.long_term.is_sound(), "long-term baseline")?;
    let run = Run { halves: extra.run_halves };
    require(run.is_possible(), "run")?;
    require(extra.withheld.is_none_or(is_mean), "withheld amount")?;
    let panes = unpack_panes(packed.occupied, &packed.panes, empty.panes_kept())?;
    Ok(Windowed {
        window: empty.restored(packed.newest_event_time_ms, panes),
        long_term: packed.long_term,
        run,
        withheld: extra.withheld,
    })
}

fn unpack_applied(
    memory: Memory,
    positions: Vec<PackedPosition>,
    recent: Vec<Fingerprint>,
) -> Result<UserState, CodecError> {
    require(positions.len() <= SHARDS_PER_USER_MAX, "number of positions")?;
    require(recent.len() <= RECENT_TRANSACTIONS_MAX, "number of recent transactions")?;
    let positions = positions.into_iter().map(unpack_position).collect::<Result<_, _>>()?;
    Ok(UserState { memory, positions, recent: recent.into_iter().collect() })
}

fn is_event_time(time_ms: i64) -> bool {
    (0..=EVENT_TIME_MS_MAX).contains(&time_ms)
}

impl Extra {
    const fn of(windowed: &Windowed) -> Self {
        Self { run_halves: windowed.run.halves, withheld: windowed.withheld }
    }
}

fn require(holds: bool, what: &'static str) -> Result<(), CodecError> {
    if holds { Ok(()) } else { Err(CodecError::Impossible(what)) }
}

const fn pack_moments(moments: &Moments) -> PackedMoments {
    let Moments { count, mean, mean_low, sum_squares } = *moments;
    PackedMoments { count, mean, mean_low: mean_low.to_le_bytes(), sum_squares }
}

const fn unpack_moments(packed: &PackedMoments) -> Moments {
    let PackedMoments { count, mean, mean_low, sum_squares } = *packed;
    Moments { count, mean, mean_low: i16::from_le_bytes(mean_low), sum_squares }
}

fn unpack_panes(occupied: u32, packed: &[PackedMoments], kept: u32) -> Result<Panes, CodecError> {
    let is_one_for_each_bit = usize::try_from(occupied.count_ones()) == Ok(packed.len());
    require(is_one_for_each_bit && u64::from(occupied) >> kept == 0, "number of panes")?;
    let held: Held = packed.iter().map(unpack_moments).collect();
    require(held.iter().all(|pane| pane.count > 0 && pane.is_sound()), "pane")?;
    Ok(Panes::new(occupied, held))
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
