//! The notifier's handler over its doubles: what a failure of one message, of a receiver, or of the secret means for the others.

mod adapters;
mod golden;
mod https;
mod storm;

use lambda_kit::{Fault, Invocation, ManualClock};
use message_queue::MemoryMessageQueue;
use notifier::handler::ChannelQueue;
use notifier::receiver::memory::Reaction;
use notifier::receiver::{Answer, MemoryReceiver};
use notifier::request::Request;
use notifier::responder::MemoryResponder;
use notifier::secrets::MemorySecrets;
use notifier::target::Guard;
use notifier::{Channel, HandlerError, Notifier, NotifierSummary};
use serde_json::{Value, json};

const NOW_MS: i64 = 1_760_000_000_000;
const KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

type MemoryNotifier = Notifier<MemoryMessageQueue, MemoryReceiver, MemorySecrets, MemoryResponder, ManualClock>;

struct Bench {
    notifier: MemoryNotifier,
    receiver: MemoryReceiver,
    secrets: MemorySecrets,
    responder: MemoryResponder,
    queue: MemoryMessageQueue,
    clock: ManualClock,
}

fn secret(address: &str) -> String {
    json!({
        "slack": { "url": format!("https://{address}/slack") }, "teams": { "url": format!("https://{address}/teams") },
        "pagerduty": { "routingKey": "key" }, "webhook": { "url": format!("https://{address}/webhook"), "keys": [KEY] },
    })
    .to_string()
}

impl Bench {
    fn new() -> Self {
        let (receiver, secrets, responder) =
            (MemoryReceiver::default(), MemorySecrets::default(), MemoryResponder::default());
        let (queue, clock) = (MemoryMessageQueue::default(), ManualClock::at(NOW_MS));
        secrets.set(Some(&secret("example.com")));
        let of =
            |channel: Channel| ChannelQueue::new(channel, &format!("https://q/{}", channel.as_str()), queue.clone());
        let queues = Channel::ALL.map(of).into_iter().collect();
        let (r, s, x) = (receiver.clone(), secrets.clone(), responder.clone());
        let notifier = Notifier::new(queues, r, s, x, clock.clone(), Guard::On);
        Self { notifier, receiver, secrets, responder, queue, clock }
    }

    /// The ids that are reported as failed, and the counts.
    async fn handle(&self, channel: Channel, bodies: &[String]) -> (Vec<String>, NotifierSummary) {
        self.handle_with(channel, bodies, 45_000).await
    }

    async fn handle_with(&self, channel: Channel, bodies: &[String], left_ms: i64) -> (Vec<String>, NotifierSummary) {
        use lambda_kit::Clock;
        let invocation = Invocation { request_id: "r".to_owned(), deadline_ms: self.clock.now_ms() + left_ms };
        let outcome = self.notifier.handle(&event(channel.as_str(), bodies), &invocation).await.unwrap();
        let failed = outcome.response.batch_item_failures.into_iter().map(|failure| failure.item_identifier);
        (failed.collect(), outcome.summary)
    }
}

fn event(queue: &str, bodies: &[String]) -> String {
    let record = |(index, body): (usize, &String)| {
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{queue}");
        json!({ "messageId": format!("m{index}"), "body": body, "eventSourceARN": arn })
    };
    let records: Vec<Value> = bodies.iter().enumerate().map(record).collect();
    json!({ "Records": records }).to_string()
}

fn alert(number: usize) -> String {
    json!({
        "version": 1, "id": format!("{number:032x}"), "text": format!("ANOMALY DETECTED: number {number}"), "userId": "user001",
        "severity": "high", "episode": "e".repeat(32), "eventTimeMs": NOW_MS, "because": format!("because {number}"),
    })
    .to_string()
}

fn alerts(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(alert).collect()
}

fn shared(numbers: std::ops::Range<usize>) -> String {
    format!(r#"{{"version":1,"digest":[{}]}}"#, alerts(numbers).join(","))
}

const SUMMARY: &str = r#"{"version":1,"summary":{"alerts":3,"byPriority":{"warning":3},"top":[]}}"#;

fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    request.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str()).unwrap()
}

