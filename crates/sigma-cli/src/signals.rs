//! Ctrl-C, the polite end by another process, and a terminal that is closed.

use tokio::signal::unix::{SignalKind, signal};

/// Ends at SIGINT or SIGTERM. It listens from now on, even before it is awaited.
pub(crate) fn interrupted() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends when the terminal is closed, for what would leave other processes behind.
pub(crate) fn hung_up() -> anyhow::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        hangup.recv().await;
    })
}
