//! Members of a cluster whose clocks are right, wrong, set, stopped; what time their cell has.

use super::sample::{Bounds, Sample};
use super::{Course, LeaderClock, Readings, Steering};
use proptest::prelude::*;
use replicode_log::{LogicalTime, Mono};
use std::time::Duration;

/// Genesis of the cell, in seconds since the Unix epoch.
const EPOCH: i64 = 1_700_000_000;
const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// A member of the cluster.
struct Host {
    /// Nanoseconds by which its wall clock is ahead of the truth.
    ahead: i64,
    /// For how many nanoseconds it was suspended.
    slept: i64,
    /// When it was switched on, by the truth.
    on: i64,
    clock: LeaderClock,
    /// What it last heard of each other's clock.
    heard: Vec<Option<Sample>>,
}

impl Host {
    fn new(ahead: i64, on: i64, steering: Steering, members: usize) -> Self {
        let clock = LeaderClock::new((EPOCH * SECOND) as u64, steering);
        Self { ahead, slept: 0, on, clock, heard: vec![None; members] }
    }

    fn readings(&self, truth: i64) -> Readings {
        let at = |ns: i64| Duration::from_nanos(u64::try_from(ns).unwrap_or(0));
        let wall = at(EPOCH * SECOND + truth + self.ahead);
        Readings { wall, mono: Mono::of_reading(at(truth - self.on - self.slept)), boot: at(truth - self.on) }
    }
}

/// A cluster under true time, in nanoseconds since genesis.
struct World {
    truth: i64,
    hosts: Vec<Host>,
    leader: usize,
    /// The last batch's time.
    tip: i64,
    /// The last time that a leader's clock told.
    told: i64,
    steering: Steering,
}

impl World {
    /// As many hosts as there are wall clocks, by how much they are ahead; the first one leads, and the cell is an hour
    /// old.
    fn new(ahead: &[i64]) -> Self {
        let steering = Steering { bound: Duration::from_secs(1), slew_ppm: 100_000 };
        let hosts = ahead.iter().map(|ours| Host::new(*ours, HOUR - SECOND, steering, ahead.len())).collect();
        let mut world = Self { truth: HOUR, hosts, leader: 0, tip: HOUR - 10 * MS, told: 0, steering };
        // All have seen the cell alive.
        for host in &mut world.hosts {
            let now = host.readings(world.truth);
            host.clock.follow(LogicalTime::from_nanos(world.tip as u64), true, &now);
        }
        world.elect(0);
        world
    }

    /// The leader asks everybody who is not in `deaf`; answers take a millisecond.
    fn ask(&mut self, deaf: &[usize]) {
        let (leader, truth) = (self.leader, self.truth);
        let now = self.hosts[leader].readings(truth).boot;
        for other in (0..self.hosts.len()).filter(|other| *other != leader && !deaf.contains(other)) {
            let told = self.hosts[other].readings(truth - MS / 2).wall.as_nanos() as u64;
            let sample = Sample::new(told, now.saturating_sub(Duration::from_millis(1)), now);
            let heard = &mut self.hosts[leader].heard[other];
            *heard = Some(heard.map_or(sample, |before: Sample| before.or(sample)));
        }
    }

    fn look(&mut self) {
        let (leader, truth) = (self.leader, self.truth);
        let host = &mut self.hosts[leader];
        let now = host.readings(truth);
        let mut clocks: Vec<_> =
            host.heard.iter().map(|heard| heard.and_then(|heard| heard.bounds(now.boot))).collect();
        clocks[leader] = Some(Bounds::exactly(now.wall));
        host.clock.look(&now, &clocks);
    }

    /// A batch is stamped; answers how much it is ahead of the truth.
    fn stamp(&mut self) -> i64 {
        let now = self.hosts[self.leader].readings(self.truth);
        let time = self.hosts[self.leader].clock.now(now.mono).nanos() as i64;
        assert!(time >= self.told, "time went back from {} to {time}", self.told);
        (self.told, self.tip) = (time, time.max(self.tip + 1));
        time - self.truth
    }

    /// The followers hear of the last batch.
    fn tend(&mut self) {
        let tip = LogicalTime::from_nanos(self.tip as u64);
        for host in &mut self.hosts {
            let now = host.readings(self.truth);
            host.clock.follow(tip, true, &now);
        }
    }

    /// Time passes, with a batch, heartbeats and a look every 200 ms, half as often as at a node. Answers by how much the last batch was ahead
    /// of the truth.
    fn live(&mut self, ns: i64) -> i64 {
        self.live_without(&[], ns)
    }

