//! Whether bytes are a transaction at all. No state is asked, so everybody can decide it alone: a client before it sends,
//! a node before it offers anything to the log.

use super::proof::{MAX_NAME, Proof};
use super::{Action, Body, Transaction, VERSION};
use crate::abi;
use crate::template::{self, Template};
use borsh::BorshDeserialize;

/// What a transaction may have. Equal on all nodes of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole transaction.
    pub bytes: usize,
    /// Actions.
    pub actions: usize,
    /// The most gas that it may ask for. It bounds what a receipt can hold as well.
    pub gas: u64,
    /// Bytes of a proof that an account with code decides on.
    pub proof: usize,
    /// What a template in it may have.
    pub template: template::Limits,
}

impl Limits {
    /// What a cell has that configures nothing else. A transaction has room for the largest template.
    pub const STANDARD: Self = Self {
        bytes: template::Limits::STANDARD.bytes + (64 << 10),
        actions: 64,
        gas: 1_000_000_000,
        proof: 4096,
        template: template::Limits::STANDARD,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Something wrong with the form of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Invalid {
    /// `actions[2].function`.
    pub path: String,
    /// What is wrong.
    pub why: String,
}

fn invalid(path: impl Into<String>, why: impl Into<String>) -> Invalid {
    Invalid { path: path.into(), why: why.into() }
}

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Transaction, Vec<Invalid>> {
    if bytes.len() > limits.bytes {
        let why = format!("{} bytes, more than the {} allowed", bytes.len(), limits.bytes);
        return Err(vec![invalid("transaction", why)]);
    }
    match bytes.first() {
        Some(&VERSION) => {}
        Some(other) => {
            return Err(vec![invalid("version", format!("{other}, and this node reads version {VERSION}"))]);
        }
        None => return Err(vec![invalid("transaction", "there are no bytes")]),
    }
    let mut rest = bytes;
    let transaction = Transaction::deserialize(&mut rest).map_err(|error| {
        vec![invalid(format!("byte {}", bytes.len() - rest.len()), error.to_string().to_lowercase())]
    })?;
    if !rest.is_empty() {
        return Err(vec![invalid(format!("byte {}", bytes.len() - rest.len()), "more bytes than the transaction has")]);
    }
    let wrong = check(&transaction, limits);
    if wrong.is_empty() { Ok(transaction) } else { Err(wrong) }
}

/// Everything that is wrong with a transaction's form.
#[must_use]
pub fn check(transaction: &Transaction, limits: &Limits) -> Vec<Invalid> {
    let Body { version, gas_limit, actions, .. } = &transaction.body;
    let mut wrong = Vec::new();
    if *version != VERSION {
        wrong.push(invalid("version", format!("{version}, and this node reads version {VERSION}")));
    }
    if *gas_limit > limits.gas {
        wrong.push(invalid("gas_limit", format!("{gas_limit}, more than the {} allowed", limits.gas)));
    }
    if actions.is_empty() || actions.len() > limits.actions {
        wrong.push(invalid("actions", format!("{}: a transaction has 1 to {}", actions.len(), limits.actions)));
    }
    for (number, action) in actions.iter().enumerate().take(limits.actions) {
        check_action(&format!("actions[{number}]"), action, limits, &mut wrong);
    }
    match &transaction.proof {
        Proof::Name { name } if name.is_empty() || name.len() > MAX_NAME => {
            wrong.push(invalid("proof.name", format!("{} bytes: a name has 1 to {MAX_NAME}", name.len())));
        }
        Proof::Own { proof } if proof.len() > limits.proof => {
            let why = format!("{} bytes, more than the {} allowed", proof.len(), limits.proof);
            wrong.push(invalid("proof", why));
        }
        _ => {}
    }
    wrong
}

fn check_action(path: &str, action: &Action, limits: &Limits, wrong: &mut Vec<Invalid>) {
    if i128::try_from(action.value()).is_err() {
        wrong.push(invalid(format!("{path}.value"), "there is not so much money: it has at most 127 bits"));
    }
    let (name, arguments, template) = match action {
        Action::Call { function, arguments, .. } => (Some(("function", function)), Some(arguments), None),
        Action::Spawn { constructor, arguments, .. } => {
            (constructor.as_ref().map(|name| ("constructor", name)), Some(arguments), None)
        }
        Action::Upgrade { arguments, .. } => (None, Some(arguments), None),
        Action::Deploy { template } => (None, None, Some(template)),
        Action::Publish { name, version, template } => {
            if version.is_empty() || version.len() > 32 || version.contains(char::is_whitespace) {
                wrong.push(invalid(format!("{path}.version"), "a version has 1 to 32 bytes and no spaces"));
            }
            (Some(("name", name)), None, Some(template))
        }
        Action::Transfer { .. } => (None, None, None),
    };
    if let Some((_, name)) = name.filter(|(_, name)| !abi::types::is_name(name)) {
        let shown: String = name.chars().take(64).collect();
        wrong.push(invalid(path, format!("{shown:?} is no name: a letter or '_', then letters, digits or '_'")));
    }
    if let Some(arguments) = arguments.filter(|arguments| arguments.len() > abi::value::MAX_BYTES) {
        let why = format!("{} bytes, more than the {} allowed", arguments.len(), abi::value::MAX_BYTES);
        wrong.push(invalid(format!("{path}.arguments"), why));
    }
    if let Some(template) = template {
        match Template::decode(template, &limits.template) {
            Ok(template) => {
                let wanted = match action {
                    Action::Publish { .. } => template::Kind::Library,
                    _ => template::Kind::Contract,
                };
                if template.header.kind != wanted {
                    let why = "contracts are deployed, libraries are published: this is the other one";
                    wrong.push(invalid(format!("{path}.template"), why));
                }
            }
            Err(complaints) => {
                let path = format!("{path}.template");
                wrong.extend(complaints.list.iter().map(|complaint| invalid(&path, complaint.to_string())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Address;
    use crate::hash::Hash;
    use crate::transaction::SigningKey;
    use proptest::prelude::*;

    fn call(function: &str) -> Action {
        Action::Call {
            account: Address::from_bytes([7; 20]),
            function: function.into(),
            arguments: vec![1, 2, 3],
            value: 5,
        }
    }

    fn body(actions: Vec<Action>) -> Body {
        let key = SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
        Body {
            version: VERSION,
            principal: Address::of_key(&key),
            nonce: 4,
            gas_limit: 1_000_000,
            gas_price: 2,
            actions,
        }
    }

    fn signed(actions: Vec<Action>) -> Transaction {
        body(actions).sign(&Hash::ZERO, &SigningKey::from_bytes(&[1; 32]))
    }

    fn decode(bytes: &[u8]) -> Result<Transaction, Vec<String>> {
        Transaction::decode(bytes, &Limits::STANDARD).map_err(|wrong| wrong.iter().map(ToString::to_string).collect())
    }

    fn actions() -> impl Strategy<Value = Vec<Action>> {
        let name = "[a-z_][a-z0-9_]{0,10}";
        let bytes = || prop::collection::vec(any::<u8>(), 0..20);
        let address = || any::<[u8; 20]>().prop_map(Address::from_bytes);
        let hash = || any::<[u8; 32]>().prop_map(Hash::new);
        let value = || any::<u128>().prop_map(|value| value >> 1);
        prop::collection::vec(
            prop_oneof![
                (address(), name, bytes(), value()).prop_map(|(account, function, arguments, value)| Action::Call {
                    account,
                    function,
                    arguments,
                    value
                }),
                (address(), value()).prop_map(|(to, value)| Action::Transfer { to, value }),
                (hash(), prop::option::of(name), bytes(), value()).prop_map(
                    |(template, constructor, arguments, value)| Action::Spawn {
                        template,
                        constructor,
                        arguments,
                        value
                    }
                ),
                (address(), hash(), bytes()).prop_map(|(account, template, arguments)| Action::Upgrade {
                    account,
                    template,
                    arguments
                }),
            ],
            1..5,
        )
    }

    proptest! {
        #[test]
        fn a_transaction_reads_back(actions in actions()) {
            let transaction = signed(actions);
            prop_assert_eq!(decode(&transaction.encode()), Ok(transaction));
        }

        /// Canonical: what is accepted has no other bytes.
        #[test]
        fn a_damaged_transaction_is_refused_or_another_one(
            actions in actions(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = signed(actions).encode();
            for (at, to) in changes {
                let at = at.index(bytes.len());
                bytes[at] = to;
            }
            if let Ok(read) = decode(&bytes) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }

        #[test]
        fn any_bytes_are_a_transaction_or_none(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn cut_off_or_longer_bytes_are_refused() {
        let bytes = signed(vec![call("transfer"), Action::Transfer { to: Address::of_name("bob"), value: 1 }]).encode();
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "cut to {len}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(decode(&longer), Err(vec![format!("byte {}: more bytes than the transaction has", bytes.len())]));
        let mut other = bytes.clone();
        other[0] = 2;
        assert_eq!(decode(&other), Err(vec!["version: 2, and this node reads version 1".into()]));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let mut wrong = body(vec![
            call("not a name"),
            Action::Transfer { to: Address::of_name("bob"), value: u128::MAX },
            Action::Deploy { template: b"\0asm".to_vec() },
            Action::Publish { name: "m".into(), version: "1 0".into(), template: vec![] },
        ]);
        wrong.gas_limit = u64::MAX;
        let transaction = Transaction { body: wrong, proof: Proof::Name { name: String::new() } };
        let said: Vec<String> = check(&transaction, &Limits::STANDARD).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "gas_limit: 18446744073709551615, more than the 1000000000 allowed",
                "actions[0]: \"not a name\" is no name: a letter or '_', then letters, digits or '_'",
                "actions[1].value: there is not so much money: it has at most 127 bits",
                "actions[2].template: template at byte 0: it does not begin with \"rtpl\", a version and a count: this is no template",
                "actions[3].version: a version has 1 to 32 bytes and no spaces",
                "actions[3].template: template at byte 0: it does not begin with \"rtpl\", a version and a count: this is no template",
                "proof.name: 0 bytes: a name has 1 to 64",
            ]
        );
    }

    #[test]
    fn limits_hold_at_the_limit() {
        let many = |count: usize| check(&signed(vec![call("f"); count]), &Limits::STANDARD).len();
        assert_eq!((many(0), many(1), many(64), many(65)), (1, 0, 0, 1));
        let long = |len: usize| {
            let arguments = vec![0; len];
            let action = Action::Call { account: Address::of_name("a"), function: "f".into(), arguments, value: 0 };
            check(&signed(vec![action]), &Limits::STANDARD).len()
        };
        assert_eq!((long(65_536), long(65_537)), (0, 1));
        let exact = signed(vec![call("f")]).encode();
        let limits = |bytes: usize| Limits { bytes, ..Limits::STANDARD };
        assert!(Transaction::decode(&exact, &limits(exact.len())).is_ok());
        assert!(Transaction::decode(&exact, &limits(exact.len() - 1)).is_err());
        let own = |len: usize| {
            let transaction = Transaction { body: body(vec![call("f")]), proof: Proof::Own { proof: vec![0; len] } };
            check(&transaction, &Limits::STANDARD).len()
        };
        assert_eq!((own(4096), own(4097)), (0, 1));
        assert_eq!(body(vec![]).greatest_fee(), 2_000_000);
        let dear = Body { gas_limit: u64::MAX, gas_price: u64::MAX, ..body(vec![]) };
        assert_eq!(dear.greatest_fee(), u128::from(u64::MAX) * u128::from(u64::MAX));
    }

    #[test]
    fn the_bytes_are_the_drawn_ones() {
        let bytes = signed(vec![Action::Transfer { to: Address::from_bytes([9; 20]), value: 258 }]).encode();
        let mut drawn = vec![1];
        drawn.extend(body(vec![]).principal.as_bytes());
        drawn.extend(4u64.to_le_bytes());
        drawn.extend(1_000_000u64.to_le_bytes());
        drawn.extend(2u64.to_le_bytes());
        drawn.extend([1, 0, 0, 0, 1]);
        drawn.extend([9; 20]);
        drawn.extend(258u128.to_le_bytes());
        drawn.push(0);
        drawn.extend(SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes());
        assert_eq!(bytes[..drawn.len()], drawn);
        assert_eq!(bytes.len(), drawn.len() + 64);
    }

    #[test]
    fn what_is_signed_depends_on_the_cell_and_on_every_field() {
        let original = body(vec![call("f")]);
        let changes: [fn(&mut Body); 5] = [
            |b| b.nonce += 1,
            |b| b.gas_limit += 1,
            |b| b.gas_price += 1,
            |b| b.principal = Address::of_name("x"),
            |b| b.actions.clear(),
        ];
        for change in changes {
            let mut other = original.clone();
            change(&mut other);
            assert_ne!(other.signed(&Hash::ZERO), original.signed(&Hash::ZERO));
        }
        assert_ne!(original.signed(&Hash::new([1; 32])), original.signed(&Hash::ZERO));
    }
}
