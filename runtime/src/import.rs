//! `--dir`: takes a tree of this machine into the image that file systems start from.
//!
//! The tree is read once. What a guest could not be given faithfully on every node (pipes, devices, sockets) is
//! refused by name instead of being left out.

use crate::args::DirImport;
use crate::starting;
use anyhow::{Context, Result, bail, ensure};
use replicode_log::{FsEntry, FsImage, FsNode, Limits};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where `run` and `up` keep their data when nothing else is said.
const DEFAULT_DATA: &str = "replicode-data";

/// Reads all imports into one image; later ones win where they overlap. What replicode itself writes is left out: the
/// directory `data` that the cell is kept in, and [`DEFAULT_DATA`].
///
/// # Errors
/// The first thing that cannot be imported, or the limit that the image exceeds.
pub fn read(imports: &[DirImport], limits: &Limits, data: &Path) -> Result<FsImage> {
    // What does not exist yet is in no tree.
    let left_out = [data, Path::new(DEFAULT_DATA)].into_iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    let mut image = Collector { entries: BTreeMap::new(), bytes: 0, limits, left_out };
    for import in imports {
        starting::at(format!("importing {} as /{}", import.host.display(), import.guest));
        let what = || format!("cannot import {} as /{}", import.host.display(), import.guest);
        image.tree(import).with_context(what)?;
    }
    let mut files = FsImage::from_entries(image.entries.into_values().collect());
    files.preopens = preopens(imports, &files);
    Ok(files)
}

/// The names of the imports that are directories and were given without a leading slash, each once.
fn preopens(imports: &[DirImport], image: &FsImage) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for import in imports {
        let path = import.guest.as_bytes();
        let found = image.entries.iter().find(|entry| entry.path == path);
        let is_directory = path.is_empty() || found.is_some_and(|entry| entry.node == FsNode::Directory);
        if let Some(name) = import.preopen.clone().filter(|name| is_directory && !names.contains(name)) {
            names.push(name);
        }
    }
    names
}

/// How what is asked for differs from what was imported when the cell was made, in words. The files of this machine are
/// not looked at: what they hold now does not matter to a cell that is there.
#[must_use]
pub fn differences(imports: &[DirImport], image: &FsImage) -> Vec<String> {
    let mut found = Vec::new();
    for import in imports.iter().filter(|import| !import.guest.is_empty()) {
        match image.entries.iter().find(|entry| entry.path == import.guest.as_bytes()) {
            None => found.push(format!("imported directories: nothing recorded as /{}", import.guest)),
            Some(entry) if entry.read_only != import.read_only => {
                let (recorded, asked) = if import.read_only { ("writable", ":ro") } else { (":ro", "writable") };
                found.push(format!("/{}: {recorded} recorded, {asked} asked for", import.guest));
            }
            Some(_) => {}
        }
    }
    let below = |path: &[u8], top: &[u8]| top.is_empty() || path == top || path.starts_with(&[top, b"/"].concat());
    let asked_for = |entry: &FsEntry| {
        imports.iter().any(|import| {
            let top = import.guest.as_bytes();
            below(&entry.path, top) || (entry.node == FsNode::Directory && below(top, &entry.path))
        })
    };
    if let Some(entry) = image.entries.iter().find(|entry| !asked_for(entry)) {
        let path = String::from_utf8_lossy(&entry.path);
        found.push(format!("imported directories: /{path} recorded, no --dir for it asked for"));
    }
    let asked = preopens(imports, image);
    if found.is_empty() && asked != image.preopens {
        let list = |names: &[String]| if names.is_empty() { "none".to_string() } else { names.join(", ") };
        let (recorded, asked) = (list(&image.preopens), list(&asked));
        found.push(format!("directories with a name of their own: {recorded} recorded, {asked} asked for"));
    }
    found
}

struct Collector<'a> {
    entries: BTreeMap<Vec<u8>, FsEntry>,
    bytes: u64,
    limits: &'a Limits,
    /// Real paths that are not imported.
    left_out: Vec<PathBuf>,
}

