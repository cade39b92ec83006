//! The Python peer's environment, created once under `target/` by the script that the tests also use.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The peers' folder.
pub(crate) fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// The interpreter with boto3.
pub(crate) fn python() -> anyhow::Result<PathBuf> {
    let script = root().join("tests/deployed/venv");
    let output = Command::new(script).args(["benches/peers/requirements.txt", "bench"]).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let venv = String::from_utf8(output.stdout).context("the path of the environment is not UTF-8")?;
    Ok(Path::new(venv.trim()).join("bin/python"))
}
