//! Names are resolved to public addresses alone. A connection uses what the resolver returned, so a name that resolves differently the
//! next moment gains nothing.

use std::net::IpAddr;

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};

use crate::target::Guard;

/// The system's resolver, behind the guard.
#[derive(Debug, Clone, Copy)]
pub(super) struct GuardedResolver(pub(super) Guard);

#[derive(Debug, thiserror::Error)]
#[error("the name resolves to an address that is not public")]
struct NotPublic;

impl ResolveDns for GuardedResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(self.resolve(name))
    }
}

impl GuardedResolver {
    async fn resolve(self, name: &str) -> Result<Vec<IpAddr>, ResolveDnsError> {
        let found = tokio::net::lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
        let allowed: Vec<IpAddr> = found.map(|address| address.ip()).filter(|ip| self.0.allows(*ip)).collect();
        if allowed.is_empty() { Err(ResolveDnsError::new(NotPublic)) } else { Ok(allowed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused() {
        let error = GuardedResolver(Guard::On).resolve("localhost").await.unwrap_err();
        assert!(lambda_kit::telemetry::chain(&error).contains("not public"), "{error:?}");
        let found = GuardedResolver(Guard::Off).resolve("localhost").await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback));
    }

    #[tokio::test]
    async fn numbers_that_the_system_reads_as_an_address_are_refused() {
        for name in ["2130706433", "0x7f000001", "127.1"] {
            assert!(GuardedResolver(Guard::On).resolve(name).await.is_err(), "{name}");
        }
    }
}
