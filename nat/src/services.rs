//! Who listens where: names of processes, addresses inside the cell, and the inbound mappings of listeners.

use crate::ConsensusPort;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{HostAddr, Pid, Service, SockId};
use std::collections::BTreeMap;

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Listener {
    pub sock: SockId,
    pub port: ConsensusPort,
}

/// Live processes and their listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Services {
    names: BTreeMap<Pid, String>,
    listeners: BTreeMap<(Pid, u16), Listener>,
    by_sock: BTreeMap<SockId, (Pid, u16)>,
}

impl Services {
    pub(crate) fn start(&mut self, pid: Pid, name: &str) {
        self.names.insert(pid, name.to_string());
    }

    /// Forgets a process; answers the consensus ports of the listeners it still had.
    pub(crate) fn end(&mut self, pid: Pid) -> Vec<ConsensusPort> {
        self.names.remove(&pid);
        let socks: Vec<_> = self.listeners.range((pid, 0)..=(pid, u16::MAX)).map(|(_, it)| it.sock).collect();
        socks.into_iter().filter_map(|sock| self.unlisten(sock)).collect()
    }

    pub(crate) fn name(&self, pid: Pid) -> &str {
        self.names.get(&pid).map_or("", String::as_str)
    }

    /// Whether a listener can be added: the port is free in its process and the socket does not listen yet.
    pub(crate) fn may_listen(&self, pid: Pid, sock: SockId, port: u16) -> bool {
        !self.listeners.contains_key(&(pid, port)) && !self.by_sock.contains_key(&sock)
    }

    pub(crate) fn listen(&mut self, pid: Pid, port: u16, listener: Listener) {
        self.listeners.insert((pid, port), listener);
        self.by_sock.insert(listener.sock, (pid, port));
    }

    /// Removes a listener; answers its consensus port.
    pub(crate) fn unlisten(&mut self, sock: SockId) -> Option<ConsensusPort> {
        let key = self.by_sock.remove(&sock)?;
        self.listeners.remove(&key).map(|listener| listener.port)
    }

    pub(crate) fn listener(&self, pid: Pid, port: u16) -> Option<SockId> {
        self.listeners.get(&(pid, port)).map(|listener| listener.sock)
    }

    /// Where a published service leads: of the processes with that name, the lowest that listens on the port.
    pub(crate) fn find(&self, service: &Service) -> Option<(Pid, SockId)> {
        let of_name = self.names.iter().filter(|(_, name)| **name == service.process);
        of_name.map(|(&pid, _)| pid).find_map(|pid| Some((pid, self.listener(pid, service.port)?)))
    }

    pub(crate) fn listeners(&self) -> impl Iterator<Item = (Pid, u16, Listener)> {
        self.listeners.iter().map(|(&(pid, port), &listener)| (pid, port, listener))
    }

    pub(crate) fn ports(&self) -> impl Iterator<Item = ConsensusPort> {
        self.listeners.values().map(|listener| listener.port)
    }

    /// The two maps say the same.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.listeners.len() != self.by_sock.len() {
            return Err(format!("{} listeners, {} listening sockets", self.listeners.len(), self.by_sock.len()));
        }
        match self.listeners.iter().find(|(key, listener)| self.by_sock.get(&listener.sock) != Some(key)) {
            Some(((pid, port), listener)) => Err(format!("{} listens on {pid}:{port}, but not back", listener.sock)),
            None => Ok(()),
        }
    }
}

/// A destination, seen from a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The process itself: 127.0.0.0/8, 0.0.0.0, `::1` and `::`.
    Own,
    /// A process of the cell: 10.77.0.0/16.
    Process(Pid),
    /// Outside the cell.
    Outside,
}

impl Destination {
    pub(crate) fn of(addr: HostAddr) -> Self {
        match addr {
            HostAddr::V4([127, ..] | [0, 0, 0, 0], _) => Self::Own,
            HostAddr::V4(address, _) => Pid::of_cell_address(address).map_or(Self::Outside, Self::Process),
            // ::ffff:a.b.c.d, the IPv4-mapped addresses of RFC 4291, 2.5.5.2.
            HostAddr::V6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d], port) => {
                Self::of(HostAddr::V4([a, b, c, d], port))
            }
            HostAddr::V6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 | 1], _) => Self::Own,
            HostAddr::V6(..) => Self::Outside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_to_processes() {
        assert_eq!(Destination::of(HostAddr::V4(Pid(0x1234).cell_address(), 80)), Destination::Process(Pid(0x1234)));
        assert_eq!(Destination::of(HostAddr::V4([127, 1, 2, 3], 80)), Destination::Own);
        assert_eq!(Destination::of(HostAddr::V4([0; 4], 80)), Destination::Own);
        assert_eq!(Destination::of(HostAddr::V4([10, 78, 0, 1], 80)), Destination::Outside);
        assert_eq!(Destination::of(HostAddr::V6([0; 16], 80)), Destination::Own);
        let mut six = [0; 16];
        six[15] = 1;
        assert_eq!(Destination::of(HostAddr::V6(six, 80)), Destination::Own);
        six[15] = 2;
        assert_eq!(Destination::of(HostAddr::V6(six, 80)), Destination::Outside);
        six[10..].copy_from_slice(&[0xff, 0xff, 10, 77, 0, 9]);
        assert_eq!(Destination::of(HostAddr::V6(six, 80)), Destination::Process(Pid(9)));
    }

    #[test]
    fn a_name_leads_to_the_lowest_process_that_listens() {
        let (mut services, mut ports) = (Services::default(), crate::ports::Ports::default());
        for pid in [3, 1, 2] {
            services.start(Pid(pid), "web");
        }
        let to = Service { process: "web".into(), port: 80 };
        assert_eq!(services.find(&to), None);
        services.listen(Pid(3), 80, Listener { sock: SockId(30), port: ports.take() });
        services.listen(Pid(2), 80, Listener { sock: SockId(20), port: ports.take() });
        assert_eq!(services.find(&to), Some((Pid(2), SockId(20))));
        services.end(Pid(2));
        assert_eq!(services.find(&to), Some((Pid(3), SockId(30))));
        assert_eq!(services.check(), Ok(()));
    }
}
