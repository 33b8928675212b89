//! What stands between a contract's code and its surroundings.

use crate::account::Address;
use crate::cell::{Access, Error};
use crate::hash::Hash;
use crate::receipt::{GasKind, Status, Trap};
use crate::registers::Registers;
use crate::slice::Layout;
use crate::template::Template;
use std::sync::Arc;

use super::frames::Outcome;

/// The frame has ended. The host knows why; code passes it on and does nothing more. Swallowing it does not help: the
/// frame has ended either way.
#[derive(Debug)]
pub struct Halt(pub(super) ());

/// What is called.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// A function of the template's document.
    pub function: &'a str,
    /// Its arguments, encoded; they decode.
    pub arguments: &'a [u8],
}

/// A contract's code. A call is a function of its entry and of what the host answers, and of nothing else: everything
/// that it keeps from one call to the next is in its storage.
pub trait Code: Send + Sync {
    /// Runs a function and gives what it returns, encoded. It may be run again for one call, or stopped in the middle.
    ///
    /// # Errors
    /// [`Halt`] when the frame has ended otherwise: handed on from the host, or made by [`Host::revert`] and
    /// [`Host::trap`].
    fn run(&self, entry: Entry<'_>, host: &mut dyn Host) -> Result<Vec<u8>, Halt>;
}

/// A template that is ready to run.
pub struct Loaded {
    /// Its hash.
    pub hash: Hash,
    /// What it says about itself.
    pub template: Template,
    /// Its layout as storage takes it.
    pub layout: Layout,
    /// Its code.
    pub code: Arc<dyn Code>,
}

/// Why there is no code of a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unloaded {
    /// Everything for which it may not run here, a line each: equal on all nodes.
    #[error("{0}")]
    Refused(String),
    /// What this node could not do. No other need have the same, so it is no answer, and the node does not go on.
    #[error("{0}")]
    Host(String),
}

impl From<String> for Unloaded {
    fn from(why: String) -> Self {
        Self::Refused(why)
    }
}

/// Makes code of templates. The answer is a function of the template; what is kept to answer sooner is the node's own.
pub trait Loader {
    /// The template of this hash, if it was loaded before and is still at hand.
    fn at_hand(&self, template: &Hash) -> Option<Arc<Loaded>>;

    /// Makes code of a template and keeps it at hand.
    ///
    /// # Errors
    /// Everything for which its code may not run here, or what this node cannot do.
    fn load(&self, hash: &Hash, template: Template) -> Result<Arc<Loaded>, Unloaded>;

    /// What runs [functions](crate::functions); none where nothing does.
    fn functions(&self) -> Option<&dyn crate::functions::Functions> {
        None
    }
}

/// What a frame knows about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The account whose code and storage it is.
    pub account: Address,
    /// Its template.
    pub template: Hash,
    /// Who has called: the principal, or a contract.
    pub sender: Address,
    /// Whose transaction it is.
    pub principal: Address,
    /// Money that came with the call; it is in the account's balance already.
    pub value: u128,
    /// Frames that it is nested in.
    pub depth: u8,
    /// Whether it may change nothing.
    pub read_only: bool,
    /// The batch.
    pub moment: super::Moment,
}

/// A call of another account.
#[derive(Clone, Debug)]
pub struct CallRequest {
    /// Whose function.
    pub account: Address,
    /// Which.
    pub function: String,
    /// Its arguments, encoded.
    pub arguments: Vec<u8>,
    /// Money that goes with it.
    pub value: u128,
    /// The most that it may burn. It gets no more than the caller has, less a 64th that stays with the caller.
    pub gas: u64,
    /// It and what it calls may change nothing.
    pub read_only: bool,
    /// An account that is running already may be called, if its function allows it as well.
    pub may_reenter: bool,
}

