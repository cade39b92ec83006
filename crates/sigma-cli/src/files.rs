//! Files that commands read and write.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde::de::DeserializeOwned;

/// Creates a file, and the folders on its path.
pub(crate) fn create(path: &Path) -> anyhow::Result<File> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent
        .map_or(Ok(()), std::fs::create_dir_all)
        .with_context(|| format!("cannot create the folder of {}", path.display()))?;
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}

/// Writes a whole file.
pub(crate) fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    create(path)?.write_all(content.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a whole file of JSON.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not what it should be", path.display()))
}
