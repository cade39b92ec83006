//! The arrows of the house: who may use whom.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

fn workspace() -> Metadata {
    MetadataCommand::new().manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")).exec().unwrap()
}

/// What a package needs when it is built, not when it is tested.
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
    let allowed = BTreeSet::from(["postcard", "serde", "statrs", "thiserror", "xxhash-rust"]);
    assert_eq!(normal_dependencies(by_name(&metadata)["anomaly-core"]), allowed);
}

#[test]
fn nothing_below_the_core_reaches_for_the_world() {
    // `cargo metadata` unites the features of the whole workspace; `cargo tree` resolves those of this package.
    let arguments = ["tree", "--package", "anomaly-core", "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let output = std::process::Command::new(env!("CARGO")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("statrs"));
    for worldly in ["tokio", "tracing", "log", "serde_json", "jiff", "chrono", "rand", "getrandom", "hyper", "libc"] {
        assert!(!names.contains(worldly), "anomaly-core reaches {worldly}");
    }
    assert!(names.iter().all(|name| !name.starts_with("aws")));
}

#[test]
fn arrows_point_one_way() {
    let metadata = workspace();
    let packages = by_name(&metadata);
    let ours: BTreeSet<&str> = packages.keys().copied().collect();
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("anomaly-core", [].as_slice()),
        ("lambda-kit", &[]),
        ("event-source", &[]),
        ("detector", &["anomaly-core", "lambda-kit"]),
        ("alerter", &["anomaly-core", "lambda-kit"]),
        ("sigma-cli", &["alerter", "anomaly-core", "detector", "event-source", "lambda-kit"]),
        ("benches", &["alerter", "anomaly-core", "detector", "event-source", "lambda-kit", "sigma-cli"]),
        ("fuzz", &["alerter", "anomaly-core", "detector", "event-source", "lambda-kit"]),
        ("simulation", &["alerter", "anomaly-core", "detector", "event-source", "lambda-kit"]),
        ("tests", &[]),
    ]);
    for (name, package) in &packages {
        let used: BTreeSet<&str> = normal_dependencies(package).intersection(&ours).copied().collect();
        assert_eq!(used, allowed[name].iter().copied().collect(), "{name}");
    }
}

#[test]
fn packages_are_named_as_their_folders() {
    for package in workspace().workspace_packages() {
        assert_eq!(package.manifest_path.parent().unwrap().file_name(), Some(package.name.as_str()));
    }
}

#[test]
fn one_tls_stack_and_no_credential_chain() {
    let metadata = workspace();
    let names: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names.iter().filter(|name| **name == "rustls").count(), 1);
    assert!(!names.contains(&"aws-config"));
}
