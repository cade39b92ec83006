use event_source::Invoked;
use event_source::sqs::{MemorySqs, QueueSource, SqsMapping, SqsMappingSettings, Step};

use crate::{Script, failed, reported};

const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:anomalies";
const VISIBILITY_MS: i64 = 30_000;

fn queue(bodies: &[&str], receive_count_max: Option<u32>) -> MemorySqs {
    let queue = MemorySqs::new(VISIBILITY_MS, receive_count_max);
    for body in bodies {
        queue.send((*body).to_owned(), 0);
    }
    queue
}

fn mapping(queue: MemorySqs, script: &Script) -> SqsMapping<MemorySqs, &Script> {
    SqsMapping::new(ARN.to_owned(), queue, script, SqsMappingSettings::default())
}

/// The id of the n-th message sent, from 1.
fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

#[tokio::test]
async fn succeeded_messages_are_deleted_and_failed_ones_redelivered_after_the_time_out() {
    let script = Script::new([reported(&[&id(2)])]);
    let mapping = mapping(queue(&["a", "b", "c"], None), &script);
    assert_eq!(mapping.step(0).await.unwrap(), Step { received: 3, deleted: 2 });
    assert_eq!(mapping.step(VISIBILITY_MS - 1).await.unwrap(), Step::default());
    assert_eq!(mapping.step(VISIBILITY_MS).await.unwrap(), Step { received: 1, deleted: 1 });
    assert_eq!(script.calls(), [vec!["a", "b", "c"], vec!["b"]]);
    assert!(mapping.source().is_empty());
}

#[tokio::test]
async fn an_error_or_a_broken_report_fails_the_whole_batch() {
    for response in [failed(), Invoked::NotInvoked(String::new()), reported(&["unknown"]), reported(&[""])] {
        let script = Script::new([response]);
        let mapping = mapping(queue(&["a", "b"], None), &script);
        assert_eq!(mapping.step(0).await.unwrap(), Step { received: 2, deleted: 0 });
    }
}

#[tokio::test]
async fn a_message_that_fails_too_often_goes_to_the_dead_letter_queue() {
    let script = Script::new([failed(), failed()]);
    let mapping = mapping(queue(&["poison"], Some(2)), &script);
    for attempt in 0..3 {
        mapping.step(attempt * VISIBILITY_MS).await.unwrap();
    }
    assert_eq!(script.calls().len(), 2);
    assert!(mapping.source().is_empty());
    assert_eq!(mapping.source().dead()[0].body, "poison");
}

#[tokio::test]
async fn a_stale_receipt_handle_deletes_nothing() {
    let queue = queue(&["a"], None);
    let first = queue.receive(10, 0).await.unwrap();
    queue.receive(10, VISIBILITY_MS).await.unwrap();
    queue.delete(&first[0].receipt_handle).await.unwrap();
    assert_eq!(queue.len(), 1);
}

#[tokio::test]
async fn a_batch_is_at_most_batch_size() {
    let script = Script::default();
    let mapping = mapping(queue(&["x"; 23], None), &script);
    for _ in 0..4 {
        mapping.step(0).await.unwrap();
    }
    assert_eq!(script.calls().iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 3]);
}
