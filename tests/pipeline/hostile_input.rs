//! Hostile input, one table for each kind, through the real handlers. Every row gives an input and the expected decision. The
//! runners here compare the whole outcome with a run of the same batch without that input: the response, the quarantine message
//! byte for byte, the counts, and everything that the innocent users of the batch have afterwards.

mod aggregates;
mod alerts;
mod batches;
mod envelopes;
mod payloads;
mod states;

use std::collections::BTreeMap;

use anomaly_core::{RejectReason, Windowed};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use detector::DetectorSummary;
use detector::window_store::Loaded;
use event_source::kinesis::StreamRecord;
use lambda_kit::metrics::Counts;

use crate::fixtures::{DetectorBench, SHARD, START_MS, STREAM, kinesis_event, record, sequence, transaction};

/// Index of the hostile record among the innocent ones.
const HOSTILE: usize = 30;

/// The expected decision on a user record.
#[derive(Debug, Clone, PartialEq)]
enum Decision {
    /// Folded into this user's state, with this amount.
    Folded { user_id: String, amount: f64 },
    /// In quarantine.
    Rejected(RejectReason),
}

fn folded(user_id: &str, amount: f64) -> Decision {
    Decision::Folded { user_id: user_id.to_owned(), amount }
}

/// Alternating records of two users; the first user's last one is an anomaly. There is no record at [`HOSTILE`].
fn innocents() -> Vec<StreamRecord> {
    let ordinary = (0..60).filter(|index| *index != HOSTILE);
    let user = |index| if index % 2 == 0 { "innocent a" } else { "innocent b" };
    let amount = |index: usize| 100.0 + f64::from(u8::try_from(index % 7).unwrap());
    let mut records: Vec<_> = ordinary.map(|index| transaction(index, user(index), amount(index))).collect();
    records.push(transaction(60, "innocent a", 9_000.0));
    records
}

/// The outcome of one batch.
struct Run {
    bench: DetectorBench,
    failed: Option<String>,
    summary: DetectorSummary,
}

async fn run_on(bench: DetectorBench, event: &str) -> Run {
    let (failed, summary) = bench.handle(event).await;
    Run { bench, failed, summary }
}

/// Handles the innocent records with this one among them.
async fn run_with(hostile: StreamRecord) -> Run {
    let mut records = innocents();
    records.insert(HOSTILE, hostile);
    run_on(DetectorBench::new(), &kinesis_event(&records)).await
}

impl Run {
    /// Asserts that the hostile record left no trace on the innocent users, and only `decisions` in the counts.
    async fn assert_harmed_nobody(&self, name: &str, decisions: &[Decision]) {
        let alone = run_on(DetectorBench::new(), &kinesis_event(&innocents())).await;
        assert_eq!(self.failed, None, "{name}: bad data fails no record");
        for user_id in ["innocent a", "innocent b"] {
            assert_eq!(self.bench.store.0.get(user_id), alone.bench.store.0.get(user_id), "{name}: {user_id}");
        }
        assert_eq!(self.bench.sent_ids(), alone.bench.sent_ids(), "{name}");
        let folded = decisions.iter().filter(|decision| matches!(decision, Decision::Folded { .. })).count();
        let mut expected = alone.summary;
        expected.records += 1;
        expected.users += u64::try_from(folded).unwrap();
        expected.cache_misses += u64::try_from(folded).unwrap();
        expected.verdicts.warming_up += u64::try_from(folded).unwrap();
        expected.rejected = rejected(decisions);
        // Counted of aggregates alone: `detector_protocol` says which.
        expected.without_id = self.summary.without_id;
        assert_eq!(self.summary, expected, "{name}");
    }

