//! A directory that nothing is read outside of, whatever links are put into it, and whoever changes them meanwhile.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// See the module. The directory is opened once; what is asked for is looked up below that, by the operating system in one step, so there
/// is no moment between a look at a path and its use.
#[derive(Debug)]
pub struct Confined {
    directory: File,
    /// As it was named, and as it really is: a client may say either.
    names: [PathBuf; 2],
}

impl Confined {
    /// The directory at a path.
    ///
    /// # Errors
    /// When there is none, or it may not be read.
    pub fn new(path: &Path) -> io::Result<Self> {
        let real = path.canonicalize()?;
        let directory = File::open(&real)?;
        if !directory.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { directory, names: [std::path::absolute(path)?, real] })
    }

    /// Its path, to be shown.
    #[must_use]
    pub fn shown(&self) -> std::path::Display<'_> {
        self.names[1].display()
    }

    /// Opens a file of it for reading, without waiting for a writer if it is a pipe. `None` if there is no such file inside: also when a
    /// link leads out.
    #[must_use]
    pub fn open(&self, path: &Path) -> Option<File> {
        let below = self.names.iter().find_map(|name| path.strip_prefix(name).ok())?;
        open_below(&self.directory, below).ok()
    }
}

#[cfg(target_os = "linux")]
fn open_below(directory: &File, path: &Path) -> io::Result<File> {
    use nix::errno::Errno;
    use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
    /// The kernel gives up when somebody renames directories meanwhile, and asks to try again.
    const TIMES: usize = 32;
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let within = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags).resolve(within);
    for _ in 0..TIMES {
        match openat2(directory, path, how) {
            Err(Errno::EAGAIN) => {}
            opened => return Ok(File::from(opened?)),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

/// Without such a call of the operating system nothing is read at all, rather than something that may be elsewhere.
#[cfg(not(target_os = "linux"))]
fn open_below(_: &File, _: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_link_that_is_changed_all_the_time_never_leads_out() {
        let whole = tempfile::tempdir().unwrap();
        let inside = whole.path().join("inside");
        std::fs::create_dir_all(inside.join("a")).unwrap();
        std::fs::write(whole.path().join("f"), "outside").unwrap();
        std::fs::write(inside.join("a/f"), "inside").unwrap();
        let confined = Confined::new(&inside).unwrap();
        let over = AtomicBool::new(false);
        let asked = inside.join("x/f");
        let found = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (next, place) = (inside.join("next"), inside.join("x"));
                for target in ["a", "..", "a", "/"].iter().cycle() {
                    symlink(target, &next).unwrap();
                    std::fs::rename(&next, &place).unwrap();
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
            let mut found = 0;
            for _ in 0..20_000 {
                let Some(mut file) = confined.open(&asked) else { continue };
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                assert_eq!(text, "inside");
                found += 1;
            }
            over.store(true, Ordering::Relaxed);
            found
        });
        assert!(found > 0, "the link never led to where it may");
        for path in ["../f", "a/../../f", "/etc/passwd", "nothing"] {
            assert!(confined.open(&inside.join(path)).is_none(), "{path}");
        }
        assert!(confined.open(&inside.join("a/../a/f")).is_some());
    }
}
