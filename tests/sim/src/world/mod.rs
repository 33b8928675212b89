//! A world: time, tasks, networks and disks that are decided by a seed.
//!
//! | module | it is |
//! |---|---|
//! | [`executor`] | tasks under virtual time |
//! | `lanes` | whose turn it is on a thread of a node |
//! | `timers` | timers |
//! | [`clock`] | what a node's clocks show |
//! | [`net`] | datagrams |
//! | [`disk`] | mistakes that are planted, to be found |
//! | [`host`] | what a replica sees of all that |
//! | [`tls`] | TLS with random numbers of the seed's |
//! | [`seeds`] | the seed's streams, and the hash of a run |

pub mod clock;
pub mod disk;
pub mod executor;
pub mod host;
mod lanes;
pub mod net;
pub mod seeds;
mod timers;
pub mod tls;
