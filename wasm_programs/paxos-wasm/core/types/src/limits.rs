//! Upper bounds of everything that somebody else chooses the size of.

/// What is accepted from clients and peers. The same on all nodes of a cluster (a batch that one node made must be legal at the others).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a key. At most [`Limits::MAX_KEY`].
    pub key: usize,
    /// Bytes of a value, and of the expected value of a cas. At most [`Limits::MAX_VALUE`].
    pub value: usize,
    /// Sessions the kv-store keeps; the one idle for longest is forgotten first.
    pub sessions: usize,
    /// Bytes of a frame without its length, from peers as from clients.
    pub frame: usize,
}

impl Limits {
    /// A key's length has 16 bits.
    pub const MAX_KEY: usize = u16::MAX as usize;
    /// A value must fit into a batch, and a batch into a frame.
    pub const MAX_VALUE: usize = 8 * 1024 * 1024;
    /// Commands of one batch.
    pub const MAX_BATCH_COMMANDS: u32 = 1 << 16;
    /// Bytes of one batch.
    pub const MAX_BATCH_BYTES: usize = 20 * 1024 * 1024;
    /// Bytes of one frame, whatever a configuration says.
    pub const MAX_FRAME: usize = 32 * 1024 * 1024;
    /// Messages of one frame.
    pub const MAX_MESSAGES: u32 = 1 << 16;
    /// Bytes of accepted values in one promise or one answer to a learner that asks: well below a frame.
    pub const CHUNK: usize = 1024 * 1024;
    /// Bytes of the kv-store: keys, values, last answers of sessions, and what keeping them costs. It and a snapshot of it have to fit into
    /// the memory of a component. Part of the protocol: all nodes refuse the same writes.
    pub const MAX_STATE: usize = 512 * 1024 * 1024;
    /// Nodes of a cluster: the bits of a set of them.
    pub const MAX_NODES: usize = 63;
}

// A command of the largest key and values fits into a batch, a batch and a chunk that holds one fit into a frame.
const _: () = assert!(2 * Limits::MAX_VALUE + Limits::MAX_KEY + 1024 < Limits::MAX_BATCH_BYTES);
const _: () = assert!(Limits::MAX_BATCH_BYTES + Limits::CHUNK + 1024 < Limits::MAX_FRAME);

impl Default for Limits {
    fn default() -> Self {
        Limits { key: 1024, value: 1024 * 1024, sessions: 100_000, frame: Limits::MAX_FRAME }
    }
}