#[tokio::test]
async fn every_channel_delivers_in_its_own_form() {
    let bench = Bench::new();
    for channel in [Channel::Slack, Channel::Teams, Channel::PagerDuty, Channel::Webhook, Channel::Respond] {
        let (failed, summary) = bench.handle(channel, &alerts(1..2)).await;
        assert_eq!((failed.len(), summary.delivered), (0, 1), "{channel:?}");
    }
    let requests = bench.receiver.take();
    let bodies: Vec<Value> = requests.iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect();
    assert!(bodies[0]["blocks"].is_array() && bodies[1]["attachments"].is_array());
    assert_eq!((&bodies[2]["event_action"], &bodies[3]["type"]), (&json!("trigger"), &json!("anomaly.alert")));
    assert_eq!(header(&requests[3], "webhook-id"), format!("{:032x}", 1));
    let addresses: Vec<String> = requests.iter().map(|request| request.target.reveal()).collect();
    assert_eq!(addresses[2], "https://events.pagerduty.com/v2/enqueue");
    assert_eq!(bench.responder.started().into_values().collect::<Vec<_>>(), alerts(1..2));
}

#[tokio::test]
async fn alerts_that_share_a_message_go_back_to_the_queue_one_by_one_and_people_read_them_together() {
    let bench = Bench::new();
    for channel in [Channel::PagerDuty, Channel::Webhook, Channel::Respond] {
        let (failed, summary) = bench.handle(channel, &[shared(0..3)]).await;
        assert_eq!((failed.len(), summary.taken_apart, summary.delivered), (0, 3, 0), "{channel:?}");
        assert_eq!(bench.queue.take(), alerts(0..3));
    }
    assert!(bench.receiver.take().is_empty());
    bench.handle(Channel::Slack, &[shared(0..3)]).await;
    assert_eq!(bench.receiver.take().len(), 1);
}

#[tokio::test]
async fn what_the_queue_does_not_take_back_is_redelivered() {
    let bench = Bench::new();
    bench.queue.faults.extend([Fault::None, Fault::Refused]);
    let (failed, summary) = bench.handle(Channel::Webhook, &[shared(0..3), alert(7)]).await;
    assert_eq!((failed, summary.unavailable, summary.held), (vec!["m0".to_owned(), "m1".to_owned()], 1, 1));
}

#[tokio::test]
async fn summaries_are_for_people_alone() {
    let bench = Bench::new();
    for channel in [Channel::PagerDuty, Channel::Webhook, Channel::Respond] {
        let (failed, summary) = bench.handle(channel, &[SUMMARY.to_owned()]).await;
        assert_eq!((failed.len(), summary.skipped, summary.delivered), (0, 1, 0));
    }
    for channel in [Channel::Slack, Channel::Teams] {
        assert_eq!(bench.handle(channel, &[SUMMARY.to_owned()]).await.1.delivered, 1);
    }
}

#[tokio::test]
async fn a_message_that_is_no_document_or_is_refused_harms_no_other() {
    let bench = Bench::new();
    bench.receiver.plan([Reaction::status(200), Reaction::status(400)]);
    let bodies = [alert(1), "poison".to_owned(), alert(2), alert(3)];
    let (failed, summary) = bench.handle(Channel::Slack, &bodies).await;
    assert_eq!(failed, ["m1", "m2"]);
    assert_eq!((summary.delivered, summary.poison, summary.refused), (2, 1, 1));
}

#[tokio::test]
async fn after_the_first_failure_of_a_receiver_the_rest_is_not_tried() {
    for reaction in [Reaction::status(401), Reaction::status(302), Reaction::Unreachable, Reaction::AnswerLost] {
        let bench = Bench::new();
        bench.receiver.plan([Reaction::status(200), reaction]);
        let (failed, summary) = bench.handle(Channel::Teams, &alerts(0..5)).await;
        assert_eq!(failed, ["m1", "m2", "m3", "m4"], "{reaction:?}");
        assert_eq!((summary.delivered, summary.unavailable, summary.held), (1, 1, 3));
        // The others of the same function are not held up.
        assert_eq!(bench.handle(Channel::Webhook, &alerts(0..1)).await.1.delivered, 1);
    }
}

#[tokio::test]
async fn a_fault_may_be_of_one_message_and_two_in_a_row_are_of_the_receiver() {
    let bench = Bench::new();
    let (ok, fault) = (Reaction::status(200), Reaction::status(500));
    bench.receiver.plan([fault, ok, fault, fault]);
    let (failed, summary) = bench.handle(Channel::Webhook, &alerts(0..6)).await;
    assert_eq!(failed, ["m0", "m2", "m3", "m4", "m5"]);
    assert_eq!((summary.delivered, summary.unavailable, summary.held), (1, 3, 2));
}