    fn live_without(&mut self, deaf: &[usize], ns: i64) -> i64 {
        let end = self.truth + ns;
        let step = if ns > HOUR { SECOND } else { 200 * MS };
        while self.truth < end {
            self.truth = (self.truth + step).min(end);
            self.ask(deaf);
            self.look();
            self.stamp();
            self.tend();
        }
        self.tip - self.truth
    }

    /// Another leader, whose voters tell their clocks.
    fn elect(&mut self, leader: usize) {
        let old = self.hosts[self.leader].readings(self.truth);
        self.hosts[self.leader].clock.rest(old.mono);
        self.leader = leader;
        self.ask(&[]);
        let now = self.hosts[leader].readings(self.truth);
        self.hosts[leader].clock.lead(LogicalTime::from_nanos(self.tip as u64), &now);
        self.look();
    }

    fn course(&self) -> Course {
        self.hosts[self.leader].clock.course()
    }
}

fn near(found: i64, expected: i64) {
    assert!((found - expected).abs() <= 30 * MS, "{} s is not {} s", found as f64 / 1e9, expected as f64 / 1e9);
}

#[test]
fn one_wrong_clock_of_three_changes_nothing_whoever_leads() {
    for wrong in [30 * DAY, -30 * DAY, 3 * SECOND, -SECOND] {
        for leader in 0..3 {
            let mut world = World::new(&[wrong, 0, 2 * MS]);
            near(world.live(SECOND), 0);
            world.elect(leader);
            near(world.stamp(), 0);
            near(world.live(10 * SECOND), 0);
            assert_eq!(world.course(), Course::Steady);
        }
    }
}

#[test]
fn a_leader_whose_clock_jumps_for_a_moment_moves_nothing() {
    let mut world = World::new(&[0, 0, 0]);
    for jump in [30 * DAY, -30 * DAY, 0] {
        world.hosts[0].ahead = jump;
        near(world.live(SECOND / 2), 0);
    }
}

#[test]
fn a_majority_that_is_ahead_is_followed_by_degrees() {
    let mut world = World::new(&[0, 0, 0]);
    near(world.live(SECOND), 0);
    world.hosts[1].ahead = HOUR;
    world.hosts[2].ahead = HOUR;
    near(world.live(SECOND), SECOND / 10);
    assert!(matches!(world.course(), Course::Faster(behind) if behind > HOUR as u64 * 9 / 10));
    near(world.live(9 * SECOND), SECOND);
    // A tenth more each second; the last second is jumped over.
    near(world.live(10 * HOUR - 30 * SECOND), HOUR - 2 * SECOND);
    near(world.live(60 * SECOND), HOUR);
    assert_eq!(world.course(), Course::Steady);
}

#[test]
fn a_majority_that_is_behind_slows_time_down() {
    let mut world = World::new(&[0, 0, 0]);
    world.hosts[0].ahead = -60 * SECOND;
    world.hosts[1].ahead = -60 * SECOND;
    near(world.live(10 * SECOND), -SECOND);
    assert!(matches!(world.course(), Course::Slower(ahead) if ahead > 58 * SECOND as u64));
    near(world.live(600 * SECOND), -60 * SECOND);
    assert_eq!(world.course(), Course::Steady);
}

#[test]
fn a_step_within_the_bound_is_followed_at_once_if_it_is_forward() {
    let mut world = World::new(&[0, 0, 0]);
    near(world.live(SECOND), 0);
    world.hosts.iter_mut().for_each(|host| host.ahead = 900 * MS);
    near(world.live(200 * MS), 900 * MS);
    world.hosts.iter_mut().for_each(|host| host.ahead = 0);
    near(world.live(SECOND), 800 * MS);
    near(world.live(9 * SECOND), 0);
}

#[test]
fn a_node_alone_follows_its_clock_by_the_same_rules() {
    let mut world = World::new(&[0]);
    near(world.live(SECOND), 0);
    world.hosts[0].ahead = 500 * MS;
    near(world.live(200 * MS), 500 * MS);
    world.hosts[0].ahead = HOUR;
    near(world.live(10 * SECOND), 1_500 * MS);
    world.hosts[0].ahead = -HOUR;
    near(world.live(10 * SECOND), 500 * MS);
    // Started again, it takes its clock's word.
    let (steering, truth) = (world.steering, world.truth);
    world.hosts[0] = Host::new(HOUR, truth - SECOND, steering, 1);
    world.elect(0);
    near(world.stamp(), HOUR);
}

