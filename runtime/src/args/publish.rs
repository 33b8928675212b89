//! `--publish`: which port of which process is reachable where.

use replicode_log::Service;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// One published port, as given on the command line or in `node.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Address to listen on, if one was given.
    pub addr: Option<IpAddr>,
    /// Port on the host; 0 for any free one.
    pub host: u16,
    /// The process, if it is not the main program.
    pub process: Option<String>,
    /// Port that the process listens on.
    pub guest: u16,
}

impl Publish {
    /// Where node `number` (from 1) of a cluster on one machine listens: each next node takes the next port.
    ///
    /// # Errors
    /// When the port number would exceed 65535.
    pub fn listen_of_node(&self, number: u8, default: IpAddr) -> Result<SocketAddr, String> {
        let port = match self.host {
            0 => 0,
            host => host.checked_add(u16::from(number) - 1).ok_or_else(|| {
                format!("cannot publish port {host} for node {number}: {host}+{} exceeds 65535", number - 1)
            })?,
        };
        Ok(SocketAddr::new(self.addr.unwrap_or(default), port))
    }

    /// The process and port inside the cell.
    #[must_use]
    pub fn service(&self, main: &str) -> Service {
        Service { process: self.process.clone().unwrap_or_else(|| main.to_string()), port: self.guest }
    }

    /// The same with everything said: how `node.toml` records it.
    #[must_use]
    pub fn resolved(listen: SocketAddr, service: Service) -> Self {
        Self { addr: Some(listen.ip()), host: listen.port(), process: Some(service.process), guest: service.port }
    }

    /// The address to listen on.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.addr.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), self.host)
    }
}

/// The first address that two ports would be published on, if any. Port 0 is any free one, and so never taken.
#[must_use]
pub fn published_twice(listens: &[SocketAddr]) -> Option<SocketAddr> {
    let meets = |a: &SocketAddr, b: &SocketAddr| {
        let ips =
            a.ip() == b.ip() || a.is_ipv4() == b.is_ipv4() && (a.ip().is_unspecified() || b.ip().is_unspecified());
        a.port() == b.port() && a.port() != 0 && ips
    };
    let twice = |(n, listen): &(usize, &SocketAddr)| listens[..*n].iter().any(|before| meets(before, listen));
    listens.iter().enumerate().find(twice).map(|(_, listen)| *listen)
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addr {
            Some(IpAddr::V6(addr)) => write!(f, "[{addr}]:")?,
            Some(IpAddr::V4(addr)) => write!(f, "{addr}:")?,
            None => {}
        }
        write!(f, "{}:", self.host)?;
        if let Some(process) = &self.process {
            write!(f, "{process}:")?;
        }
        write!(f, "{}", self.guest)
    }
}

impl FromStr for Publish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (addr, rest) = split_addr(text)?;
        let parts: Vec<&str> = rest.split(':').collect();
        let guest_of = |part: &str| match port(part)? {
            0 => Err("0 is no port of a program".to_string()),
            guest => Ok(guest),
        };
        let (host, process, guest) = match parts[..] {
            [both] if addr.is_none() => (port(both)?, None, guest_of(both)?),
            [host, guest] => (port(host)?, None, guest_of(guest)?),
            [host, process, guest] if !process.is_empty() => (port(host)?, Some(process.to_string()), guest_of(guest)?),
            _ => return Err("expected PORT, HOST:GUEST, HOST:NAME:GUEST or one of the latter after ADDR:".to_string()),
        };
        Ok(Self { addr, host, process, guest })
    }
}

/// Takes a leading `ADDR:` off. A part that is all digits is a port, so it is never taken for an address.
fn split_addr(text: &str) -> Result<(Option<IpAddr>, &str), String> {
    let (addr, rest) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (addr, rest) = bracketed.split_once(']').ok_or("an IPv6 address must end with ']'")?;
            (addr, rest.strip_prefix(':').ok_or("expected ':' after the IPv6 address")?)
        }
        None => match text.split_once(':') {
            Some((first, rest)) if !first.bytes().all(|b| b.is_ascii_digit()) => (first, rest),
            _ => return Ok((None, text)),
        },
    };
    let addr = addr.parse().map_err(|_| format!("'{addr}' is neither a port nor an IP address"))?;
    Ok((Some(addr), rest))
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("'{text}' is not a port number (0 to 65535)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_published_once() {
        let twice = |listens: &[&str]| {
            let listens: Vec<SocketAddr> = listens.iter().filter_map(|text| text.parse().ok()).collect();
            published_twice(&listens).map(|listen| listen.to_string())
        };
        assert_eq!(twice(&["127.0.0.1:80", "127.0.0.1:81", "127.0.0.2:80", "[::1]:80"]), None);
        assert_eq!(twice(&["127.0.0.1:0", "127.0.0.1:0"]), None, "any free port, each");
        assert_eq!(twice(&["127.0.0.1:80", "127.0.0.1:81", "127.0.0.1:80"]).as_deref(), Some("127.0.0.1:80"));
        assert_eq!(twice(&["127.0.0.1:80", "0.0.0.0:80"]).as_deref(), Some("0.0.0.0:80"));
        assert_eq!(twice(&["0.0.0.0:80", "[::]:80"]), None);
    }

    fn parse(text: &str) -> Result<Publish, String> {
        text.parse()
    }

    #[test]
    fn every_form_round_trips() {
        for (text, shown) in [
            ("6379", "6379:6379"),
            ("8080:80", "8080:80"),
            ("0:80", "0:80"),
            ("8080:web:80", "8080:web:80"),
            ("0.0.0.0:8080:80", "0.0.0.0:8080:80"),
            ("127.0.0.1:8080:web:80", "127.0.0.1:8080:web:80"),
            ("[::1]:8080:80", "[::1]:8080:80"),
            ("[::]:8080:web:80", "[::]:8080:web:80"),
        ] {
            assert_eq!(parse(text).map(|p| p.to_string()), Ok(shown.to_string()), "{text}");
            assert_eq!(parse(text), parse(shown), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", ":", "x", "80:", ":80", "80:0", "0", "65536", "1:2:3:4", "web:80", "[::1]80:80", "[::1:80:80"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_node_has_the_next_port() {
        let publish = parse("6379").expect("valid");
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(publish.listen_of_node(3, local).map(|a| a.to_string()), Ok("127.0.0.1:6381".to_string()));
        let any = parse("0:80").expect("valid");
        assert_eq!(any.listen_of_node(3, local).map(|a| a.port()), Ok(0));
        assert!(parse("65535").expect("valid").listen_of_node(2, local).is_err());
    }
}