#[tokio::test]
async fn a_secret_that_works_is_read_again_after_five_minutes() {
    let bench = Bench::new();
    bench.handle(Channel::Slack, &alerts(0..1)).await;
    bench.secrets.set(Some(&secret("other.example.com")));
    bench.clock.advance(299_999);
    bench.handle(Channel::Slack, &alerts(1..2)).await;
    bench.clock.advance(1);
    bench.handle(Channel::Slack, &alerts(2..3)).await;
    let addresses: Vec<String> = bench.receiver.take().iter().map(|request| request.target.reveal()).collect();
    let (old, new) = ("https://example.com/slack", "https://other.example.com/slack");
    assert_eq!(addresses, [old, old, new]);
}

#[tokio::test]
async fn a_lost_answer_is_repeated_with_the_same_id_and_a_new_time() {
    let bench = Bench::new();
    bench.receiver.plan([Reaction::AnswerLost]);
    assert_eq!(bench.handle(Channel::Webhook, &alerts(4..5)).await.0, ["m0"]);
    bench.clock.advance(300_000);
    assert_eq!(bench.handle(Channel::Webhook, &alerts(4..5)).await.0, [""; 0]);
    let requests = bench.receiver.take();
    assert_eq!(requests.len(), 2);
    assert_eq!(header(&requests[0], "webhook-id"), header(&requests[1], "webhook-id"));
    assert_ne!(header(&requests[0], "webhook-timestamp"), header(&requests[1], "webhook-timestamp"));
    assert_eq!(requests[0].body, requests[1].body);
}

#[tokio::test(start_paused = true)]
async fn a_short_retry_after_is_waited_for_and_a_long_one_holds_the_channel() {
    let bench = Bench::new();
    let slow = |seconds| Reaction::Answers(Answer { status: 429, retry_after_seconds: Some(seconds) });
    bench.receiver.plan([slow(1), slow(2)]);
    let started = tokio::time::Instant::now();
    assert_eq!(bench.handle(Channel::Slack, &alerts(0..1)).await.1.delivered, 1);
    assert_eq!(started.elapsed().as_secs(), 3);
    bench.receiver.plan([slow(600)]);
    assert_eq!(bench.handle(Channel::Slack, &alerts(1..3)).await.0, ["m0", "m1"]);
    assert_eq!(bench.receiver.take().len(), 1);
    bench.clock.advance(500_000);
    let started = tokio::time::Instant::now();
    let (failed, summary) = bench.handle(Channel::Slack, &alerts(1..3)).await;
    assert_eq!((failed.len(), summary.held, summary.unavailable), (2, 2, 0));
    // As long as there is time: who comes back at once burns a delivery of everything that waits.
    assert_eq!(started.elapsed().as_secs(), 28);
    bench.clock.advance(99_000);
    assert_eq!(bench.handle(Channel::Slack, &alerts(1..3)).await.1.delivered, 2);
}

