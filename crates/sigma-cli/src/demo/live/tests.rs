//! The world without its page: whatever is pressed, nothing is lost, doubled or invented.

use serde_json::Value;

use super::switches::{Command, LiveRule, Switches};
use super::traffic::Population;
use super::world::World;

const HOUR_MS: i64 = 3_600_000;

async fn world() -> World {
    World::start(Population { seed: 42, users: 60, per_day: 20.0, history_days: 20 }).await.unwrap()
}

/// Lets hours pass, in steps of six minutes.
async fn pass(world: &mut World, hours: i64) {
    for _ in 0..hours * 10 {
        world.advance(world.now_ms() + HOUR_MS / 10).await.unwrap();
    }
}

async fn obey(world: &mut World, commands: &[Command]) {
    for command in commands {
        world.obey(command).await.unwrap();
    }
}

fn seen(world: &World) -> Value {
    serde_json::to_value(world.whole()).unwrap()
}

fn number(seen: &Value, path: &str) -> u64 {
    seen.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} is missing"))
}

#[track_caller]
fn assert_promises_hold(world: &World) {
    let alerts = world.counters().alerts;
    assert_eq!((alerts.lost, alerts.doubled, alerts.invented), (0, 0, 0), "{alerts:?}");
    assert_eq!(alerts.expected, alerts.ended, "everything has ended: {alerts:?}");
}

#[tokio::test]
async fn people_hear_little_and_machines_everything() {
    let mut world = world().await;
    pass(&mut world, 24).await;
    assert_promises_hold(&world);
    let seen = seen(&world);
    let (messages, anomalies) =
        (number(&seen, "/phone/yesterday/messages"), number(&seen, "/phone/yesterday/anomalies"));
    assert!(messages <= 21, "twenty pages and a summary: {messages}");
    assert!(anomalies > messages, "{anomalies} anomalies, {messages} messages");
    let kinds: Vec<&str> =
        seen["phone"]["messages"].as_array().unwrap().iter().filter_map(|m| m["kind"].as_str()).collect();
    assert!(kinds.contains(&"summary"), "{kinds:?}");
}

#[tokio::test]
async fn crashes_slow_services_bad_records_and_another_rule_lose_nothing() {
    let mut world = world().await;
    let commands = [Command::SlowSns(true), Command::Poison, Command::Crash, Command::Rule(LiveRule::Profile)];
    pass(&mut world, 1).await;
    for _ in 0..8 {
        obey(&mut world, &commands).await;
        pass(&mut world, 1).await;
    }
    obey(&mut world, &[Command::SlowSns(false), Command::Rule(LiveRule::Adaptive)]).await;
    pass(&mut world, 4).await;
    assert_promises_hold(&world);
    let counters = world.counters();
    assert!(counters.deaths == 8, "{counters:?}");
    assert!(
        counters.quarantined == 8 * 3,
        "of five records three are bad, one is late and one came twice: {counters:?}"
    );
}

#[tokio::test]
async fn a_shadow_policy_and_a_silenced_user_are_recorded_and_tell_nobody() {
    let mut world = world().await;
    obey(&mut world, &[Command::Shadow(true)]).await;
    pass(&mut world, 6).await;
    let in_shadow = seen(&world);
    assert_eq!(number(&in_shadow, "/phone/today/messages"), 0);
    let alerts = in_shadow["alerts"].as_array().unwrap();
    assert!(!alerts.is_empty() && alerts.iter().all(|alert| alert["disposition"] == "shadow"), "{alerts:?}");
    let user_id = alerts[0]["userId"].as_str().unwrap().to_owned();
    obey(&mut world, &[Command::Shadow(false), Command::Silence(user_id.clone()), Command::PagesPerDay(1)]).await;
    pass(&mut world, 12).await;
    assert_promises_hold(&world);
    let of_user = |alert: &&Value| alert["userId"] == user_id.as_str() && alert["disposition"] != "shadow";
    let told = seen(&world)["alerts"].as_array().unwrap().clone();
    assert!(told.iter().filter(of_user).all(|alert| alert["disposition"] == "silent"), "{told:?}");
}

#[tokio::test]
async fn without_a_summary_everything_is_told_at_once() {
    let mut world = world().await;
    obey(&mut world, &[Command::Digest(false)]).await;
    pass(&mut world, 6).await;
    let seen = seen(&world);
    assert!(seen["alerts"].as_array().unwrap().iter().all(|alert| alert["disposition"] == "page"));
    assert!(number(&seen, "/phone/today/messages") > 5);
    assert_promises_hold(&world);
}

#[tokio::test]
async fn a_value_out_of_range_changes_nothing() {
    let mut world = world().await;
    let before = seen(&world);
    assert!(world.obey(&Command::PagesPerDay(101)).await.is_err());
    assert!(world.obey(&Command::Silence("x".repeat(101))).await.is_err());
    assert_eq!(
        world.obey(&Command::Poison).await.unwrap_err().to_string(),
        "nobody has paid yet: try again in a moment"
    );
    assert_eq!(seen(&world)["switches"], before["switches"]);
}

#[tokio::test]
async fn a_silence_ends_after_its_week_whatever_is_pressed_meanwhile() {
    let start_ms = 1_760_000_100_000;
    let silenced = Switches::default().with(&Command::Silence("user1".to_owned()), start_ms).unwrap();
    let mut later = silenced.with(&Command::Shadow(true), start_ms + 86_400_000).unwrap();
    let until = later.policy(2, start_ms + 86_400_000).unwrap().rules[0].until.as_str().to_owned();
    assert_eq!(until, silenced.policy(1, start_ms).unwrap().rules[0].until.as_str());
    later.forget_ended(start_ms + 7 * 86_400_000);
    assert!(later.silenced.is_empty());
}

#[tokio::test]
async fn the_end_waits_for_what_is_under_way() {
    let mut world = world().await;
    obey(&mut world, &[Command::SlowSns(true), Command::Rule(LiveRule::Adaptive)]).await;
    pass(&mut world, 4).await;
    world.drain().await.unwrap();
    assert_promises_hold(&world);
}
