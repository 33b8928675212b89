//! Random calls compared with a model that is too simple to be wrong: a map from whole paths to what stands there.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LIMITS: Limits = Limits {
    file_bytes: 200_000,
    file_size: 150_000,
    inodes: 11,
    path_depth: 2,
    // The rest does not matter to files.
    processes: 1,
    memory_bytes: 0,
    module_bytes: 0,
    args_bytes: 0,
    descriptors: 0,
    connections: 0,
    backlog: 0,
    recv_window: 0,
    send_window: 0,
    path_bytes: 4_096,
    listing_bytes: 4_096,
    iovecs: 0,
    call_bytes: 0,
    subscriptions: 0,
    fruitless_calls: 0,
    clock_calls: 0,
    turn_calls: 0,
    turn_console_bytes: 0,
    spin_quantum_ns: 0,
    clock_step_ns: 0,
    stack_bytes: 0,
};

/// Where the symbolic links of this test lead: to nothing.
const TARGET: &str = "nowhere";

#[derive(Clone, Debug)]
enum Op {
    Mkdir(String),
    Rmdir(String),
    /// Opens or creates, without following links, and keeps the descriptor.
    Open(String, bool),
    Close(usize),
    Write(usize, u64, usize, u8),
    Truncate(usize, u64),
    Allocate(usize, u64, u64),
    Unlink(String),
    Link(String, String),
    Symlink(String),
    Rename(String, String),
}

/// Paths of one to three components over three names, so that calls often meet.
fn path() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(vec!["a", "b", "c"]);
    prop_oneof![
        3 => name().prop_map(String::from),
        4 => (name(), name()).prop_map(|(a, b)| format!("{a}/{b}")),
        1 => (name(), name(), name()).prop_map(|(a, b, c)| format!("{a}/{b}/{c}")),
    ]
}

/// Offsets and lengths around chunk borders, limits and the ends of numbers.
fn offset() -> impl Strategy<Value = u64> {
    let edges = vec![0, 1, 65_535, 65_536, 65_537, 131_072, 149_999, 150_000, 150_001, 1 << 40, u64::MAX];
    prop_oneof![0..200_000_u64, prop::sample::select(edges)]
}

