//! The dependency arrows: which crate may use which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

fn workspace() -> Metadata {
    MetadataCommand::new().manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")).exec().unwrap()
}

/// The packages that a package needs to be built, without those that only its tests need.
fn normal_dependencies(package: &Package) -> BTreeSet<&str> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.as_str()).collect()
}

fn by_name(metadata: &Metadata) -> BTreeMap<&str, &Package> {
    metadata.workspace_packages().into_iter().map(|package| (package.name.as_str(), package)).collect()
}

#[test]
fn the_core_is_pure() {
    let metadata = workspace();
    let allowed = BTreeSet::from([
        "libm",
        "postcard",
        "serde",
        "smallvec",
        "smol_str",
        "statrs",
        "thiserror",
        "unicode-properties",
        "xxhash-rust",
    ]);
    assert_eq!(normal_dependencies(by_name(&metadata)["anomaly-core"]), allowed);
}

/// The names of all packages in the dependency tree of one of ours, without development dependencies. `cargo metadata` unifies the
/// features of the whole workspace; `cargo tree` resolves those of the package alone.
fn dependency_tree(package: &str) -> BTreeSet<String> {
    let arguments = ["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let names: BTreeSet<String> = tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    assert!(names.contains(package), "{names:?}");
    names
}

#[test]
fn pure_crates_depend_on_no_runtime_clock_or_command_line() {
    let async_and_clocks = ["tokio", "tracing", "log", "chrono", "getrandom", "hyper"];
    let command_line_and_html = ["clap", "maud", "comfy-table", "indicatif"];
    for (package, more) in [
        ("anomaly-core", ["serde_json", "jiff", "rand", "libc"].as_slice()),
        ("intake", &["jiff", "rand", "libc"]),
        ("scenarios", &[]),
        ("backtest", &[]),
        ("training", &["serde_json", "jiff", "rand", "libc"]),
        ("alert-policy", &["rand"]),
    ] {
        let names = dependency_tree(package);
        for forbidden in async_and_clocks.iter().chain(&command_line_and_html).chain(more) {
            assert!(!names.contains(*forbidden), "{package} depends on {forbidden}");
        }
        assert!(
            names.iter().all(|name| !name.starts_with("aws") && !name.starts_with("lambda")),
            "{package}: {names:?}"
        );
    }
    let names = dependency_tree("backtest-report");
    assert!(names.iter().all(|name| !name.starts_with("aws") && name != "clap"), "{names:?}");
}

#[test]
fn dependencies_point_one_way() {
    let metadata = workspace();
    let packages = by_name(&metadata);
    let ours: BTreeSet<&str> = packages.keys().copied().collect();
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("anomaly-core", [].as_slice()),
        ("alert-policy", &["anomaly-core"]),
        ("intake", &["anomaly-core"]),
        ("lambda-kit", &["anomaly-core"]),
        ("event-source", &[]),
        ("scenarios", &[]),
        ("backtest", &["alert-policy", "anomaly-core", "intake"]),
        ("backtest-report", &["alert-policy", "anomaly-core", "backtest"]),
        ("training", &["anomaly-core"]),
        ("message-queue", &["lambda-kit"]),
        ("detector", &["anomaly-core", "intake", "lambda-kit", "message-queue"]),
        ("notifier", &["anomaly-core", "lambda-kit", "message-queue"]),
        ("alerter", &["alert-policy", "anomaly-core", "lambda-kit"]),
        (
            "testbed",
            &["alert-policy", "alerter", "anomaly-core", "detector", "event-source", "lambda-kit", "message-queue"],
        ),
        (
            "sigma-cli",
            &[
                "alert-policy",
                "alerter",
                "anomaly-core",
                "backtest",
                "backtest-report",
                "detector",
                "event-source",
                "intake",
                "lambda-kit",
                "scenarios",
                "testbed",
                "training",
            ],
        ),
        (
            "benches",
            &[
                "alerter",
                "anomaly-core",
                "backtest",
                "detector",
                "event-source",
                "intake",
                "lambda-kit",
                "message-queue",
                "scenarios",
                "testbed",
                "training",
            ],
        ),
        ("deployed", &["alerter", "anomaly-core", "detector", "lambda-kit", "notifier"]),
        ("fuzz", &["alerter", "anomaly-core", "detector", "event-source", "intake", "lambda-kit", "message-queue"]),
        (
            "simulation",
            &[
                "alert-policy",
                "alerter",
                "anomaly-core",
                "detector",
                "event-source",
                "intake",
                "lambda-kit",
                "message-queue",
                "notifier",
            ],
        ),
        ("tests", &[]),
    ]);
    for (name, package) in &packages {
        let used: BTreeSet<&str> = normal_dependencies(package).intersection(&ours).copied().collect();
        assert_eq!(used, allowed[name].iter().copied().collect(), "{name}");
    }
}

/// A crate that holds most of the code has more than one reason to change.
#[test]
fn no_crate_holds_more_than_a_quarter_of_the_lines() {
    let metadata = workspace();
    let lines = |package: &Package| {
        let sources = package.manifest_path.parent().unwrap().join("src");
        let files = rust_files(sources.as_std_path());
        files.iter().map(|file| std::fs::read_to_string(file).unwrap().lines().count()).sum::<usize>()
    };
    let packages = metadata.workspace_packages();
    let lines: Vec<(&str, usize)> = packages.iter().map(|package| (package.name.as_str(), lines(package))).collect();
    let total: usize = lines.iter().map(|(_, lines)| lines).sum();
    for (name, lines) in lines {
        assert!(lines * 4 <= total, "{name} has {lines} of {total} lines");
    }
}

/// All Rust files below a folder; none if it does not exist.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = paths.partition(|path| path.is_dir());
    let rust = files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    rust.chain(folders.iter().flat_map(|folder| rust_files(folder))).collect()
}

#[test]
fn packages_are_named_after_their_folders() {
    for package in workspace().workspace_packages() {
        assert_eq!(package.manifest_path.parent().unwrap().file_name(), Some(package.name.as_str()));
    }
}

#[test]
fn there_is_one_tls_stack_and_no_credential_chain() {
    let metadata = workspace();
    let names: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names.iter().filter(|name| **name == "rustls").count(), 1);
    assert!(!names.contains(&"aws-config"));
}
