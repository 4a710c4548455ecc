//! Addresses that a name must not lead a guest to.
//!
//! The ranges are from the IANA special-purpose address registries for IPv4 and IPv6, plus multicast and reserved
//! ranges. Each line names the document that reserves the range. A range that embeds IPv4 addresses is refused as a
//! whole if no ordinary server uses it. Only NAT64 is decoded, because on an IPv6-only network every IPv4 server
//! appears there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Why an address is refused: its purpose, and the document that defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) purpose: &'static str,
    pub(crate) source: &'static str,
}

struct Range<N> {
    net: N,
    refusal: Refusal,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8, purpose: &'static str, source: &'static str) -> Range<Ipv4Net> {
    Range { net: Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix), refusal: Refusal { purpose, source } }
}

/// Makes a range. `groups` are the first four groups; every prefix here except the IPv4 forms' ends within them.
const fn v6(groups: [u16; 4], prefix: u8, purpose: &'static str, source: &'static str) -> Range<Ipv6Net> {
    v6_long(groups, [0; 4], prefix, purpose, source)
}

const fn v6_long(
    [a, b, c, d]: [u16; 4],
    [e, f, g, h]: [u16; 4],
    prefix: u8,
    purpose: &'static str,
    source: &'static str,
) -> Range<Ipv6Net> {
    let address = Ipv6Addr::new(a, b, c, d, e, f, g, h);
    Range { net: Ipv6Net::new_assert(address, prefix), refusal: Refusal { purpose, source } }
}

// The first match names the reason, so the narrower range comes first.
static IPV4: [Range<Ipv4Net>; 20] = [
    v4(0, 0, 0, 0, 32, "unspecified", "RFC 1122"),
    v4(0, 0, 0, 0, 8, "this network", "RFC 791"),
    v4(10, 0, 0, 0, 8, "private", "RFC 1918"),
    v4(100, 64, 0, 0, 10, "shared behind a carrier's NAT, and cloud metadata", "RFC 6598"),
    v4(127, 0, 0, 0, 8, "loopback", "RFC 1122"),
    v4(169, 254, 169, 254, 32, "cloud metadata", "RFC 3927"),
    v4(169, 254, 0, 0, 16, "link-local", "RFC 3927"),
    v4(172, 16, 0, 0, 12, "private", "RFC 1918"),
    v4(192, 0, 0, 0, 24, "protocol assignments", "RFC 6890"),
    v4(192, 0, 2, 0, 24, "documentation", "RFC 5737"),
    v4(192, 31, 196, 0, 24, "AS112 name servers", "RFC 7535"),
    v4(192, 52, 193, 0, 24, "automatic multicast tunnelling", "RFC 7450"),
    v4(192, 88, 99, 0, 24, "6to4 relays", "RFC 7526"),
    v4(192, 168, 0, 0, 16, "private", "RFC 1918"),
    v4(192, 175, 48, 0, 24, "AS112 name servers", "RFC 7534"),
    v4(198, 18, 0, 0, 15, "benchmarking", "RFC 2544"),
    v4(198, 51, 100, 0, 24, "documentation", "RFC 5737"),
    v4(203, 0, 113, 0, 24, "documentation", "RFC 5737"),
    v4(224, 0, 0, 0, 4, "multicast", "RFC 5771"),
    v4(240, 0, 0, 0, 4, "reserved, and broadcast", "RFC 1112"),
];

static IPV6: [Range<Ipv6Net>; 21] = [
    v6_long([0; 4], [0, 0, 0, 0], 128, "unspecified", "RFC 4291"),
    v6_long([0; 4], [0, 0, 0, 1], 128, "loopback", "RFC 4291"),
    v6_long([0; 4], [0, 0, 0, 0], 96, "IPv4-compatible", "RFC 4291"),
    v6_long([0; 4], [0, 0xffff, 0, 0], 96, "IPv4-mapped", "RFC 4291"),
    v6_long([0; 4], [0xffff, 0, 0, 0], 96, "IPv4-translated", "RFC 2765"),
    v6([0x64, 0xff9b, 1, 0], 48, "local NAT64", "RFC 8215"),
    v6([0x100, 0, 0, 0], 64, "discarded", "RFC 6666"),
    v6([0x100, 0, 0, 1], 64, "a dummy prefix", "RFC 9780"),
    v6([0x2001, 0, 0, 0], 32, "Teredo", "RFC 4380"),
    v6([0x2001, 2, 0, 0], 48, "benchmarking", "RFC 5180"),
    v6([0x2001, 0, 0, 0], 23, "protocol assignments", "RFC 2928"),
    v6([0x2001, 0xdb8, 0, 0], 32, "documentation", "RFC 3849"),
    v6([0x2002, 0, 0, 0], 16, "6to4", "RFC 3056"),
    v6([0x2620, 0x4f, 0x8000, 0], 48, "AS112 name servers", "RFC 7534"),
    v6([0x3fff, 0, 0, 0], 20, "documentation", "RFC 9637"),
    v6([0x5f00, 0, 0, 0], 16, "segment routing", "RFC 9602"),
    v6([0xfd00, 0xec2, 0, 0], 32, "unique local, and cloud metadata", "RFC 4193"),
    v6([0xfc00, 0, 0, 0], 7, "unique local", "RFC 4193"),
    v6([0xfe80, 0, 0, 0], 10, "link-local", "RFC 4291"),
    v6([0xfec0, 0, 0, 0], 10, "site-local", "RFC 3879"),
    v6([0xff00, 0, 0, 0], 8, "multicast", "RFC 4291"),
];