    fn assert_folded(&self, name: &str, decisions: &[Decision]) {
        for decision in decisions {
            let Decision::Folded { user_id, amount } = decision else { continue };
            let Loaded::Present(user) = self.bench.store.0.get(user_id) else {
                panic!("{name}: no state of {user_id:?}")
            };
            // The first amount of a user is withheld until others say what is usual.
            assert_eq!(
                user.state.memory().windowed().and_then(Windowed::withheld).map(f64::to_bits),
                Some(amount.to_bits()),
                "{name}"
            );
        }
    }
}

fn rejected(decisions: &[Decision]) -> BTreeMap<RejectReason, u64> {
    let mut rejected = BTreeMap::new();
    for decision in decisions {
        if let Decision::Rejected(reason) = decision {
            *rejected.entry(*reason).or_default() += 1;
        }
    }
    rejected
}

/// The quarantine message of the hostile record, byte for byte. A payload above 256 KiB is left out.
fn quarantined(reason: RejectReason, sub_sequence: usize, payload: &[u8]) -> String {
    let place = format!(
        r#""streamArn":"{STREAM}","shardId":"{SHARD}","sequenceNumber":"{}","subSequence":{sub_sequence},"arrivalTimeMs":{},"partitionKey":"k""#,
        sequence(HOSTILE),
        START_MS + 100 * i64::try_from(HOSTILE).unwrap(),
    );
    format!(r#"{{"version":1,"reason":"{reason}",{place},{}}}"#, kept(payload))
}

fn kept(payload: &[u8]) -> String {
    let (bytes, is_omitted) = (payload.len(), payload.len() > 256 * 1024);
    let payload = if is_omitted { String::new() } else { format!(r#""payload":"{}","#, STANDARD.encode(payload)) };
    format!(r#"{payload}"payloadOmitted":{is_omitted},"payloadBytes":{bytes}"#)
}

/// Asserts the decision on a payload, and that no other record is affected.
async fn assert_decided(name: &str, payload: &[u8], decision: Decision) {
    let run = run_with(record(HOSTILE, payload)).await;
    let expected: Vec<String> = match &decision {
        Decision::Folded { .. } => Vec::new(),
        Decision::Rejected(reason) => vec![quarantined(*reason, 0, payload)],
    };
    let actual = run.bench.quarantine.take();
    assert!(actual == expected, "{name}: {decision:?}: {}", shortened(&actual));
    run.assert_folded(name, std::slice::from_ref(&decision));
    run.assert_harmed_nobody(name, &[decision]).await;
}

/// The start of each message, for the text of a failed assertion.
fn shortened(messages: &[String]) -> String {
    messages.iter().map(|message| message.chars().take(300).collect::<String>() + "\n").collect()
}

#[test]
fn every_reason_is_in_a_table() {
    let of_payloads = payloads::rows().into_iter().map(|(_, _, decision)| decision);
    let of_envelopes = envelopes::rows().into_iter().map(|(_, _, decision)| decision);
    let of_aggregates = aggregates::rows().into_iter().flat_map(|(_, _, decisions)| decisions);
    let decisions: Vec<Decision> = of_payloads.chain(of_envelopes).chain(of_aggregates).collect();
    let mut reasons: Vec<RejectReason> = rejected(&decisions).into_keys().collect();
    // Aggregates in lanes and misplaced records have tests of their own; the table of states has no other reason.
    reasons.extend([RejectReason::AggregateInLanes, RejectReason::Misplaced, RejectReason::StateCorrupt]);
    reasons.sort();
    assert_eq!(reasons, RejectReason::ALL);
}

#[test]
fn every_reason_has_its_metric() {
    let capitalised = |word: &str| word[..1].to_uppercase() + &word[1..];
    for reason in RejectReason::ALL {
        let name: String = reason.as_str().split('-').map(capitalised).collect();
        let summary = DetectorSummary { rejected: BTreeMap::from([(reason, 7)]), ..DetectorSummary::default() };
        let name: &'static str = format!("Rejected{name}").leak();
        assert_eq!(summary.counts(), Counts::new("detector").with("Rejected", 7).with(name, 7));
    }
}
