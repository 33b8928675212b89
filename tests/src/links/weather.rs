//! What befalls datagrams on their way from one node to another, and in which order what was held back goes on.

use crate::draw::Draw;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What a wire that is clogged keeps at most; what comes beyond that is lost, as in a router's full queue.
const HELD: usize = 4 << 20;

/// What may befall each datagram, one by one. Shares are percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Never arrives.
    pub lost: u8,
    /// Arrives twice.
    pub twice: u8,
    /// Arrives with one bit turned.
    pub damaged: u8,
    /// Is this late, and so comes after what was sent later.
    pub late: u8,
    /// How late what is late is at most.
    pub delay: Duration,
}

/// A datagram and who sent it.
type Packet = (Vec<u8>, SocketAddr);

/// One direction of a wire: takes datagrams as they come, gives them back when they are to arrive.
pub(crate) struct Way {
    draw: Draw,
    taken: u64,
    /// Late ones: when they are due, the number of the one sent, the datagram.
    late: BinaryHeap<Reverse<(Instant, u64, Packet)>>,
    clogged: VecDeque<Packet>,
    held: usize,
}

impl Way {
    pub(crate) fn new(seed: u64) -> Self {
        Self { draw: Draw::new(seed), taken: 0, late: BinaryHeap::new(), clogged: VecDeque::new(), held: 0 }
    }

    /// Takes a datagram; gives those that arrive at once to `arrive`.
    pub(crate) fn take(
        &mut self,
        packet: &[u8],
        sender: SocketAddr,
        weather: Weather,
        now: Instant,
        mut arrive: impl FnMut(&[u8], SocketAddr),
    ) {
        if self.draw.happens(weather.lost) {
            return;
        }
        let copies = 1 + u8::from(self.draw.happens(weather.twice));
        for _ in 0..copies {
            self.taken += 1;
            let damaged = self.draw.happens(weather.damaged) && !packet.is_empty();
            let late = self.draw.happens(weather.late);
            if !damaged && !late {
                arrive(packet, sender);
                continue;
            }
            let mut packet = packet.to_vec();
            if damaged {
                let bit = self.draw.below(8 * packet.len() as u64) as usize;
                packet[bit / 8] ^= 1 << (bit % 8);
            }
            if late {
                let delay = Duration::from_micros(self.draw.below(weather.delay.as_micros() as u64 + 1));
                self.late.push(Reverse((now + delay, self.taken, (packet, sender))));
            } else {
                arrive(&packet, sender);
            }
        }
    }

    /// Keeps a datagram until the wire is not clogged any more.
    pub(crate) fn hold(&mut self, packet: &[u8], sender: SocketAddr) {
        if self.held + packet.len() <= HELD {
            self.held += packet.len();
            self.clogged.push_back((packet.to_vec(), sender));
        }
    }

    /// Whether something is held back that only waits for the wire to be free.
    pub(crate) fn holds(&self) -> bool {
        !self.clogged.is_empty()
    }

    /// Gives all that was held back, in the order in which it came.
    pub(crate) fn release(&mut self) -> impl Iterator<Item = Packet> {
        self.held = 0;
        std::mem::take(&mut self.clogged).into_iter()
    }

    /// When the next late one is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.late.peek().map(|Reverse((due, ..))| *due)
    }

    /// The next late one, if it is due.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Packet> {
        if self.deadline()? > now {
            return None;
        }
        self.late.pop().map(|Reverse((_, _, packet))| packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

    fn arriving(weather: Weather, count: u32, now: Instant) -> (Vec<Vec<u8>>, Way) {
        let (mut way, mut arrived) = (Way::new(7), Vec::new());
        for number in 0..count {
            way.take(&number.to_le_bytes(), SENDER, weather, now, |packet, _| arrived.push(packet.to_vec()));
        }
        (arrived, way)
    }

    #[test]
    fn a_third_is_lost_and_a_tenth_comes_twice() {
        let (arrived, _) = arriving(Weather { lost: 30, ..Weather::default() }, 10_000, Instant::now());
        assert!((6_800..7_200).contains(&arrived.len()), "{}", arrived.len());
        let (arrived, _) = arriving(Weather { twice: 10, ..Weather::default() }, 10_000, Instant::now());
        assert!((10_800..11_200).contains(&arrived.len()), "{}", arrived.len());
    }

    #[test]
    fn damage_is_one_bit() {
        let (arrived, _) = arriving(Weather { damaged: 100, ..Weather::default() }, 1_000, Instant::now());
        for (number, packet) in (0..1_000_u32).zip(arrived) {
            let differing: u32 = number.to_le_bytes().iter().zip(&packet).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!((packet.len(), differing), (4, 1));
        }
    }

    #[test]
    fn what_is_late_comes_after_what_was_sent_later_and_is_the_same() {
        let delay = Duration::from_millis(50);
        let now = Instant::now();
        let (arrived, mut way) = arriving(Weather { late: 50, delay, ..Weather::default() }, 1_000, now);
        assert!(way.due(now - delay).is_none());
        let mut late: Vec<Vec<u8>> = std::iter::from_fn(|| way.due(now + delay)).map(|(p, _)| p).collect();
        assert!(!late.is_sorted_by_key(|packet| u32::from_le_bytes(packet[..].try_into().unwrap_or_default())));
        late.extend(arrived);
        late.sort_by_key(|packet| u32::from_le_bytes(packet[..].try_into().unwrap_or_default()));
        assert!(
            late.iter().map(|packet| &packet[..]).eq((0..1_000_u32)
                .map(u32::to_le_bytes)
                .collect::<Vec<_>>()
                .iter()
                .map(|b| &b[..]))
        );
    }

    #[test]
    fn what_a_clogged_wire_held_comes_in_order_up_to_a_bound() {
        let mut way = Way::new(1);
        for number in 0..=HELD / 1024 {
            way.hold(&[number as u8; 1024], SENDER);
        }
        let held: Vec<u8> = way.release().map(|(packet, _)| packet[0]).collect();
        assert_eq!(held, (0..HELD / 1024).map(|number| number as u8).collect::<Vec<_>>());
        assert!(!way.holds());
    }
}
