//! Where a channel may send to: public addresses, over HTTPS alone.
//!
//! The address comes from the secret, never from a record. It is a secret itself (who knows the address of a Slack webhook can write to
//! its channel), so nothing here prints it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

/// Whether receivers have to be public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// HTTPS on port 443, to a name that resolves to public addresses alone.
    #[default]
    On,
    /// HTTPS to anywhere, for a run on one machine.
    Off,
}

impl Guard {
    /// Its word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }

    /// Whether a request may go to this address.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        self == Self::Off || is_public(address)
    }
}

/// Why an address cannot be a receiver's. Never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is not a URL.
    #[error("the address is not a URL")]
    Malformed,
    /// It would be sent in the clear.
    #[error("the address does not begin with https://")]
    NotHttps,
    /// It has a user or a password, which would be sent to a host that they may disguise.
    #[error("the address has a user name in it")]
    UserInfo,
    /// Nobody else's service listens on another port.
    #[error("the address names another port than 443")]
    Port,
    /// A number instead of a name.
    #[error("the address has an IP address for a host")]
    Literal,
}

/// The address of a receiver.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(Uri);

impl Target {
    /// Reads an address.
    ///
    /// # Errors
    /// [`TargetError`] if the guard forbids it.
    pub fn parse(text: &str, guard: Guard) -> Result<Self, TargetError> {
        let uri: Uri = text.trim().parse().map_err(|_| TargetError::Malformed)?;
        if uri.scheme_str() != Some("https") {
            return Err(TargetError::NotHttps);
        }
        let authority = uri.authority().ok_or(TargetError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(TargetError::UserInfo);
        }
        match guard {
            Guard::On if authority.port().is_some_and(|port| port.as_str() != "443") => Err(TargetError::Port),
            Guard::On if is_literal(authority.host()) => Err(TargetError::Literal),
            Guard::On | Guard::Off => Ok(Self(uri)),
        }
    }

    /// The address, for the one who sends.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Target(a secret)")
    }
}

/// Resolvers read `127.1` and `0x7f000001` as addresses too, so a host whose last label is a number is one.
fn is_literal(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    host.starts_with('[') || last.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether an address is of the public internet: what the registries of special-purpose addresses (RFC 6890 and its successors) leave.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = a == 0
        || (a == 100 && (64..128).contains(&b)) // shared with the provider
        || (a == 192 && b == 0 && c == 0) // protocols
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 198 && (18..20).contains(&b)) // benchmarks
        || a >= 240;
    !(is_special
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast())
}

/// Global unicast is `2000::/3`; within it, what stands for IPv4 addresses or for nothing is left out.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global_unicast = first & 0xe000 == 0x2000;
    let is_special = match first {
        // Protocols (Teredo, ORCHID, benchmarks), and documentation.
        0x2001 => second < 0x0200 || second == 0x0db8,
        // 6to4.
        0x2002 => true,
        // Documentation.
        0x3fff => second < 0x1000,
        _ => false,
    };
    is_global_unicast && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_to_a_name_on_its_usual_port_is_a_target() {
        for (text, expected) in [
            ("https://hooks.example.com/services/T0/B0/x", None),
            ("https://hooks.example.com:443/x?y=1", None),
            ("http://hooks.example.com/x", Some(TargetError::NotHttps)),
            ("hooks.example.com/x", Some(TargetError::Malformed)),
            ("/x", Some(TargetError::NotHttps)),
            ("https://a:b@example.com/x", Some(TargetError::UserInfo)),
            ("https://hooks.example.com:8443/x", Some(TargetError::Port)),
            ("https://169.254.169.254/latest", Some(TargetError::Literal)),
            ("https://[::1]/x", Some(TargetError::Literal)),
            ("https://127.1/x", Some(TargetError::Literal)),
            ("https://2130706433/x", Some(TargetError::Literal)),
            ("https://0x7f000001/x", Some(TargetError::Literal)),
            ("https://127.0.0.1./x", Some(TargetError::Literal)),
        ] {
            assert_eq!(Target::parse(text, Guard::On).err(), expected, "{text}");
        }
        assert!(Target::parse("https://127.0.0.1:8443/x", Guard::Off).is_ok());
        assert!(Target::parse("http://127.0.0.1:8443/x", Guard::Off).is_err());
    }

    #[test]
    fn special_addresses_are_not_public() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "100::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!Guard::On.allows(address.parse().unwrap()), "{address}");
            assert!(Guard::Off.allows(address.parse().unwrap()), "{address}");
        }
        for address in
            ["8.8.8.8", "100.63.0.1", "100.128.0.1", "172.32.0.1", "198.20.0.1", "2606:4700::1", "2a00:1450::1"]
        {
            assert!(Guard::On.allows(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_target_is_never_printed() {
        let target = Target::parse("https://hooks.example.com/services/T0/B0/x", Guard::On).unwrap();
        assert!(!format!("{target:?}").contains("services"));
    }
}
