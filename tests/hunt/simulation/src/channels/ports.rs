//! The notifier's ports, backed by the simulated world.

use std::rc::Rc;
use std::time::Duration;

use event_source::sqs::MemorySqs;
use lambda_kit::{Clock, Invocation};
use message_queue::MessageQueue;
use notifier::handler::ChannelQueue;
use notifier::receiver::https::REQUEST_TIMEOUT;
use notifier::receiver::{Answer, NoAnswer, Receiver};
use notifier::request::Request;
use notifier::responder::{NotStarted, Responder, Started};
use notifier::secrets::{SecretStore, SecretUnavailable};
use notifier::target::Guard;
use notifier::{Channel, Notifier};
use serde_json::Value;

use super::super::clock::SimulatedClock;
use super::super::function::Function;
use super::super::life::Life;
use super::super::ports::Reach;
use super::super::world::Service;
use super::{CHANNELS, promises};

/// The addresses end with the names of their channels.
const SECRET: &str = r#"{"slack":{"url":"https://example.com/slack"},
    "webhook":{"url":"https://example.com/webhook","keys":["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]}}"#;
/// What a receiver says that takes nothing: some without a wait, some with one that is waited for, some with a long one.
const REFUSALS: [Answer; 4] = [
    Answer { status: 500, retry_after_seconds: None },
    Answer { status: 429, retry_after_seconds: Some(1) },
    Answer { status: 503, retry_after_seconds: Some(600) },
    Answer { status: 307, retry_after_seconds: None },
];

pub(crate) type SimulatedNotifier = Notifier<Returned, Reach, Reach, Reach, SimulatedClock>;

/// The queue of a channel, as seen from a container.
#[derive(Debug)]
pub(crate) struct Returned {
    life: Rc<Life>,
    channel: Channel,
    queue: Rc<MemorySqs>,
}

pub(super) fn queue_arn(channel: Channel) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{}", channel.as_str())
}

impl Function for SimulatedNotifier {
    const NAME: &'static str = "notifier";
    const MAY_WAIT: bool = true;

    fn start(reach: Reach, clock: SimulatedClock) -> Result<Self, String> {
        let queue = |(channel, queue): (&Channel, &Rc<MemorySqs>)| {
            let returned = Returned { life: Rc::clone(&reach.0), channel: *channel, queue: Rc::clone(queue) };
            ChannelQueue::new(*channel, channel.as_str(), returned)
        };
        let queues = reach.0.world.channels.queues.iter().map(queue).collect();
        Ok(Self::new(queues, reach.clone(), reach.clone(), reach, clock, Guard::On))
    }

    async fn call(&self, event: &str, invocation: &Invocation) -> Result<String, String> {
        let outcome = self.handle(event, invocation).await.map_err(|error| error.to_string())?;
        serde_json::to_string(&outcome.response).map_err(|error| error.to_string())
    }
}

impl MessageQueue for Returned {
    async fn send(&self, bodies: &[String]) -> Vec<bool> {
        let now_ms = || self.life.world.clock.now_ms();
        // What a call took apart and cannot say so, the next one takes apart again.
        let take = |body: &str| {
            for key in promises::keys(self.channel, body) {
                self.life.record_delivered(self.channel, &key);
            }
            self.queue.send(body.to_owned(), now_ms());
        };
        self.life.send_all(Service::Channel, bodies, take).await
    }
}

impl SecretStore for Reach {
    async fn read(&self) -> Result<String, SecretUnavailable> {
        let read = self.0.effect(Service::Channel, || "reads the secret".to_owned(), || SECRET.to_owned()).await;
        read.ok_or(SecretUnavailable)
    }
}

impl Receiver for Reach {
    async fn post(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let Some((channel, key)) = read(request) else {
            self.0.world.report_broken("I14: a request that no channel understands".to_owned());
            return Err(NoAnswer);
        };
        let what = || format!("posts to {}", channel.as_str());
        let post = self.0.effect(Service::Receiver, what, || self.0.receive(channel, &key));
        match tokio::time::timeout(REQUEST_TIMEOUT, post).await {
            Ok(answered) => answered.ok_or(NoAnswer),
            Err(_) => Err(NoAnswer),
        }
    }
}

impl Responder for Reach {
    async fn start(&self, id: &str, document: &str) -> Result<Started, NotStarted> {
        let started = self.0.effect(Service::Channel, || format!("starts {id}"), || self.0.start(id, document)).await;
        started.unwrap_or(Err(NotStarted))
    }
}

impl Life {
    fn receive(&self, channel: Channel, key: &str) -> Answer {
        let (channels, dice) = (&self.world.channels, &self.world.dice);
        if channels.dead.get() == Some(channel) {
            self.note_mishap();
            return REFUSALS.get(dice.index(REFUSALS.len())).copied().unwrap_or(REFUSALS[0]);
        }
        channels.deliver(channel, key.to_owned());
        self.record_delivered(channel, key);
        Answer { status: 200, retry_after_seconds: None }
    }

    /// The state machine: a name is taken once.
    fn start(&self, name: &str, document: &str) -> Result<Started, NotStarted> {
        let (channels, dice) = (&self.world.channels, &self.world.dice);
        if channels.dead.get() == Some(Channel::Respond) {
            self.note_mishap();
            return Err(NotStarted);
        }
        let id = promises::keys(Channel::Respond, document).into_iter().next().unwrap_or_default();
        let is_new = channels.executions.borrow_mut().insert(name.to_owned(), id.clone()).is_none();
        if is_new {
            channels.deliver(Channel::Respond, id.clone());
        }
        // An execution with the same input that still runs is no error.
        Ok(if is_new || dice.chance(0.5) { Started::Now } else { Started::Before })
    }
}

/// The channel of a request, and what it delivers: of a webhook the id in its header and in its body.
fn read(request: &Request) -> Option<(Channel, String)> {
    let address = request.target.reveal();
    let channel = CHANNELS.into_iter().find(|channel| address.ends_with(channel.as_str()))?;
    if channel == Channel::Slack {
        return Some((channel, request.body.clone()));
    }
    let body: Value = serde_json::from_str(&request.body).ok()?;
    let id = body.pointer("/data/id")?.as_str()?.to_owned();
    let header = request.headers.iter().find(|(name, _)| *name == "webhook-id")?;
    (header.1 == id).then_some((channel, id))
}

/// Time-outs are the adapter's.
const _: () = assert!(REQUEST_TIMEOUT.as_secs() < Duration::from_secs(45).as_secs(), "a request fits an invocation");
