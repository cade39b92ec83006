//! (d) The cost of starting and of calling the deployed functions, as processes of their own, beside the peer and the floor.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use event_source::sqs::{Received, event_json};

use crate::clock::{cpu_of, ended_children_cpu};
use crate::input::Feed;
use crate::report::{Figure, Report, Target};
use crate::server::Server;
use crate::spread::{Spread, number};
use crate::{aws, venv};

const ROUNDS: usize = 11;
const USERS: u32 = 50;
const RECORDS: usize = 100;
/// Calls after which every user is warm, and the calls measured after those.
const WARM_UP_CALLS: usize = 10;
const CALLS: usize = 20;
/// A process that uses no CPU for two of these is waiting.
const POLL: Duration = Duration::from_millis(2);
const FLOOR_RATIO_MAX: f64 = 2.5;
const PYTHON_RATIO_MIN: f64 = 60.0;
const FLOOR: &str = "static C, one GET";
const MEGABYTES_MAX: f64 = 8.0;

/// The file with all root certificates, on Amazon Linux and on Debian.
const BUNDLES: [&str; 2] = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"];

/// A program to measure.
pub(crate) struct Subject {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<PathBuf>,
    /// The file of root certificates; `None`: the system's default places.
    roots: Option<&'static str>,
    /// Events for its calls; empty if it is not called.
    events: Vec<String>,
}

/// The costs of one start and its calls.
#[derive(Debug, Clone, Copy, Default)]
struct Costs {
    init_ms: f64,
    init_megabytes: f64,
    first_call_ms: f64,
    warm_call_ms: f64,
    megabytes: f64,
    log_bytes: f64,
}

const MANY_USERS: u32 = 100_000;
/// 6.5 MB, a little more than Lambda would deliver.
const LARGEST_BATCH: usize = 10_000;
/// Calls after which memory is measured, and the number of users by then.
const GROWTH: [(usize, &str); 3] = [(1, "9,500 users"), (4, "33,000 users"), (12, "70,000 users")];

/// A child that does not outlive its measurement.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is waiting for an event that is never sent.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(report: &mut Report, with_peer: bool) -> anyhow::Result<()> {
    let subjects = subjects(with_peer)?;
    let mut costs: Vec<Vec<Costs>> = vec![Vec::new(); subjects.len()];
    let mut loads = Vec::with_capacity(ROUNDS);
    for round in 0..=ROUNDS {
        let load_ms = load_alone()?;
        if round > 0 {
            loads.push(load_ms);
        }
        let mut order: Vec<usize> = (0..subjects.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let (Some(subject), Some(costs)) = (subjects.get(index), costs.get_mut(index)) else { continue };
            let measured = measure(subject).with_context(|| format!("{} could not be measured", subject.name))?;
            // The first round fills the page cache.
            if round > 0 {
                costs.push(measured);
            }
        }
    }
    let [floor, detector, alerter, systems_roots, no_roots, rest @ ..] = costs.as_slice() else {
        anyhow::bail!("no subjects")
    };
    for (name, costs) in [("detector", detector), ("alerter", alerter)] {
        init(report, name, costs, floor, rest.first());
        calls(report, name, costs, rest.first().filter(|_| name == "detector"));
        let bytes = std::fs::metadata(function(name))?.len();
        let megabytes = number(bytes) / 1e6;
        let figure = Figure::new('d', format!("{name}, binary"), "MB").ours(Spread::exact(megabytes));
        report.add(figure.target(Target::at_most(MEGABYTES_MAX, megabytes)));
    }
    let floor = init_ms(floor);
    for (what, values) in [
        ("detector, INIT, roots from bundle and folder (no SSL_CERT_FILE)", init_ms(systems_roots)),
        ("detector, INIT without any root certificate", init_ms(no_roots)),
        ("detector, loaded and ended (no configuration)", loads),
    ] {
        let figure = Figure::new('d', what, "ms CPU").ours(Spread::of(values.iter().copied()));
        report.add(figure.beside(FLOOR, Spread::of(floor.iter().copied()), Spread::ratio(&values, &floor)));
    }
    memory(report)?;
    report.note_not_measured("TLS handshakes: the stand-ins speak HTTP. Root certificates are loaded all the same.");
    Ok(())
}

/// The memory that a process grows to: ever more users, in the largest batches, with the default cache.
fn memory(report: &mut Report) -> anyhow::Result<()> {
    let mut feed = Feed::new(MANY_USERS)?;
    let subject = detector_with(Vec::new());
    let server = Server::start()?;
    let log = function_log();
    let running = subject.start(&server, &log)?;
    let mut calls = 0;
    for (until, users) in GROWTH {
        while calls < until {
            call(&server, &feed.event(LARGEST_BATCH)?)?;
            calls += 1;
        }
        let what = format!("detector, resident after {calls} calls of {LARGEST_BATCH} records, {users}");
        report.add(Figure::new('d', what, "MB").ours(Spread::exact(resident_megabytes(running.0.id())?)));
    }
    Ok(())
}

