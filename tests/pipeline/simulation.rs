//! A few hundred schedules of the simulation.

use tests::simulation::{Report, run};

#[test]
fn no_schedule_breaks_a_promise() {
    let reports: Vec<Report> =
        (0..500).map(|seed| run(seed).unwrap_or_else(|violation| panic!("{violation}"))).collect();
    let sum = |of: fn(&Report) -> usize| reports.iter().map(of).sum::<usize>();
    assert!(sum(|report| report.records) > 100_000 && sum(|report| report.anomalies) > 5_000);
    assert!(reports.iter().map(|report| report.faults).sum::<u64>() > 10_000);
}

#[test]
fn a_seed_replays_its_schedule() {
    assert_eq!(run(7), run(7));
}