impl Collector<'_> {
    /// One `--dir`: the tree at `import.host`, depth first, names in order.
    fn tree(&mut self, import: &DirImport) -> Result<()> {
        let guest = import.guest.as_bytes();
        self.parents_of(guest)?;
        // The named path itself may be a link to what is meant; links below it are kept as links.
        let top = fs::canonicalize(&import.host).with_context(|| format!("cannot read {}", import.host.display()))?;
        ensure!(
            !self.left_out.iter().any(|data| top.starts_with(data)),
            "{} belongs to replicode's own data: name another directory",
            top.display()
        );
        let mut stack = vec![(top, guest.to_vec())];
        while let Some((host, path)) = stack.pop() {
            if self.left_out.contains(&host) {
                continue;
            }
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
        starting::one_more();
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
        let content =
            starting::read_all(file.take(room + 1)).with_context(|| format!("cannot read {}", host.display()))?;
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
        DirImport { host: host.into(), guest: guest.into(), preopen: None, read_only }
    }

    fn nowhere() -> &'static Path {
        Path::new("no-such-directory")
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
        let image = read(&[import(tmp.path(), "srv/www", true)], &Limits::default(), nowhere())?;
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
        let root = read(
            &[import(tmp.path(), "", false), import(&tmp.path().join("a"), "b/extra", true)],
            &Limits::default(),
            nowhere(),
        )?;
        assert_eq!(listing(&root), ["a=2", "b/", "b/c/", "b/c/deep=1", "b/extra=2 ro", "link->/etc/passwd"]);
        Ok(())
    }

    #[test]
    fn what_cannot_be_given_is_refused_by_name() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let fifo = tmp.path().join("queue");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR)?;
        let error =
            read(&[import(tmp.path(), "x", false)], &Limits::default(), nowhere()).err().map(|e| format!("{e:#}"));
        assert!(error.is_some_and(|e| e.contains("queue is a pipe")));
        Ok(())
    }

    #[test]
    fn limits_hold() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        fs::write(tmp.path().join("five"), b"12345")?;
        let within = |file_bytes| {
            let limits = Limits { file_bytes, ..Limits::default() };
            read(&[import(tmp.path(), "x", false)], &limits, nowhere()).is_ok()
        };
        assert!(within(5));
        assert!(!within(4));
        Ok(())
    }

    #[test]
    fn the_data_directory_is_no_part_of_what_is_imported() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let data = tmp.path().join("own/data");
        fs::create_dir_all(&data)?;
        fs::write(data.join("log"), b"x")?;
        fs::write(tmp.path().join("a"), b"1")?;
        let image = read(&[import(tmp.path(), "", false)], &Limits::default(), &data)?;
        assert_eq!(listing(&image), ["a=1", "own/"]);
        let within = read(&[import(&data, "x", false)], &Limits::default(), &data).err().map(|e| format!("{e:#}"));
        assert!(within.is_some_and(|why| why.contains("own data")));
        Ok(())
    }

    #[test]
    fn what_was_imported_is_compared_by_name() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        fs::write(tmp.path().join("a"), b"1")?;
        let recorded = read(
            &[import(tmp.path(), "srv/www", true), import(tmp.path(), "etc", false)],
            &Limits::default(),
            nowhere(),
        )?;
        let (www, etc) = (import(Path::new("gone"), "srv/www", true), import(tmp.path(), "etc", false));
        assert_eq!(differences(&[www.clone(), etc.clone()], &recorded), Vec::<String>::new());
        assert_eq!(differences(&[import(tmp.path(), "", false)], &recorded), Vec::<String>::new());
        assert_eq!(differences(&[], &FsImage::default()), Vec::<String>::new());
        let found = differences(std::slice::from_ref(&etc), &recorded);
        assert_eq!(found, ["imported directories: /srv recorded, no --dir for it asked for"]);
        let found = differences(&[www.clone(), etc.clone(), import(tmp.path(), "new", false)], &recorded);
        assert_eq!(found, ["imported directories: nothing recorded as /new"]);
        let named = DirImport { preopen: Some("etc".into()), ..etc.clone() };
        let found = differences(&[www.clone(), named.clone()], &recorded);
        assert_eq!(found, ["directories with a name of their own: none recorded, etc asked for"]);
        let root = DirImport { preopen: Some(".".into()), ..import(tmp.path(), "", false) };
        let file = DirImport { preopen: Some("b".into()), ..import(&tmp.path().join("a"), "b", false) };
        let image = read(&[root.clone(), named, root, file], &Limits::default(), nowhere())?;
        assert_eq!(image.preopens, [".", "etc"], "directories only, each once");
        let found = differences(&[DirImport { read_only: false, ..www }, etc], &recorded);
        assert_eq!(found, ["/srv/www: :ro recorded, writable asked for"]);
        Ok(())
    }
}
