//! Runs every input that the fuzzing engine kept through its target, without the engine.
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fuzz::TARGETS;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let folders = entries(&corpus());
    let folders: BTreeSet<&str> = folders.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(folders, TARGETS.iter().map(|target| target.name).collect());
}

#[test]
fn every_input_of_the_corpus_holds() {
    for target in TARGETS {
        for path in entries(&corpus().join(target.name)) {
            // Shown only if the target panics.
            println!("{}", path.display());
            (target.run)(&fs::read(path).unwrap());
        }
    }
}

#[test]
fn the_corpus_stays_small() {
    let files: Vec<PathBuf> = entries(&corpus()).iter().flat_map(|folder| entries(folder)).collect();
    let bytes: u64 = files.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(files.len() <= 80 * TARGETS.len() && bytes < 1024 * 1024, "{} files, {bytes} bytes", files.len());
}
