//! Files imported at genesis: a tree of host directories, taken once, hashed, and the same on all nodes.

use borsh::{BorshDeserialize, BorshSerialize};

/// What stands at one path of the image.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum FsNode {
    /// A directory.
    Directory,
    /// A regular file with its content.
    File(Vec<u8>),
    /// A symbolic link with its target, resolved inside the guest's tree only.
    Symlink(Vec<u8>),
}

/// One path of the image.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FsEntry {
    /// Path below the guest's root, `/`-separated, without a leading slash, without `.` and `..`.
    pub path: Vec<u8>,
    /// What stands there.
    pub node: FsNode,
    /// Whether guests may not change it (`EROFS`).
    pub read_only: bool,
}

/// The file system that every cell starts from. Entries are sorted by path, so parents come before their children and
/// the encoding of a tree is unique. All processes of a cell share the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FsImage {
    /// The entries, sorted by path, each path once.
    pub entries: Vec<FsEntry>,
    /// Directories below the root that every process finds preopened beside the root, under these names: relative paths
    /// as `--dir HOST:GUEST` gives them, `.` for the root itself, in the order in which they were given, each once.
    pub preopens: Vec<String>,
}

impl FsImage {
    /// The most bytes that an encoded image may have.
    pub const MAX_ENCODED: usize = 2 << 30;

    /// Puts the entries into canonical order. Of two entries with one path the later one wins, as later `--dir` flags
    /// do.
    #[must_use]
    pub fn from_entries(entries: Vec<FsEntry>) -> Self {
        let by_path: std::collections::BTreeMap<_, _> =
            entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        Self { entries: by_path.into_values().collect(), preopens: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_repeats_do_not_matter() {
        let entry = |path: &[u8], content: &[u8]| FsEntry {
            path: path.to_vec(),
            node: FsNode::File(content.to_vec()),
            read_only: false,
        };
        let a = FsImage::from_entries(vec![entry(b"b", b"1"), entry(b"a", b"2")]);
        let b = FsImage::from_entries(vec![entry(b"a", b"0"), entry(b"a", b"2"), entry(b"b", b"1")]);
        assert_eq!(a, b);
    }
}