#[tokio::test]
async fn a_channel_is_stuck_if_nothing_was_delivered_for_a_while() {
    let bench = Bench::new();
    let stuck = |summary: NotifierSummary| summary.counts().names().any(|name| name == "StuckWebhook");
    bench.receiver.plan([Reaction::Unreachable]);
    assert!(stuck(bench.handle(Channel::Webhook, &alerts(0..2)).await.1));
    bench.clock.advance(60_000);
    assert!(!stuck(bench.handle(Channel::Webhook, &alerts(0..2)).await.1));
    // It has just delivered: a failure is not yet worth a word.
    bench.receiver.plan([Reaction::Unreachable]);
    assert!(!stuck(bench.handle(Channel::Webhook, &alerts(0..2)).await.1));
    bench.clock.advance(300_000);
    bench.receiver.plan([Reaction::Unreachable]);
    // To take messages apart delivers none.
    let (failed, summary) = bench.handle(Channel::Webhook, &[shared(0..3), alert(4)]).await;
    assert!(stuck(summary) && failed == ["m1"]);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_left_alone_until_the_secret_names_another() {
    let bench = Bench::new();
    bench.receiver.plan([Reaction::status(410)]);
    for _ in 0..2 {
        let (failed, summary) = bench.handle(Channel::Webhook, &alerts(0..2)).await;
        assert_eq!((failed.len(), summary.gone, summary.delivered), (2, 1, 0));
    }
    assert!(bench.receiver.take().is_empty());
    bench.secrets.set(Some(&secret("other.example.com")));
    // The batch before has already forgotten the secret.
    assert_eq!(bench.handle(Channel::Webhook, &alerts(0..2)).await.1.delivered, 2);
}

#[tokio::test]
async fn the_secret_is_read_once_and_again_after_a_failure() {
    let bench = Bench::new();
    bench.notifier.prepare().await;
    bench.handle(Channel::Slack, &alerts(0..3)).await;
    bench.handle(Channel::Teams, &alerts(0..3)).await;
    assert_eq!(bench.secrets.reads(), 1);
    bench.receiver.plan([Reaction::status(403)]);
    bench.handle(Channel::Slack, &alerts(0..1)).await;
    bench.clock.advance(60_000);
    assert_eq!(bench.handle(Channel::Slack, &alerts(0..1)).await.1.delivered, 1);
    assert_eq!(bench.secrets.reads(), 2);
}

#[tokio::test]
async fn without_a_usable_secret_messages_wait_and_nothing_is_sent() {
    let bench = Bench::new();
    for text in [None, Some("{}"), Some("not JSON"), Some(r#"{"slack":{"url":"http://example.com"}}"#)] {
        bench.secrets.set(text);
        let (failed, summary) = bench.handle(Channel::Slack, &alerts(0..2)).await;
        assert_eq!((failed.len(), summary.secret_unusable), (2, 1), "{text:?}");
    }
    bench.secrets.set(Some(&secret("example.com")));
    assert_eq!(bench.handle(Channel::Slack, &alerts(0..2)).await.1.delivered, 2);
    assert_eq!(bench.receiver.take().len(), 2);
}

#[tokio::test]
async fn a_response_is_started_once_whatever_happens() {
    let bench = Bench::new();
    bench.responder.faults.extend([Fault::AppliedButFailed, Fault::Refused]);
    for expected in [vec!["m0", "m1"], vec!["m0", "m1"], vec![]] {
        assert_eq!(bench.handle(Channel::Respond, &alerts(0..2)).await.0, expected);
    }
    bench.handle(Channel::Respond, &alerts(0..2)).await;
    assert_eq!(bench.responder.started().len(), 2);
    assert_eq!(bench.secrets.reads(), 0, "the response needs no secret");
}

#[tokio::test]
async fn a_response_is_for_what_is_urgent_by_itself_or_as_a_repeat() {
    let bench = Bench::new();
    let alert = |number: usize, severity: &str, priority: &str| {
        json!({ "id": format!("{number:032x}"), "text": "ANOMALY", "severity": severity, "priority": priority })
            .to_string()
    };
    let alerts = [alert(0, "warning", "warning"), alert(1, "warning", "high"), alert(2, "critical", "critical")];
    let shared = format!(r#"{{"version":1,"digest":[{}]}}"#, alerts.join(","));
    assert_eq!(bench.handle(Channel::Respond, &[shared]).await.1.taken_apart, 2);
    assert_eq!(bench.queue.take(), alerts[1..]);
    let (failed, summary) = bench.handle(Channel::Respond, &alerts).await;
    assert_eq!((failed.len(), summary.delivered, summary.skipped), (0, 2, 1));
}

#[tokio::test]
async fn nothing_is_begun_that_could_outlast_the_invocation() {
    let bench = Bench::new();
    let (failed, summary) = bench.handle_with(Channel::Slack, &alerts(0..2), 17_000).await;
    assert_eq!((failed.len(), summary.held), (2, 2));
    assert!(bench.receiver.take().is_empty());
    let (failed, _) = bench.handle_with(Channel::Respond, &alerts(0..2), 17_000).await;
    assert_eq!((failed.len(), bench.responder.started().len()), (2, 0));
}

#[tokio::test]
async fn a_batch_of_an_unknown_queue_or_of_no_queue_fails_as_a_whole() {
    let bench = Bench::new();
    let invocation = Invocation { request_id: "r".to_owned(), deadline_ms: NOW_MS + 45_000 };
    let unknown = bench.notifier.handle(&event("other", &alerts(0..1)), &invocation).await.unwrap_err();
    assert!(matches!(&unknown, HandlerError::UnknownQueue(arn) if arn.ends_with(":other")), "{unknown}");
    assert!(matches!(bench.notifier.handle("{}", &invocation).await, Err(HandlerError::NotSqs(_))));
    let anonymous = event("slack", &["poison".to_owned()]).replace(r#""messageId":"m0","#, "");
    assert!(matches!(bench.notifier.handle(&anonymous, &invocation).await, Err(HandlerError::Unreportable)));
}
