//! Which addresses the requests of bots may go to: those of the public internet, and what the operator lists in `hob.toml`, `[outbound] allow`.
//!
//! A bot's author writes its `[[http]]` rules; what stands inside the operator's network is not the author's to open. So whatever the registries set
//! aside (loopback, private, link-local with the clouds' metadata, shared, documentation, multicast, reserved) is refused, whichever name leads there. Of IPv6
//! only global unicast is let through, and of what carries an IPv4 address inside only what leads to a public one; Teredo and 6to4, which are out of use, lead
//! nowhere. Source: IANA's registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890 and its updates), as of October 2025.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use hob_fhir::Guard;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;
use url::Host;

/// What an operator lists in `[outbound] allow`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Allowed {
    /// An address or a block of them, such as `10.2.0.0/16`.
    Net(IpNet),
    /// The name of a host, in the normal form of URLs: its addresses may be any.
    Host(String),
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self::Net(net.trunc()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Net(address.into()));
        }
        match Host::parse(text) {
            // A name with a star is one to the parser, and would match nothing.
            Ok(Host::Domain(name)) if name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) => {
                Ok(Self::Host(name.trim_end_matches('.').to_owned()))
            }
            _ => Err(format!("`{text}` is no address, block such as 10.2.0.0/16, or name of a host")),
        }
    }
}

impl TryFrom<String> for Allowed {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) => net.fmt(f),
            Self::Host(name) => f.write_str(name),
        }
    }
}

/// The guard of bots' requests.
#[derive(Debug, Clone)]
pub(crate) struct Reach(Vec<Allowed>);

impl Reach {
    pub(crate) fn new(allowed: Vec<Allowed>) -> Self {
        Self(allowed)
    }
}

impl Guard for Reach {
    fn allows(&self, host: &str, address: IpAddr) -> bool {
        // What an IPv6 socket connects to for `::ffff:a.b.c.d` is the IPv4 address.
        let address = address.to_canonical();
        let host = host.trim_end_matches('.');
        let listed = |allowed: &Allowed| match allowed {
            Allowed::Net(net) => net.contains(&address),
            Allowed::Host(name) => name == host,
        };
        is_public(address) || self.0.iter().any(listed)
    }
}

/// Whether an address is one of the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !V4_SET_ASIDE.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => match carried(address) {
            Some(inner) => is_public(inner.into()),
            None => V6_GLOBAL.contains(&address) && !V6_SET_ASIDE.iter().any(|net| net.contains(&address)),
        },
    }
}

/// The IPv4 address that a packet to this IPv6 address ends at, where one does: mapped (RFC 4291) or by a translator of the network's (RFC 6052).
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    address.to_ipv4_mapped().or_else(|| V6_TRANSLATED.contains(&address).then(|| Ipv4Addr::new(a, b, c, d)))
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(begin: [u16; 4], length: u8) -> Ipv6Net {
    let [a, b, c, d] = begin;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), length)
}

const V4_SET_ASIDE: [Ipv4Net; 17] = [
    v4(0, 0, 0, 0, 8),        // this network, unspecified
    v4(10, 0, 0, 0, 8),       // private
    v4(100, 64, 0, 0, 10),    // shared by a provider's customers (RFC 6598); Alibaba's metadata
    v4(127, 0, 0, 0, 8),      // loopback
    v4(168, 63, 129, 16, 32), // a public address that Azure answers inside of every machine
    v4(169, 254, 0, 0, 16),   // link-local; most clouds' metadata
    v4(172, 16, 0, 0, 12),    // private
    v4(192, 0, 0, 0, 24),     // protocol assignments; Oracle's metadata
    v4(192, 0, 2, 0, 24),     // documentation
    v4(192, 31, 196, 0, 24),  // AS112
    v4(192, 52, 193, 0, 24),  // AMT
    v4(192, 88, 99, 0, 24),   // 6to4 relays
    v4(192, 168, 0, 0, 16),   // private
    v4(198, 18, 0, 0, 15),    // benchmarks
    v4(198, 51, 100, 0, 24),  // documentation
    v4(203, 0, 113, 0, 24),   // documentation
    v4(224, 0, 0, 0, 3),      // multicast, reserved, broadcast
];

/// Global unicast. Loopback, unspecified, IPv4-compatible, unique local, link-local, site-local and multicast lie outside.
const V6_GLOBAL: Ipv6Net = v6([0x2000, 0, 0, 0], 3);

