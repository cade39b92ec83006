//! What the measurements say: the value of `CommitStatementsMax` to take.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// Times that differ by less than this are equal, and then more users in a request are better: each costs the detector less time.
const NOISE: f64 = 0.1;

/// Times of one number of users in a request.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) statements: usize,
    pub(super) requests: Vec<Duration>,
    /// Of writing all users once.
    pub(super) all: Vec<Duration>,
}

/// Write units a user, where DynamoDB says.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Capacity {
    /// By a PutItem.
    pub(super) alone: Option<f64>,
    /// By one of several statements.
    pub(super) together: Option<f64>,
}

/// See the module.
#[derive(Debug, Serialize)]
pub(crate) struct Measurements {
    sizes: Vec<Size>,
    write_units_a_user: Capacity,
    /// The parameter of the stack, if it has it.
    current: Option<usize>,
    recommended: usize,
}

/// Figures of one number of users in a request, in ms.
#[derive(Debug, Clone, Copy, Serialize)]
struct Size {
    statements: usize,
    request_median_ms: f64,
    request_p95_ms: f64,
    all_median_ms: f64,
    all_p95_ms: f64,
}

impl Capacity {
    fn is_dearer_together(self) -> bool {
        matches!((self.alone, self.together), (Some(alone), Some(together)) if together > alone)
    }
}

impl Measured {
    pub(super) const fn new(statements: usize) -> Self {
        Self { statements, requests: Vec::new(), all: Vec::new() }
    }

    fn size(&self) -> Size {
        let Self { statements, requests, all } = self;
        Size {
            statements: *statements,
            request_median_ms: percentile_ms(requests, 50),
            request_p95_ms: percentile_ms(requests, 95),
            all_median_ms: percentile_ms(all, 50),
            all_p95_ms: percentile_ms(all, 95),
        }
    }
}

/// The time that this percentage of the times does not exceed, in ms, to a hundredth; 0 of none.
fn percentile_ms(times: &[Duration], percentage: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    let rank = (percentage * sorted.len()).div_ceil(100);
    let time = sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default();
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

impl Measurements {
    pub(super) fn new(
        measured: impl IntoIterator<Item = Measured>,
        capacity: Capacity,
        current: Option<usize>,
    ) -> Self {
        let sizes: Vec<Size> = measured.into_iter().map(|one| one.size()).collect();
        let recommended = if capacity.is_dearer_together() { 1 } else { recommended(&sizes) };
        Self { sizes, write_units_a_user: capacity, current, recommended }
    }

    /// In one line.
    pub(crate) fn summary(&self) -> String {
        match (self.current, self.recommended) {
            (Some(current), best) if current == best => {
                format!("CommitStatementsMax={best}, as the stack has it, is the one to take")
            }
            (Some(current), best) => format!("take CommitStatementsMax={best}; the stack has {current}"),
            (None, 1) => "one user in a request, as the stack has it, is the one to take".to_owned(),
            (None, best) => {
                format!("take CommitStatementsMax={best}, once the stack is updated: it does not know that parameter")
            }
        }
    }

    /// The figures, for people.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        table.set_header(["users in a request", "a request, ms", "p95", "all users, ms", "p95"]);
        for Size { statements, request_median_ms, request_p95_ms, all_median_ms, all_p95_ms } in &self.sizes {
            let times = [request_median_ms, request_p95_ms, all_median_ms, all_p95_ms].map(|ms| format!("{ms:.1}"));
            table.add_row([statements.to_string()].into_iter().chain(times));
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let units = |units: Option<f64>| units.map_or("unknown".to_owned(), |units| format!("{units:.1}"));
        let Capacity { alone, together } = self.write_units_a_user;
        format!("{table}\nWrite units a user: {} alone, {} together.", units(alone), units(together))
    }
}

/// The most users in a request with which all users take no longer than with any other number, but for noise.
fn recommended(sizes: &[Size]) -> usize {
    let least_ms = sizes.iter().map(|size| size.all_median_ms).fold(f64::INFINITY, f64::min);
    let is_fast = |size: &&Size| size.all_median_ms <= least_ms * (1.0 + NOISE);
    sizes.iter().filter(is_fast).map(|size| size.statements).max().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: Capacity = Capacity { alone: None, together: None };

    fn measurements(all_ms: [u64; 3]) -> Measurements {
        let one = |(statements, ms)| {
            let times = vec![Duration::from_millis(ms); 3];
            Measured { statements, requests: times.clone(), all: times }
        };
        Measurements::new([1, 5, 25].into_iter().zip(all_ms).map(one), UNKNOWN, Some(25))
    }

    #[test]
    fn the_fastest_is_taken_and_among_equals_the_one_with_fewest_requests() {
        for (all_ms, expected) in [([100, 60, 20], 25), ([100, 95, 104], 25), ([100, 80, 130], 5), ([20, 60, 200], 1)] {
            assert_eq!(measurements(all_ms).recommended, expected, "{all_ms:?}");
        }
    }

    #[test]
    fn the_summary_says_what_to_do() {
        assert!(measurements([100, 60, 20]).summary().starts_with("CommitStatementsMax=25, as the stack has it"));
        assert_eq!(measurements([20, 60, 200]).summary(), "take CommitStatementsMax=1; the stack has 25");
    }

    #[test]
    fn what_costs_more_units_together_is_written_alone() {
        let capacity = |alone, together| Capacity { alone: Some(alone), together: Some(together) };
        assert!(capacity(1.0, 2.0).is_dearer_together() && !capacity(1.0, 1.0).is_dearer_together());
        assert!(!UNKNOWN.is_dearer_together());
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!((percentile_ms(&times, 50), percentile_ms(&times, 95), percentile_ms(&[], 50)), (50.0, 95.0, 0.0));
    }
}
