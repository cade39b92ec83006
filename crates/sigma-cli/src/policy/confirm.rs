//! A question on a terminal.

use std::io::{IsTerminal, Write};

/// Asks. An error if the answer is no, or if nobody is there to give one.
pub(super) fn confirm(question: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "nothing was written: there is no terminal to ask on. Add --yes to write, or --dry-run to look"
    );
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    anyhow::ensure!(is_yes(&answer), "nothing was written");
    Ok(())
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y", "Y\n", "yes\r\n"].iter().all(|answer| is_yes(answer)));
        assert!(["", "\n", "n", "yesterday"].iter().all(|answer| !is_yes(answer)));
    }
}
