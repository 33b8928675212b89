//! Natively: whoever runs a contract lends it an [`Env`] for the time of a frame.

use super::Env;
use scoped_tls_hkt::scoped_thread_local;

scoped_thread_local!(static mut ENV: for<'a> &'a mut dyn Env);

/// Runs something that asks this environment. Frames may be nested in each other.
pub fn enter<T>(env: &mut dyn Env, run: impl FnOnce() -> T) -> T {
    ENV.set(env, run)
}

pub(super) fn ask<T>(question: impl FnOnce(&mut dyn Env) -> T) -> T {
    assert!(ENV.is_set(), "a contract's code runs in a world only: call it through one, and not directly");
    ENV.with(question)
}
