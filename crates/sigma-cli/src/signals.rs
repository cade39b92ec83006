//! Ctrl-C, and the polite end by another process.

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
