//! States as they were stored by earlier versions.

use anomaly_core::{Position, Rule, RuleSettings, Severity, ShardId, Transaction, UserState, Verdict, codec};

/// Format 1, as 0.1.0 wrote it: a full window (31 panes), two shards, sixteen recent transactions.
const FORMAT_1: &str = "\
    01c0cf2401f0869d83b966ffffffff071f010000000000805940000000000000000000000100000000000059400000000000\
    00000000000155555555551559400000000000000000000001abaaaaaaaa2a59400000000000000000000002aaaaaaaaaa4a\
    5940ff7f39c6711cc771ac3f01abaaaaaaaa6a59400000000000000000000001000000000080594000000000000000000000\
    010000000000005940000000000000000000000155555555551559400000000000000000000001abaaaaaaaa2a5940000000\
    00000000000000010000000000405940000000000000000000000155555555555559400000000000000000000001abaaaaaa\
    aa6a594000000000000000000000020000000000405940000000000000000000400155555555551559400000000000000000\
    000001abaaaaaaaa2a5940000000000000000000000100000000004059400000000000000000000001555555555555594000\
    00000000000000000001abaaaaaaaa6a59400000000000000000000001000000000080594000000000000000000000010000\
    0000000059400000000000000000000001555555555515594000000000000000000000025655555555355940008039c6711c\
    c771ac3f0155555555555559400000000000000000000001abaaaaaaaa6a5940000000000000000000000100000000008059\
    4000000000000000000000010000000000005940000000000000000000000155555555551559400000000000000000000001\
    abaaaaaaaa2a5940000000000000000000000100000000004059400000000000000000000001555555555555594000000000\
    0000000000002856555555553d59402fc7711cc771db3f020000381c49590338271490256608559692538361571095921575\
    989130000029000001381c4959033827149025660855969253836157109592157598913000003900100c85130fbf36818cc9\
    75ecdfa75eb609e4c1efd203fdeaf9fdafef4ded50621bcd67da2cf79decaec6a93cf76d49722424e26646d627d045842d0b\
    991d7143e6beab29c0c8fda76b8cbe82fcb82b370a011581d021ae4d9e1f24c30640eadccb";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn rule() -> Rule {
    Rule::new(RuleSettings::default()).unwrap()
}

/// The next transaction of the recorded user.
fn step(state: &mut UserState, sequence: u64, amount: f64) -> Verdict {
    let shard: ShardId = "shardId-000000000001".parse().unwrap();
    let sequence_number = format!("4959033827149025660855969253836157109592157598913{sequence:07}").parse().unwrap();
    let transaction = Transaction {
        user_id: "user001".into(),
        amount,
        event_time_ms: 1_760_000_500_000 + i64::try_from(sequence).unwrap(),
        transaction_id: Some(format!("txn_{sequence}").into()),
        merchant_id: None,
    };
    state.step(&shard, Position { sequence_number, sub_sequence: 0 }, &transaction, &rule())
}

#[test]
fn a_state_of_format_1_is_read_and_goes_on() {
    let stored = bytes(FORMAT_1);
    let mut state = codec::decode(&stored).unwrap();
    assert_eq!(codec::encode(&state), stored, "as long as format 1 can hold it, it stays format 1");
    assert_eq!(step(&mut state, 39, 100.0), Verdict::Duplicate, "the position is known");
    let Verdict::Anomaly(assessment, Severity::Critical) = step(&mut state, 40, 900.0) else {
        panic!("900 is 158 standard deviations from the mean");
    };
    assert_eq!(assessment.baseline.count, 37);
    assert_eq!(assessment.baseline.mean, 100.970_720_720_720_72);
    assert_eq!(assessment.threshold, 114.437_277_908_340_69);
}

#[test]
fn a_state_that_format_1_cannot_hold_is_format_2() {
    let mut state = codec::decode(&bytes(FORMAT_1)).unwrap();
    step(&mut state, 40, 900.0);
    let stored = codec::encode(&state);
    assert_eq!(stored.first(), Some(&2), "an anomaly began a run");
    assert_eq!(codec::decode(&stored).unwrap(), state);
    step(&mut state, 41, 101.0);
    step(&mut state, 42, 101.0);
    assert_eq!(codec::encode(&state).first(), Some(&1), "two usual amounts took it back");

    let mut new = UserState::new(&rule());
    step(&mut new, 1, 5.0);
    let stored = codec::encode(&new);
    assert_eq!(stored.first(), Some(&2), "the first amount is withheld");
    assert_eq!(codec::decode(&stored).unwrap(), new);
}

#[test]
fn what_format_2_cannot_mean_is_refused() {
    let mut state = codec::decode(&bytes(FORMAT_1)).unwrap();
    step(&mut state, 40, 900.0);
    let stored = codec::encode(&state);
    let (run, withheld) = (stored.len() - 2, stored.len() - 1);
    for (place, value) in [(run, 20_u8), (run, 0x80), (run, 0), (withheld, 2)] {
        let mut damaged = stored.clone();
        damaged[place] = value;
        assert!(codec::decode(&damaged).is_err(), "byte {place} is {value}");
    }
    assert!(codec::decode(&stored[..withheld]).is_err());
}
