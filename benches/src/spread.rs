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

/// A measurement of a round.
pub(crate) type Turn<'a> = Box<dyn FnMut(usize) -> anyhow::Result<f64> + 'a>;

/// Runs measurements `rounds` times, backwards in every second round, so that a machine that becomes slower or faster meanwhile affects
/// all of them. Returns the values of each.
pub(crate) fn in_turns(rounds: usize, turns: &mut [Turn<'_>]) -> anyhow::Result<Vec<Vec<f64>>> {
    let mut values = vec![Vec::with_capacity(rounds); turns.len()];
    for round in 0..rounds {
        let mut pairs: Vec<_> = turns.iter_mut().zip(&mut values).collect();
        if round % 2 == 1 {
            pairs.reverse();
        }
        for (turn, values) in pairs {
            values.push(turn(round)?);
        }
    }
    Ok(values)
}

/// The same with two measurements.
pub(crate) fn alternating<'a>(
    rounds: usize,
    a: impl FnMut(usize) -> anyhow::Result<f64> + 'a,
    b: impl FnMut(usize) -> anyhow::Result<f64> + 'a,
) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let mut values = in_turns(rounds, &mut [Box::new(a), Box::new(b)])?.into_iter();
    Ok((values.next().unwrap_or_default(), values.next().unwrap_or_default()))
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
