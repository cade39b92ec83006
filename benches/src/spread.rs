//! Repeated measurements and their spread.

use serde::Serialize;

/// Minimum, median and maximum of some rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// The spread of these values; zeros if there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        let last = values.len().saturating_sub(1);
        let median = f64::midpoint(at(last / 2), at(values.len() / 2));
        Self { min: at(0), median, max: at(last) }
    }

    /// One value without a spread: a count, a size, a price.
    pub(crate) const fn exact(value: f64) -> Self {
        Self { min: value, median: value, max: value }
    }

    /// The ratios of `a` to `b`, round by round.
    pub(crate) fn ratio(a: &[f64], b: &[f64]) -> Self {
        Self::of(a.iter().zip(b).map(|(a, b)| a / b))
    }
}

/// A count as a float.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
pub(crate) fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or_default() as f64
}

/// Runs two measurements `rounds` times and swaps their order each round, so that a machine that becomes slower or faster meanwhile
/// affects both.
pub(crate) fn alternating(
    rounds: usize,
    mut a: impl FnMut(usize) -> anyhow::Result<f64>,
    mut b: impl FnMut(usize) -> anyhow::Result<f64>,
) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let (mut a_values, mut b_values) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for round in 0..rounds {
        if round % 2 == 0 {
            a_values.push(a(round)?);
            b_values.push(b(round)?);
        } else {
            b_values.push(b(round)?);
            a_values.push(a(round)?);
        }
    }
    Ok((a_values, b_values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_rounds_is_between_the_middle_two() {
        assert_eq!(Spread::of([4.0, 1.0, 3.0, 2.0]), Spread { min: 1.0, median: 2.5, max: 4.0 });
        assert_eq!(Spread::of([3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(Spread::of([]), Spread::exact(0.0));
    }

    #[test]
    fn the_first_measurement_alternates() {
        let order = std::cell::RefCell::new(String::new());
        let note = |letter| order.borrow_mut().push(letter);
        let (a, b) = alternating(
            3,
            |round| {
                note('a');
                Ok(number(round))
            },
            |_| {
                note('b');
                Ok(0.0)
            },
        )
        .unwrap();
        assert_eq!((a, b.len(), order.into_inner().as_str()), (vec![0.0, 1.0, 2.0], 3, "abbaab"));
    }
}
