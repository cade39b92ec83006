//! What the `sigma` tool is made of: a local AWS small enough to live in a process, and the commands on top of it.

pub mod aws;
pub mod deliver;
pub mod demo;
pub mod embedded;
pub mod generate;
pub mod generator;
pub mod output;
pub mod progress;
pub mod replay;
pub mod report;
pub mod send;
