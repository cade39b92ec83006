//! A function as Lambda runs it: containers of different ages, calls that nobody waits for any more, and events that come twice.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use alerter::Alerter;
use detector::Detector;
use event_source::{Invoke, Invoked};
use lambda_kit::{Clock, Invocation};
use tokio::sync::oneshot;

use super::clock::SimulatedClock;
use super::life::Life;
use super::ports::{Anomalies, Quarantine, Reach};
use super::world::{World, settings};

/// Containers that are kept warm.
const WARM_MAX: usize = 3;
/// Time that a function has.
const TIMEOUT_MS: u32 = 30_000;
/// A deadline that is near: anything from too little for an answer to most of a batch.
const NEAR_MS: (u32, u32) = (300, 6_000);
/// How far a container's clock may be off, in ms either way.
const SKEW_MS: u32 = 500;
/// Events that may be delivered once more.
const EVENTS_KEPT: usize = 10;

/// One of the two functions with what it reaches.
pub(crate) trait Function: Sized {
    /// For the trace.
    const NAME: &'static str;

    /// A cold one.
    fn start(reach: Reach, clock: SimulatedClock) -> Result<Self, String>;

    /// One call; answers with the payload.
    async fn call(&self, event: &str, invocation: &Invocation) -> Result<String, String>;
}

impl Function for Detector<Reach, Anomalies, Quarantine, SimulatedClock> {
    const NAME: &'static str = "detector";

    fn start(reach: Reach, clock: SimulatedClock) -> Result<Self, String> {
        let settings = settings()?.clone();
        let (anomalies, quarantine) = (Anomalies(Rc::clone(&reach.0)), Quarantine(Rc::clone(&reach.0)));
        Ok(Self::new(reach, anomalies, quarantine, clock, settings))
    }

    async fn call(&self, event: &str, invocation: &Invocation) -> Result<String, String> {
        let outcome = self.handle(event, invocation).await.map_err(|error| error.to_string())?;
        serde_json::to_string(&outcome.response).map_err(|error| error.to_string())
    }
}

impl Function for Alerter<Reach, Reach, Reach, SimulatedClock> {
    const NAME: &'static str = "alerter";

    fn start(reach: Reach, clock: SimulatedClock) -> Result<Self, String> {
        let settings = alerter::AlerterSettings::from_env(&lambda_kit::Env::default());
        let settings = settings.map_err(|error| error.to_string())?;
        Ok(Self::new(reach.clone(), reach.clone(), reach, clock, settings))
    }

    async fn call(&self, event: &str, invocation: &Invocation) -> Result<String, String> {
        let outcome = self.handle(event, invocation).await.map_err(|error| error.to_string())?;
        serde_json::to_string(&outcome.response).map_err(|error| error.to_string())
    }
}

/// A container with its function.
#[derive(Debug)]
struct Container<F> {
    life: Rc<Life>,
    function: F,
}

/// A deployed function. Clones share its containers.
#[derive(Debug)]
pub(crate) struct Deployed<F>(Rc<Inner<F>>);

#[derive(Debug)]
struct Inner<F> {
    world: World,
    /// Whether calls may overlap and events may come again.
    overlaps: bool,
    warm: RefCell<Vec<Container<F>>>,
    started: RefCell<u32>,
    /// Events that were delivered lately.
    events: RefCell<Vec<Rc<str>>>,
}

