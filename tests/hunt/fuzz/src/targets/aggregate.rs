//! The payload of a Kinesis record, unchanged, and the same bytes between the magic number and the checksum of a KPL aggregate.

use intake::aggregate::{AGGREGATE_RECORDS_MAX, Payload, pack, unpack};
use md5::{Digest, Md5};

const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];

pub(super) fn run(input: &[u8]) {
    let _ = unpack(input, None);
    let sealed = [&MAGIC, input, Md5::digest(input).as_slice()].concat();
    match unpack(&sealed, None) {
        Payload::Single => panic!("magic number and checksum are right"),
        Payload::Corrupt => {}
        Payload::Aggregate(records) => {
            assert!((1..=AGGREGATE_RECORDS_MAX).contains(&records.len()), "{} records", records.len());
            assert!(records.iter().map(|record| record.data.len()).sum::<usize>() <= input.len());
            let data: Vec<&[u8]> = records.iter().map(|record| record.data.as_ref()).collect();
            assert_eq!(unpack(&pack("k", &data), None), Payload::Aggregate(records));
        }
    }
}
