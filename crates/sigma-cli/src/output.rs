//! The output of a command: for people, for programs, or none.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use clap::Args;
use nix::errno::Errno;
use serde::Serialize;

/// Prints a line to standard output. A reader that has seen enough, such as `head`, or a terminal that was closed is no failure; any
/// other error ends the command.
pub(crate) fn say(line: impl Display) {
    let printed = writeln!(std::io::stdout(), "{line}");
    if let Err(error) = printed.and_then(|()| std::io::stdout().flush())
        && error.kind() != ErrorKind::BrokenPipe
        && error.raw_os_error().map(Errno::from_raw) != Some(Errno::EIO)
    {
        eprintln!("error: the output cannot be written: {error}");
        std::process::exit(1);
    }
}

/// Flags of every command that ends with figures.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Output {
    /// Print the figures as one JSON document.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Print no progress and no summary: only errors, and the document of --json.
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

impl Output {
    /// The text to print at the end: the JSON document, the text for people, or nothing.
    ///
    /// # Errors
    /// If the figures cannot be written as JSON.
    pub fn render(self, figures: &impl Serialize, text: impl FnOnce() -> String) -> anyhow::Result<Option<String>> {
        match (self.json, self.quiet) {
            (true, _) => Ok(Some(serde_json::to_string(figures)?)),
            (false, true) => Ok(None),
            (false, false) => Ok(Some(text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_silences_people_and_not_programs() {
        let render = |json, quiet| Output { json, quiet }.render(&7, || "seven".to_owned()).unwrap();
        assert_eq!(render(false, false).as_deref(), Some("seven"));
        assert_eq!(render(false, true), None);
        assert_eq!(render(true, false).as_deref(), Some("7"));
        assert_eq!(render(true, true).as_deref(), Some("7"));
    }
}
