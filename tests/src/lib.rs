//! The simulation: both handlers, both mappings, and a world that fails by dice. The whole-pipeline tests are in `pipeline/`.
#![recursion_limit = "256"]

pub mod simulation;
