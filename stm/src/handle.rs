//! What all handles have in common: small copies that name something of an engine.

use crate::bag::TxBag;
use crate::cell::{TxCell, TxCounter};
use crate::counters::{CounterRef, TxCounters};
use crate::map::TxMap;
use crate::memory::{MemoryRef, TxMemory};
use crate::vec::TxVec;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Two handles are equal if they name the same thing of the same engine. Whatever the values are: no bounds on them.
macro_rules! handle {
    ([$($param:tt)*] [$($arg:tt)*] $name:ident, $first:ident $(, $more:ident)*) => {
        impl<$($param)*> Clone for $name<$($arg)*> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<$($param)*> Copy for $name<$($arg)*> {}
        impl<$($param)*> PartialEq for $name<$($arg)*> {
            fn eq(&self, other: &Self) -> bool {
                (self.engine, self.$first $(, &self.$more)*) == (other.engine, other.$first $(, &other.$more)*)
            }
        }
        impl<$($param)*> Eq for $name<$($arg)*> {}
        impl<$($param)*> Hash for $name<$($arg)*> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                (self.engine, self.$first $(, &self.$more)*).hash(state);
            }
        }
        impl<$($param)*> fmt::Debug for $name<$($arg)*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}.{})"), self.engine, self.$first)
            }
        }
    };
}
handle!([T] [T] TxCell, id);
handle!([] [] TxCounter, id);
handle!([T] [T] TxVec, part);
handle!([K, V] [K, V] TxMap, part);
handle!([T] [T] TxBag, part);
handle!([const N: usize] [N] TxMemory, part);
handle!([const N: usize] [N] MemoryRef, part, key);
handle!([const N: usize] [N] TxCounters, part);
handle!([const N: usize] [N] CounterRef, part, key);
