//! `sigma demo`, small. Its own check makes sure that nothing is lost, doubled or invented.

use clap::Parser;
use serde_json::Value;

use super::{Options, run};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

async fn demo(name: &str, arguments: &[&str]) -> Value {
    let path = std::env::temp_dir().join(format!("sigma-demo-{name}-{}.json", std::process::id()));
    let given = ["demo", "--quiet", "--summary", path.to_str().unwrap()];
    run(&Cli::parse_from(given.iter().chain(arguments)).options).await.unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    serde_json::from_str(&written).unwrap()
}

#[tokio::test]
async fn the_demo_finds_what_was_injected_and_says_what_it_cost() {
    let summary = demo("adaptive", &["--records", "5000"]).await;
    let number = |key: &str| summary[key].as_f64().unwrap_or_else(|| panic!("{key} is missing"));
    assert_eq!((number("records"), number("users")), (5_000.0, 5.0));
    assert!(number("injected") > 50.0 && number("precision") >= 0.99 && number("recall") >= 0.99);
    assert_eq!(number("anomalies"), number("alerts_published"));
    assert_eq!((number("alerts_lost"), number("alerts_doubled"), number("alerts_invented")), (0.0, 0.0, 0.0));
    assert!(number("alerts_suppressed") > 0.0 && number("duplicates") > 0.0 && number("late") > 0.0);
    assert!(number("rejected") > 0.0);
    assert!(number("quarantined") >= number("rejected"));
    assert!(number("dynamodb_reads") <= number("users") + number("state_conflicts"));
    let writes_max = number("distinct_user_batches") + number("dynamodb_outbox_clears") + number("state_conflicts");
    assert!(number("dynamodb_writes") <= writes_max);
    assert!(number("batch_latency_ms_p50") > 0.0 && number("batch_latency_ms_p99") >= number("batch_latency_ms_p50"));
}

#[tokio::test]
async fn the_demo_runs_with_every_option() {
    let arguments =
        ["--records", "2000", "--users", "50", "--rate", "100", "--seed", "7", "--rule", "plain", "--sigmas", "3"];
    let summary = demo("plain", &arguments).await;
    assert_eq!((&summary["rule"], &summary["users"]), (&"plain".into(), &50.into()));
}
