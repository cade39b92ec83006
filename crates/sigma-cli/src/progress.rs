//! Progress of long work: a bar on a terminal, a line per tenth elsewhere, nothing if asked to be quiet.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// Progress towards a known end.
#[derive(Debug)]
pub(crate) struct Progress {
    display: Display,
    what: &'static str,
    done: u64,
    total: u64,
}

#[derive(Debug)]
enum Display {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Progress {
    /// Starts at 0 of `total` `what`.
    #[must_use]
    pub(crate) fn new(what: &'static str, total: u64, is_quiet: bool) -> Self {
        let display = match (is_quiet, std::io::stderr().is_terminal()) {
            (true, _) => Display::Nothing,
            (false, true) => Display::Bar(bar(what, total)),
            (false, false) => Display::Lines,
        };
        Self { display, what, done: 0, total }
    }

    /// Adds to the work done.
    pub(crate) fn advance(&mut self, by: u64) {
        let tenth = |done: u64| done * 10 / self.total.max(1);
        let before = tenth(self.done);
        self.done += by;
        match &self.display {
            Display::Bar(bar) => bar.inc(by),
            Display::Lines if tenth(self.done) > before => eprintln!("{} of {} {}", self.done, self.total, self.what),
            Display::Lines | Display::Nothing => {}
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(self) {
        if let Display::Bar(bar) = self.display {
            bar.finish_and_clear();
        }
    }
}

/// Progress towards an end that is not known: a count on a terminal, a line per hundred thousand elsewhere, nothing if asked to be quiet.
#[derive(Debug)]
pub(crate) struct Counting {
    display: Display,
    what: &'static str,
    done: u64,
}

impl Counting {
    /// Counts between two lines.
    const STEP: u64 = 100_000;

    /// Starts at 0.
    #[must_use]
    pub(crate) fn new(what: &'static str, is_quiet: bool) -> Self {
        let display = match (is_quiet, std::io::stderr().is_terminal()) {
            (true, _) => Display::Nothing,
            (false, true) => Display::Bar(ProgressBar::new_spinner()),
            (false, false) => Display::Lines,
        };
        Self { display, what, done: 0 }
    }

    /// Adds to what is counted.
    pub(crate) fn advance(&mut self, by: u64) {
        let before = self.done / Self::STEP;
        self.done += by;
        match &self.display {
            Display::Bar(bar) => bar.set_message(format!("{} {}", self.done, self.what)),
            Display::Lines if self.done / Self::STEP > before => eprintln!("{} {}", self.done, self.what),
            Display::Lines | Display::Nothing => {}
        }
    }

    /// Removes the count.
    pub(crate) fn finish(self) {
        if let Display::Bar(bar) = self.display {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &'static str, total: u64) -> ProgressBar {
    let template = "{bar:40} {human_pos} of {human_len} {msg}, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_message(what)
}
