//! (h) Growing the trees of `sigma train`.

use anomaly_core::profile::Feature;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use training::{Row, boost};

use crate::clock::timed;
use crate::report::{Figure, Report, Target};
use crate::spread::{Spread, number};

const ROWS: usize = 1_000_000;
const ROUNDS: usize = 3;
const ROWS_PER_SECOND_MIN: f64 = 100_000.0;

/// A row in which two features matter.
fn row(random: &mut ChaCha8Rng) -> Row {
    let features = [(); Feature::ALL.len()].map(|()| random.random::<f64>());
    let odds = Feature::Score.value(&features) * Feature::CountHour.value(&features);
    Row { features, event_time_ms: 0, is_judged: true, is_fraud: random.random::<f64>() < 0.02 * odds }
}

pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let rows: Vec<Row> = (0..ROWS).map(|_| row(&mut random)).collect();
    let rows: Vec<&Row> = rows.iter().collect();
    let round = || Ok(number(ROWS) / timed(|| Ok(boost(&rows, || {})))?.0);
    let spread = Spread::of((0..ROUNDS).map(|_| round()).collect::<anyhow::Result<Vec<_>>>()?);
    let figure = Figure::new('h', format!("sigma train, 60 trees, {ROWS} rows"), "rows/CPU-s").ours(spread);
    report.add(figure.target(Target::at_least(ROWS_PER_SECOND_MIN, spread.median)));
    Ok(())
}
