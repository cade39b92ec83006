//! How fast training is: `cargo test --release -p training -- --ignored --nocapture`.

use std::time::Instant;

use anomaly_core::profile::Feature;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use training::{Row, boost};

const ROWS: u32 = 1_000_000;

fn row(random: &mut ChaCha8Rng) -> Row {
    let features = [(); Feature::ALL.len()].map(|()| random.random::<f64>());
    let is_fraud = random.random::<f64>() < 0.02 * features[0] * features[3];
    Row { features, event_time_ms: 0, is_judged: true, is_fraud }
}

#[test]
#[ignore = "a measurement"]
fn sixty_trees_on_a_million_transactions() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let rows: Vec<Row> = (0..ROWS).map(|_| row(&mut random)).collect();
    let rows: Vec<&Row> = rows.iter().collect();
    let started = Instant::now();
    let trees = boost(&rows, || {}).trees.len();
    let seconds = started.elapsed().as_secs_f64();
    println!("{trees} trees: {:.0} transactions a second", f64::from(ROWS) / seconds);
}