fn init_ms(costs: &[Costs]) -> Vec<f64> {
    costs.iter().map(|costs| costs.init_ms).collect()
}

fn init(report: &mut Report, name: &'static str, ours: &[Costs], floor: &[Costs], peer: Option<&Vec<Costs>>) {
    let spread = |costs: &[Costs]| Spread::of(init_ms(costs));
    let to_floor = Spread::ratio(&init_ms(ours), &init_ms(floor));
    let figure = Figure::new('d', format!("{name}, INIT, against the floor"), "ms CPU").ours(spread(ours));
    report.add(
        figure.beside(FLOOR, spread(floor), to_floor).target(Target::ratio_at_most(FLOOR_RATIO_MAX, to_floor.median)),
    );
    if let Some(peer) = peer {
        let ratio = Spread::ratio(&init_ms(peer), &init_ms(ours));
        let figure = Figure::new('d', format!("{name}, INIT, against Python"), "ms CPU").ours(spread(ours));
        let figure = figure.beside("Python, boto3, minimal loop", spread(peer), ratio);
        report.add(figure.target(Target::ratio_at_least(PYTHON_RATIO_MIN, ratio.median)));
    }
    let megabytes = |costs: &[Costs]| costs.iter().map(|costs| costs.init_megabytes).collect::<Vec<_>>();
    let rss = Spread::of(megabytes(ours));
    let figure = Figure::new('d', format!("{name}, resident after INIT"), "MB").ours(rss);
    let figure = figure.target(Target::at_most(MEGABYTES_MAX, rss.median));
    report.add(match peer {
        Some(peer) => figure.beside(
            "Python, boto3, minimal loop",
            Spread::of(megabytes(peer)),
            Spread::ratio(&megabytes(peer), &megabytes(ours)),
        ),
        None => figure,
    });
}

fn calls(report: &mut Report, name: &'static str, ours: &[Costs], peer: Option<&Vec<Costs>>) {
    type Read = fn(&Costs) -> f64;
    let rows: [(&str, &'static str, Read); 4] = [
        ("first call", "ms CPU", |costs| costs.first_call_ms),
        ("warm call", "ms CPU", |costs| costs.warm_call_ms),
        ("resident after its calls", "MB", |costs| costs.megabytes),
        ("log and metrics a call", "B", |costs| costs.log_bytes),
    ];
    for (what, unit, read) in rows {
        let values = |costs: &[Costs]| costs.iter().map(read).collect::<Vec<_>>();
        let figure = Figure::new('d', format!("{name}, {what}"), unit).ours(Spread::of(values(ours)));
        let comparable = peer.filter(|_| unit != "B");
        report.add(match comparable {
            Some(peer) => figure.beside(
                "Python, boto3, minimal loop",
                Spread::of(values(peer)),
                Spread::ratio(&values(peer), &values(ours)),
            ),
            None => figure,
        });
    }
}

fn subjects(with_peer: bool) -> anyhow::Result<Vec<Subject>> {
    let kinesis = Feed::new(USERS)?.events(1 + WARM_UP_CALLS + CALLS, RECORDS)?;
    let sqs = (0..=WARM_UP_CALLS + CALLS).map(anomaly_event).collect();
    let roots = roots();
    let named = |name: &'static str, program, roots, events| {
        let arguments = Vec::new();
        Subject { name, program, arguments, roots, events }
    };
    let mut subjects = vec![
        named("floor", floor()?, None, Vec::new()),
        detector_with(kinesis.clone()),
        named("alerter", function("alerter"), roots, sqs),
        named("detector, system's roots", function("detector"), None, Vec::new()),
        named("detector, no roots", function("detector"), Some("/dev/null"), Vec::new()),
    ];
    if with_peer {
        let arguments = vec![venv::peers().join("function.py")];
        subjects.push(Subject { name: "python", program: venv::python()?, arguments, roots, events: kinesis });
    }
    Ok(subjects)
}

pub(crate) fn detector_with(events: Vec<String>) -> Subject {
    Subject { name: "detector", program: function("detector"), arguments: Vec::new(), roots: roots(), events }
}

/// Where a function's output goes.
pub(crate) fn function_log() -> PathBuf {
    venv::root().join("target/bench/function.log")
}

fn roots() -> Option<&'static str> {
    BUNDLES.into_iter().find(|bundle| Path::new(bundle).exists())
}

/// A function's binary, in the same folder as this one.
fn function(name: &str) -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name(name)
}

