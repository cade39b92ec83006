//! A function as Lambda runs it: containers of different ages, calls that nobody waits for any more, and events delivered twice.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use alerter::{Alerter, DigestError};
use detector::{Detector, DetectorSettings};
use event_source::{Invoke, Invoked};
use lambda_kit::{Clock, Invocation};
use tokio::sync::oneshot;

use super::clock::SimulatedClock;
use super::life::Life;
use super::ports::{Anomalies, Quarantine, Reach};
use super::world::World;

/// Containers that are kept warm.
const WARM_MAX: usize = 3;
/// Time left to a near deadline: from too little for a response to enough for most of a batch.
const NEAR_MS: (u32, u32) = (300, 6_000);
/// Largest error of a container's clock, in ms either way.
const SKEW_MS: u32 = 500;
/// Most users in a write request, drawn for each container: during a deployment, two releases run side by side.
const COMMIT_STATEMENTS: [usize; 3] = [25, 2, 1];
/// Recent events that may be redelivered.
const EVENTS_KEPT: usize = 10;

/// One of the two functions, with its ports.
pub(crate) trait Function: Sized {
    /// For the trace.
    const NAME: &'static str;
    /// Whether a call may have nothing to do but wait for another one: for a claim to run out.
    const MAY_WAIT: bool;

    /// Starts a cold function.
    fn start(reach: Reach, clock: SimulatedClock) -> Result<Self, String>;

    /// Makes one call and returns the response's payload.
    async fn call(&self, event: &str, invocation: &Invocation) -> Result<String, String>;
}

impl Function for Detector<Reach, Anomalies, Quarantine, SimulatedClock, Reach> {
    const NAME: &'static str = "detector";
    const MAY_WAIT: bool = false;

    fn start(reach: Reach, clock: SimulatedClock) -> Result<Self, String> {
        let world = &reach.0.world;
        let commit_statements_max =
            COMMIT_STATEMENTS.get(world.dice.index(COMMIT_STATEMENTS.len())).copied().unwrap_or(1);
        let settings = DetectorSettings { lanes: world.lanes, commit_statements_max, ..world.settings.clone() };
        let (anomalies, quarantine) = (Anomalies(Rc::clone(&reach.0)), Quarantine(Rc::clone(&reach.0)));
        let detector = Detector::new(reach.clone(), anomalies, quarantine, clock, settings);
        Ok(detector.with_ranges(reach))
    }

    async fn call(&self, event: &str, invocation: &Invocation) -> Result<String, String> {
        let outcome = self.handle(event, invocation).await.map_err(|error| error.to_string())?;
        serde_json::to_string(&outcome.response).map_err(|error| error.to_string())
    }
}

impl Function for Alerter<Reach, Reach, Reach, SimulatedClock> {
    const NAME: &'static str = "alerter";
    const MAY_WAIT: bool = true;

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
    /// Whether calls may overlap and events may be redelivered.
    overlaps: bool,
    warm: RefCell<Vec<Container<F>>>,
    started: RefCell<u32>,
    /// Recently delivered events.
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

    /// Recently delivered events, oldest first.
    pub(crate) fn events(&self) -> Vec<Rc<str>> {
        self.0.events.borrow().clone()
    }

    /// Runs one call from start to end, whether or not anyone waits for it.
    pub(crate) async fn run(self, event: Rc<str>) -> Invoked {
        let world = &self.0.world;
        let container = match self.container() {
            Ok(container) => container,
            Err(error) => return Invoked::Failed(error),
        };
        world.calls_running.set(world.calls_running.get() + 1);
        let advances = world.advances.get();
        world.calls_made.set(world.calls_made.get() + 1);
        let near = world.dice.fails().then(|| world.dice.between(NEAR_MS.0, NEAR_MS.1));
        container.life.begin(near.is_some());
        let left_ms = near.unwrap_or(world.timeout_ms);
        let deadline_ms = world.clock.now_ms() + i64::from(left_ms);
        let invocation = Invocation { request_id: format!("call {}", world.calls_made.get()), deadline_ms };
        let call = container.life.until_death(container.function.call(&event, &invocation));
        let ended = tokio::time::timeout(Duration::from_millis(left_ms.into()), call).await;
        world.calls_running.set(world.calls_running.get() - 1);
        let response = ended.ok().flatten();
        // What comes before the checkpoint is done, whether or not the world has gained by it.
        let is_past_the_first = response.iter().flatten().all(|payload| !reports_the_first(payload, &event));
        self.end(container, response, world.advances.get() > advances || is_past_the_first)
    }

