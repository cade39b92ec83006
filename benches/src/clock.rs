//! CPU time, in nanoseconds: of this process, and of another one while it lives. Wall time would also measure other processes.

use std::time::Duration;

use anyhow::Context;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeSpec, TimeVal, TimeValLike};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// CPU time of this process so far.
pub(crate) fn process_cpu() -> anyhow::Result<Duration> {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// CPU time of another process so far, including all its threads, even those that have ended.
pub(crate) fn cpu_of(pid: u32) -> anyhow::Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?)).context("the process has no CPU clock")?;
    read(clock)
}

/// CPU time of all children that have ended and were waited for.
pub(crate) fn ended_children_cpu() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let used = |time: TimeVal| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or_default());
    Ok(used(usage.user_time()) + used(usage.system_time()))
}

fn read(clock: ClockId) -> anyhow::Result<Duration> {
    let time: TimeSpec = clock_gettime(clock)?;
    Ok(Duration::from(time))
}

/// Runs `work` and returns the CPU seconds that it took in this process, with its result.
pub(crate) fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(f64, T)> {
    let started = process_cpu()?;
    let result = work()?;
    Ok((process_cpu()?.saturating_sub(started).as_secs_f64(), result))
}
