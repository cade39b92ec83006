//! The programs that have to be installed.

use std::env::{join_paths, split_paths};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;

const CARGO: (&str, &str) = ("cargo", "install Rust with rustup, https://rustup.rs");
const CARGO_LAMBDA: (&str, &str) =
    ("cargo-lambda", "`make local` brings it, or see https://www.cargo-lambda.info/guide/installation.html");

/// Where they are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tools {
    pub(super) cargo_lambda: PathBuf,
    /// The caller's PATH, and the folder of `--tools` if it was needed.
    pub(super) path: OsString,
    /// That folder.
    added: Option<PathBuf>,
}

impl Tools {
    /// Looks on PATH, then in a folder of the caller.
    ///
    /// # Errors
    /// One line that says how to get what is missing.
    pub(super) fn find(folder: Option<&Path>) -> anyhow::Result<Self> {
        Self::find_on(&std::env::var_os("PATH").unwrap_or_default(), folder)
    }

    fn find_on(path: &OsString, folder: Option<&Path>) -> anyhow::Result<Self> {
        let on_path: Vec<PathBuf> = split_paths(path).collect();
        find(CARGO, &on_path)?;
        if let Ok(cargo_lambda) = find(CARGO_LAMBDA, &on_path) {
            return Ok(Self { cargo_lambda, path: path.clone(), added: None });
        }
        let folder = folder.map(std::path::absolute).transpose()?;
        let cargo_lambda = find(CARGO_LAMBDA, folder.as_slice())?;
        let path = join_paths(folder.iter().chain(&on_path))?;
        Ok(Self { cargo_lambda, path, added: folder })
    }

    /// What lets the caller's shell find cargo-lambda too, if it does not.
    pub(super) fn path_line(&self) -> Option<String> {
        self.added.as_ref().map(|folder| format!("export PATH=\"{}:$PATH\"", folder.display()))
    }
}

fn find((name, how): (&str, &str), folders: &[PathBuf]) -> anyhow::Result<PathBuf> {
    let file = folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    file.with_context(|| format!("{name} is missing: {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own for a test, with empty files.
    fn folder(test: &str, files: &[&str]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("sigma-local-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for file in files {
            std::fs::write(folder.join(file), "").unwrap();
        }
        folder
    }

    #[test]
    fn a_missing_tool_is_one_line_that_says_how_to_get_it() {
        let nothing = folder("nothing", &[]);
        let error = Tools::find_on(&nothing.into_os_string(), None).unwrap_err().to_string();
        assert_eq!(error, "cargo is missing: install Rust with rustup, https://rustup.rs");
        let cargo = folder("cargo", &["cargo"]);
        let error = Tools::find_on(&cargo.into_os_string(), None).unwrap_err().to_string();
        assert!(
            error.starts_with("cargo-lambda is missing: `make local` brings it") && !error.contains('\n'),
            "{error}"
        );
    }

    #[test]
    fn the_callers_own_tool_comes_before_the_folder_and_needs_no_line() {
        let (own, other) = (folder("own", &["cargo", "cargo-lambda"]), folder("other", &["cargo-lambda"]));
        let tools = Tools::find_on(&own.clone().into_os_string(), Some(&other)).unwrap();
        assert_eq!((tools.cargo_lambda.as_path(), tools.path_line()), (own.join("cargo-lambda").as_path(), None));
    }

    #[test]
    fn a_tool_of_the_folder_comes_with_the_line_that_makes_it_usable() {
        let (own, other) = (folder("rust", &["cargo"]), folder("brought", &["cargo-lambda"]));
        let tools = Tools::find_on(&own.into_os_string(), Some(&other)).unwrap();
        assert_eq!(tools.path_line(), Some(format!("export PATH=\"{}:$PATH\"", other.display())));
        assert_eq!(split_paths(&tools.path).next(), Some(other));
    }
}