#[test]
fn an_idle_hour_is_an_hour_under_the_same_leader_and_under_the_next() {
    for next in 0..3 {
        let mut world = World::new(&[0, 5 * SECOND, -30 * DAY]);
        near(world.live(SECOND), 0);
        // Without a batch or a look, as when the task that looks is held up; then heartbeats.
        world.truth += HOUR;
        if next == 0 {
            near(world.stamp(), 0);
        } else {
            world.elect(next);
        }
        near(world.stamp(), 0);
        near(world.live(SECOND), 0);
    }
}

#[test]
fn a_difference_that_shows_after_an_idle_hour_is_new_all_the_same() {
    let mut world = World::new(&[0, 0, 0]);
    near(world.live(SECOND), 0);
    world.hosts.iter_mut().for_each(|host| host.ahead = 100 * SECOND);
    world.truth += HOUR;
    world.ask(&[]);
    world.look();
    near(world.stamp(), 0);
    near(world.live(10 * SECOND), SECOND);
}

#[test]
fn a_cluster_that_was_suspended_finds_the_night_over() {
    for next in 0..3 {
        let mut world = World::new(&[0, MS, -MS]);
        near(world.live(SECOND), 0);
        world.hosts.iter_mut().for_each(|host| host.slept += 8 * HOUR);
        world.truth += 8 * HOUR;
        // What was heard in the evening is too old to count, and time keeps the pace until somebody answers.
        world.look();
        near(world.stamp(), -8 * HOUR);
        world.elect(next);
        near(world.stamp(), 0);
        near(world.live(SECOND), 0);
    }
}

#[test]
fn a_machine_whose_clocks_make_more_of_a_suspension_than_it_was_is_outvoted() {
    for next in 0..3 {
        let mut world = World::new(&[0, 0, 0]);
        near(world.live(SECOND), 0);
        // Its clock chip came back wrong, and the kernel believed it.
        world.hosts[0].ahead = 30 * DAY;
        world.hosts[0].on -= 30 * DAY;
        world.hosts[0].slept += 30 * DAY;
        world.truth += 10 * SECOND;
        world.look();
        near(world.stamp(), 0);
        world.elect(next);
        near(world.live(SECOND), 0);
    }
}

#[test]
fn a_virtual_machine_that_stood_still_is_slewed_if_it_is_alone() {
    let mut world = World::new(&[0]);
    near(world.live(SECOND), 0);
    // None of its monotonic clocks has noticed anything; then its wall clock was set.
    let host = &mut world.hosts[0];
    host.on += 8 * HOUR;
    world.truth += 8 * HOUR;
    near(world.live(SECOND), -8 * HOUR + SECOND / 10);
}

#[test]
fn an_election_in_the_middle_of_a_slew_goes_on_where_it_was() {
    for (ahead, slewed) in [(HOUR, SECOND), (-HOUR, -SECOND)] {
        let mut world = World::new(&[0, 0, 0]);
        near(world.live(SECOND), 0);
        world.hosts.iter_mut().for_each(|host| host.ahead = ahead);
        let mut expected = 0;
        for next in [1, 2, 0, 1] {
            expected += slewed;
            near(world.live(10 * SECOND), expected);
            world.elect(next);
            near(world.stamp(), expected);
        }
    }
}

#[test]
fn a_new_leader_whose_own_clock_is_ahead_continues_from_the_last_batch() {
    let mut world = World::new(&[0, 30 * DAY, 0]);
    near(world.live(SECOND), 0);
    // Nobody has told it anything but one who is right: two that disagree move nothing.
    world.leader = 1;
    let now = world.hosts[1].readings(world.truth);
    world.hosts[1].clock.lead(LogicalTime::from_nanos(world.tip as u64), &now);
    world.look();
    assert_eq!(world.course(), Course::Unknown);
    near(world.stamp(), 0);
    world.hosts[1].heard = vec![None; 3];
    near(world.live_without(&[2], 10 * SECOND), 0);
    assert_eq!(world.course(), Course::Steady);
}

#[test]
fn a_cluster_that_was_switched_off_takes_the_time_of_a_majority() {
    for (ahead, expected) in [([0, 30 * DAY, 0], 0), ([30 * DAY, 0, 0], 0), ([-30 * DAY, 0, 2 * SECOND], 0)] {
        let mut world = World::new(&ahead);
        near(world.live(SECOND), 0);
        world.truth += 8 * HOUR;
        let (steering, truth) = (world.steering, world.truth);
        world.hosts = ahead.iter().map(|ahead| Host::new(*ahead, truth - SECOND, steering, 3)).collect();
        // What it replays is no sign of life.
        let now = world.hosts[0].readings(truth);
        world.hosts[0].clock.follow(LogicalTime::from_nanos(world.tip as u64), false, &now);
        world.elect(0);
        near(world.stamp(), expected);
        near(world.live(SECOND), expected);
    }
}

