//! What runs a module, and what a module can ask for. The engine is elsewhere; here is what passes between.

use super::answer::Code;

/// What a module is, as far as it concerns anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What it imports, as `module.name`.
    pub imports: Vec<String>,
    /// Bytes of memory that an instance has at first.
    pub memory: u64,
    /// Whether it may touch state, itself or through functions that it calls.
    pub stateful: bool,
}

/// Why a module, or an execution, is none: a function of what it is, and equal on all nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// For programs.
    pub code: Code,
    /// For people.
    pub message: String,
    /// What a function returned, with [`Code::Plugin`].
    pub returned: Option<i32>,
}

/// One run of one function.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// Its module's digest.
    pub digest: &'a [u8; 32],
    /// The exported function that is called; the usual one without.
    pub entry: Option<&'a str>,
    /// Units of fuel.
    pub fuel: u64,
    /// Bytes of memory of all instances.
    pub memory_bytes: u64,
    /// Bytes of output.
    pub output_bytes: u64,
}

/// How a run has ended.
#[derive(Clone, Debug)]
pub struct StageEnd {
    /// Why it failed, if so.
    pub result: Result<(), Refused>,
    /// What it has written.
    pub output: Vec<u8>,
    /// Fuel that it has burnt.
    pub fuel: u64,
    /// Bytes of the largest memory.
    pub memory: u64,
}

/// What a module is not given. The run ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// A key or value is too long, or the state is full.
    State(String),
    /// It may only read.
    ReadOnly,
    /// It has logged too much.
    Log {
        /// Bytes in all.
        wrote: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// What it has read and written of state takes too much memory.
    Memory {
        /// Bytes in all.
        asked: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Functions call functions too deep.
    Depth(u32),
    /// Nothing of this run will be seen: the node cannot go on, or the run has to be done again. Whoever keeps the cells knows why.
    Lost,
}

type Answer<T> = Result<T, Denied>;

/// State, log and other functions, for one execution.
pub trait World {
    /// Looks a key up. True if it is there, with its value behind what is in `value`.
    ///
    /// # Errors
    /// When the key is too long.
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> Answer<bool>;

    /// Sets a key.
    ///
    /// # Errors
    /// When key or value are too long, or nothing may be written.
    fn set(&mut self, key: &[u8], value: &[u8]) -> Answer<()>;

    /// Deletes a key. True if it was there.
    ///
    /// # Errors
    /// As [`World::set`].
    fn delete(&mut self, key: &[u8]) -> Answer<bool>;

    /// Calls `each` with every key that begins with a prefix, in order, until it says that it wants no more.
    ///
    /// # Errors
    /// When the prefix is too long.
    fn list(&mut self, prefix: &[u8], each: &mut dyn FnMut(&[u8]) -> bool) -> Answer<()>;

    /// A line of log.
    ///
    /// # Errors
    /// When that is more than it may log.
    fn log(&mut self, line: &[u8]) -> Answer<()>;

    /// The function of that name or number is to be called: from here on, state is that function's. Its module's digest; none if there is no
    /// such function.
    ///
    /// # Errors
    /// When no further function may be called.
    fn enter(&mut self, name: &[u8]) -> Answer<Option<[u8; 32]>>;

    /// The function that was entered last has ended. Unless it went well, what it has done to state is undone.
    fn leave(&mut self, well: bool);

    /// The bytes of a stored module, for an engine that has not got its code at hand.
    ///
    /// # Errors
    /// When the store does not answer.
    fn module(&mut self, digest: &[u8; 32]) -> Answer<Vec<u8>>;
}

/// Runs modules. What it answers is a function of what it is given, and of what the world answers.
pub trait Functions: Send + Sync {
    /// Whether a module can be run, or every reason why not. Its code stays at hand.
    ///
    /// # Errors
    /// When this node has no engine for functions; never a module's doing.
    fn check(&self, digest: &[u8; 32], wasm: &[u8]) -> Result<Result<Facts, Refused>, String>;

    /// Runs a function to its end.
    ///
    /// # Errors
    /// When this node's engine cannot do what is promised; never a function's doing.
    fn run(&self, stage: &Stage<'_>, input: &[u8], world: &mut dyn World) -> Result<StageEnd, String>;
}
