//! The destination of a request: exactly scheme + host + port.
//!
//! The same code reads the operator's strings and the guests' URIs, so that both have the same idea of a host. A string
//! on which resolvers and URL parsers disagree is refused.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use thiserror::Error;

/// The longest name that DNS can carry, without a trailing dot, in bytes (RFC 1035, section 2.3.4).
const MAX_NAME_BYTES: usize = 253;
/// The longest label of a name, in bytes (RFC 1035, section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;
/// Characters of a string that an error repeats: any valid host, and its port.
const MAX_SHOWN_CHARS: usize = 260;

/// `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Unencrypted.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// Returns the port of a URI of this scheme that names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// A name for the resolver, in lower case and without a trailing dot, or a literal address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// Never a text that a resolver could take for an address.
    Name(String),
    /// Written as an address; there is nothing to resolve.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// A destination of requests: `https://api.example.com`, `http://127.0.0.1:37777`, `https://[::1]:8443`.
///
/// `Display` gives the canonical form: lower case, no trailing dot, and a port only if it is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    scheme: Scheme,
    host: Host,
    port: u16,
}

impl Destination {
    pub(crate) fn literal(scheme: Scheme, address: SocketAddr) -> Self {
        Self { scheme, host: Host::Address(address.ip()), port: address.port() }
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port, never 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the host, and the port if it is not the scheme's own: the value of a host header.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Reads the scheme and the authority of a URI.
    pub(crate) fn from_parts(scheme: &str, authority: &str) -> Result<Self, ParseDestinationError> {
        read_parts(scheme, authority).map_err(|reason| ParseDestinationError::new(scheme, authority, reason))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority())
    }
}

impl FromStr for Destination {
    type Err = ParseDestinationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(ParseDestinationError { given: redacted(text), reason: reasons::NO_SCHEME });
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let reason = match tail {
            "" | "/" => return Self::from_parts(scheme, authority),
            tail if tail.starts_with('?') || tail.starts_with("/?") => reasons::QUERY,
            tail if tail.starts_with('#') || tail.starts_with("/#") => reasons::FRAGMENT,
            _ => reasons::PATH,
        };
        Err(ParseDestinationError::new(scheme, authority, reason))
    }
}

/// A string that is not a destination. The message contains the remedy, and never a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{given}\" is not a destination: {reason}")]
pub struct ParseDestinationError {
    given: String,
    reason: &'static str,
}

impl ParseDestinationError {
    fn new(scheme: &str, authority: &str, reason: &'static str) -> Self {
        Self { given: format!("{scheme}://{}", redacted(authority)), reason }
    }

    /// A URI without a scheme or a host.
    pub(crate) fn unreadable(uri: &http::Uri) -> Self {
        Self { given: redacted(&uri.to_string()), reason: reasons::NO_SCHEME }
    }
}

/// Shortens a string for an error: removes the part before an `@`, which may be a password, and cuts the text, which a
/// guest may have made 64 KiB long.
fn redacted(text: &str) -> String {
    let (mark, shown) = text.rsplit_once('@').map_or(("", text), |(_, after)| ("…@", after));
    let start: String = shown.chars().take(MAX_SHOWN_CHARS).collect();
    let rest = if start.len() < shown.len() { "…" } else { "" };
    format!("{mark}{start}{rest}")
}

mod reasons {
    pub(super) const NO_SCHEME: &str = "write scheme and host, as in https://api.example.com";
    pub(super) const SCHEME: &str = "the scheme must be http or https";
    pub(super) const NO_HOST: &str = "the host is missing; write it, as in https://api.example.com";
    pub(super) const PATH: &str = "a path cannot be granted; write only scheme, host and port";
    pub(super) const QUERY: &str = "a query cannot be granted; write only scheme, host and port";
    pub(super) const FRAGMENT: &str = "a fragment means nothing here; write only scheme, host and port";
    pub(super) const USER: &str = "remove the user name before \"@\"; a plugin's secrets belong into its config";
    pub(super) const WILDCARD: &str = "wildcards are not supported; write one destination for each host";
    pub(super) const UNICODE: &str = "write the host in ASCII (punycode), as in xn--bcher-kva.example";
    pub(super) const ZONE: &str = "zone ids (\"%…\") are not supported; use an address that needs none";
    pub(super) const BRACKETS: &str = "write an IPv6 address in brackets, as in http://[::1]:8080";
    pub(super) const IPV6: &str = "what stands in brackets must be an IPv6 address";
    pub(super) const IPV4: &str = "write an IPv4 address as four decimal numbers without leading zeros: 127.0.0.1";
    pub(super) const NAME: &str = "a host name has labels of at most 63 letters, digits, \"-\" and \"_\", at most 253 in \
                                   all, and no label is empty or begins or ends with \"-\"";
    pub(super) const PORT: &str = "the port must be a number from 1 to 65535, or left out together with its \":\"";
}

fn read_parts(scheme: &str, authority: &str) -> Result<Destination, &'static str> {
    let scheme = if scheme.eq_ignore_ascii_case("http") {
        Scheme::Http
    } else if scheme.eq_ignore_ascii_case("https") {
        Scheme::Https
    } else {
        return Err(reasons::SCHEME);
    };
    if authority.contains('@') {
        return Err(reasons::USER);
    }
    if !authority.is_ascii() {
        return Err(reasons::UNICODE);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => read_bracketed(rest)?,
        None => read_unbracketed(authority)?,
    };
    let port = match port {
        None => scheme.default_port(),
        Some(digits) => read_port(digits)?,
    };
    Ok(Destination { scheme, host, port })
}

fn read_bracketed(rest: &str) -> Result<(Host, Option<&str>), &'static str> {
    let (inside, after) = rest.split_once(']').ok_or(reasons::IPV6)?;
    if inside.contains('%') {
        return Err(reasons::ZONE);
    }
    let address: Ipv6Addr = inside.parse().map_err(|_| reasons::IPV6)?;
    let port = match after {
        "" => None,
        after => Some(after.strip_prefix(':').ok_or(reasons::PORT)?),
    };
    Ok((Host::Address(address.into()), port))
}

fn read_unbracketed(authority: &str) -> Result<(Host, Option<&str>), &'static str> {
    let (host, port) = match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => return Err(reasons::BRACKETS),
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    Ok((read_host(host)?, port))
}

fn read_host(host: &str) -> Result<Host, &'static str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() {
        return Err(reasons::NO_HOST);
    }
    if host.contains('*') {
        return Err(reasons::WILDCARD);
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    let last = host.rsplit('.').next().unwrap_or(host);
    if looks_numeric(last) {
        return Err(reasons::IPV4);
    }
    if host.len() > MAX_NAME_BYTES || !host.split('.').all(is_label) {
        return Err(reasons::NAME);
    }
    Ok(Host::Name(host.to_ascii_lowercase()))
}

/// Whether `inet_aton`, and so a resolver, would take a name with this last label for an IPv4 address: `0x7f.1`,
/// `0177.0.0.1`, `127.1`, `2130706433`. No top-level domain ends in a number (the rule is the WHATWG URL standard's).
fn looks_numeric(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()),
    }
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn read_port(digits: &str) -> Result<u16, &'static str> {
    // `parse` alone would accept "+80".
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(reasons::PORT);
    }
    digits.parse().ok().filter(|&port| port != 0).ok_or(reasons::PORT)
}
