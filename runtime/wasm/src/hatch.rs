//! The hatch between a node and a suspended guest: the kernel goes in before a guest runs and comes out when it stops.
//!
//! The guest's stack owns its Wasmtime store, so nobody outside can reach into it while it is suspended. The kernel is
//! therefore handed over by value: a box is moved, nothing is shared, and only one of the two sides can have it.

use replicode_syscalls::Kernel;
use std::sync::{Arc, Mutex, PoisonError};

/// A place for one kernel, reachable from both sides.
#[derive(Clone, Default)]
pub struct Hatch(Arc<Mutex<Option<Box<Kernel>>>>);

impl Hatch {
    /// Puts the kernel in.
    pub fn put(&self, kernel: Option<Box<Kernel>>) {
        // Poison would mean a panic between two assignments of a pointer: nothing can be half done.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kernel;
    }

    /// Takes it out.
    pub fn take(&self) -> Option<Box<Kernel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