/// Compiles the floor.
fn floor() -> anyhow::Result<PathBuf> {
    let (source, program) = (venv::peers().join("floor.c"), venv::root().join("target/bench/floor"));
    let compiled = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(&source).status();
    anyhow::ensure!(compiled.context("no C compiler")?.success(), "the floor does not compile");
    Ok(program)
}

/// One anomaly message, as the detector sends it.
fn anomaly_event(index: usize) -> String {
    let body = serde_json::json!({"version": 1, "id": format!("{index:032x}"), "userId": "user001", "amount": 9120.0,
        "eventTimeMs": 1_760_000_100_000_i64, "transactionId": "txn_123456", "mean": 244.81, "stddev": 139.56,
        "threshold": 611.48, "score": 63.6, "count": 84, "severity": "critical", "rule": "adaptive",
        "shardId": "shardId-000000000000", "sequenceNumber": "1", "subSequence": 0});
    let message = Received {
        message_id: format!("00000000-0000-4000-8000-{index:012}"),
        receipt_handle: "r".to_owned(),
        body: body.to_string(),
        receive_count: 1,
        sent_at_ms: 1_760_000_100_000,
    };
    event_json("arn:aws:sqs:us-east-1:000000000000:anomalies", &[message])
}

impl Subject {
    pub(crate) fn start(&self, server: &Server, log: &Path) -> anyhow::Result<Running> {
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(aws::function_environment(Some(server.address)))
            .envs(self.roots.map(|bundle| ("SSL_CERT_FILE", bundle)))
            .env("PATH", "/usr/bin:/bin")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(log)?)
            .spawn()?;
        server.wait_for_next()?;
        Ok(Running(child))
    }
}

/// CPU time, in ms, of a detector that ends at once because no table is configured: the cost of the binary's size alone.
fn load_alone() -> anyhow::Result<f64> {
    let before = ended_children_cpu()?;
    let mut detector = Command::new(function("detector"));
    let status = detector.env_clear().stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    anyhow::ensure!(!status.success(), "a detector started without a configuration");
    Ok(ended_children_cpu()?.saturating_sub(before).as_secs_f64() * 1e3)
}

/// Starts once for INIT, and once for the calls: the cost of INIT is known only when the process has ended.
fn measure(subject: &Subject) -> anyhow::Result<Costs> {
    let log = function_log();
    let before = ended_children_cpu()?;
    let server = Server::start()?;
    let running = subject.start(&server, &log)?;
    waiting_cpu_ms(running.0.id())?;
    let init_megabytes = resident_megabytes(running.0.id())?;
    drop(running);
    let init_ms = ended_children_cpu()?.saturating_sub(before).as_secs_f64() * 1e3;
    let costs = Costs { init_ms, init_megabytes, ..Costs::default() };
    if subject.events.is_empty() { Ok(costs) } else { measure_calls(subject, &log, costs) }
}

fn measure_calls(subject: &Subject, log: &Path, mut costs: Costs) -> anyhow::Result<Costs> {
    let server = Server::start()?;
    let running = subject.start(&server, log)?;
    let pid = running.0.id();
    let (first, rest) = subject.events.split_first().context("no events")?;
    let before_ms = waiting_cpu_ms(pid)?;
    call(&server, first)?;
    costs.first_call_ms = waiting_cpu_ms(pid)? - before_ms;
    let (warm_up, measured) = rest.split_at_checked(WARM_UP_CALLS).context("too few events")?;
    warm_up.iter().try_for_each(|event| call(&server, event))?;
    let (before_ms, before_bytes) = (waiting_cpu_ms(pid)?, std::fs::metadata(log)?.len());
    measured.iter().try_for_each(|event| call(&server, event))?;
    costs.warm_call_ms = (waiting_cpu_ms(pid)? - before_ms) / number(measured.len());
    costs.log_bytes = number(std::fs::metadata(log)?.len() - before_bytes) / number(measured.len());
    costs.megabytes = resident_megabytes(pid)?;
    Ok(costs)
}

fn call(server: &Server, event: &str) -> anyhow::Result<()> {
    server.send(event.to_owned())?;
    let response = server.wait_for_response()?;
    anyhow::ensure!(response.replace(' ', "") == r#"{"batchItemFailures":[]}"#, "{response}");
    server.wait_for_next()
}

/// CPU time of a process, in ms, once it is idle: it may still do some work after it has sent its request.
fn waiting_cpu_ms(pid: u32) -> anyhow::Result<f64> {
    let mut last = cpu_of(pid)?;
    let mut idle_polls = 0;
    while idle_polls < 2 {
        std::thread::sleep(POLL);
        let now = cpu_of(pid)?;
        idle_polls = if now == last { idle_polls + 1 } else { 0 };
        last = now;
    }
    Ok(last.as_secs_f64() * 1e3)
}

/// Peak resident memory of a process so far, in MB.
pub(crate) fn resident_megabytes(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1_024.0 / 1e6)
}
