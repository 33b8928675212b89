//! Many schedules of the two shapes under `shuttle`: threads are switched at every operation on a lock, and a wake-up that
//! is lost is a deadlock, because no wait of `shuttle` ends by time.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p replicode-handover --release --test schedules`

#![cfg(shuttle)]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test, which asks its environment")]

use replicode_handover::{Desk, Mailbox, Parked, Rouse};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::thread;
use std::collections::VecDeque;
use std::time::Duration;

/// Schedules per test; `SHUTTLE_RUNS` asks for more.
fn runs() -> usize {
    std::env::var("SHUTTLE_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

/// In random order, in an order with few surprises, and, for as many as there are, one after the other.
fn check(test: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(test.clone(), runs());
    shuttle::check_pct(test.clone(), runs(), 3);
    shuttle::check_dfs(test, Some(runs()));
}

const LONG: Duration = Duration::from_secs(3600);

fn in_order(got: &[(usize, usize)], writers: usize, each: usize) {
    for writer in 0..writers {
        let theirs: Vec<usize> = got.iter().filter(|(by, _)| *by == writer).map(|(_, n)| *n).collect();
        assert_eq!(theirs, (0..each).collect::<Vec<_>>(), "of writer {writer}");
    }
    assert_eq!(got.len(), writers * each);
}

/// Everything arrives, once, in each writer's order, and the reader never sleeps over it.
fn parked(writers: usize, each: usize, most: usize) {
    check(move || {
        let mailbox = Arc::new(Mailbox::new(Parked::default(), 0));
        let writing: Vec<_> = (0..writers)
            .map(|writer| {
                let mailbox = mailbox.clone();
                thread::spawn(move || (0..each).for_each(|n| mailbox.send((writer, n)).unwrap()))
            })
            .collect();
        let (mut got, mut taken) = (Vec::new(), VecDeque::new());
        while got.len() < writers * each {
            mailbox.wait(LONG, most, &mut taken);
            got.extend(taken.drain(..));
        }
        writing.into_iter().for_each(|writer| writer.join().unwrap());
        in_order(&got, writers, each);
    });
}

#[test]
fn a_parked_reader_misses_nothing() {
    parked(2, 2, usize::MAX);
}

#[test]
fn a_parked_reader_that_takes_one_at_a_time_misses_nothing() {
    parked(2, 2, 1);
}

#[test]
fn a_reader_with_a_threshold_is_roused_when_enough_has_gathered() {
    check(|| {
        let mailbox = Arc::new(Mailbox::new(Parked::default(), 1));
        let theirs = mailbox.clone();
        let writer = thread::spawn(move || (0..4).for_each(|n| theirs.send((0, n)).unwrap()));
        let (mut got, mut taken) = (Vec::new(), VecDeque::new());
        // The last one may stay alone below the threshold: that is what a threshold means.
        while got.len() < 3 {
            mailbox.wait(LONG, usize::MAX, &mut taken);
            got.extend(taken.drain(..));
        }
        writer.join().unwrap();
        mailbox.take(&mut taken);
        got.extend(taken.drain(..));
        in_order(&got, 1, 4);
    });
}

/// A sleeper like a poll of sockets: a wake-up that comes early is kept.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    ring: Condvar,
}

impl Bell {
    fn sleep(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.ring.wait(rung).unwrap();
        }
        *rung = false;
    }
}

/// Who rings it.
struct Rope(Arc<Bell>);

impl Rouse for Rope {
    fn rouse(&self) {
        *self.0.rung.lock().unwrap() = true;
        self.0.ring.notify_one();
    }
}

/// Who brings something serves the desk if it is free, after all that waits; otherwise the one whose desk it is does. Nothing is
/// lost, nothing comes twice, and each one's things are done in order, whichever way they went.
#[test]
fn what_is_brought_is_done_once_and_in_order_whoever_serves() {
    check(|| {
        const EACH: usize = 2;
        let bell = Arc::new(Bell::default());
        let mailbox = Arc::new(Mailbox::new(Rope(bell.clone()), 0));
        let desk = Arc::new(Desk::new(Vec::new()));
        let bringing: Vec<_> = (0..2)
            .map(|by| {
                let (mailbox, desk) = (mailbox.clone(), desk.clone());
                thread::spawn(move || {
                    for n in 0..EACH {
                        let Some(mut done) = desk.if_free() else {
                            mailbox.send((by, n)).unwrap();
                            continue;
                        };
                        let mut waiting = VecDeque::new();
                        mailbox.take(&mut waiting);
                        done.extend(waiting);
                        done.push((by, n));
                        let all = done.len() == 2 * EACH;
                        drop(done);
                        if all {
                            mailbox.rouse();
                        }
                    }
                })
            })
            .collect();
        let mut waiting = VecDeque::new();
        loop {
            let mut done = desk.serve();
            mailbox.take(&mut waiting);
            done.extend(waiting.drain(..));
            if done.len() == 2 * EACH {
                break;
            }
            drop(done);
            bell.sleep();
        }
        bringing.into_iter().for_each(|thread| thread.join().unwrap());
        in_order(&desk.serve(), 2, EACH);
    });
}

/// Whoever waits for an answer learns that none comes, however the close falls.
#[test]
fn nobody_waits_for_a_closed_mailbox() {
    check(|| {
        let mailbox = Arc::new(Mailbox::new(Parked::default(), 0));
        let theirs = mailbox.clone();
        let asking = thread::spawn(move || {
            let (answer, answered) = shuttle::sync::mpsc::channel::<()>();
            // Refused or dropped: either way the answer's other end is gone.
            let _ = theirs.send(answer);
            assert!(answered.recv().is_err());
        });
        mailbox.close();
        asking.join().unwrap();
    });
}
