//! Where `cargo lambda watch` takes invocations, and the lines that reach it there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::tools::Tools;

/// Where `cargo lambda invoke` looks if it is told nothing.
const USUAL_ADDRESS: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const USUAL_PORT: u16 = 9000;
/// Polls until it listens: 60 s.
const POLLS_MAX: u32 = 600;
const POLL: Duration = Duration::from_millis(100);
/// An event for each function.
const EXAMPLES: [(&str, &str); 2] =
    [("detector", "events/kinesis-anomaly.json"), ("alerter", "events/sqs-anomaly.json")];

/// An address on loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(SocketAddr);

impl Place {
    /// The usual place if it is free; else another port; and 127.0.0.1 on a machine without IPv6.
    pub(super) fn free() -> anyhow::Result<Self> {
        let candidates = [(USUAL_ADDRESS, USUAL_PORT), (USUAL_ADDRESS, 0), (Ipv4Addr::LOCALHOST.into(), 0)];
        let free = candidates.into_iter().find_map(|candidate| is_free(candidate.into()).ok());
        free.map(Self).context("no port on loopback is free")
    }

    pub(super) fn ip(self) -> String {
        self.0.ip().to_string()
    }

    pub(super) fn port(self) -> String {
        self.0.port().to_string()
    }

    pub(super) fn url(self) -> String {
        format!("http://{}", self.0)
    }

    /// Waits until something accepts connections here.
    pub(super) async fn until_listening(self) -> anyhow::Result<()> {
        for _ in 0..POLLS_MAX {
            if TcpStream::connect(self.0).await.is_ok() {
                return Ok(());
            }
            sleep(POLL).await;
        }
        anyhow::bail!("cargo lambda watch does not listen on {}", self.0)
    }

    /// What people are told at the start.
    pub(super) fn welcome(self, tools: &Tools) -> String {
        let invoke = EXAMPLES.iter().map(|example| self.invoke_line(example));
        let lines: Vec<String> =
            tools.path_line().into_iter().chain(invoke).map(|line| format!("  {line}\n")).collect();
        format!(
            "\nBoth functions wait for events. In another terminal:\n\n{}\n\
             Mails and quarantined records are printed here. Ctrl-C ends everything.\n",
            lines.concat()
        )
    }

    fn invoke_line(self, (function, event): &(&str, &str)) -> String {
        let (ip, port) = (self.0.ip(), self.0.port());
        let address = if ip == USUAL_ADDRESS { String::new() } else { format!(" --invoke-address {ip}") };
        let port = if port == USUAL_PORT { String::new() } else { format!(" --invoke-port {port}") };
        format!("cargo lambda invoke {function} --data-file {event}{address}{port}")
    }
}

/// The address with the port that was free a moment ago.
fn is_free(address: SocketAddr) -> io::Result<SocketAddr> {
    TcpListener::bind(address)?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(address: &str) -> String {
        Place(address.parse().unwrap()).invoke_line(&EXAMPLES[0])
    }

    #[test]
    fn the_usual_place_needs_no_flags() {
        assert_eq!(line("[::1]:9000"), "cargo lambda invoke detector --data-file events/kinesis-anomaly.json");
    }

    #[test]
    fn another_place_is_in_the_line() {
        assert!(line("[::1]:9001").ends_with(".json --invoke-port 9001"));
        assert!(line("127.0.0.1:9001").ends_with(".json --invoke-address 127.0.0.1 --invoke-port 9001"));
    }

    #[test]
    fn a_place_that_is_taken_is_not_free() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(is_free(taken.local_addr().unwrap()).is_err());
        assert!(Place::free().unwrap().0.ip().is_loopback());
    }
}
