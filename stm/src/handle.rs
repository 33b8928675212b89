//! What all handles have in common: small copies that name something of an engine.

use crate::bag::TxBag;
use crate::cell::{TxCell, TxCounter};
use crate::map::TxMap;
use crate::vec::TxVec;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Two handles are equal if they name the same thing of the same engine. Whatever the values are: no bounds on them.
macro_rules! handle {
    ($name:ident $(<$($of:ident),+>)?, $number:ident) => {
        impl$(<$($of),+>)? Clone for $name$(<$($of),+>)? {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl$(<$($of),+>)? Copy for $name$(<$($of),+>)? {}
        impl$(<$($of),+>)? PartialEq for $name$(<$($of),+>)? {
            fn eq(&self, other: &Self) -> bool {
                (self.engine, self.$number) == (other.engine, other.$number)
            }
        }
        impl$(<$($of),+>)? Eq for $name$(<$($of),+>)? {}
        impl$(<$($of),+>)? Hash for $name$(<$($of),+>)? {
            fn hash<H: Hasher>(&self, state: &mut H) {
                (self.engine, self.$number).hash(state);
            }
        }
        impl$(<$($of),+>)? fmt::Debug for $name$(<$($of),+>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}.{})"), self.engine, self.$number)
            }
        }
    };
}
handle!(TxCell<T>, id);
handle!(TxCounter, id);
handle!(TxVec<T>, part);
handle!(TxMap<K, V>, part);
handle!(TxBag<T>, part);