impl<F> Clone for Deployed<F> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<F: Function + 'static> Deployed<F> {
    pub(crate) fn new(world: World, overlaps: bool) -> Self {
        Self(Rc::new(Inner {
            world,
            overlaps,
            warm: RefCell::default(),
            started: RefCell::default(),
            events: RefCell::default(),
        }))
    }

    /// Events that were delivered lately, oldest first.
    pub(crate) fn events(&self) -> Vec<Rc<str>> {
        self.0.events.borrow().clone()
    }

    /// One call from beginning to end, whoever waits for it.
    pub(crate) async fn run(self, event: Rc<str>) -> Invoked {
        let world = &self.0.world;
        let container = match self.container() {
            Ok(container) => container,
            Err(error) => return Invoked::Failed(error),
        };
        world.calls_open.set(world.calls_open.get() + 1);
        let near = world.dice.fails().then(|| world.dice.between(NEAR_MS.0, NEAR_MS.1));
        container.life.begin(near.is_some());
        let left_ms = near.unwrap_or(TIMEOUT_MS);
        let deadline_ms = world.clock.now_ms() + i64::from(left_ms);
        let invocation = Invocation { request_id: String::new(), deadline_ms };
        let call = container.life.until_death(container.function.call(&event, &invocation));
        let ended = tokio::time::timeout(Duration::from_millis(left_ms.into()), call).await;
        world.calls_open.set(world.calls_open.get() - 1);
        self.end(container, ended.ok().flatten())
    }

    /// What the platform makes of the end of a call: an answer, or none because the container died or had to be stopped.
    fn end(&self, container: Container<F>, answer: Option<Result<String, String>>) -> Invoked {
        let world = &self.0.world;
        container.life.end(answer.is_some());
        let name = container.life.name().to_owned();
        world.note(|| format!("{name}: {}", answer.as_ref().map_or("ends without an answer".to_owned(), shown)));
        if answer.is_some() && self.0.warm.borrow().len() < WARM_MAX {
            self.0.warm.borrow_mut().push(container);
        }
        let invoked = match answer {
            Some(Ok(payload)) => Invoked::Responded(payload),
            Some(Err(error)) => Invoked::Failed(error),
            None => Invoked::Failed("the container died".to_owned()),
        };
        let is_success =
            matches!(&invoked, Invoked::Responded(payload) if payload.contains(r#""batchItemFailures":[]"#));
        if world.dice.is_faultless() && !is_success {
            world.broken(format!("I5: without any fault the {} answers {invoked:?}", F::NAME));
        }
        invoked
    }

    /// A warm container, or a cold one.
    fn container(&self) -> Result<Container<F>, String> {
        let Inner { world, warm, started, .. } = &*self.0;
        let mut warm = warm.borrow_mut();
        if !warm.is_empty() && !world.dice.chance(0.1) {
            let index = world.dice.index(warm.len());
            return Ok(warm.swap_remove(index));
        }
        let number = *started.borrow() + 1;
        *started.borrow_mut() = number;
        let life = Rc::new(Life::new(world.clone(), format!("{} {number}", F::NAME)));
        let skew_ms = i64::from(world.dice.between(0, 2 * SKEW_MS)) - i64::from(SKEW_MS);
        let clock = world.clock.skewed(if world.dice.is_faultless() { 0 } else { skew_ms });
        Ok(Container { function: F::start(Reach(Rc::clone(&life)), clock)?, life })
    }

    /// Keeps an event for later, and now and then delivers an earlier one beside it: nobody waits for the answer.
    fn deliver_again(&self, event: &Rc<str>) {
        let Inner { world, overlaps, events, .. } = &*self.0;
        let mut events = events.borrow_mut();
        events.push(Rc::clone(event));
        if events.len() > EVENTS_KEPT {
            events.remove(0);
        }
        if *overlaps && world.dice.fails() {
            let again = events.get(world.dice.index(events.len())).cloned();
            world.note(|| format!("{}: an event is delivered once more", F::NAME));
            again.map(|event| tokio::task::spawn_local(self.clone().run(event)));
        }
    }

    /// Waits for the answer, and now and then not to the end: the call goes on all the same.
    async fn wait(&self, answer: oneshot::Receiver<Invoked>) -> Invoked {
        let Inner { world, overlaps, .. } = &*self.0;
        let patience_ms = if *overlaps && world.dice.fails() { world.dice.between(1, TIMEOUT_MS) } else { u32::MAX };
        match tokio::time::timeout(Duration::from_millis(patience_ms.into()), answer).await {
            Ok(Ok(invoked)) => invoked,
            Ok(Err(_)) => Invoked::Failed("the call vanished".to_owned()),
            Err(_) => {
                world.note(|| format!("{}: nobody waits for this call any more; it goes on", F::NAME));
                Invoked::Failed("no answer in time".to_owned())
            }
        }
    }
}

fn shown(answer: &Result<String, String>) -> String {
    match answer {
        Ok(payload) => format!("answers {payload}"),
        Err(error) => format!("fails: {error}"),
    }
}

impl<F: Function + 'static> Invoke for Deployed<F> {
    async fn invoke(&self, event: &str) -> Invoked {
        let world = &self.0.world;
        if world.dice.fails() && world.dice.chance(0.2) {
            world.note(|| format!("{}: the invocation is throttled", F::NAME));
            return Invoked::NotInvoked("throttled".to_owned());
        }
        let event: Rc<str> = event.into();
        self.deliver_again(&event);
        let (sender, receiver) = oneshot::channel();
        let running = self.clone();
        tokio::task::spawn_local(async move { sender.send(running.run(event).await) });
        self.wait(receiver).await
    }
}
