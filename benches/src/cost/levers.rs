//! The tables of the whole stack: its defaults, each lever alone, all levers that save, the Flink baseline, and the parts of the defaults.

use super::Point;
use super::bill::{Bill, Traffic, custom_metric_count};
use super::stack::{DASHBOARD, STATE_BILLING, Stack};
use super::template::Template;
use crate::report::{Report, Table, short};

/// The columns with traffic: users at 5,000 transactions a minute.
const USERS: [u32; 2] = [1_000, 100_000];

/// Parameters that differ from the defaults.
struct Lever {
    what: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    saves: bool,
}

const LEVERS: [Lever; 10] = [
    Lever { what: "batching window of 30 s", parameters: &[("DetectorBatchingWindowSeconds", "30")], saves: true },
    Lever { what: "state with auto scaling at 70 %", parameters: &[(STATE_BILLING, "PROVISIONED")], saves: true },
    Lever { what: "stream of one shard", parameters: &[("StreamMode", "PROVISIONED")], saves: true },
    Lever { what: "stream on demand", parameters: &[("StreamMode", "ON_DEMAND")], saves: false },
    Lever { what: "no archive", parameters: &[("Archive", "disabled")], saves: true },
    Lever {
        what: "alerter waits 60 s for a batch of 100",
        parameters: &[("AlerterBatchingWindowSeconds", "60"), ("AlerterBatchSize", "100")],
        saves: true,
    },
    Lever { what: "AWS's own keys", parameters: &[("KmsKey", "aws-managed")], saves: true },
    Lever { what: "Graviton", parameters: &[("Architecture", "arm64")], saves: true },
    Lever { what: "no dashboard", parameters: &[(DASHBOARD, "disabled")], saves: true },
    Lever { what: "Lambda's own log lines", parameters: &[("SystemLogLevel", "INFO")], saves: false },
];

pub(super) const TITLE: &str = "The whole stack, in dollars a month";
pub(super) const DEFAULTS: &str = "the template's defaults";
pub(super) const ALL: &str = "every saving switched on";
pub(super) const FLINK: &str = "the Flink baseline with this stream and archive";

/// # Errors
///
/// The template lacks a parameter, or has a default window that was not measured.
pub(super) fn run(report: &mut Report, template: &Template, points: &[Point]) -> anyhow::Result<()> {
    let defaults = Stack::of(template)?;
    let bills = bills(&defaults, points)?;
    report.add_table(levers(template, points, &bills)?);
    report.add_table(parts(&bills));
    report.add_table(assumed(template, &defaults, points)?);
    Ok(())
}

/// Idle, and then each column with traffic.
fn bills(stack: &Stack, points: &[Point]) -> anyhow::Result<Vec<Bill>> {
    let mut bills = vec![Bill::of(stack, &Traffic::default())];
    for users in USERS {
        bills.push(Bill::of(stack, traffic(stack, points, users)?));
    }
    Ok(bills)
}

fn traffic<'a>(stack: &Stack, points: &'a [Point], users: u32) -> anyhow::Result<&'a Traffic> {
    let window = stack.detector_window_seconds;
    let measured = |point: &&Point| point.users == users && point.window_seconds.total_cmp(&window).is_eq();
    let point = points.iter().find(measured);
    Ok(&point.ok_or_else(|| anyhow::anyhow!("a window of {window} s was not measured"))?.traffic)
}

fn header(first: &str) -> Vec<String> {
    let columns = USERS.map(|users| format!("{} users", short_count(users)));
    [first.to_owned(), "idle".to_owned()].into_iter().chain(columns).collect()
}

fn short_count(users: u32) -> String {
    format!("{},000", users / 1_000)
}

fn row(what: impl Into<String>, dollars: impl IntoIterator<Item = f64>) -> Vec<String> {
    std::iter::once(what.into()).chain(dollars.into_iter().map(|dollars| short(dollars.max(0.0)))).collect()
}

fn levers(template: &Template, points: &[Point], defaults: &[Bill]) -> anyhow::Result<Table> {
    let mut rows = vec![row(DEFAULTS, defaults.iter().map(Bill::total))];
    let mut all = template.clone();
    for lever in &LEVERS {
        let changed = with(template, lever);
        // A lever that is the default already changes nothing.
        if Stack::of(&changed)? != Stack::of(template)? {
            rows.push(row(named(template, lever), bills(&Stack::of(&changed)?, points)?.iter().map(Bill::total)));
        }
        if lever.saves {
            all = with(&all, lever);
        }
    }
    rows.push(row(ALL, bills(&Stack::of(&all)?, points)?.iter().map(Bill::total)));
    rows.push(row(FLINK, defaults.iter().map(Bill::flink)));
    Ok(Table { part: 'g', title: TITLE, header: header("with"), rows })
}

fn with(template: &Template, lever: &Lever) -> Template {
    lever.parameters.iter().fold(template.clone(), |template, (parameter, value)| template.with(parameter, value))
}

/// The lever with its parameters, if the template has them.
fn named(template: &Template, lever: &Lever) -> String {
    let pairs: Vec<String> = lever.parameters.iter().map(|(name, value)| format!("`{name}={value}`")).collect();
    if lever.parameters.iter().all(|(name, _)| template.has(name)) {
        format!("{}: {}", lever.what, pairs.join(", "))
    } else {
        format!("{} (edit the template)", lever.what)
    }
}

fn parts(bills: &[Bill]) -> Table {
    let names = bills.iter().take(1).flat_map(|bill| bill.0.iter().map(|(name, _)| *name));
    let of = |name: &str| -> Vec<f64> { bills.iter().map(|bill| bill.dollars(name)).collect() };
    let mut rows: Vec<Vec<String>> = names.map(|name| row(name, of(name))).collect();
    rows.push(row("together", bills.iter().map(Bill::total)));
    Table { part: 'g', title: "The defaults by component, in dollars a month", header: header("component"), rows }
}

/// The template's part in the tables above: a test holds it to the template.
fn assumed(template: &Template, stack: &Stack, points: &[Point]) -> anyhow::Result<Table> {
    let parameters = [
        "StreamMode",
        "ShardCount",
        "DetectorBatchSize",
        "DetectorBatchingWindowSeconds",
        "DetectorMemoryMegabytes",
        "CommitsConcurrentMax",
        "CommitStatementsMax",
        "AlerterBatchSize",
        "AlerterBatchingWindowSeconds",
        "AlerterMemoryMegabytes",
        "Archive",
        "ArchiveRetentionDays",
        "LedgerRetentionDays",
        "Architecture",
        "SystemLogLevel",
        "KmsKey",
        STATE_BILLING,
    ];
    let known = parameters.iter().filter(|name| template.has(name));
    let mut rows: Vec<Vec<String>> =
        known.map(|name| vec![format!("`{name}`"), template.text(name).to_owned()]).collect();
    rows.push(vec!["alarms".to_owned(), format!("{}", stack.alarms)]);
    rows.push(vec!["metrics in alarms".to_owned(), format!("{}", stack.alarm_metrics)]);
    for users in USERS {
        let traffic = traffic(stack, points, users)?;
        let metrics = custom_metric_count(stack, traffic);
        rows.push(vec![format!("custom metrics, {} users", short_count(users)), format!("{metrics}")]);
        let bytes = format!("{}, {} in the archive", short(traffic.record_bytes), short(traffic.archived_bytes));
        rows.push(vec![format!("bytes of a record, {} users", short_count(users)), bytes]);
    }
    let header = vec!["from the template, and measured".to_owned(), "value".to_owned()];
    Ok(Table { part: 'g', title: "What these tables assume", header, rows })
}
