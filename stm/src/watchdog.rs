//! Turns a hang into a dump: the commit index must move.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// What to do with a dump.
pub(crate) type Alarm = Arc<dyn Fn(&str) + Send + Sync>;

/// Watches one segment at a time.
#[derive(Clone)]
pub(crate) struct Watchdog {
    pub(crate) patience: Duration,
    pub(crate) alarm: Alarm,
}

impl Watchdog {
    /// Runs `body`; whenever `progress` has not changed for the patience, hands `dump` to the alarm.
    pub(crate) fn watch<T>(
        this: Option<&Watchdog>,
        progress: &(dyn Fn() -> u64 + Sync),
        dump: &(dyn Fn() -> String + Sync),
        body: impl FnOnce() -> T,
    ) -> T {
        let Some(dog) = this else { return body() };
        let (over, bell) = (Mutex::new(false), Condvar::new());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut seen = progress();
                let mut guard = over.lock().unwrap_or_else(PoisonError::into_inner);
                while !*guard {
                    let (g, timeout) = bell.wait_timeout(guard, dog.patience).unwrap_or_else(PoisonError::into_inner);
                    guard = g;
                    let now = progress();
                    if !*guard && timeout.timed_out() && now == seen {
                        (dog.alarm)(&format!("no commit for {:?}\n{}", dog.patience, dump()));
                    }
                    seen = now;
                }
            });
            // The bell must ring on unwinding too, or the scope would wait for ever.
            struct Ring<'a>(&'a Mutex<bool>, &'a Condvar);
            impl Drop for Ring<'_> {
                fn drop(&mut self) {
                    *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
                    self.1.notify_all();
                }
            }
            let _ring = Ring(&over, &bell);
            body()
        })
    }
}
