//! Where a request comes from: the connection's other end, or whom a trusted proxy speaks for.
//! Never believes what a client says of itself.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, header};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An address, or a network of them, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    /// How many leading bits count.
    bits: u32,
}

impl Network {
    /// Whether the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differ = base.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= self.bits
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differ = base.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (base, bits) = text.split_once('/').map_or((text, None), |(b, n)| (b, Some(n)));
        let base: IpAddr = base.parse().map_err(|_| format!("{base:?} is no address"))?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse);
        let bits = bits.ok().filter(|bits| (1..=most).contains(bits));
        let bits = bits.ok_or_else(|| format!("{text:?} needs 1 to {most} bits behind the /"))?;
        Ok(Self { base, bits })
    }
}

/// Who sent the request. Each proxy adds at the right whom it heard: what a trusted one added counts,
/// and so on to the left as long as that is a trusted one, too.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let heard = |hops: Vec<Option<IpAddr>>| {
        let mut at = peer;
        for hop in hops.into_iter().rev() {
            // Nobody we trust has said where that came from.
            let Some(address) = hop else { break };
            at = address;
            if !is_trusted(address) {
                break;
            }
        }
        at
    };
    let old = hops(headers, &X_FORWARDED_FOR, address);
    let new = hops(headers, &header::FORWARDED, for_of);
    match (old.is_empty(), new.is_empty()) {
        (_, true) => heard(old),
        (true, false) => heard(new),
        // A proxy writes one of them, and passes the other on as the client made it up.
        (false, false) => {
            let (old, new) = (heard(old), heard(new));
            if old == new { old } else { peer }
        }
    }
}

/// What each hop says, the last one last.
fn hops(
    headers: &HeaderMap,
    name: &HeaderName,
    read: impl Fn(&str) -> Option<IpAddr>,
) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(name).into_iter();
    let lines = lines.map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| line.split(',')).map(|hop| read(hop.trim())).collect()
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|with| with.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// The `for` of an element of `Forwarded`.
fn for_of(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, of) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(of.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PROXY: &str = "10.0.0.7";

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn seen(peer: &str, lines: &[(&'static str, &'static str)]) -> IpAddr {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(*name, HeaderValue::from_static(line));
        }
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().expect("a network"));
        client(ip(peer), &headers, &trusted)
    }

    #[test]
    fn only_what_a_trusted_proxy_added_counts_from_right_to_left() {
        let xff = "x-forwarded-for";
        for (peer, lines, wanted) in [
            ("192.0.2.1", vec![(xff, "198.51.100.9")], "192.0.2.1"),
            (PROXY, vec![], PROXY),
            (PROXY, vec![(xff, "198.51.100.9")], "198.51.100.9"),
            (PROXY, vec![(xff, "1.2.3.4, 198.51.100.9")], "198.51.100.9"),
            (PROXY, vec![(xff, "1.2.3.4, 198.51.100.9, 10.3.3.3")], "198.51.100.9"),
            (PROXY, vec![(xff, "1.2.3.4"), (xff, "198.51.100.9")], "198.51.100.9"),
            (PROXY, vec![(xff, "198.51.100.9:4711")], "198.51.100.9"),
            (PROXY, vec![(xff, "1.2.3.4, unknown")], PROXY),
            (PROXY, vec![(xff, "1.2.3.4, unknown, 10.3.3.3")], "10.3.3.3"),
            (PROXY, vec![(xff, "10.1.1.1, 10.2.2.2")], "10.1.1.1"),
            ("fd00::1", vec![(xff, "2001:db8::5")], "2001:db8::5"),
            ("::ffff:10.0.0.7", vec![(xff, "198.51.100.9")], "198.51.100.9"),
            (PROXY, vec![("forwarded", "for=198.51.100.9;proto=https")], "198.51.100.9"),
            (PROXY, vec![("forwarded", "for=1.2.3.4, For=\"[2001:db8::5]:99\"")], "2001:db8::5"),
            (PROXY, vec![("forwarded", "for=1.2.3.4, proto=https")], PROXY),
            (PROXY, vec![("forwarded", "for=1.2.3.4"), (xff, "198.51.100.9")], PROXY),
            (PROXY, vec![("forwarded", "for=unknown"), (xff, "1.2.3.4")], PROXY),
            (PROXY, vec![("forwarded", "for=1.2.3.4"), (xff, "1.2.3.4")], "1.2.3.4"),
        ] {
            assert_eq!(seen(peer, &lines), ip(wanted), "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_network_is_an_address_or_so_many_bits_of_one() {
        let contains = |network: &str, address: &str| {
            network.parse::<Network>().expect("a network").contains(ip(address))
        };
        assert!(contains("10.1.2.3", "10.1.2.3") && !contains("10.1.2.3", "10.1.2.4"));
        assert!(contains("10.1.0.0/16", "10.1.255.4") && !contains("10.1.0.0/16", "10.2.0.4"));
        assert!(contains("2001:db8::/32", "2001:db8:1::") && !contains("2001:db8::/32", "::1"));
        for wrong in ["", "here", "10.0.0.0/0", "10.0.0.0/33", "::/129", "10.0.0.0/x", "10.0.0/8"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong:?} is no network");
        }
    }
}