    /// Ends a call as the platform does: with a response, or without one because the container died or had to be stopped.
    fn end(&self, container: Container<F>, response: Option<Result<String, String>>, has_advanced: bool) -> Invoked {
        let world = &self.0.world;
        let has_excuse = container.life.has_excuse();
        container.life.end(response.is_some());
        let name = container.life.name().to_owned();
        world.note(|| format!("{name}: {}", response.as_ref().map_or("ends without a response".to_owned(), describe)));
        if response.is_some() && self.0.warm.borrow().len() < WARM_MAX {
            self.0.warm.borrow_mut().push(container);
        }
        let invoked = match response {
            Some(Ok(payload)) => Invoked::Responded(payload),
            Some(Err(error)) => Invoked::Failed(error),
            None => Invoked::Failed("the container died".to_owned()),
        };
        let is_success = match &invoked {
            Invoked::Responded(payload) => payload.contains(r#""batchItemFailures":[]"#),
            // A summary waits for the turn of another call.
            Invoked::Failed(error) => *error == DigestError::Held.to_string(),
            Invoked::NotInvoked(_) => false,
        };
        if !is_success && !has_excuse && (!F::MAY_WAIT && !has_advanced || matches!(invoked, Invoked::Failed(_))) {
            world.report_broken(format!("I10: without any mishap the {} makes no progress: {invoked:?}", F::NAME));
        }
        if world.dice.is_faultless() && !world.is_flooded.get() && !is_success {
            world.report_broken(format!("I5: without any fault the {} returns {invoked:?}", F::NAME));
        }
        invoked
    }

    /// Invokes the function with an event of a schedule, of which nobody sees the response.
    pub(crate) async fn invoke_later(self, event: &'static str) {
        let _ = self.invoke(event).await;
    }

    /// Returns a warm container, or a cold one.
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

    /// Keeps an event for later, and sometimes redelivers an earlier one beside it. Nobody waits for that call's response.
    fn keep_and_redeliver(&self, event: &Rc<str>) {
        let Inner { world, overlaps, events, .. } = &*self.0;
        let mut events = events.borrow_mut();
        events.push(Rc::clone(event));
        if events.len() > EVENTS_KEPT {
            events.remove(0);
        }
        if *overlaps && world.dice.fails() {
            let earlier = events.get(world.dice.index(events.len())).cloned();
            world.note(|| format!("{}: an event is redelivered", F::NAME));
            earlier.map(|event| tokio::task::spawn_local(self.clone().run(event)));
        }
    }

    /// Waits for the response, sometimes not to the end of the call, which runs on all the same.
    async fn wait(&self, response: oneshot::Receiver<Invoked>) -> Invoked {
        let Inner { world, overlaps, .. } = &*self.0;
        let patience_ms =
            if *overlaps && world.dice.fails() { world.dice.between(1, world.timeout_ms) } else { u32::MAX };
        match tokio::time::timeout(Duration::from_millis(patience_ms.into()), response).await {
            Ok(Ok(invoked)) => invoked,
            Ok(Err(_)) => Invoked::Failed("the call vanished".to_owned()),
            Err(_) => {
                world.note(|| format!("{}: nobody waits for this call any more; it runs on", F::NAME));
                Invoked::Failed("no response in time".to_owned())
            }
        }
    }
}

/// Whether a response reports the first record of a Kinesis event.
fn reports_the_first(response: &str, event: &str) -> bool {
    let after = |text: &str, name: &str| Some(text.split_once(name)?.1.split('"').nth(2)?.to_owned());
    let reported = after(response, "\"itemIdentifier");
    reported.is_some() && reported == after(event, "\"sequenceNumber")
}

fn describe(response: &Result<String, String>) -> String {
    match response {
        Ok(payload) => format!("returns {payload}"),
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
        self.keep_and_redeliver(&event);
        let (sender, receiver) = oneshot::channel();
        let running = self.clone();
        tokio::task::spawn_local(async move { sender.send(running.run(event).await) });
        self.wait(receiver).await
    }
}
