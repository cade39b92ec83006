//! `sigma demo --serve`: the system as a page that one can play with.
//!
//! A population spends, some of it meets a thief, and time passes faster. The handlers, the adapters and DynamoDB are those of
//! `sigma demo`; every alert is compared with a plain fold as there, while it runs. The world has a thread of its own; pages ask it
//! through a channel.

mod audit;
mod charts;
mod phone;
mod server;
mod switches;
#[cfg(test)]
mod tests;
mod told;
mod traffic;
mod update;
mod world;

use std::io::IsTerminal;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use server::{Asked, routes};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use traffic::Population;
use update::{Counters, Update};
use world::World;

use crate::output::say;
use crate::signals::interrupted;

/// Between two updates.
const TICK: Duration = Duration::from_millis(200);
/// A machine that was asleep, or cannot keep up, does not make up for it: time passes more slowly, and the page still answers.
const TICK_MAX: Duration = Duration::from_millis(300);
/// Updates that a page may be behind.
const UPDATES_BEHIND_MAX: usize = 64;
/// Requests that wait for the world.
const ASKED_MAX: usize = 16;

/// Flags of the live page.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct LiveOptions {
    /// Serve a live page on 127.0.0.1 instead: 5,000 users, their alerts, and switches to play with.
    #[arg(long, conflicts_with_all = ["records", "users", "rate", "sigmas", "rule", "summary", "json"])]
    pub(super) serve: bool,
    /// Port of the page, 0 for any that is free.
    #[arg(long, default_value_t = 7777, requires = "serve")]
    port: u16,
    /// Seconds that pass on the page in one second. A day takes 2.4 minutes at 600.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=6_000), requires = "serve")]
    speed: u32,
}

/// Serves the page until Ctrl-C, then prints what came of it.
///
/// # Errors
/// If the port is taken, the pipeline fails, or an alert was lost, doubled or invented.
pub(super) async fn run(options: LiveOptions, seed: u64, is_quiet: bool) -> anyhow::Result<()> {
    let listener = listen(options.port).await?;
    let port = listener.local_addr()?.port();
    let (world, asked) = mpsc::channel(ASKED_MAX);
    let ((ready, is_ready), (ended, has_ended)) = (oneshot::channel(), oneshot::channel());
    let population = Population::of_page(seed);
    let thread = std::thread::Builder::new().name("world".to_owned());
    // Nobody listens any more if the command was interrupted twice.
    thread.spawn(move || ended.send(live(population, options.speed, asked, ready)).is_ok())?;
    tell(is_quiet, "A month of history of 5,000 users ...");
    if is_ready.await.is_ok() {
        open_page(port, is_quiet);
        serve(listener, routes(world.clone(), port), &world).await?;
    }
    let counters = tokio::select! {
        counters = end(&world, has_ended) => counters?,
        () = interrupted()? => anyhow::bail!("interrupted before everything under way had ended"),
    };
    tell(is_quiet, &summary(&counters));
    verdict(&counters)
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.with_context(|| format!("port {port} of 127.0.0.1 cannot be used: choose another with --port"))
}

fn tell(is_quiet: bool, line: &str) {
    if !is_quiet {
        say(line);
    }
}

/// Opens the browser if somebody sits there.
fn open_page(port: u16, is_quiet: bool) {
    let address = format!("http://127.0.0.1:{port}");
    say(format_args!("{address} has the page. Ctrl-C ends it."));
    if !is_quiet && std::io::stdout().is_terminal() {
        // Without a browser, the line above is enough.
        let _ = open::that_detached(address);
    }
}

/// Serves until somebody interrupts, or the world has ended by itself.
async fn serve(listener: TcpListener, routes: axum::Router, world: &mpsc::Sender<Asked>) -> anyhow::Result<()> {
    tokio::select! {
        () = world.closed() => Ok(()),
        served = axum::serve(listener, routes).into_future() => served.context("the page cannot be served"),
        () = interrupted()? => Ok(()),
    }
}

/// Ends the world, and waits for what is under way.
async fn end(
    world: &mpsc::Sender<Asked>,
    has_ended: oneshot::Receiver<anyhow::Result<Counters>>,
) -> anyhow::Result<Counters> {
    // If it has ended by itself, its own error says why.
    let _ = world.send(Asked::End).await;
    has_ended.await.context("the pipeline panicked")?
}

/// The world on a thread of its own, until it is asked to end.
fn live(
    population: Population,
    speed: u32,
    mut asked: mpsc::Receiver<Asked>,
    ready: oneshot::Sender<()>,
) -> anyhow::Result<Counters> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut world = World::start(population).await?;
        // Whoever waits for it has ended if it cannot be told.
        let _ = ready.send(());
        pass(&mut world, speed, &mut asked).await?;
        world.drain().await?;
        Ok(world.counters())
    })
}

/// Lets time pass, and does what is asked for in between.
async fn pass(world: &mut World, speed: u32, asked: &mut mpsc::Receiver<Asked>) -> anyhow::Result<()> {
    let (updates, _) = broadcast::channel(UPDATES_BEHIND_MAX);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        tokio::select! {
            biased;
            asked = asked.recv() => match asked {
                Some(Asked::End) | None => return Ok(()),
                Some(asked) => answer(world, asked, &updates).await?,
            },
            _ = ticks.tick() => {
                let elapsed = last.elapsed().min(TICK_MAX);
                last = Instant::now();
                let passed_ms = i64::try_from((elapsed * speed).as_millis())?;
                world.advance(world.now_ms() + passed_ms).await?;
                // Nobody has to watch.
                let _ = updates.send(json(&world.take_news())?);
            }
        }
    }
}

async fn answer(world: &mut World, asked: Asked, updates: &broadcast::Sender<Arc<str>>) -> anyhow::Result<()> {
    match asked {
        Asked::Do(command, answer) => {
            let done = world.obey(&command).await.map_err(|error| format!("{error:#}"));
            // The page may be closed by now.
            let _ = answer.send(done);
        }
        Asked::Watch(answer) => {
            let _ = answer.send((json(&world.whole())?, updates.subscribe()));
        }
        Asked::End => {}
    }
    Ok(())
}

fn json(update: &Update) -> anyhow::Result<Arc<str>> {
    Ok(serde_json::to_string(update)?.into())
}

fn summary(counters: &Counters) -> String {
    let Counters { transactions, alerts, suppressed, quarantined, deaths, .. } = counters;
    let lost = format!("lost {}, doubled {}, invented {}", alerts.lost, alerts.doubled, alerts.invented);
    let deaths = format!("the alerter died {deaths} times, and {} alerts came twice for it", alerts.doubled_by_death);
    format!(
        "\n{transactions} transactions, {} anomalies: {lost}; {suppressed} repeated messages suppressed, \
         {quarantined} bad records in quarantine; {deaths}.",
        alerts.expected
    )
}

fn verdict(counters: &Counters) -> anyhow::Result<()> {
    let alerts = counters.alerts;
    let wrong = alerts.lost + alerts.doubled + alerts.invented;
    anyhow::ensure!(
        wrong == 0,
        "{wrong} alerts were lost, doubled or invented: please report it with what was pressed"
    );
    Ok(())
}
