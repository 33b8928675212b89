//! Address families of stream sockets: whom they reach, which ports they share, and how addresses look to them.
//!
//! The cell's network is IPv4 with one loopback for both families. An IPv6 socket that is not restricted to IPv6 serves
//! both and shows IPv4 addresses in their mapped form (RFC 3493, 3.7; RFC 4291, 2.5.5.2).

use crate::abi::Errno;
use crate::abi::types::socket as c;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{HostAddr, Pid};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The family of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`; `only` is `IPV6_V6ONLY`.
    V6 { only: bool },
}

impl Family {
    /// The family of that number.
    pub(crate) const fn of(domain: u32) -> Result<Self, Errno> {
        const V4: u32 = c::AF_INET as u32;
        const V6: u32 = c::AF_INET6 as u32;
        match domain {
            V4 => Ok(Self::V4),
            V6 => Ok(Self::V6 { only: false }),
            _ => Err(Errno::AfNoSupport),
        }
    }

    /// Its number.
    pub(crate) const fn domain(self) -> u16 {
        match self {
            Self::V4 => c::AF_INET,
            Self::V6 { .. } => c::AF_INET6,
        }
    }

    /// Whether its sockets hold ports of IPv4, and of IPv6.
    pub(crate) const fn holds(self) -> [bool; 2] {
        match self {
            Self::V4 => [true, false],
            Self::V6 { only: false } => [true, true],
            Self::V6 { only: true } => [false, true],
        }
    }

    /// Whether a listener takes a connection from there. Only restricted sockets refuse: who publishes an IPv4 listener on an
    /// IPv6 address of the host means it to be reached.
    pub(crate) fn takes(self, peer: HostAddr) -> bool {
        self != Self::V6 { only: true } || is_v6(peer)
    }

    /// The address that stands for all of the cell's.
    pub(crate) const fn any(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 { .. } => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }

    /// An address as a socket of this family shows it. An IPv4 socket cannot name most of IPv6: it shows 0.0.0.0.
    pub(crate) fn shown(self, ip: IpAddr) -> IpAddr {
        match (self, ip) {
            (Self::V4, IpAddr::V6(Ipv6Addr::LOCALHOST)) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            (Self::V4, IpAddr::V6(six)) => IpAddr::V4(six.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED)),
            (Self::V6 { .. }, IpAddr::V4(four)) => IpAddr::V6(four.to_ipv6_mapped()),
            _ => ip,
        }
    }

    /// Checks an address that `bind` is given.
    pub(crate) fn check_local(self, ip: IpAddr, pid: Pid) -> Result<(), Errno> {
        let canonical = ip.to_canonical();
        if self == (Self::V6 { only: true }) && canonical != ip {
            return Err(Errno::Inval);
        }
        let own = IpAddr::from(pid.cell_address());
        let here = canonical.is_unspecified() || canonical.is_loopback() || canonical == own;
        if here { Ok(()) } else { Err(Errno::AddrNotAvail) }
    }

    /// Where a `connect` to an address goes, and which address is then the socket's own. As on Linux, the address that
    /// stands for all is another way to say "myself".
    pub(crate) fn route(self, to: IpAddr, pid: Pid) -> Result<(IpAddr, IpAddr), Errno> {
        let canonical = to.to_canonical();
        if self == (Self::V6 { only: true }) && canonical != to {
            return Err(Errno::NetUnreach);
        }
        let to = match canonical {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            other => other,
        };
        Ok((self.shown(to), self.shown(own_towards(to, pid))))
    }
}

/// The address of a process that somebody there sees.
pub(crate) fn own_towards(peer: IpAddr, pid: Pid) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(four) if four.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        _ => IpAddr::from(pid.cell_address()),
    }
}

/// The address alone.
pub(crate) fn ip_of(addr: HostAddr) -> IpAddr {
    match addr {
        HostAddr::V4(ip, _) => IpAddr::from(ip),
        HostAddr::V6(ip, _) => IpAddr::from(ip),
    }
}

/// An address with a port.
pub(crate) fn with_port(ip: IpAddr, port: u16) -> HostAddr {
    match ip {
        IpAddr::V4(ip) => HostAddr::V4(ip.octets(), port),
        IpAddr::V6(ip) => HostAddr::V6(ip.octets(), port),
    }
}

/// Whether an address is one of IPv6 and no mapped one.
pub(crate) fn is_v6(addr: HostAddr) -> bool {
    ip_of(addr).to_canonical().is_ipv6()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_shown_as_the_family_can() {
        let both = Family::V6 { only: false };
        for (family, given, want) in [
            (Family::V4, "10.77.0.1", "10.77.0.1"),
            (Family::V4, "::1", "127.0.0.1"),
            (Family::V4, "::ffff:192.0.2.1", "192.0.2.1"),
            (Family::V4, "2001:db8::1", "0.0.0.0"),
            (both, "192.0.2.1", "::ffff:192.0.2.1"),
            (both, "::1", "::1"),
        ] {
            assert_eq!(family.shown(ip(given)), ip(want), "{given}");
        }
    }

    #[test]
    fn what_can_be_bound_and_reached() {
        let (both, only) = (Family::V6 { only: false }, Family::V6 { only: true });
        for (family, given, want) in [
            (Family::V4, "0.0.0.0", Ok(())),
            (Family::V4, "127.9.9.9", Ok(())),
            (Family::V4, "10.77.0.1", Ok(())),
            (Family::V4, "10.77.0.2", Err(Errno::AddrNotAvail)),
            (both, "::", Ok(())),
            (both, "::1", Ok(())),
            (both, "::ffff:127.0.0.1", Ok(())),
            (both, "2001:db8::1", Err(Errno::AddrNotAvail)),
            (only, "::ffff:127.0.0.1", Err(Errno::Inval)),
        ] {
            assert_eq!(family.check_local(ip(given), Pid(1)), want, "{given}");
        }
        for (family, to, want) in [
            (Family::V4, "0.0.0.0", Ok(("127.0.0.1", "127.0.0.1"))),
            (Family::V4, "10.77.0.2", Ok(("10.77.0.2", "10.77.0.1"))),
            (both, "::", Ok(("::1", "::1"))),
            (both, "::ffff:10.77.0.2", Ok(("::ffff:10.77.0.2", "::ffff:10.77.0.1"))),
            (only, "::ffff:10.77.0.2", Err(Errno::NetUnreach)),
        ] {
            assert_eq!(family.route(ip(to), Pid(1)), want.map(|(to, own)| (ip(to), ip(own))), "{to}");
        }
    }
}