#[test]
fn before_genesis_it_is_genesis() {
    let mut clock = LeaderClock::new(1_000, Steering::default());
    assert_eq!(clock.now(Mono::LONG_AGO), LogicalTime::GENESIS);
    let now = Readings { wall: Duration::from_nanos(10), mono: Mono::LONG_AGO, boot: Duration::ZERO };
    clock.lead(LogicalTime::GENESIS, &now);
    clock.look(&now, &[Some(Bounds::exactly(now.wall))]);
    assert_eq!(clock.now(Mono::LONG_AGO), LogicalTime::GENESIS);
    assert_eq!(clock.offset(Bounds::exactly(now.wall), Mono::LONG_AGO).ahead_ns, -990);
}

#[derive(Clone, Debug)]
enum Deed {
    Live { ms: i64, deaf: Option<usize> },
    Set { host: usize, ahead: i64 },
    Elect(usize),
    Idle { ms: i64 },
    Suspend { ms: i64 },
}

fn deed(settable: usize) -> impl Strategy<Value = Deed> {
    let ahead = prop_oneof![-50 * DAY..50 * DAY, -3 * SECOND..3 * SECOND, Just(0)];
    prop_oneof![
        4 => (1i64..5_000, prop::option::of(0usize..5)).prop_map(|(ms, deaf)| Deed::Live { ms, deaf }),
        3 => (0..settable, ahead).prop_map(|(host, ahead)| Deed::Set { host, ahead }),
        2 => (0usize..5).prop_map(Deed::Elect),
        1 => (1i64..4_000_000).prop_map(|ms| Deed::Idle { ms }),
        1 => (6_000i64..4_000_000).prop_map(|ms| Deed::Suspend { ms }),
    ]
}

impl World {
    fn act(&mut self, deed: &Deed) {
        let all = self.hosts.len();
        match *deed {
            Deed::Live { ms, deaf } => {
                let deaf: Vec<usize> = deaf.into_iter().collect();
                self.live_without(&deaf, ms * MS);
            }
            Deed::Set { host, ahead } => self.hosts[host % all].ahead = ahead,
            Deed::Elect(leader) => self.elect(leader % all),
            Deed::Idle { ms } => self.truth += ms * MS,
            Deed::Suspend { ms } => {
                self.hosts.iter_mut().for_each(|host| host.slept += ms * MS);
                self.truth += ms * MS;
                let leader = self.leader;
                self.elect(leader);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two of five clocks do as they please, whoever leads and whoever is not heard: the cell's time is the truth.
    #[test]
    fn a_minority_of_clocks_never_matters(deeds in prop::collection::vec(deed(2), 1..40)) {
        let mut world = World::new(&[0; 5]);
        for deed in deeds {
            world.act(&deed);
            world.ask(&[]);
            world.look();
            let off = world.stamp();
            prop_assert!(off.abs() < 60 * MS, "{} s off after {deed:?}", off as f64 / 1e9);
            world.tend();
        }
    }

    /// Whatever all clocks do: time goes on by no more than passes, a tenth, and a jump within the bound at each look.
    #[test]
    fn time_goes_on_by_degrees_whatever_the_clocks_do(deeds in prop::collection::vec(deed(3), 1..40)) {
        let mut world = World::new(&[0; 3]);
        let (from, mut looks) = (world.truth, 0);
        for deed in deeds {
            world.act(&deed);
            world.look();
            world.stamp();
            looks += if let Deed::Live { ms, .. } = deed { ms / 200 + 2 } else { 2 };
            let (went, passed) = (world.tip - from, world.truth - from);
            prop_assert!(went <= passed + passed / 10 + looks * SECOND, "{went} in {passed} after {deed:?}");
            world.tend();
        }
    }

    /// A difference of whatever size is gone after ten times as long.
    #[test]
    fn time_arrives_where_the_clocks_are(ahead in -500 * SECOND..500 * SECOND, members in 1usize..6) {
        let mut world = World::new(&vec![0; members]);
        world.hosts.iter_mut().for_each(|host| host.ahead = ahead);
        let off = world.live(ahead.abs() * 10 + SECOND);
        prop_assert!((off - ahead).abs() < 20 * MS);
        prop_assert_eq!(world.course(), Course::Steady);
    }
}
