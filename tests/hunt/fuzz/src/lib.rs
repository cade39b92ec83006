//! The inputs that come from outside, and what has to hold for any of them: one target each, a function over any bytes.
//!
//! A target returns or panics; a panic is a finding. The fuzzing engine (`src/main.rs`, feature `engine`) looks for inputs that
//! panic and keeps those that reach something new. The inputs it kept are in `corpus/`; `cargo test` runs them without the engine.
//! `docs/reliability.md` says how to run it and how to reproduce a finding.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a target that panics is a finding")]

mod targets;

pub use targets::{TARGETS, Target};

/// Panics at four bytes that nobody guesses: an engine that sees which branches the code takes finds them in seconds, a blind one
/// never does. The engine runs over this first; if it finds nothing, it is blind.
///
/// # Panics
/// If the input starts with the four bytes.
pub fn canary(input: &[u8]) {
    let mut input = input.iter();
    for expected in b"\x8B\x1D\xE4\x72" {
        if input.next() != Some(expected) {
            return;
        }
    }
    panic!("the engine sees what it does");
}
