//! The fuzzing engine, libFuzzer, on the target that `FUZZ_TARGET` names.
#![no_main]

use std::sync::OnceLock;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fn named() -> fn(&[u8]) {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let target = fuzz::TARGETS.iter().find(|target| target.name == name);
    target.map_or(fuzz::canary, |target| target.run)
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| TARGET.get_or_init(named)(input));
