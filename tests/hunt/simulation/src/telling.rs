//! The promises on whom an alert reaches: decided once, as a policy in force says, within the day's pages, and in a summary if it waits.

use std::collections::{BTreeMap, BTreeSet};

use alert_policy::{Decision, Disposition, Reason};
use alerter::publication::Audience;

use super::world::World;

/// Compares what was told with what was decided.
pub(crate) fn check(world: &World) -> Result<(), String> {
    for (id, decision) in &world.ledger.decisions() {
        check_decision(world, id, decision)?;
        check_audience(world, id, decision)?;
        check_summaries(world, id, decision)?;
    }
    check_pages(world)
}

/// I11: decided once, by the first claim, as its policy says. Only the budget may turn a page into a wait.
fn check_decision(world: &World, id: &str, decision: &Decision) -> Result<(), String> {
    let decided = world.decided.borrow();
    let Some((user_id, first)) = decided.get(id) else { return Err(format!("I11: alert {id} was never claimed")) };
    if decision != first && !(first.is_budgeted() && *decision == first.clone().over_budget()) {
        return Err(format!("I11: alert {id} was decided twice: {first:?}, then {decision:?}"));
    }
    check_repeat(id, &decided)?;
    world.policies.check(user_id, decision).map_err(|what| format!("I11: alert {id}: {what}: {decision:?}"))
}

/// I11: a repeat waits only if people were told of its episode at once. Under several policies they may have been told by another.
fn check_repeat(id: &str, decided: &BTreeMap<String, (String, Decision)>) -> Result<(), String> {
    let Some((user_id, repeat)) = decided.get(id).filter(|(_, decision)| decision.reason == Reason::Repeat) else {
        return Ok(());
    };
    let mut of_user = decided.values().filter(|(other, _)| other == user_id).map(|(_, decision)| decision);
    let is_one_policy = of_user.clone().all(|other| other.policy_version == repeat.policy_version);
    let pages = |other: &Decision| other.would.unwrap_or(other.disposition) == Disposition::Page;
    let is_told = of_user.any(|other| pages(other) && other.priority >= repeat.priority);
    if is_told || !is_one_policy { Ok(()) } else { Err(format!("I11: alert {id} is a repeat of nothing: {repeat:?}")) }
}

/// I11: whoever gets an alert is who was decided. One that may be published twice may be told at once first and wait then.
fn check_audience(world: &World, id: &str, decision: &Decision) -> Result<(), String> {
    let audiences = world.audiences.borrow().get(id).cloned().unwrap_or_default();
    let decided = match decision.disposition {
        Disposition::Page => BTreeSet::from([Audience::Page]),
        Disposition::Digest => BTreeSet::from([Audience::Digest]),
        Disposition::Silent | Disposition::Shadow => BTreeSet::new(),
    };
    let may_change =
        world.excused.borrow().contains(id) && decision.disposition.is_published() && decision.pages_per_day_max > 0;
    if audiences == decided || may_change && audiences.is_superset(&decided) {
        return Ok(());
    }
    Err(format!("I11: alert {id} reached {audiences:?}: {decision:?}"))
}

/// I12: every page was one of its day's, and no day had more than it may.
fn check_pages(world: &World) -> Result<(), String> {
    let (days, decided) = (world.ledger.pages(), world.decided.borrow());
    for (day, pages) in &days {
        let limits = pages.iter().filter_map(|id| decided.get(id)).map(|(_, decision)| decision.pages_per_day_max);
        let most = limits.max().unwrap_or_default();
        if pages.len() > usize::try_from(most).unwrap_or_default() {
            return Err(format!("I12: {day} has {} pages, {most} is the most", pages.len()));
        }
    }
    let paged = world.audiences.borrow();
    let mut paged = paged.iter().filter(|(_, audiences)| audiences.contains(&Audience::Page)).map(|(id, _)| id);
    let is_budgeted = |id: &&String| decided.get(*id).is_some_and(|(_, decision)| decision.is_budgeted());
    match paged.find(|id| is_budgeted(id) && !days.values().any(|pages| pages.contains(*id))) {
        Some(id) => Err(format!("I12: alert {id} was told at once without a page of the day")),
        None => Ok(()),
    }
}

/// I13: what waits is in a summary; in two only if the call that made the first could not take it off the list.
fn check_summaries(world: &World, id: &str, decision: &Decision) -> Result<(), String> {
    let summaries = world.summarised.borrow().get(id).copied().unwrap_or_default();
    let may_repeat = world.summarised_again.borrow().contains(id);
    match (decision.disposition == Disposition::Digest, summaries) {
        (true, 0) => Err(format!("I13: alert {id} was never in a summary")),
        (true, 2..) if !may_repeat => Err(format!("I13: alert {id} was in {summaries} summaries for no reason")),
        (false, 1..) => Err(format!("I13: alert {id} did not wait and was in a summary")),
        _ => Ok(()),
    }
}
