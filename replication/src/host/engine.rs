//! The host in the consensus engine's words. The engine's runtime is made of functions that take no value: they ask the host of
//! the task that is being polled.

use super::watch::HostWatch;
use super::{Elapsed, Lost, Sleep, Task, Timeout};
use openraft_rt::{AsyncRuntime, OptionalSend};
use openraft_rt_tokio::{TokioMpsc, TokioMutex, TokioOneshot, TokioRuntime};
use rand::TryRng;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::{Duration, Instant};

/// The runtime. Its channels are tokio's, which need no runtime and wake in order, but for the one that does not.
#[derive(Debug)]
pub struct HostRuntime(TokioRuntime);

/// A moment of the host's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostInstant(Instant);

impl Add<Duration> for HostInstant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0 + time)
    }
}

impl AddAssign<Duration> for HostInstant {
    fn add_assign(&mut self, time: Duration) {
        self.0 += time;
    }
}

impl Sub<Duration> for HostInstant {
    type Output = Self;

    fn sub(self, time: Duration) -> Self {
        Self(self.0 - time)
    }
}

impl SubAssign<Duration> for HostInstant {
    fn sub_assign(&mut self, time: Duration) {
        self.0 -= time;
    }
}

impl Sub for HostInstant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }
}

impl openraft_rt::Instant for HostInstant {
    fn now() -> Self {
        Self(super::instant())
    }
}

/// Draws from the host's entropy.
#[derive(Clone, Copy, Debug)]
pub struct HostRng;

impl TryRng for HostRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        if let Err(error) = super::fill(bytes) {
            // The engine draws pauses before elections from this: without, they are of the same length.
            tracing::error!("no random numbers for the consensus engine: {error}");
        }
        Ok(())
    }
}

impl AsyncRuntime for HostRuntime {
    type JoinError = Lost;
    type JoinHandle<T: OptionalSend + 'static> = Task<T>;
    type Sleep = Sleep;
    type Instant = HostInstant;
    type TimeoutError = Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = Timeout<T>;
    type ThreadLocalRng = HostRng;
    type Mpsc = TokioMpsc;
    type Watch = HostWatch;
    type Oneshot = TokioOneshot;
    type Mutex<T: OptionalSend + 'static> = TokioMutex<T>;

    fn spawn<T>(future: T) -> Task<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        super::spawn(future)
    }

    fn sleep(duration: Duration) -> Sleep {
        super::sleep(duration)
    }

    fn sleep_until(deadline: HostInstant) -> Sleep {
        super::sleep_until(deadline.0)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Timeout<F> {
        super::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: HostInstant, future: F) -> Timeout<F> {
        Timeout::new(super::sleep_until(deadline.0), future)
    }

    fn is_panic(error: &Lost) -> bool {
        *error == Lost::Panicked
    }

    fn thread_rng() -> HostRng {
        HostRng
    }

    fn new(threads: usize) -> Self {
        Self(TokioRuntime::new(threads))
    }

    fn block_on<F: Future<Output = T>, T>(&mut self, future: F) -> T {
        self.0.block_on(future)
    }

    async fn spawn_blocking<F, T>(work: F) -> Result<T, io::Error>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        super::blocking(work).await.map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::HostRuntime;
    use openraft_rt::testing::Suite;

    #[test]
    fn it_is_what_the_engine_expects_of_a_runtime() {
        Suite::<HostRuntime>::test_all();
    }
}
