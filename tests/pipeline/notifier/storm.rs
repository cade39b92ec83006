//! A storm of alerts against a receiver that is healthy and takes only so many in a time: nothing of it may be kept aside as
//! undeliverable.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use event_source::sqs::{MemorySqs, SqsMapping, SqsMappingSettings};
use event_source::{Invoke, Invoked};
use lambda_kit::{Clock, Invocation};
use message_queue::MemoryMessageQueue;
use notifier::handler::ChannelQueue;
use notifier::receiver::{Answer, NoAnswer, Receiver};
use notifier::request::Request;
use notifier::responder::MemoryResponder;
use notifier::secrets::MemorySecrets;
use notifier::target::Guard;
use notifier::{Channel, Notifier};
use tokio::time::Instant;

use super::{alert, secret};
use crate::fixtures::PausedClock;

const ALERTS: usize = 2_000;
/// What the receiver takes in each window, and how long a window is.
const TAKES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(30);
/// As the template has them.
const VISIBILITY_TIMEOUT_MS: i64 = 300_000;
const RECEIVES_MAX: u32 = 96;
const TIMEOUT_MS: i64 = 45_000;

/// Answers 429 with the rest of the window once it has taken enough.
#[derive(Debug, Clone)]
struct Limited {
    window: Rc<Cell<(Instant, u32)>>,
    taken: Rc<RefCell<Vec<String>>>,
}

impl Receiver for Limited {
    async fn post(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let (mut began, mut taken) = self.window.get();
        if began.elapsed() >= WINDOW {
            (began, taken) = (Instant::now(), 0);
        }
        if taken == TAKES {
            let rest = WINDOW.saturating_sub(began.elapsed()).as_secs() + 1;
            return Ok(Answer { status: 429, retry_after_seconds: Some(rest) });
        }
        self.window.set((began, taken + 1));
        self.taken.borrow_mut().push(request.body.clone());
        Ok(Answer { status: 200, retry_after_seconds: None })
    }
}

type Stormed = Notifier<MemoryMessageQueue, Limited, MemorySecrets, MemoryResponder, PausedClock>;

struct Function(Stormed, PausedClock);

impl Invoke for Function {
    async fn invoke(&self, event: &str) -> Invoked {
        let invocation = Invocation { request_id: "r".to_owned(), deadline_ms: self.1.now_ms() + TIMEOUT_MS };
        let outcome = self.0.handle(event, &invocation).await.unwrap();
        assert!(self.1.now_ms() < invocation.deadline_ms, "the function would have been stopped");
        Invoked::Responded(serde_json::to_string(&outcome.response).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_that_a_receiver_takes_slowly_is_delivered_whole() {
    let (clock, secrets) = (PausedClock::start(), MemorySecrets::default());
    secrets.set(Some(&secret("example.com")));
    let receiver = Limited { window: Rc::new(Cell::new((Instant::now(), 0))), taken: Rc::default() };
    let taken = Rc::clone(&receiver.taken);
    let queue = ChannelQueue::new(Channel::Webhook, "https://q/webhook", MemoryMessageQueue::default());
    let notifier = Notifier::new(vec![queue], receiver, secrets, MemoryResponder::default(), clock, Guard::On);
    let source = MemorySqs::new(VISIBILITY_TIMEOUT_MS, Some(RECEIVES_MAX));
    (0..ALERTS).for_each(|number| source.send(alert(number), clock.now_ms()));
    let arn = "arn:aws:sqs:us-east-1:000000000000:webhook".to_owned();
    let mapping = SqsMapping::new(arn, source, Function(notifier, clock), SqsMappingSettings::default());
    while !mapping.source().is_empty() {
        if mapping.step(clock.now_ms()).await.unwrap().received == 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    assert_eq!((taken.borrow().len(), mapping.source().dead().len()), (ALERTS, 0));
}
