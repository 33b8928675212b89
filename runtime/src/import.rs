//! `--dir`: takes a tree of this machine into the image that file systems start from.
//!
//! The tree is read once. What a guest could not be given faithfully on every node (pipes, devices, sockets) is
//! refused by name instead of being left out.

use crate::args::DirImport;
use anyhow::{Context, Result, bail, ensure};
use replicode_log::{FsEntry, FsImage, FsNode, Limits};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Reads all imports into one image; later ones win where they overlap.
///
/// # Errors
/// The first thing that cannot be imported, or the limit that the image exceeds.
pub fn read(imports: &[DirImport], limits: &Limits) -> Result<FsImage> {
    let mut image = Collector { entries: BTreeMap::new(), bytes: 0, limits };
    for import in imports {
        let what = || format!("cannot import {} as /{}", import.host.display(), import.guest);
        image.tree(import).with_context(what)?;
    }
    Ok(FsImage::from_entries(image.entries.into_values().collect()))
}

struct Collector<'a> {
    entries: BTreeMap<Vec<u8>, FsEntry>,
    bytes: u64,
    limits: &'a Limits,
}

impl Collector<'_> {
    /// One `--dir`: the tree at `import.host`, depth first, names in order.
    fn tree(&mut self, import: &DirImport) -> Result<()> {
        let guest = import.guest.as_bytes();
        self.parents_of(guest)?;
        // The named path itself may be a link to what is meant; links below it are kept as links.
        let top = fs::canonicalize(&import.host).with_context(|| format!("cannot read {}", import.host.display()))?;
        let mut stack = vec![(top, guest.to_vec())];
        while let Some((host, path)) = stack.pop() {
            let kind =
                fs::symlink_metadata(&host).with_context(|| format!("cannot read {}", host.display()))?.file_type();
            let node = if kind.is_dir() {
                for child in children(&host)?.into_iter().rev() {
                    let name = child.file_name().unwrap_or_default().as_bytes();
                    let below = if path.is_empty() { name.to_vec() } else { [&path[..], b"/", name].concat() };
                    stack.push((child, below));
                }
                if path.is_empty() {
                    continue;
                }
                FsNode::Directory
            } else if kind.is_file() {
                ensure!(!path.is_empty(), "{} is a file and cannot be the root directory", host.display());
                FsNode::File(self.content(&host)?)
            } else if kind.is_symlink() {
                FsNode::Symlink(fs::read_link(&host)?.into_os_string().into_vec())
            } else {
                let kind = match () {
                    () if kind.is_fifo() => "a pipe (FIFO)",
                    () if kind.is_socket() => "a socket",
                    () if kind.is_char_device() || kind.is_block_device() => "a device",
                    () => "of an unknown kind",
                };
                bail!("{} is {kind}: only files, directories and links can be imported; leave it out", host.display());
            };
            self.put(FsEntry { path, node, read_only: import.read_only })?;
        }
        Ok(())
    }

    /// Directories that lead to `path`, where no earlier import made them.
    fn parents_of(&mut self, path: &[u8]) -> Result<()> {
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            if !self.entries.contains_key(&path[..at]) {
                self.put(FsEntry { path: path[..at].to_vec(), node: FsNode::Directory, read_only: false })?;
            }
        }
        Ok(())
    }

    fn put(&mut self, entry: FsEntry) -> Result<()> {
        let path = entry.path.clone();
        let shown = || String::from_utf8_lossy(&path).into_owned();
        let is_dir = entry.node == FsNode::Directory;
        if let Some(earlier) = self.entries.get(&path) {
            ensure!(
                is_dir == (earlier.node == FsNode::Directory),
                "/{} is a directory in one import and something else in another",
                shown()
            );
        }
        ensure!(
            path.len() <= self.limits.path_bytes as usize,
            "/{} has more than the {} bytes of the limit 'path_bytes'",
            shown(),
            self.limits.path_bytes
        );
        self.entries.insert(path, entry);
        ensure!(
            self.entries.len() < self.limits.inodes as usize,
            "more files than the limit 'inodes' of {}: raise it with --limit inodes=N",
            self.limits.inodes
        );
        Ok(())
    }

    fn content(&mut self, host: &Path) -> Result<Vec<u8>> {
        let room = self.limits.file_bytes.saturating_sub(self.bytes).min(self.limits.file_size);
        // Not following links nor waiting for a writer: the file may have been replaced since it was looked at.
        let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
        let file: File = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits())
            .open(host)
            .with_context(|| format!("cannot read {}", host.display()))?;
        let mut content = Vec::new();
        file.take(room + 1).read_to_end(&mut content).with_context(|| format!("cannot read {}", host.display()))?;
        ensure!(
            content.len() as u64 <= room,
            "{} does not fit: a file may have {} bytes (limit 'file_size'), all files together {} (limit 'file_bytes')",
            host.display(),
            self.limits.file_size,
            self.limits.file_bytes
        );
        self.bytes += content.len() as u64;
        Ok(content)
    }
}

fn children(dir: &Path) -> Result<Vec<PathBuf>> {
    let list = || fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = list().with_context(|| format!("cannot list {}", dir.display()))?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn import(host: &Path, guest: &str, read_only: bool) -> DirImport {
        DirImport { host: host.into(), guest: guest.into(), read_only }
    }

    fn listing(image: &FsImage) -> Vec<String> {
        let line = |entry: &FsEntry| {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            let mark = if entry.read_only { " ro" } else { "" };
            match &entry.node {
                FsNode::Directory => format!("{path}/{mark}"),
                FsNode::File(content) => format!("{path}={}{mark}", String::from_utf8_lossy(content)),
                FsNode::Symlink(target) => format!("{path}->{}{mark}", String::from_utf8_lossy(target)),
            }
        };
        image.entries.iter().map(line).collect()
    }

    #[test]
    fn a_tree_is_taken_in_order_and_links_stay_links() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        fs::create_dir_all(tmp.path().join("b/c"))?;
        fs::write(tmp.path().join("b/c/deep"), b"1")?;
        fs::write(tmp.path().join("a"), b"2")?;
        symlink("/etc/passwd", tmp.path().join("link"))?;
        let image = read(&[import(tmp.path(), "srv/www", true)], &Limits::default())?;
        assert_eq!(
            listing(&image),
            [
                "srv/",
                "srv/www/ ro",
                "srv/www/a=2 ro",
                "srv/www/b/ ro",
                "srv/www/b/c/ ro",
                "srv/www/b/c/deep=1 ro",
                "srv/www/link->/etc/passwd ro"
            ]
        );
        let root =
            read(&[import(tmp.path(), "", false), import(&tmp.path().join("a"), "b/extra", true)], &Limits::default())?;
        assert_eq!(listing(&root), ["a=2", "b/", "b/c/", "b/c/deep=1", "b/extra=2 ro", "link->/etc/passwd"]);
        Ok(())
    }

    #[test]
    fn what_cannot_be_given_is_refused_by_name() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let fifo = tmp.path().join("queue");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR)?;
        let error = read(&[import(tmp.path(), "x", false)], &Limits::default()).err().map(|e| format!("{e:#}"));
        assert!(error.is_some_and(|e| e.contains("queue is a pipe")));
        Ok(())
    }

    #[test]
    fn limits_hold() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        fs::write(tmp.path().join("five"), b"12345")?;
        let within = |file_bytes| {
            let limits = Limits { file_bytes, ..Limits::default() };
            read(&[import(tmp.path(), "x", false)], &limits).is_ok()
        };
        assert!(within(5));
        assert!(!within(4));
        Ok(())
    }
}