/// NAT64's well-known prefix: an IPv4 address in its last 32 bits (RFC 6052).
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// The only part of IPv6 that is assigned as global unicast (RFC 4291, IANA).
const GLOBAL_UNICAST: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const UNASSIGNED: Refusal = Refusal { purpose: "not global unicast", source: "RFC 4291" };

/// Returns why a guest must not reach `address`, or `None` for an ordinary address of the internet.
pub(crate) fn refusal(address: IpAddr) -> Option<Refusal> {
    match address {
        IpAddr::V4(address) => refusal_v4(address),
        IpAddr::V6(address) => refusal_v6(address),
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<Refusal> {
    IPV4.iter().find(|range| range.net.contains(&address)).map(|range| range.refusal)
}

fn refusal_v6(address: Ipv6Addr) -> Option<Refusal> {
    if NAT64.contains(&address) {
        let [.., a, b, c, d] = address.octets();
        return refusal_v4(Ipv4Addr::new(a, b, c, d));
    }
    let listed = IPV6.iter().find(|range| range.net.contains(&address)).map(|range| range.refusal);
    listed.or_else(|| (!GLOBAL_UNICAST.contains(&address)).then_some(UNASSIGNED))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purpose(address: &str) -> Option<&'static str> {
        refusal(address.parse().unwrap()).map(|refusal| refusal.purpose)
    }

    /// Tests the first and last address of each range, so that a wrong prefix length is noticed on either side.
    #[test]
    fn every_special_ipv4_range_is_refused_to_its_edges() {
        for edges in [
            ["0.0.0.0", "0.255.255.255"],
            ["10.0.0.0", "10.255.255.255"],
            ["100.64.0.0", "100.127.255.255"],
            ["127.0.0.0", "127.255.255.255"],
            ["169.254.0.0", "169.254.255.255"],
            ["172.16.0.0", "172.31.255.255"],
            ["192.0.0.0", "192.0.0.255"],
            ["192.0.2.0", "192.0.2.255"],
            ["192.88.99.0", "192.88.99.255"],
            ["192.168.0.0", "192.168.255.255"],
            ["198.18.0.0", "198.19.255.255"],
            ["198.51.100.0", "198.51.100.255"],
            ["203.0.113.0", "203.0.113.255"],
            ["224.0.0.0", "239.255.255.255"],
            ["240.0.0.0", "255.255.255.255"],
        ] {
            for edge in edges {
                assert!(purpose(edge).is_some(), "{edge} is not refused");
            }
        }
        assert_eq!(purpose("169.254.169.254"), Some("cloud metadata"));
        assert!(purpose("100.100.100.200").unwrap().contains("metadata"));
    }

    #[test]
    fn every_special_ipv6_range_is_refused_to_its_edges() {
        for edges in [
            ["::", "::ffff:ffff"],
            ["::1", "::127.0.0.1"],
            ["::ffff:0.0.0.0", "::ffff:255.255.255.255"],
            ["::ffff:8.8.8.8", "::ffff:0:8.8.8.8"],
            ["64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"],
            ["100::", "100::ffff:ffff:ffff:ffff"],
            ["2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["2001:2::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["4000::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
        ] {
            for edge in edges {
                assert!(purpose(edge).is_some(), "{edge} is not refused");
            }
        }
        assert!(purpose("fd00:ec2::254").unwrap().contains("metadata"));
    }

    #[test]
    fn ordinary_addresses_are_not_refused() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::",
            "2001:4860:4860::8888",
            "2001:db7:ffff::1",
            "2003::1",
            "2606:4700::1111",
        ] {
            assert_eq!(purpose(address), None, "{address} is refused");
        }
    }

    #[test]
    fn nat64_is_judged_by_the_address_inside() {
        assert_eq!(purpose("64:ff9b::8.8.8.8"), None);
        assert_eq!(purpose("64:ff9b::127.0.0.1"), Some("loopback"));
        assert_eq!(purpose("64:ff9b::169.254.169.254"), Some("cloud metadata"));
        assert_eq!(purpose("64:ff9b::10.0.0.1"), Some("private"));
    }
}
