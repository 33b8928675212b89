//! Between the words of the WIT package and those of the crates.

use crate::bindings::types::{Endpoint, Role};
use paxos_types::Hello;

/// A length from a component as a size. All hosts have 32 bits or more.
pub fn size(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// A role's name.
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Proposer => "proposer",
        Role::Acceptor => "acceptor",
        Role::Learner => "learner",
        Role::Client => "client",
    }
}

/// To the crates' role.
pub const fn role(role: Role) -> paxos_types::Role {
    match role {
        Role::Proposer => paxos_types::Role::Proposer,
        Role::Acceptor => paxos_types::Role::Acceptor,
        Role::Learner => paxos_types::Role::Learner,
        Role::Client => paxos_types::Role::Client,
    }
}

/// From the crates' role.
pub const fn role_of(role: paxos_types::Role) -> Role {
    match role {
        paxos_types::Role::Proposer => Role::Proposer,
        paxos_types::Role::Acceptor => Role::Acceptor,
        paxos_types::Role::Learner => Role::Learner,
        paxos_types::Role::Client => Role::Client,
    }
}

/// From the configuration's role.
pub const fn role_in(role: paxos_config::Role) -> Role {
    match role {
        paxos_config::Role::Proposer => Role::Proposer,
        paxos_config::Role::Acceptor => Role::Acceptor,
        paxos_config::Role::Learner => Role::Learner,
    }
}

/// To the crates' endpoint.
pub const fn endpoint(endpoint: Endpoint) -> paxos_types::Endpoint {
    paxos_types::Endpoint { node: paxos_types::NodeId(endpoint.node), role: role(endpoint.role) }
}

/// Who says hello.
pub const fn endpoint_of(hello: &Hello) -> Endpoint {
    Endpoint { node: hello.node.0, role: role_of(hello.role) }
}

/// An endpoint for people.
pub fn show(endpoint: Endpoint) -> String {
    format!("{} of node {}", role_name(endpoint.role), endpoint.node)
}
