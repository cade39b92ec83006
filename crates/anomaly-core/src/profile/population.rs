//! What is loud for everybody: the tail of all users' amounts.

use serde::Deserialize;

use super::ProfileError;

/// A score counts from here on, and this much.
const FROM_SIGMAS: f64 = 2.75;
const WEIGHT: f64 = 4.0;
/// Beyond the last knot the curve goes on with the slope of the last two steps, over at least this distance and at most this steep.
const LAST_STEPS_MIN: f64 = 1e-3;
const SLOPE_MAX: f64 = 10.0;
const KNOTS: std::ops::RangeInclusive<usize> = 3..=32;

/// The upper tail of all users' amounts: sigmas of a normal distribution over the logarithm of the amount, piecewise linear.
/// `sigma calibrate` makes one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Knots")]
pub struct Population {
    /// (ln amount, sigmas), both ascending.
    knots: Vec<(f64, f64)>,
    /// Beyond the last knot.
    slope: f64,
}

/// The JSON form.
#[derive(Debug, Deserialize)]
struct Knots {
    ln: Vec<f64>,
    z: Vec<f64>,
}

impl TryFrom<Knots> for Population {
    type Error = ProfileError;

    fn try_from(Knots { ln, z }: Knots) -> Result<Self, ProfileError> {
        Self::new(&ln, &z)
    }
}

impl Population {
    /// `ln[i]` is the natural logarithm of the amount that is as rare among all amounts as `z[i]` standard deviations are in a normal
    /// distribution.
    ///
    /// # Errors
    /// [`ProfileError`] names the list that is malformed.
    pub fn new(ln: &[f64], z: &[f64]) -> Result<Self, ProfileError> {
        let error = |field: &'static str, must: &'static str| ProfileError { field: field.to_owned(), must };
        if !KNOTS.contains(&ln.len()) {
            return Err(error("ln", "have 3 to 32 numbers"));
        }
        if z.len() != ln.len() {
            return Err(error("z", "have as many numbers as ln"));
        }
        // Not `windows(2)` with a comparison: NaN must fail.
        let ascends = |list: &[f64], is_next: fn(f64, f64) -> bool| {
            list.iter().all(|x| x.abs() <= 100.0) && list.iter().zip(list.iter().skip(1)).all(|(a, b)| is_next(*a, *b))
        };
        if !ascends(ln, |a, b| a <= b) {
            return Err(error("ln", "ascend, within ±100"));
        }
        if !ascends(z, |a, b| a < b) {
            return Err(error("z", "ascend strictly, within ±100"));
        }
        let knots: Vec<(f64, f64)> = ln.iter().copied().zip(z.iter().copied()).collect();
        let slope = match knots.as_slice() {
            [.., (from_ln, from_z), _, (to_ln, to_z)] => {
                ((to_z - from_z) / (to_ln - from_ln).max(LAST_STEPS_MIN)).min(SLOPE_MAX)
            }
            _ => 0.0,
        };
        Ok(Self { knots, slope })
    }

    /// (ln amount, sigmas), both ascending: what [`Self::new`] was given.
    pub(crate) fn knots(&self) -> &[(f64, f64)] {
        &self.knots
    }

    /// What being loud for everybody adds to a score.
    #[must_use]
    pub fn bonus(&self, ln_amount: f64) -> f64 {
        WEIGHT * (self.sigmas(ln_amount) - FROM_SIGMAS).max(0.0)
    }

    /// How rare an amount is among all amounts, in sigmas.
    fn sigmas(&self, ln_amount: f64) -> f64 {
        let mut below: Option<(f64, f64)> = None;
        for &(ln, z) in &self.knots {
            if ln_amount <= ln {
                return match below {
                    Some((from, from_z)) if ln > from => from_z + (z - from_z) * (ln_amount - from) / (ln - from),
                    _ => z,
                };
            }
            below = Some((ln, z));
        }
        below.map_or(0.0, |(ln, z)| z + (ln_amount - ln) * self.slope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_knots_it_is_linear_and_beyond_them_it_goes_on() {
        let population = Population::new(&[1.0, 2.0, 4.0], &[0.0, 1.0, 2.0]).unwrap();
        for (ln, sigmas) in [(-5.0, 0.0), (1.0, 0.0), (1.5, 0.5), (3.0, 1.5), (4.0, 2.0), (7.0, 4.0)] {
            assert!((population.sigmas(ln) - sigmas).abs() < 1e-12, "{ln}");
        }
        assert_eq!(population.bonus(3.0), 0.0);
        assert!((population.bonus(7.0) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn a_malformed_list_is_named() {
        for (ln, z, field) in [
            (&[1.0, 2.0][..], &[0.0, 1.0][..], "ln"),
            (&[1.0, 2.0, 3.0], &[0.0, 1.0], "z"),
            (&[1.0, 3.0, 2.0], &[0.0, 1.0, 2.0], "ln"),
            (&[1.0, f64::NAN, 2.0], &[0.0, 1.0, 2.0], "ln"),
            (&[1.0, 2.0, 3.0], &[0.0, 1.0, 1.0], "z"),
            (&[1.0, 2.0, 1e300], &[0.0, 1.0, 2.0], "ln"),
        ] {
            assert_eq!(Population::new(ln, z).unwrap_err().field, field, "{ln:?} {z:?}");
        }
    }
}
