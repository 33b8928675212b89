//! What can be bound or connected to: addresses, `"NAME:PORT"`, and pairs of a name and a port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// As [`std::net::ToSocketAddrs`], which on wasip1 knows no names: here they are those of the cell's programs, and
/// `localhost`.
pub trait ToAddrs {
    /// The addresses, in the order in which they are to be tried.
    ///
    /// # Errors
    /// `NotFound` when there is no program of that name, `InvalidInput` for what is no address.
    fn to_addrs(&self) -> io::Result<Vec<SocketAddr>>;
}

macro_rules! addresses {
    ($($ty:ty),*) => {
        $(impl ToAddrs for $ty {
            fn to_addrs(&self) -> io::Result<Vec<SocketAddr>> {
                Ok(vec![(*self).into()])
            }
        })*
    };
}

addresses!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16), ([u8; 4], u16));

impl ToAddrs for (&str, u16) {
    fn to_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        let (name, port) = *self;
        match name.parse::<IpAddr>() {
            Ok(ip) => Ok(vec![(ip, port).into()]),
            Err(_) => Ok(crate::lookup(name)?.into_iter().map(|ip| (ip, port).into()).collect()),
        }
    }
}

impl ToAddrs for (String, u16) {
    fn to_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        (self.0.as_str(), self.1).to_addrs()
    }
}

impl ToAddrs for str {
    fn to_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(addr) = self.parse() {
            return Ok(vec![addr]);
        }
        let split = self.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse().ok()?)));
        let no_address = || io::Error::new(io::ErrorKind::InvalidInput, format!("'{self}' is not HOST:PORT"));
        split.ok_or_else(no_address)?.to_addrs()
    }
}

impl ToAddrs for String {
    fn to_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.as_str().to_addrs()
    }
}

impl ToAddrs for [SocketAddr] {
    fn to_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.to_vec())
    }
}

impl<T: ToAddrs + ?Sized> ToAddrs for &T {
    fn to_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        (**self).to_addrs()
    }
}

/// The first success with one of the addresses, or the last error.
pub(crate) fn first<T>(addrs: &impl ToAddrs, mut attempt: impl FnMut(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address to try");
    for addr in addrs.to_addrs()? {
        match attempt(addr) {
            Ok(done) => return Ok(done),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_standard_library_takes_is_taken() -> io::Result<()> {
        let expected: SocketAddr = ([127, 0, 0, 1], 80).into();
        assert_eq!("127.0.0.1:80".to_addrs()?, [expected]);
        assert_eq!(("127.0.0.1", 80).to_addrs()?, [expected]);
        assert_eq!(([127, 0, 0, 1], 80).to_addrs()?, [expected]);
        assert_eq!("localhost:80".to_string().to_addrs()?, [expected]);
        assert_eq!("[::1]:80".to_addrs()?, [(Ipv6Addr::LOCALHOST, 80).into()]);
        for wrong in ["127.0.0.1", "host:port", ":", ""] {
            assert_eq!(wrong.to_addrs().map_err(|error| error.kind()), Err(io::ErrorKind::InvalidInput), "{wrong}");
        }
        Ok(())
    }
}
