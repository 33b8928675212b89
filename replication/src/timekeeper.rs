//! Reads this host's clocks, gathers what peers told about theirs, and keeps the cell's clock with both.
//!
//! What it means is decided in [`replicode_pacing::clock`]. A stamp costs one look at the monotonic clock; the wall clocks are
//! compared ten times a second, by a task of its own ([`crate::network::watch::LOOK`]).

use crate::host::{boot_time, wall_unix_ns};
use crate::mono;
use crate::network::peer::Peers;
use crate::replica::locked;
use crate::status::ClockStatus;
use replicode_log::{LogicalTime, NodeId};
use replicode_pacing::clock::news::{News, Word};
use replicode_pacing::clock::sample::{Bounds, Sample};
use replicode_pacing::clock::{LeaderClock, Offset, Readings, Steering};
use std::sync::Mutex;
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub(crate) struct Timekeeper {
    clock: Mutex<LeaderClock>,
    news: Mutex<News>,
}

impl Timekeeper {
    pub(crate) fn new(epoch_unix_ns: u64, steering: Steering) -> Self {
        let clock = Mutex::new(LeaderClock::new(epoch_unix_ns, steering));
        Self { clock, news: Mutex::default() }
    }

    /// The time to stamp on a batch.
    pub(crate) fn now(&self) -> LogicalTime {
        locked(&self.clock).now(mono::now())
    }

    /// This node begins to lead a history that has reached `time`.
    pub(crate) fn lead(&self, time: LogicalTime, peers: &Peers) {
        locked(&self.clock).lead(time, &self.readings());
        // The votes told a majority's clocks: the first batch is right already.
        self.look(peers);
    }

    /// This node does not lead (any more).
    pub(crate) fn rest(&self) {
        locked(&self.clock).rest(mono::now());
        *locked(&self.news) = News::default();
    }

    /// To be called several times a second. `time`: how far the history has come here; `alive`: some of it was made since
    /// this node's start.
    pub(crate) fn tend(&self, time: LogicalTime, alive: bool, peers: &Peers) {
        let leads = {
            let mut clock = locked(&self.clock);
            clock.follow(time, alive, &self.readings());
            clock.leads()
        };
        if leads {
            self.look(peers);
        }
    }

    /// How the cell's time is kept; `None` where another node does.
    pub(crate) fn status(&self) -> Option<ClockStatus> {
        let (clock, now) = (locked(&self.clock), self.readings());
        let own = clock.offset(Bounds::exactly(now.wall), now.mono);
        clock.leads().then(|| ClockStatus { course: clock.course(), steering: clock.steering(), own })
    }

    /// How far a peer's clock is ahead of the cell's time, if both are known here.
    pub(crate) fn offset(&self, told: Option<Sample>) -> Option<Offset> {
        let (clock, now) = (locked(&self.clock), self.readings());
        let bounds = told?.bounds(now.boot)?;
        clock.leads().then(|| clock.offset(bounds, now.mono))
    }

    fn readings(&self) -> Readings {
        let wall = Duration::from_nanos(wall_unix_ns());
        Readings { wall, mono: mono::now(), boot: boot_time() }
    }

    fn look(&self, peers: &Peers) {
        let now = self.readings();
        let told: Vec<(NodeId, Option<Bounds>)> =
            std::iter::once((peers.owner().node, Some(Bounds::exactly(now.wall))))
                .chain(peers.iter().map(|peer| (peer.node, peer.clock().and_then(|sample| sample.bounds(now.boot)))))
                .collect();
        let clocks: Vec<Option<Bounds>> = told.iter().map(|(_, bounds)| *bounds).collect();
        let mut clock = locked(&self.clock);
        clock.look(&now, &clocks);
        let offsets = told.iter().filter_map(|(node, bounds)| Some((*node, clock.offset((*bounds)?, now.mono))));
        let several = clocks.len() > 1;
        for news in locked(&self.news).after(clock.course(), clock.steering(), offsets, several) {
            match news {
                Word::Bad(text) => tracing::warn!("{text}"),
                Word::Good(text) => tracing::info!("{text}"),
            }
        }
    }
}
