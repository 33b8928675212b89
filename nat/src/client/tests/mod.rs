//! The client half driven by hand, and by chance against a model of sockets, programs and log.

mod by_chance;
mod by_hand;
mod world;
