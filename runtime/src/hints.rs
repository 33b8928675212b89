//! What to do about errors that the operating system names in a word: its own text says what was refused, not why here.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{SigSet, Signal};
use std::path::Path;

/// Has a write beyond this process's limit on file sizes fail, which names the file, instead of ending the process
/// without a word (SIGXFSZ). To be called before any thread is started: threads inherit it.
pub fn make_errors_of_limits() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGXFSZ);
    // A system that refuses leaves things as they were.
    let _ = set.thread_block();
}

/// A message, with the way out where the system's reason has one.
#[must_use]
pub fn with_way_out(message: &str) -> String {
    let says = |errno: Errno| message.contains(&std::io::Error::from(errno).to_string());
    let way_out = if says(Errno::EFBIG) {
        let limit = getrlimit(Resource::RLIMIT_FSIZE).ok().map(|(soft, _)| soft).filter(|soft| *soft != u64::MAX);
        let Some(limit) = limit else { return message.to_string() };
        format!(
            "this process may write files of {limit} bytes at most: raise that with 'ulimit -f', or LimitFSIZE= of systemd"
        )
    } else if says(Errno::ENOSPC) || says(Errno::EDQUOT) {
        "make room on that disk, and do the same again".to_string()
    } else if says(Errno::EMFILE) {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
        format!("this process may have {limit} descriptors: raise that with 'ulimit -n', or LimitNOFILE= of systemd")
    } else if says(Errno::EROFS) {
        "name a directory that can be written".to_string()
    } else {
        return message.to_string();
    };
    format!("{message}; {way_out}")
}

/// Why a path cannot be used as a directory, if something else than a directory stands there or in its way.
#[must_use]
pub fn not_a_directory(path: &Path) -> Option<String> {
    let obstacle = path.ancestors().find(|part| part.symlink_metadata().is_ok()).filter(|part| !part.is_dir())?;
    if obstacle != path {
        return Some(format!("{} cannot be a directory: {} is a file", path.display(), obstacle.display()));
    }
    // Does not follow to anything, or the search above would have found what it leads to.
    let kind = if obstacle.is_symlink() && !obstacle.exists() { "a link that leads nowhere" } else { "a file" };
    Some(format!("{} is {kind}, not a directory", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_what_has_a_way_out_gets_one() {
        let text = |errno: Errno| format!("cannot write x: {}", std::io::Error::from(errno));
        assert!(
            with_way_out(&text(Errno::ENOSPC))
                .ends_with("(os error 28); make room on that disk, and do the same again")
        );
        assert_eq!(with_way_out(&text(Errno::EIO)), text(Errno::EIO));
    }

    #[test]
    fn what_stands_in_the_way_is_named() -> std::io::Result<()> {
        let tmp = tempfile::tempdir()?;
        let file = tmp.path().join("file");
        fs::write(&file, b"")?;
        assert_eq!(not_a_directory(tmp.path()), None);
        assert_eq!(not_a_directory(&tmp.path().join("new/deep")), None);
        assert!(not_a_directory(&file).is_some_and(|why| why.ends_with("file is a file, not a directory")));
        let below = not_a_directory(&file.join("below/deep"));
        assert!(below.is_some_and(|why| why.contains("below/deep cannot be") && why.ends_with("file is a file")));
        let link = tmp.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link)?;
        assert!(not_a_directory(&link).is_some_and(|why| why.contains("leads nowhere")));
        Ok(())
    }
}