/// The well-known prefix of translators. Their local prefix, `64:ff9b:1::/48`, lies outside of global unicast.
const V6_TRANSLATED: Ipv6Net = v6([0x64, 0xff9b, 0, 0], 96);

const V6_SET_ASIDE: [Ipv6Net; 4] = [
    v6([0x2001, 0, 0, 0], 23),     // protocol assignments; Teredo, benchmarks, ORCHID
    v6([0x2001, 0xdb8, 0, 0], 32), // documentation
    v6([0x2002, 0, 0, 0], 16),     // 6to4
    v6([0x3fff, 0, 0, 0], 20),     // documentation
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reach(allowed: &[&str]) -> Reach {
        Reach::new(allowed.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_the_public_internet_is_made_of_may_be_asked() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
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
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(reach(&[]).allows("x.example", address(public)), "{public}");
        }
    }

    #[test]
    fn only_what_the_operator_lists_is_let_through_beside_it() {
        let reach = reach(&["10.2.0.0/16", "127.0.0.1", "fd00:2::/32", "SMS.internal."]);
        for (host, at, lets) in [
            ("a.example", "10.2.3.4", true),
            ("a.example", "::ffff:10.2.3.4", true),
            ("a.example", "10.3.0.1", false),
            ("a.example", "127.0.0.1", true),
            ("a.example", "127.0.0.2", false),
            ("a.example", "fd00:2::1", true),
            ("a.example", "fd00:3::1", false),
            // What only carries a listed address is another address.
            ("a.example", "64:ff9b::10.2.3.4", false),
            ("sms.internal", "192.168.1.1", true),
            ("sms.internal.", "169.254.169.254", true),
            ("evil.sms.internal", "192.168.1.1", false),
            ("sms.internal.evil.example", "192.168.1.1", false),
        ] {
            assert_eq!(reach.allows(host, address(at)), lets, "{host} at {at}");
        }
    }

    #[test]
    fn what_an_operator_writes_is_an_address_a_block_or_a_name() {
        let shown = |text: &str| text.parse::<Allowed>().map(|allowed| allowed.to_string());
        assert_eq!(shown("10.2.3.4/16").unwrap(), "10.2.0.0/16");
        assert_eq!(shown("::1").unwrap(), "::1/128");
        assert_eq!(shown("Sms.Internal").unwrap(), "sms.internal");
        for wrong in ["", "10.0.0.0/33", "10.1", "0x7f.1", "http://sms.internal", "sms.internal:80", "a b", "*.internal", "[::1]"]
        {
            assert!(shown(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }

    /// Any address in the net.
    fn within(net: IpNet) -> impl Strategy<Value = IpAddr> {
        any::<u128>().prop_map(move |random| match net {
            IpNet::V4(net) => {
                let low = u32::try_from(random & u128::from(u32::MAX)).unwrap();
                Ipv4Addr::from(u32::from(net.network()) | (low & u32::from(net.hostmask()))).into()
            }
            IpNet::V6(net) => Ipv6Addr::from(u128::from(net.network()) | (random & u128::from(net.hostmask()))).into(),
        })
    }

    /// The ranges by their names, written out apart from the table above.
    const FORBIDDEN: [&str; 32] = [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "255.255.255.255/32",
        "168.63.129.16/32",
        "::/128",
        "::1/128",
        "::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/32",
        "2001:2::/48",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    ];

    fn forbidden() -> impl Strategy<Value = IpAddr> {
        proptest::sample::select(&FORBIDDEN[..]).prop_flat_map(|net| within(net.parse().unwrap()))
    }

    /// The forms in which an IPv6 address carries an IPv4 one.
    fn carriers(address: Ipv4Addr) -> [Ipv6Addr; 6] {
        let [a, b, c, d] = address.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        [
            Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            // Teredo: the client's address, inverted.
            Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, 0xf227, !high, !low),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]
        #[test]
        fn whatever_is_set_aside_is_refused_in_every_form(address in forbidden()) {
            prop_assert!(!reach(&[]).allows("x.example", address), "{address}");
            if let IpAddr::V4(address) = address {
                for carrier in carriers(address) {
                    prop_assert!(!reach(&[]).allows("x.example", carrier.into()), "{carrier}");
                }
            }
        }

        #[test]
        fn a_list_of_other_names_and_nets_opens_nothing(address in forbidden()) {
            let reach = reach(&["sms.internal", "203.0.114.0/24"]);
            prop_assert!(!reach.allows("x.example", address), "{address}");
        }
    }
}
