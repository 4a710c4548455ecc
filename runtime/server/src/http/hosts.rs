//! Checks the host name that a request is for, and the origin of the page that sent it.
//!
//! A browser asks whatever address a name resolves to. So the owner of a name can point it to this machine (DNS
//! rebinding), and the browser then takes our answers for that site's own. Therefore the server refuses an unknown name
//! wherever a browser may be asking: at the page, over the socket, which somebody may have forwarded to a port, and for
//! requests with credentials that a browser sends by itself. Nobody can rebind an address, so the server answers for
//! every address, including one that only a forwarded port has.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use lastword::events::text::quoted;

use super::caller::Origin;
use super::problem::Problem;

/// Tells the origin of a browser's request. No page can change it.
const FETCH_SITE: &str = "sec-fetch-site";

/// The host name that our own clients send over a socket.
const SOCKET_WORD: &str = "lastword";

/// The host names that the configuration adds to this machine's.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    named: Vec<String>,
}

impl Hosts {
    pub(crate) fn new(named: &[String]) -> Self {
        Self { named: named.iter().map(|name| plain(name)).collect() }
    }

    /// Returns the first name of the configuration.
    pub(crate) fn first(&self) -> Option<&str> {
        self.named.first().map(String::as_str)
    }

    /// Refuses a request for another host.
    pub(crate) fn check(&self, origin: &Origin, headers: &HeaderMap) -> Result<(), Problem> {
        let mut said = headers.get_all(header::HOST).iter();
        let (first, second) = (said.next(), said.next());
        // A browser always sends a host that is not empty; clients of a socket need not.
        let Some(host) = first.filter(|host| !host.is_empty()) else {
            return if origin.is_socket() && second.is_none() { Ok(()) } else { Err(wrong_host("nothing")) };
        };
        let text = host.to_str().unwrap_or_default();
        let name = text.parse::<Authority>().map(|authority| plain(authority.host())).unwrap_or_default();
        if second.is_none() && self.is_ours(&name, origin) { Ok(()) } else { Err(wrong_host(text)) }
    }

    fn is_ours(&self, name: &str, origin: &Origin) -> bool {
        // Clients of a socket have to send some host. Only one word is accepted: in a local network somebody may point
        // any name without a dot anywhere.
        let is_word = origin.is_socket() && name == SOCKET_WORD;
        let is_localhost = name == "localhost" || name.ends_with(".localhost");
        name.parse::<IpAddr>().is_ok() || is_localhost || is_word || self.is_named(name)
    }

    fn is_named(&self, name: &str) -> bool {
        self.named.iter().any(|named| named == name)
    }
}

/// Normalizes a name: removes its case, its trailing dot and the brackets of an address.
fn plain(name: &str) -> String {
    name.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
}

fn wrong_host(said: &str) -> Problem {
    let said = quoted(said);
    let detail = format!(
        "the daemon does not answer to {said}: ask for localhost or an address, or add the name to `hosts` in [daemon]"
    );
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong_host", detail).of_field("Host")
}

/// Refuses a request that a page of another site had a browser send.
pub(crate) fn check_source(headers: &HeaderMap) -> Result<(), Problem> {
    let is_own = match headers.get(FETCH_SITE) {
        Some(site) => ["same-origin", "none"].iter().any(|own| site == own),
        // Older browsers send only the page's origin; a client that is no browser sends neither header.
        None => headers.get(header::ORIGIN).is_none_or(|origin| {
            let of = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_ascii_lowercase();
            let (origin, host) = (of(origin), headers.get(header::HOST).map(of).unwrap_or_default());
            origin.split_once("://").is_some_and(|(_, authority)| authority == host)
        }),
    };
    if is_own {
        return Ok(());
    }
    let detail = "a page of another site has sent this: open the daemon's own page";
    Err(Problem::new(StatusCode::FORBIDDEN, "cross_site", detail))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::super::connections::Connections;
    use super::*;
    use crate::settings::ServerLimits;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        of.iter().map(header).collect()
    }

    #[test]
    fn only_names_of_this_machine_and_those_of_the_configuration_are_answered() {
        let connections = Connections::new(&ServerLimits::default());
        let (_place, stranger) = connections.enter_network().unwrap();
        let network = Origin::network(stranger, false);
        let (socket, hosts) = (Origin::socket(None), Hosts::new(&["Lastword.Example.".to_owned()]));
        let is_ours = |origin: &Origin, host: &str| hosts.check(origin, &headers(&[("host", host)])).is_ok();
        for host in [
            "localhost",
            "LOCALHOST:7417",
            "localhost.",
            "a.localhost:1",
            "127.0.0.1:7417",
            "127.8.0.1",
            "[::1]:7417",
            "10.0.0.5:7417",
            "[2001:db8::5]:7417",
            "lastword.example",
            "lastword.example.:443",
        ] {
            assert!(is_ours(&network, host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "evil.example:localhost",
            "lastword",
            "evil.",
            "127.0.0.1.evil.example",
            "xlocalhost",
        ] {
            assert!(!is_ours(&network, host), "{host}");
        }
        for host in ["", "lastword", "localhost", "127.0.0.1:1", "lastword.example"] {
            assert!(is_ours(&socket, host), "{host}");
        }
        for host in ["x", "evil.", "evil.example", "lastword.evil.example"] {
            assert!(!is_ours(&socket, host), "{host}");
        }
        assert!(hosts.check(&socket, &HeaderMap::new()).is_ok() && hosts.check(&network, &HeaderMap::new()).is_err());
        let mut twice = headers(&[("host", "localhost")]);
        twice.append(header::HOST, HeaderValue::from_static("localhost"));
        assert!(hosts.check(&socket, &twice).is_err());
        let mut twice = headers(&[("host", "")]);
        twice.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert!(hosts.check(&socket, &twice).is_err());
    }

    #[test]
    fn what_another_sites_page_sends_is_told_from_what_its_own_sends() {
        let is_own = |of: &[(&'static str, &str)]| check_source(&headers(of)).is_ok();
        assert!(is_own(&[("host", "localhost")]), "no browser");
        for (site, own) in [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)] {
            assert_eq!(is_own(&[("host", "localhost:1"), ("sec-fetch-site", site)]), own, "{site}");
        }
        for (origin, own) in [
            ("http://localhost:1", true),
            ("HTTPS://LOCALHOST:1", true),
            ("http://localhost:2", false),
            ("http://localhost", false),
            ("https://evil.example", false),
            ("null", false),
        ] {
            assert_eq!(is_own(&[("host", "localhost:1"), ("origin", origin)]), own, "{origin}");
        }
    }
}
