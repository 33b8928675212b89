//! Round trips, hostile bytes, and texts.

use super::status::Rule;
use super::*;
use crate::abi::NoNames;
use crate::abi::document::PANIC_CODE;
use crate::abi::tests_support::token;
use crate::event::Topic;
use crate::transaction::BadProof;
use proptest::prelude::*;

fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from_bytes)
}

fn some_hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash::new)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..20)
}

fn any_status() -> impl Strategy<Value = Status> {
    let fixed = vec![
        Status::Success,
        Status::OutOfGas,
        Status::TooDeep,
        Status::NotAllowed { what: Rule::Upgrade },
        Status::Skipped { why: Skipped::Malformed },
        Status::Skipped { why: Skipped::BadSignature { why: BadProof::BadKey } },
        Status::NotAConstructor { function: String::new() },
    ];
    prop_oneof![
        prop::sample::select(fixed),
        (any::<u32>(), bytes()).prop_map(|(code, data)| Status::Reverted { code, data }),
        (0u8..=10).prop_map(|n| Status::Trapped { trap: borsh::from_slice(&[n]).expect("a trap") }),
        some_hash().prop_map(|template| Status::TemplateNotFound { template }),
        address().prop_map(|account| Status::AccountNotFound { account }),
        address().prop_map(|account| Status::Reentered { account }),
        "[a-z]{0,9}".prop_map(|function| Status::FunctionNotFound { function }),
        "\\PC{0,9}".prop_map(|why| Status::BadArguments { why }),
        "\\PC{0,9}".prop_map(|why| Status::Refused { why }),
        any::<u128>().prop_map(|need| Status::NoMoney { need }),
        any::<(u64, u64)>().prop_map(|(next, given)| Status::Skipped { why: Skipped::BadNonce { next, given } }),
        any::<(u128, u128)>().prop_map(|(have, need)| Status::Skipped { why: Skipped::NoMoney { have, need } }),
        any::<(u64, u64)>().prop_map(|(left, need)| Status::Skipped { why: Skipped::BatchGasLimit { left, need } }),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let topics = prop::collection::vec(any::<[u8; 32]>().prop_map(Topic::new), 0..=4);
    (address(), some_hash(), "[A-Z][a-z]{0,9}", topics, bytes(), any::<u64>()).prop_map(
        |(account, template, name, topics, data, expires)| Event { account, template, name, topics, data, expires },
    )
}

fn any_gas() -> impl Strategy<Value = Gas> {
    let frame = (any::<u8>(), address(), "[a-z]{1,9}", any::<u64>(), any::<[u64; 6]>())
        .prop_map(|(depth, account, function, limit, burnt)| FrameGas { depth, account, function, limit, burnt });
    (any::<(u64, u64, u64)>(), prop::collection::vec(frame, 0..3), any::<[u64; 6]>())
        .prop_map(|((limit, burnt, price), frames, outside)| Gas { limit, burnt, price, frames, outside })
}

pub(crate) fn any_receipt() -> impl Strategy<Value = Receipt> {
    let slice = any::<(u32, bool)>().prop_map(|(index, written)| TouchedSlice { index, written });
    let touched = (address(), prop::collection::vec(slice, 0..3), any::<(u32, u32)>()).prop_map(
        |(account, slices, (elements_read, elements_written))| Touched {
            account,
            slices,
            elements_read,
            elements_written,
        },
    );
    let state = (address(), some_hash()).prop_map(|(account, state)| StateAfter { account, state });
    let head = (some_hash(), any::<(u64, u32, u16)>(), any_status(), bytes(), any_gas());
    let lists = (
        prop::collection::vec(address(), 0..3),
        prop::collection::vec(some_hash(), 0..3),
        prop::collection::vec(any_event(), 0..3),
        prop::collection::vec(touched, 0..3),
        prop::collection::vec(state, 0..3),
    );
    (head, lists).prop_map(
        |(
            (transaction, (batch, position, action), status, returned, gas),
            (spawned, deployed, events, touched, states),
        )| {
            Receipt {
                version: VERSION,
                transaction,
                batch,
                position,
                status,
                action,
                returned,
                gas,
                spawned,
                deployed,
                events,
                touched,
                states,
            }
        },
    )
}

proptest! {
    #[test]
    fn a_receipt_reads_back(receipt in any_receipt()) {
        let bytes = receipt.encode();
        prop_assert_eq!(Receipt::decode(&bytes), Ok(receipt));
        let longer = [&bytes[..], &[0]].concat();
        prop_assert!(Receipt::decode(&longer).is_err());
        prop_assert!(Receipt::decode(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn a_damaged_receipt_is_refused_or_another_one(receipt in any_receipt(), at: prop::sample::Index, to: u8) {
        let mut bytes = receipt.encode();
        let at = at.index(bytes.len());
        let changed = bytes[at] != to;
        bytes[at] = to;
        if let Ok(read) = Receipt::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
            prop_assert_eq!(read.hash() != receipt.hash(), changed);
        }
    }

    #[test]
    fn any_bytes_are_a_receipt_or_none(mut bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        bytes[0] = VERSION;
        let _ = Receipt::decode(&bytes);
    }
}

#[test]
fn another_version_is_named() {
    let error = Receipt::decode(&[9; 100]).expect_err("another version").to_string();
    assert_eq!(error, "not a receipt: version 9, and this node reads version 1 at byte 0");
    assert!(Receipt::decode(&[]).is_err());
    assert!(Receipt::decode(&vec![1; MAX_BYTES + 1]).expect_err("too long").why.contains("more than"));
}

#[test]
fn the_bytes_are_the_drawn_ones() {
    let receipt = Receipt {
        version: VERSION,
        transaction: Hash::new([1; 32]),
        batch: 2,
        position: 3,
        status: Status::Reverted { code: 4, data: vec![5] },
        action: 6,
        returned: vec![],
        gas: Gas { limit: 7, burnt: 8, price: 9, frames: vec![], outside: [10, 0, 0, 0, 0, 0] },
        spawned: vec![],
        deployed: vec![],
        events: vec![],
        touched: vec![],
        states: vec![],
    };
    let mut drawn = vec![1];
    drawn.extend([1; 32]);
    drawn.extend(2u64.to_le_bytes());
    drawn.extend(3u32.to_le_bytes());
    drawn.extend([1, 4, 0, 0, 0, 1, 0, 0, 0, 5]);
    drawn.extend(6u16.to_le_bytes());
    drawn.extend([0; 4]);
    for number in [7u64, 8, 9] {
        drawn.extend(number.to_le_bytes());
    }
    drawn.extend([0; 4]);
    drawn.extend(10u64.to_le_bytes());
    drawn.extend([0; 40]);
    drawn.extend([0; 20]);
    assert_eq!(receipt.encode(), drawn);
}

#[test]
fn errors_and_events_are_shown_by_name() {
    let abi = token();
    let data = borsh::to_vec(&(12u128, 30u128)).expect("into memory");
    let reverted =
        |code: u32, data: &[u8]| show::status(&Status::Reverted { code, data: data.to_vec() }, Some(&abi), &NoNames);
    assert_eq!(reverted(1, &data), "InsufficientFunds { have: 12, need: 30 }");
    assert_eq!(reverted(2, &[]), "Paused");
    assert_eq!(reverted(3, &[0xab]), "error 3 (0xab)");
    assert_eq!(reverted(1, &[1]), "error 1 (0x01)");
    assert_eq!(reverted(PANIC_CODE, b"index out of bounds"), "panicked: index out of bounds");
    assert_eq!(show::status(&Status::TooDeep, None, &NoNames), "calls are nested deeper than the limit");
    let ann = Address::of_name("ann");
    let event = Event {
        account: ann,
        template: Hash::ZERO,
        name: "Transfer".into(),
        topics: vec![],
        data: borsh::to_vec(&(ann, ann, 30u128)).expect("into memory"),
        expires: 0,
    };
    assert_eq!(show::event(&event, Some(&abi), &NoNames), format!("Transfer {{ from: {ann}, to: {ann}, amount: 30 }}"));
    assert!(show::event(&event, None, &NoNames).starts_with("Transfer (0x"));
}

#[test]
fn gas_is_shown_by_frame_and_kind() {
    let frame = |depth, function: &str, burnt| FrameGas {
        depth,
        account: Address::from_bytes([0; 20]),
        function: function.into(),
        limit: 1000,
        burnt,
    };
    let gas = Gas {
        limit: 5000,
        burnt: 170,
        price: 0,
        frames: vec![frame(0, "swap", [100, 20, 0, 0, 0, 0]), frame(1, "price", [0, 50, 0, 0, 0, 0])],
        outside: [0; 6],
    };
    let receipt = Receipt {
        version: VERSION,
        transaction: Hash::ZERO,
        batch: 0,
        position: 0,
        status: Status::Success,
        action: 0,
        returned: vec![],
        gas,
        spawned: vec![],
        deployed: vec![],
        events: vec![],
        touched: vec![],
        states: vec![],
    };
    let zero = "0".repeat(40);
    assert_eq!(
        show::gas(&receipt, &NoNames),
        format!(
            "{zero}.swap: 120 of 1000 = compute 100 + read 20\n  {zero}.price: 50 of 1000 = read 50\n\
             burnt 170 of 5000, 4830 not paid for"
        )
    );
}
