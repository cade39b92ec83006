//! The two functions as Lambda runs them: several containers, each with a cache of its own age, any of which may die.

use std::cell::RefCell;

use alerter::Alerter;
use detector::Detector;
use event_source::{Invoke, Invoked};
use lambda_kit::{Clock, Env, Invocation, ManualClock};

use super::ports::{Anomalies, Quarantine, World};

/// Containers of the detector that take turns.
const CONTAINERS: usize = 3;
/// Time that a function has.
const TIMEOUT_MS: i64 = 30_000;
/// Time left when the deadline is near: too little to begin anything but an answer.
const NEAR_MS: i64 = 400;
/// Completed batches that may be delivered once more.
const REPLAYS_KEPT: usize = 5;

type Container = Detector<World, Anomalies, Quarantine, ManualClock>;

/// The detector.
pub(super) struct DetectorFunction {
    world: World,
    containers: Vec<RefCell<Container>>,
    /// Batches that were done: a zombie may come with one of them.
    done: RefCell<Vec<String>>,
}

fn container(world: &World) -> Result<Container, String> {
    let settings = detector::config::Settings::from_env(&Env::default()).map_err(|error| error.to_string())?;
    let (anomalies, quarantine) = (Anomalies(world.clone()), Quarantine(world.clone()));
    Ok(Detector::new(world.clone(), anomalies, quarantine, world.clock.clone(), settings))
}

fn invocation(world: &World) -> Invocation {
    let left_ms = if world.dice.fails() && world.dice.chance(0.3) { NEAR_MS } else { TIMEOUT_MS };
    Invocation { request_id: String::new(), deadline_ms: world.clock.now_ms() + left_ms }
}

fn responded(response: &impl serde::Serialize) -> Invoked {
    serde_json::to_string(response).map_or_else(|error| Invoked::Failed(error.to_string()), Invoked::Responded)
}

impl DetectorFunction {
    pub(super) fn new(world: World) -> Result<Self, String> {
        let containers = (0..CONTAINERS).map(|_| container(&world).map(RefCell::new)).collect::<Result<_, _>>()?;
        Ok(Self { world, containers, done: RefCell::default() })
    }

    /// One call in one container; a container that dies is replaced by a cold one.
    async fn call(&self, event: &str) -> Invoked {
        let dice = &self.world.dice;
        let index = usize::try_from(dice.between(0, 1_000)).unwrap_or_default() % CONTAINERS;
        let Some(cell) = self.containers.get(index) else { return Invoked::NotInvoked(String::new()) };
        let Ok(fresh) = container(&self.world) else { return Invoked::NotInvoked(String::new()) };
        let working = cell.replace(fresh);
        let outcome = working.handle(event, &invocation(&self.world)).await;
        if dice.is_dead() {
            dice.revive();
            return Invoked::Failed("the container died".to_owned());
        }
        cell.replace(working);
        match outcome {
            Ok(outcome) => responded(&outcome.response),
            Err(error) => Invoked::Failed(error.to_string()),
        }
    }

    /// A batch that was done comes once more, from nowhere, and nobody waits for the answer.
    async fn replay(&self) {
        let event = {
            let done = self.done.borrow();
            let index = usize::try_from(self.world.dice.between(0, 1_000)).unwrap_or_default();
            done.get(index % done.len().max(1)).cloned()
        };
        if let Some(event) = event {
            self.call(&event).await;
        }
    }
}

impl Invoke for DetectorFunction {
    async fn invoke(&self, event: &str) -> Invoked {
        if self.world.dice.fails() {
            self.replay().await;
        }
        let answer = self.call(event).await;
        if matches!(&answer, Invoked::Responded(payload) if payload.contains(r#""batchItemFailures":[]"#)) {
            let mut done = self.done.borrow_mut();
            done.push(event.to_owned());
            if done.len() > REPLAYS_KEPT {
                done.remove(0);
            }
            drop(done);
            if self.world.dice.fails() {
                return Invoked::Failed("the answer got lost".to_owned());
            }
        }
        answer
    }
}

/// The alerter; it keeps nothing, so one container is as good as many.
pub(super) struct AlerterFunction {
    world: World,
    alerter: Alerter<World, World, World, ManualClock>,
}

impl AlerterFunction {
    pub(super) fn new(world: World) -> Result<Self, String> {
        let settings = alerter::config::Settings::from_env(&Env::default()).map_err(|error| error.to_string())?;
        let alerter = Alerter::new(world.clone(), world.clone(), world.clone(), world.clock.clone(), settings);
        Ok(Self { world, alerter })
    }
}

impl Invoke for AlerterFunction {
    async fn invoke(&self, event: &str) -> Invoked {
        let outcome = self.alerter.handle(event, &invocation(&self.world)).await;
        if self.world.dice.is_dead() {
            self.world.dice.revive();
            return Invoked::Failed("the container died".to_owned());
        }
        match outcome {
            Ok(_) if self.world.dice.fails() => Invoked::Failed("the answer got lost".to_owned()),
            Ok(outcome) => responded(&outcome.response),
            Err(error) => Invoked::Failed(error.to_string()),
        }
    }
}
