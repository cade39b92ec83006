//! The window, against one in which every pane is there, whether it holds something or not.

use anomaly_core::{AMOUNT_ABSOLUTE_MAX, Moments, PANES_PER_WINDOW, Rule, RuleKind, RuleSettings, Window};
use proptest::prelude::*;

const START_MS: i64 = 1_760_000_100_000;
/// Panes of a window beside a second memory.
const PANES_PER_SHARED_WINDOW: i64 = 24;

/// A pane is at its number modulo the panes that are kept, and all of a window's panes are merged, the empty ones too.
struct Dense {
    length_ms: i64,
    panes_counted: i64,
    newest_event_time_ms: Option<i64>,
    panes: Vec<Moments>,
}

impl Dense {
    fn new(length_ms: i64, panes_counted: i64) -> Self {
        let kept = usize::try_from(panes_counted + 1).unwrap();
        Self { length_ms, panes_counted, newest_event_time_ms: None, panes: vec![Moments::default(); kept] }
    }

    fn pane_at(&self, event_time_ms: i64) -> i64 {
        (event_time_ms * self.panes_counted).div_euclid(self.length_ms)
    }

    fn slot(&self, pane: i64) -> usize {
        usize::try_from(pane.rem_euclid(self.panes_counted + 1)).unwrap()
    }

    fn push(&mut self, event_time_ms: i64, amount: f64) {
        let newest_ms = self.newest_event_time_ms.unwrap_or(event_time_ms);
        if event_time_ms <= newest_ms - self.length_ms {
            return;
        }
        self.newest_event_time_ms = Some(newest_ms.max(event_time_ms));
        let (from, to) = (self.pane_at(newest_ms), self.pane_at(event_time_ms));
        for pane in from.max(to - self.panes_counted - 1) + 1..=to {
            let slot = self.slot(pane);
            self.panes[slot] = Moments::default();
        }
        let slot = self.slot(to);
        self.panes[slot].push(amount);
    }

    fn before(&self, event_time_ms: i64) -> Moments {
        let Some(newest_ms) = self.newest_event_time_ms else { return Moments::default() };
        let (pane, newest) = (self.pane_at(event_time_ms), self.pane_at(newest_ms));
        let oldest = newest - self.panes_counted;
        let merged = |to: i64| {
            let panes = (pane - self.panes_counted + 1).max(oldest)..=to.min(newest);
            let panes: Vec<Moments> = panes.map(|pane| self.panes[self.slot(pane)]).collect();
            Moments::pool(panes.iter())
        };
        // What is before the newest pane is merged once, and the newest pane is merged to that.
        if pane == newest { merged(pane - 1).merge(self.panes[self.slot(pane)]) } else { merged(pane) }
    }
}

/// Equal as numbers is not enough: 0 and −0 would be.
fn bits(moments: Moments) -> (u32, u64, i16, u64) {
    let Moments { count, mean, mean_low, sum_squares } = moments;
    (count, mean.to_bits(), mean_low, sum_squares.to_bits())
}

fn amount() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => 1.0..500.0,
        2 => -500.0..0.0,
        1 => -1e-300..1e-300,
        1 => Just(AMOUNT_ABSOLUTE_MAX),
        1 => Just(-AMOUNT_ABSOLUTE_MAX),
        1 => Just(0.0),
        1 => Just(-0.0),
    ]
}

/// Ms since the transaction before: mostly within panes, often across many, sometimes back, sometimes past the whole window.
fn step_ms() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..5_000_i64, 4 => 5_000..90_000_i64, 2 => -350_000..0_i64, 1 => 200_000..900_000_i64]
}

/// A window with the reference of the same shape.
fn windows(length_seconds: u32, is_shared: bool) -> (Window, Dense) {
    let alone = |kind| Rule::new(RuleSettings { window_seconds: length_seconds, ..RuleSettings::of(kind) }).unwrap();
    let rule = alone(RuleKind::Adaptive);
    let length_ms = rule.window_length_ms();
    if is_shared {
        let rule = rule.with_second_opinion(alone(RuleKind::Profile));
        return (rule.new_window(), Dense::new(length_ms, PANES_PER_SHARED_WINDOW));
    }
    (rule.new_window(), Dense::new(length_ms, PANES_PER_WINDOW.into()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn leaving_out_empty_panes_changes_no_bit(
        steps in proptest::collection::vec((step_ms(), amount(), -400_000..400_000_i64), 0..200),
        length_seconds in 60..600_u32,
        is_shared: bool,
    ) {
        let (mut window, mut dense) = windows(length_seconds, is_shared);
        let mut event_time_ms = START_MS;
        for (step_ms, amount, aside_ms) in steps {
            event_time_ms += step_ms;
            window.push(event_time_ms, amount);
            dense.push(event_time_ms, amount);
            prop_assert_eq!(window.newest_event_time_ms(), dense.newest_event_time_ms);
            for at_ms in [event_time_ms, event_time_ms + aside_ms] {
                prop_assert_eq!(bits(window.before(at_ms)), bits(dense.before(at_ms)), "at {} ms", at_ms);
            }
        }
    }
}
