//! How a transaction, or a call in it, has ended.

use crate::account::Address;
use crate::hash::Hash;
use crate::transaction::BadProof;
use borsh::{BorshDeserialize, BorshSerialize};

/// What went wrong in the code, of the kinds that every engine tells apart alike. A trap burns all gas of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, thiserror::Error)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Trap {
    /// `unreachable` was reached.
    #[error("unreachable code was reached")]
    Unreachable = 0,
    /// A place outside the memory.
    #[error("memory was accessed outside its bounds")]
    Memory = 1,
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero = 2,
    /// An integer that does not fit: a quotient, or a float that was converted.
    #[error("an integer does not fit")]
    IntegerOverflow = 3,
    /// A float that is no number was converted to an integer.
    #[error("no number was converted to an integer")]
    Conversion = 4,
    /// An indirect call of nothing, or of a function with another signature, or outside the table.
    #[error("an indirect call met no function of its signature")]
    IndirectCall = 5,
    /// The stack limit.
    #[error("the stack limit was reached")]
    Stack = 6,
    /// A register that is not there, a width that does not calculate.
    #[error("a register was used wrongly")]
    Register = 7,
    /// A slice, a collection or an element that is not there, or is something else.
    #[error("storage was used wrongly")]
    Storage = 8,
    /// A change in a frame that only reads.
    #[error("a change was tried in a frame that only reads")]
    ReadOnly = 9,
    /// Anything else that the host refuses: bytes too long, an unknown event, an unknown function.
    #[error("a host function was used wrongly")]
    Host = 10,
}

/// Why a transaction was skipped: it had no effect and costs nothing. Decided in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, thiserror::Error)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Skipped {
    /// It is not the account's next one.
    #[error("the account's next nonce is {next}, and this is {given}")]
    BadNonce {
        /// What the next one has.
        next: u64,
        /// What this one has.
        given: u64,
    } = 0,
    /// Its proof does not hold.
    #[error("{why}")]
    BadSignature {
        /// Why not.
        why: BadProof,
    } = 1,
    /// The account cannot pay the most that it may cost.
    #[error("it may cost {need}, and the account has {have}")]
    NoMoney {
        /// The account's balance.
        have: u128,
        /// Gas limit times gas price.
        need: u128,
    } = 2,
    /// The batch's gas would not suffice.
    #[error("it may burn {need} gas, and the batch has {left} left")]
    BatchGasLimit {
        /// What is left.
        left: u64,
        /// Its gas limit.
        need: u64,
    } = 3,
    /// It is no transaction: nobody who checks what they offer to the log offers it.
    #[error("it is no transaction")]
    Malformed = 4,
}

/// How a transaction, or a call in it, has ended. Only [`Status::Success`] has effects.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, thiserror::Error)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Status {
    /// It is done.
    #[error("success")]
    Success = 0,
    /// The contract has decided so. Burns what was burnt.
    #[error("reverted with code {code}")]
    Reverted {
        /// Which of the contract's errors.
        code: u32,
        /// Its fields, encoded; a message where the code is that of a panic.
        data: Vec<u8>,
    } = 1,
    /// Burns the limit.
    #[error("out of gas")]
    OutOfGas = 2,
    /// The code is wrong. Burns the limit.
    #[error("trapped: {trap}")]
    Trapped {
        /// How.
        trap: Trap,
    } = 3,
    /// Nothing is stored under this hash.
    #[error("there is no template {template}")]
    TemplateNotFound {
        /// Asked for.
        template: Hash,
    } = 4,
    /// The account has no code.
    #[error("there is no contract at {account}")]
    AccountNotFound {
        /// Asked for.
        account: Address,
    } = 5,
    /// The contract has no such function.
    #[error("the contract has no function {function:?}")]
    FunctionNotFound {
        /// Asked for.
        function: String,
    } = 6,
    /// The arguments are not those of the function.
    #[error("the arguments do not decode: {why}")]
    BadArguments {
        /// Type and place.
        why: String,
    } = 7,
    /// The function does not make accounts, or one that does is missing.
    #[error("{function:?} is not a constructor of the template")]
    NotAConstructor {
        /// Asked for; empty when none was.
        function: String,
    } = 8,
    /// A rule forbids it.
    #[error("not allowed: {what}")]
    NotAllowed {
        /// Which rule.
        what: Rule,
    } = 9,
    /// More frames in each other than there may be.
    #[error("calls are nested deeper than the limit")]
    TooDeep = 10,
    /// The account is running below, and caller and function do not both allow it.
    #[error("{account} is running already, and caller and function do not both allow re-entering")]
    Reentered {
        /// Which one.
        account: Address,
    } = 11,
    /// It was not executed.
    #[error("skipped: {why}")]
    Skipped {
        /// Why not.
        why: Skipped,
    } = 12,
    /// The sender has not what it wanted to give.
    #[error("the sender has less than the {need} that should go with it")]
    NoMoney {
        /// What should go.
        need: u128,
    } = 13,
    /// The template's code is none that may run here, or the new layout clashes with what is stored.
    #[error("the template is refused: {why}")]
    Refused {
        /// Everything that is wrong, a line each.
        why: String,
    } = 14,
}

/// The rules behind [`Status::NotAllowed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, thiserror::Error)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Rule {
    /// The function takes no money.
    #[error("the function takes no money")]
    NotPayable = 0,
    /// The function is the runtime's to call: `init`, `verify`, `migrate`, `upgrade`.
    #[error("the function is not one that is called from outside")]
    NotCallable = 1,
    /// The function changes state and the caller only reads.
    #[error("the function changes state, and the caller only reads")]
    ReadOnly = 2,
    /// The account's code has no `upgrade`, or that has said no.
    #[error("the account's upgrade rule does not allow it")]
    Upgrade = 3,
    /// A library is no contract, and a contract is no library.
    #[error("a library is linked, not spawned")]
    Library = 4,
    /// The publisher has published this version of this name before.
    #[error("this version of this name is published already")]
    Published = 5,
    /// The address has an account with code already.
    #[error("the address is taken")]
    Taken = 6,
}

impl Status {
    /// Whether a failed frame burns its limit rather than what it has burnt.
    #[must_use]
    pub fn burns_all(&self) -> bool {
        matches!(self, Self::OutOfGas | Self::Trapped { .. })
    }
}