/// A new account.
#[derive(Clone, Debug)]
pub struct SpawnRequest {
    /// Hash of its template.
    pub template: Hash,
    /// Its constructor; none for a template that has none.
    pub constructor: Option<String>,
    /// The constructor's arguments, encoded.
    pub arguments: Vec<u8>,
    /// Its first balance, paid by the caller.
    pub value: u128,
    /// The most that the constructor may burn.
    pub gas: u64,
}

/// What code may ask. Its storage is reached through [`Access`]: slices and collections take `&mut dyn Host`.
///
/// Everything is charged for before it is done. An answer that is an error of the *callee* is a value; only what ends the
/// frame itself is a [`Halt`].
pub trait Host: Access<Error = Halt> {
    /// What the frame knows about itself.
    fn message(&self) -> &Message;

    /// The template that runs: its document, where its slices lie.
    fn program(&self) -> Arc<Loaded>;

    /// Its registers.
    fn registers(&mut self) -> &mut Registers;

    /// Gas that it may still burn.
    fn gas_left(&self) -> u64;

    /// Burns gas.
    ///
    /// # Errors
    /// When there is not so much: the frame has ended and has burnt its limit.
    fn charge(&mut self, kind: GasKind, gas: u64) -> Result<(), Halt>;

    /// Decides to end, without effects and with one of the contract's errors.
    fn revert(&mut self, code: u32, data: Vec<u8>) -> Halt;

    /// Ends because the code is wrong.
    fn trap(&mut self, trap: Trap) -> Halt;

    /// Ends because its gas does not suffice, which code has noticed that counts for itself.
    fn out_of_gas(&mut self) -> Halt;

    /// Ends everything because this node's engine cannot do what the configuration promises. Never a contract's doing.
    fn fault(&mut self, why: String) -> Halt;

    /// Whether it is known that nothing of this run will be seen: the node cannot go on, or the run has to be done again. Everything asked
    /// from then on is answered with a [`Halt`]; code may as well go to its end by itself, with zeros for answers.
    fn is_lost(&self) -> bool;

    /// What an operation on storage that did not succeed means for the frame: misuse is a trap, everything else ends
    /// more than the frame.
    fn storage_error(&mut self, error: Error<Halt>) -> Halt;

    /// An account's balance.
    ///
    /// # Errors
    /// As all that is charged.
    fn balance(&mut self, account: &Address) -> Result<u128, Halt>;

    /// How many transactions an account has sent.
    ///
    /// # Errors
    /// As all that is charged.
    fn nonce(&mut self, account: &Address) -> Result<u64, Halt>;

    /// Pays an account and runs nothing. `false`: there is not so much.
    ///
    /// # Errors
    /// As all that is charged, and where nothing may be changed.
    fn transfer(&mut self, to: &Address, value: u128) -> Result<bool, Halt>;

    /// Calls another account in a frame of its own. A failure there undoes what was done there and nothing here.
    ///
    /// # Errors
    /// As all that is charged, and where money should go with it and nothing may be changed.
    fn call(&mut self, request: CallRequest) -> Result<Outcome, Halt>;

    /// How the last call or spawn of this frame has ended.
    fn last_outcome(&self) -> Option<&Outcome>;

    /// Makes an account and runs its constructor. The address is none when that failed.
    ///
    /// # Errors
    /// As all that is charged, and where nothing may be changed.
    fn spawn(&mut self, request: SpawnRequest) -> Result<(Option<Address>, Outcome), Halt>;

    /// Stores a template.
    ///
    /// # Errors
    /// As all that is charged, and where nothing may be changed.
    fn deploy(&mut self, template: &[u8]) -> Result<Result<Hash, Status>, Halt>;

    /// Tells the outside something: the event's number in the document, its fields encoded, and the logical time from
    /// which on it is gone; without one, that of the configuration.
    ///
    /// # Errors
    /// As all that is charged, where nothing may be changed, and when number or data are not the document's.
    fn emit(&mut self, event: u32, data: &[u8], expires: Option<u64>) -> Result<(), Halt>;
}
