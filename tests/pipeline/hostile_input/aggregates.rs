//! KPL aggregates: valid ones, and ones with each part wrong in turn.

use anomaly_core::RejectReason::{AggregateCorrupt, AggregateInLanes, MissingField, NotJson, NotUtf8};
use intake::aggregate::pack;
use lambda_kit::Env;

use super::Decision::Rejected;
use super::{Decision, HOSTILE, folded, quarantined, run_with};
use crate::fixtures::{DetectorBench, SharedStore, kinesis_event, record, transaction};

/// The decisions are those on the user records, in order.
type Row = (&'static str, Vec<u8>, Vec<Decision>);

const MAGIC_BYTES: usize = 4;
const MD5_BYTES: usize = 16;

fn of_user(user_id: &str) -> Vec<u8> {
    format!(r#"{{"userId":"{user_id}","amount":1,"timestamp":0}}"#).into_bytes()
}

/// An aggregate with its protobuf changed and sealed again with the right MD5.
fn resealed(packed: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = packed[MAGIC_BYTES..packed.len() - MD5_BYTES].to_vec();
    change(&mut body);
    let digest = md5(&body);
    [&packed[..MAGIC_BYTES], &body, &digest].concat()
}

fn md5(bytes: &[u8]) -> [u8; MD5_BYTES] {
    use md5::Digest;
    md5::Md5::digest(bytes).into()
}

pub(super) fn rows() -> Vec<Row> {
    let two = pack("k", &[of_user("u"), of_user("v")]);
    let both = || vec![folded("u", 1.0), folded("v", 1.0)];
    let mut bad_digest = two.clone();
    *bad_digest.last_mut().unwrap() ^= 1;
    let mut bad_magic = two.clone();
    bad_magic[0] ^= 1;
    let nested = pack("k", &[of_user("u"), two.clone()]);
    // A record is field 3, length-delimited; its partition key index, field 1, defaults to 0.
    let index_of_7 = |body: &mut Vec<u8>| body.extend([0x1A, 0x04, 0x08, 0x07, 0x1A, 0x00]);
    let corrupt = || vec![Rejected(AggregateCorrupt)];
    vec![
        ("two users", two.clone(), both()),
        ("good and bad", pack("k", &[of_user("u"), b"{}".to_vec(), b"\xFF".to_vec()]), {
            vec![folded("u", 1.0), Rejected(MissingField), Rejected(NotUtf8)]
        }),
        ("a bad MD5", bad_digest, vec![Rejected(NotUtf8)]),
        ("a bad magic", bad_magic, vec![Rejected(NotUtf8)]),
        ("the magic and nothing", two[..MAGIC_BYTES].to_vec(), vec![Rejected(NotUtf8)]),
        ("cut off", two[..two.len() - 1].to_vec(), vec![Rejected(NotUtf8)]),
        ("a protobuf cut off under its MD5", resealed(&two, |body| body.truncate(body.len() - 1)), corrupt()),
        ("something other than protobuf under its MD5", resealed(&two, |body| *body = b"hello".to_vec()), corrupt()),
        ("a length beyond the end", resealed(&two, |body| body.extend([0x1A, 0x7F])), corrupt()),
        ("a varint without end", resealed(&two, |body| body.extend([0xFF; 11])), corrupt()),
        ("a partition key that is not UTF-8", resealed(&two, |body| body.extend([0x0A, 0x01, 0xFF])), corrupt()),
        ("no records", pack("k", &[""; 0]), corrupt()),
        ("nothing under its MD5", resealed(&two, Vec::clear), corrupt()),
        // The user id is in the payload, so a missing key loses nothing.
        ("a key index out of range", resealed(&two, index_of_7), [both(), vec![Rejected(NotJson)]].concat()),
        ("an unknown field", resealed(&two, |body| body.extend([0x78, 0x01])), both()),
        ("an aggregate in an aggregate", nested, vec![folded("u", 1.0), Rejected(NotUtf8)]),
        ("more records than a mebibyte holds", resealed(&two, |body| *body = [0x1A, 0x00].repeat(26_215)), corrupt()),
    ]
}

/// The user records of a payload; the payload itself if it is not a valid aggregate.
fn unpacked(payload: Vec<u8>) -> Vec<Vec<u8>> {
    match intake::aggregate::unpack(&payload, None) {
        intake::aggregate::Payload::Aggregate(records) => records.iter().map(|record| record.data.to_vec()).collect(),
        _ => vec![payload],
    }
}

#[tokio::test]
async fn every_record_of_every_aggregate_is_accepted_or_rejected_on_its_own() {
    for (name, payload, decisions) in rows() {
        let run = run_with(record(HOSTILE, payload.as_slice())).await;
        let records = unpacked(payload);
        let message = |(sub_sequence, decision): (usize, &Decision)| match decision {
            Rejected(reason) => Some(quarantined(*reason, sub_sequence, &records[sub_sequence])),
            Decision::Folded { .. } => None,
        };
        let expected: Vec<String> = decisions.iter().enumerate().filter_map(message).collect();
        assert_eq!(run.bench.quarantine.take(), expected, "{name}");
        run.assert_folded(name, &decisions);
        run.assert_harmed_nobody(name, &decisions).await;
    }
}

/// All aggregates of a shard share a partition key, so with several lanes one overtakes lone records of its users, or is overtaken, and
/// what is overtaken would look applied.
#[tokio::test]
async fn an_aggregate_from_a_shard_with_several_lanes_goes_to_quarantine_whole() {
    let env = Env::from_pairs([("PARALLELIZATION_FACTOR", "2")]);
    let bench = DetectorBench::configured(SharedStore::default(), &env);
    let aggregate = pack("a", &[of_user("u"), of_user("v")]);
    let records = [transaction(1, "u", 1.0), record(HOSTILE, aggregate.clone())];
    let (failed, summary) = bench.handle(&kinesis_event(&records)).await;
    assert_eq!((failed, &summary.rejected), (None, &[(AggregateInLanes, 2)].into()));
    let expected = quarantined(AggregateInLanes, 0, &aggregate);
    let expected = expected.replace(r#""subSequence":0"#, r#""subSequence":0,"badRecords":2"#);
    assert_eq!(bench.quarantine.take(), [expected]);
    assert_eq!(summary.verdicts.warming_up, 1, "the lone record is folded");
}