fn op() -> impl Strategy<Value = Op> {
    let file = 0..4_usize;
    prop_oneof![
        3 => path().prop_map(Op::Mkdir),
        1 => path().prop_map(Op::Rmdir),
        4 => (path(), any::<bool>()).prop_map(|(path, truncate)| Op::Open(path, truncate)),
        2 => file.clone().prop_map(Op::Close),
        4 => (file.clone(), offset(), 0..70_000_usize, 1..=255_u8).prop_map(|(f, o, l, b)| Op::Write(f, o, l, b)),
        2 => (file.clone(), offset()).prop_map(|(f, len)| Op::Truncate(f, len)),
        1 => (file, offset(), offset()).prop_map(|(f, o, l)| Op::Allocate(f, o, l)),
        2 => path().prop_map(Op::Unlink),
        2 => (path(), path()).prop_map(|(a, b)| Op::Link(a, b)),
        1 => path().prop_map(Op::Symlink),
        5 => (path(), path()).prop_map(|(a, b)| Op::Rename(a, b)),
    ]
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Node {
    Dir,
    File(usize),
    Symlink(usize),
}

#[derive(Default)]
struct Model {
    tree: BTreeMap<String, Node>,
    files: Vec<Vec<u8>>,
    symlinks: usize,
    open: Vec<usize>,
}

impl Model {
    /// The answer of looking `path` up: what is there, if its parent is a directory.
    fn look(&self, path: &str) -> Result<Option<Node>, Errno> {
        let Some((parent, _)) = path.rsplit_once('/') else { return Ok(self.tree.get(path).copied()) };
        match self.look(parent)? {
            Some(Node::Dir) => Ok(self.tree.get(path).copied()),
            Some(Node::File(_)) => Err(Errno::NotDir),
            Some(Node::Symlink(_)) | None => Err(Errno::NoEnt),
        }
    }

    fn get(&self, path: &str) -> Result<Node, Errno> {
        self.look(path)?.ok_or(Errno::NoEnt)
    }

    fn vacant(&self, path: &str) -> Result<(), Errno> {
        self.look(path)?.map_or(Ok(()), |_| Err(Errno::Exist))
    }

    fn below(&self, path: &str) -> Vec<String> {
        let prefix = format!("{path}/");
        self.tree.keys().filter(|other| other.starts_with(&prefix)).cloned().collect()
    }

    fn names_of(&self, node: Node) -> usize {
        self.tree.values().filter(|other| **other == node).count()
    }

    fn alive(&self, file: usize) -> bool {
        self.open.contains(&file) || self.names_of(Node::File(file)) > 0
    }

    fn usage(&self) -> Usage {
        let files = (0..self.files.len()).filter(|file| self.alive(*file));
        let unnamed = files.clone().filter(|file| self.names_of(Node::File(*file)) == 0).count();
        let links = (0..self.symlinks).filter(|link| self.names_of(Node::Symlink(*link)) > 0).count();
        let bytes = files.map(|file| self.files[file].len()).sum::<usize>() + links * TARGET.len();
        Usage { bytes: bytes as u64, nodes: u32::try_from(1 + self.tree.len() + unnamed).expect("few"), listed: 0 }
    }

    fn room_for_node(&self) -> Result<(), Errno> {
        if self.usage().nodes < LIMITS.inodes { Ok(()) } else { Err(Errno::NoSpc) }
    }

    fn room_for_bytes(&self, more: u64) -> Result<(), Errno> {
        if self.usage().bytes + more <= LIMITS.file_bytes { Ok(()) } else { Err(Errno::NoSpc) }
    }

    fn resize(&mut self, file: usize, len: u64) -> Result<(), Errno> {
        if len > LIMITS.file_size {
            return Err(Errno::FBig);
        }
        let old = self.files[file].len() as u64;
        self.room_for_bytes(len.saturating_sub(old))?;
        self.files[file].resize(usize::try_from(len).expect("small"), 0);
        Ok(())
    }

    fn write(&mut self, file: usize, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // The longest beginning that fits, found the slow way round.
        let size = self.files[file].len() as u64;
        let free = LIMITS.file_bytes - self.usage().bytes;
        if offset >= LIMITS.file_size {
            return Err(Errno::FBig);
        }
        let fits = |len: u64| offset + len <= LIMITS.file_size && (offset + len).saturating_sub(size) <= free;
        let taken = (1..=bytes.len()).rev().find(|len| fits(*len as u64)).ok_or(Errno::NoSpc)?;
        let start = usize::try_from(offset).expect("small");
        let file = &mut self.files[file];
        file.resize(file.len().max(start + taken), 0);
        file[start..start + taken].copy_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn open(&mut self, path: &str, truncate: bool) -> Result<(), Errno> {
        let file = match self.look(path)? {
            Some(Node::File(file)) => file,
            Some(Node::Dir) => return Err(Errno::IsDir),
            Some(Node::Symlink(_)) => return Err(Errno::Loop),
            None => {
                self.room_for_node()?;
                self.files.push(Vec::new());
                self.tree.insert(path.to_string(), Node::File(self.files.len() - 1));
                self.files.len() - 1
            }
        };
        if truncate {
            self.files[file].clear();
        }
        self.open.push(file);
        Ok(())
    }

    fn rename(&mut self, old: &str, new: &str) -> Result<(), Errno> {
        self.look(old)?;
        self.look(new)?;
        let (moving, target) = (self.get(old)?, self.look(new)?);
        let into = |dir: &str, path: &str| path.starts_with(&format!("{dir}/"));
        if moving == Node::Dir && into(old, new) {
            return Err(Errno::Inval);
        }
        if target == Some(Node::Dir) && into(new, old) {
            return Err(Errno::NotEmpty);
        }
        if old == new || (moving != Node::Dir && target == Some(moving)) {
            return Ok(());
        }
        match (moving, target) {
            (Node::Dir, Some(Node::Dir)) if !self.below(new).is_empty() => return Err(Errno::NotEmpty),
            (Node::Dir, Some(Node::File(_) | Node::Symlink(_))) => return Err(Errno::NotDir),
            (Node::File(_) | Node::Symlink(_), Some(Node::Dir)) => return Err(Errno::IsDir),
            _ => {}
        }
        let moved = |path: &str| path.replacen(old, new, 1);
        let tree: Vec<String> = std::iter::once(old.to_string()).chain(self.below(old)).collect();
        let depth = |path: &String| moved(path).split('/').count();
        let deep = |path: &&String| self.tree[*path] == Node::Dir && depth(path) > LIMITS.path_depth as usize;
        if tree.iter().any(|path| deep(&path)) {
            return Err(Errno::NameTooLong);
        }
        for path in tree {
            if let Some(node) = self.tree.remove(&path) {
                self.tree.insert(moved(&path), node);
            }
        }
        Ok(())
    }

    /// Does what `op` says; what a write took is the answer, 0 otherwise.
    fn apply(&mut self, op: &Op) -> Result<usize, Errno> {
        match op {
            Op::Mkdir(path) => {
                self.vacant(path)?;
                self.room_for_node()?;
                if path.split('/').count() > LIMITS.path_depth as usize {
                    return Err(Errno::NameTooLong);
                }
                self.tree.insert(path.clone(), Node::Dir);
            }
            Op::Rmdir(path) => match self.get(path)? {
                Node::Dir if self.below(path).is_empty() => drop(self.tree.remove(path)),
                Node::Dir => return Err(Errno::NotEmpty),
                _ => return Err(Errno::NotDir),
            },
            Op::Open(path, truncate) => self.open(path, *truncate)?,
            Op::Close(file) => drop(self.open.remove(*file)),
            Op::Write(file, offset, len, byte) => return self.write(self.open[*file], *offset, &vec![*byte; *len]),
            Op::Truncate(file, len) => self.resize(self.open[*file], *len)?,
            Op::Allocate(_, _, 0) => return Err(Errno::Inval),
            Op::Allocate(file, offset, len) => {
                let end = offset.checked_add(*len).ok_or(Errno::FBig)?;
                let file = self.open[*file];
                self.resize(file, end.max(self.files[file].len() as u64))?;
            }
            Op::Unlink(path) => match self.get(path)? {
                Node::Dir => return Err(Errno::IsDir),
                _ => drop(self.tree.remove(path)),
            },
            Op::Link(old, new) => {
                let node = self.get(old)?;
                self.vacant(new)?;
                if node == Node::Dir {
                    return Err(Errno::Perm);
                }
                self.room_for_node()?;
                self.tree.insert(new.clone(), node);
            }
            Op::Symlink(path) => {
                self.vacant(path)?;
                self.room_for_node()?;
                self.room_for_bytes(TARGET.len() as u64)?;
                self.tree.insert(path.clone(), Node::Symlink(self.symlinks));
                self.symlinks += 1;
            }
            Op::Rename(old, new) => self.rename(old, new)?,
        }
        Ok(0)
    }
}

/// The real file system with the descriptors of the test.
struct System {
    cell: Cell,
    open: Vec<Ino>,
}

impl System {
    fn apply(&mut self, op: &Op) -> Result<usize, Errno> {
        let (cell, now) = (&mut self.cell, LogicalTime::GENESIS);
        match op {
            Op::Mkdir(path) => drop(cell.mkdir(path)?),
            Op::Rmdir(path) => cell.rmdir(path)?,
            Op::Open(path, truncate) => {
                let how = OpenHow { create: true, truncate: *truncate, write: true, follow: false, ..READ };
                let ino = cell.open(path, how)?;
                cell.fs.hold(ino);
                self.open.push(ino);
            }
            Op::Close(file) => cell.fs.release(self.open.remove(*file)),
            Op::Write(file, offset, len, byte) => return cell.write(self.open[*file], *offset, &vec![*byte; *len]),
            Op::Truncate(file, len) => cell.fs.truncate(self.open[*file], *len, now)?,
            Op::Allocate(file, offset, len) => cell.fs.allocate(self.open[*file], *offset, *len, now)?,
            Op::Unlink(path) => cell.unlink(path)?,
            Op::Link(old, new) => cell.link(old, new)?,
            Op::Symlink(path) => drop(cell.symlink(TARGET, path)?),
            Op::Rename(old, new) => cell.rename(old, new)?,
        }
        Ok(0)
    }

    /// All paths with what stands there.
    fn tree(&self, dir: &str, into: &mut BTreeMap<String, Ino>) {
        for name in self.cell.names(if dir.is_empty() { "/" } else { dir }).into_iter().skip(2) {
            let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
            let stat = self.cell.stat(&path).expect("listed");
            into.insert(path.clone(), stat.ino);
            if stat.kind == Kind::Directory {
                self.tree(&path, into);
            }
        }
    }
}

/// Compares everything that can be seen.
fn compare(model: &Model, system: &System) {
    let mut tree = BTreeMap::new();
    system.tree("", &mut tree);
    assert!(tree.keys().eq(model.tree.keys()), "{:?} and {:?}", tree.keys(), model.tree.keys());
    let fs = &system.cell.fs;
    let content = |ino: Ino, file: usize| {
        assert_eq!(fs.size(ino), Ok(model.files[file].len() as u64));
        assert!(fs.read_all(ino).as_deref() == Ok(&model.files[file][..]), "content of {ino:?}");
        assert_eq!(fs.stat(ino).map(|stat| stat.nlink as usize), Ok(model.names_of(Node::File(file))));
    };
    for ((path, ino), node) in tree.iter().zip(model.tree.values()) {
        let stat = fs.stat(*ino).expect("listed");
        match node {
            Node::Dir => {
                let depth = path.split('/').count() + 1;
                let is_below = |other: &&String| model.tree[*other] == Node::Dir && other.split('/').count() == depth;
                let below = model.below(path).iter().filter(is_below).count();
                assert_eq!((stat.kind, stat.nlink as usize), (Kind::Directory, 2 + below), "{path}");
            }
            Node::File(file) => content(*ino, *file),
            Node::Symlink(_) => {
                assert_eq!((stat.kind, stat.nlink as usize), (Kind::Symlink, model.names_of(*node)), "{path}");
            }
        }
    }
    for (ino, file) in system.open.iter().zip(&model.open) {
        content(*ino, *file);
    }
    assert_eq!(fs.usage(), model.usage());
    system.cell.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn behaves_as_a_map_of_paths(ops in prop::collection::vec(op(), 1..150)) {
        let (mut model, mut system) = (Model::default(), System { cell: Cell::with(&LIMITS), open: Vec::new() });
        let furniture = ["a", "b", "a/b"].map(|path| Op::Mkdir(path.into()));
        for mut op in furniture.into_iter().chain(ops) {
            match &mut op {
                Op::Close(file) | Op::Write(file, ..) | Op::Truncate(file, _) | Op::Allocate(file, ..) => {
                    if model.open.is_empty() {
                        continue;
                    }
                    *file %= model.open.len();
                }
                _ => {}
            }
            let (expected, answer) = (model.apply(&op), system.apply(&op));
            prop_assert_eq!(answer, expected, "{:?}", op);
            compare(&model, &system);
        }
    }
}
