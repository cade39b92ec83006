//! Axes: where a value is placed on a chart, and where the ticks are.

use super::format::{decimal, formatted, signed, whole};

/// Approximate number of ticks on an axis.
const TICKS: f64 = 5.0;
const DAY_MS: i64 = 86_400_000;
/// Possible steps between the ticks of a time axis.
const TIME_STEPS_MS: [i64; 17] = [
    1_000,
    5_000,
    15_000,
    60_000,
    300_000,
    900_000,
    1_800_000,
    3_600_000,
    10_800_000,
    21_600_000,
    43_200_000,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
    14 * DAY_MS,
    30 * DAY_MS,
    91 * DAY_MS,
];

/// How values map to places.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Linear,
    Logarithmic,
    Time,
}

/// An axis: `low` is at 0, `high` at 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
}

impl Scale {
    pub(super) fn linear(low: f64, high: f64) -> Self {
        Self { kind: Kind::Linear, low, high: if high > low { high } else { low + 1.0 } }
    }

    /// `low` must be above 0. Values below it are placed at 0.
    pub(super) fn logarithmic(low: f64, high: f64) -> Self {
        Self { kind: Kind::Logarithmic, low, high: if high > low { high } else { low * 10.0 } }
    }

    pub(super) fn time(low_ms: i64, high_ms: i64) -> Self {
        Self { kind: Kind::Time, ..Self::linear(signed(low_ms), signed(high_ms)) }
    }

    /// The place of a value, from 0 to 1. Values outside the axis are placed at its edges.
    pub(super) fn place(&self, value: f64) -> f64 {
        let share = match self.kind {
            Kind::Linear | Kind::Time => (value - self.low) / (self.high - self.low),
            Kind::Logarithmic => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
        };
        share.clamp(0.0, 1.0)
    }

    /// Places and texts of the ticks.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        match self.kind {
            Kind::Linear => self.every(step(self.high - self.low), decimal),
            Kind::Logarithmic => self.decades(),
            Kind::Time => self.times(),
        }
    }

    fn every(&self, step: f64, text: impl Fn(f64) -> String) -> Vec<(f64, String)> {
        let first = whole((self.low / step).ceil());
        let values = (first..).map(|n| signed(n) * step).take_while(|value| *value <= self.high * (1.0 + 1e-12));
        // A step is at least a tenth of the span, so this bound is never reached.
        values.take(20).map(|value| (self.place(value), text(value))).collect()
    }

    fn decades(&self) -> Vec<(f64, String)> {
        let (first, last) = (whole(self.low.log10().floor()), whole(self.high.log10().ceil()));
        let factors: &[f64] = match last - first {
            0..=1 => &[1.0, 2.0, 5.0],
            2 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let every = usize::try_from((last - first) / 6 + 1).unwrap_or(1);
        let powers = (first..=last).step_by(every).map(|power| 10.0_f64.powf(signed(power)));
        let values = powers.flat_map(|power| factors.iter().map(move |factor| power * factor));
        let within = values.filter(|value| (self.low * 0.999..=self.high * 1.001).contains(value));
        within.map(|value| (self.place(value), decimal(value))).collect()
    }

    fn times(&self) -> Vec<(f64, String)> {
        let span_ms = self.high - self.low;
        let fits = |step: &i64| span_ms / signed(*step) <= TICKS + 1.0;
        let step_ms = TIME_STEPS_MS.into_iter().find(fits).unwrap_or(whole(span_ms / TICKS).max(DAY_MS));
        let format = match step_ms {
            step if step >= 91 * DAY_MS => "%b %Y",
            step if step >= DAY_MS => "%b %-d",
            step if step < 60_000 => "%H:%M:%S",
            _ if span_ms > signed(DAY_MS) => "%b %-d %H:%M",
            _ => "%H:%M",
        };
        self.every(signed(step_ms), |time| formatted(whole(time), format))
    }
}

/// The step between ticks: 1, 2 or 5 times a power of ten, so that there are about [`TICKS`] ticks.
fn step(span: f64) -> f64 {
    let power = 10.0_f64.powf((span / TICKS).log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let fitting = factors.into_iter().find(|factor| span / (power * factor) <= TICKS + 0.5);
    power * fitting.unwrap_or(10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|tick| tick.1).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(texts(Scale::linear(0.0, 9.3)), ["0", "2", "4", "6", "8"]);
        assert_eq!(texts(Scale::linear(0.0, 1.0)), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(texts(Scale::linear(-3.0, 12.0)), ["0", "5", "10"]);
        assert_eq!(texts(Scale::logarithmic(1.0, 10_000.0)), ["1", "10", "100", "1,000", "10,000"]);
        assert_eq!(texts(Scale::logarithmic(8.0, 90.0)), ["10", "30"]);
    }

    #[test]
    fn times_have_the_format_of_their_step() {
        let start_ms = 1_760_000_100_000;
        assert_eq!(texts(Scale::time(start_ms, start_ms + 90 * DAY_MS))[0], "Nov 8");
        assert_eq!(texts(Scale::time(start_ms, start_ms + 7_200_000)), ["09:00", "09:30", "10:00", "10:30"]);
        assert!(texts(Scale::time(start_ms, start_ms + 1_000 * DAY_MS)).len() <= 12);
    }

    #[test]
    fn places_are_between_0_and_1_for_every_value() {
        for scale in [Scale::linear(5.0, 5.0), Scale::logarithmic(1.0, 1.0), Scale::time(0, 0)] {
            for value in [-1e12, 0.0, 5.0, 1e12] {
                assert!((0.0..=1.0).contains(&scale.place(value)), "{scale:?} {value}");
            }
            assert!(scale.ticks().len() < 20);
        }
        assert_eq!(Scale::logarithmic(1.0, 100.0).place(10.0), 0.5);
    }
}
