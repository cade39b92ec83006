//! (i) The memory that the deployed detector needs for the worst events that Lambda can deliver: at most 6 MB of JSON.

use intake::aggregate::pack;
use serde_json::json;

use crate::process::{Subject, detector_with, function_log, resident_megabytes};
use crate::report::{Figure, Report, Target};
use crate::server::Server;
use crate::spread::Spread;
use event_source::kinesis::{LOCAL_STREAM_ARN, StreamRecord, event_json};

/// Lambda's limit of an event.
const EVENT_BYTES_MAX: usize = 6_000_000;
/// What a function of 256 MB can spare, with a third of it left.
const MEGABYTES_MAX: f64 = 160.0;
const ARRIVAL_MS: i64 = 1_760_000_100_000;
/// As many records as Lambda puts into a batch.
const RECORDS_MAX: usize = 10_000;

/// An event: what it is, and its n-th record.
type Worst = (&'static str, fn(usize) -> Vec<u8>);

const WORST: [Worst; 6] = [
    ("aggregates of 26,000 empty records", |_| pack("a", &vec![""; 26_000])),
    ("aggregates of 1,000 empty records", |_| pack("a", &[""; 1_000])),
    ("aggregates of 426 bad records of 150 B", |_| pack("a", &vec![" ".repeat(110); 426])),
    ("aggregates of 1,000 transactions, each of another user", |index| pack("a", &users(index))),
    ("lone records of 1 B", |_| b"x".to_vec()),
    ("records of 600 kB that are not transactions", |_| vec![b'x'; 600_000]),
];

/// A thousand transactions, as short as they can be.
fn users(index: usize) -> Vec<String> {
    let user =
        |number| json!({ "userId": format!("{:x}", index * 1_000 + number), "amount": 1, "timestamp": 1 }).to_string();
    (0..1_000).map(user).collect()
}

pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    for (what, record) in WORST {
        let event = event(record);
        let subject: Subject = detector_with(Vec::new());
        let server = Server::start()?;
        let running = subject.start(&server, &function_log())?;
        // Twice: the second delivery finds what the first one left.
        for _ in 0..2 {
            server.send(event.clone())?;
            let response = server.wait_for_response()?;
            anyhow::ensure!(response == r#"{"batchItemFailures":[]}"#, "{what}: {response}");
            server.wait_for_next()?;
        }
        let megabytes = resident_megabytes(running.id())?;
        let what = format!("detector, peak, {:.1} MB of {what}", crate::spread::number(event.len()) / 1e6);
        let figure = Figure::new('i', what, "MB").ours(Spread::exact(megabytes));
        report.add(figure.target(Target::at_most(MEGABYTES_MAX, megabytes)));
    }
    Ok(())
}

/// As many records as fit an event.
fn event(record: fn(usize) -> Vec<u8>) -> String {
    let of = |index: usize| StreamRecord {
        sequence_number: (10_000_000 + index).to_string(),
        partition_key: "a".to_owned(),
        data: record(index),
        arrival_time_ms: ARRIVAL_MS,
    };
    let one = event_json(LOCAL_STREAM_ARN, "shardId-000000000000", &[of(0)]).len();
    let records: Vec<StreamRecord> = (0..RECORDS_MAX.min(EVENT_BYTES_MAX / one)).map(of).collect();
    event_json(LOCAL_STREAM_ARN, "shardId-000000000000", &records)
}
