//! What may come in from outside, and what has to hold whatever comes: one function a target, over any bytes.
//!
//! A target returns or panics; a panic is a finding. The fuzzing engine (`src/main.rs`, feature `engine`) looks for inputs that
//! panic and keeps those that reach something new; what it kept stands in `corpus/` and is replayed by `cargo test`, which
//! needs no engine. `docs/reliability.md` says how to run it and how to reproduce a finding.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a target that panics is a finding")]

mod targets;

pub use targets::{TARGETS, Target};

/// Four bytes that nobody guesses: an engine that sees which branches it takes finds them in seconds, one that does not see
/// never. The engine is run over this first; if it finds nothing, it is blind.
///
/// # Panics
/// At the four bytes.
pub fn canary(input: &[u8]) {
    let mut input = input.iter();
    for expected in b"\x8B\x1D\xE4\x72" {
        if input.next() != Some(expected) {
            return;
        }
    }
    panic!("the engine sees what it does");
}
