//! `replicode export`: a cell's files, as of a batch of its recording, copied to a directory of this machine.
//!
//! The recording is executed as by `replay`; what it computes must be what its node had computed. The files are written
//! into a directory beside the one asked for, made durable, and given the name in the end: whoever finds the name finds
//! all files.

mod copy;

use crate::args::ExportArgs;
use crate::node::signals::{self, Hangup, Signals};
use crate::recording::Recording;
use crate::replay::Progress;
use crate::starting;
use crate::{show, telemetry};
use anyhow::{Context, Result, bail, ensure};
use copy::Copied;
use serde::Serialize;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What was exported.
#[derive(Debug, Serialize)]
struct Exported {
    /// Where it stands now.
    out: PathBuf,
    /// The batch after which the files were like this.
    batch: u64,
    /// State digest after it.
    digest: String,
    /// Batches whose digest was compared with the recorded one.
    checked: u64,
    #[serde(flatten)]
    copied: Copied,
}

/// Runs the command. Exit code 1 when a name could not be given to a file here.
///
/// # Errors
/// When the recording cannot be read, executed or reproduced, or the files cannot be written; then there is no OUT.
pub fn run(args: &ExportArgs, json: bool) -> Result<u8> {
    Signals::catch(Hangup::Stops)?;
    check_vacant(&args.out)?;
    let mut partial = Partial::beside(&args.out)?;

    let recording = Recording::open(&args.dir)?;
    let mut machine = recording.machine()?;
    starting::over();
    let mut progress = Progress::new(!json);
    let (mut batch, mut checked, began) = (0, 0, Instant::now());
    let mut batches = recording.batches();
    while args.until.is_none_or(|until| batch < until) {
        let Some(recorded) = batches.next().transpose()? else { break };
        let index = recorded.batch.header.index;
        let applied = machine
            .apply(recorded.batch, recorded.content)
            .with_context(|| format!("batch {index} cannot be executed"))?;
        batch = index.0;
        if let Some(witness) = recording.witnesses.get(index.0 as usize - 1) {
            checked += 1;
            ensure!(
                *witness == applied.digest,
                "batch {index} gives digest {} here, but gave {} when it was recorded: the files would not be those of \
                 the run. 'replicode replay' tells more",
                applied.digest.short(),
                witness.short()
            );
        }
        progress.show(index, began);
    }
    progress.clear();
    if let Some(until) = args.until.filter(|until| batch < *until) {
        bail!("cannot export the files as of batch #{until}: the recording ends with batch #{batch}");
    }
    let files = machine.files().context("the recording's last batch was not finished")?;
    let what = || format!("cannot write the files to {}", args.out.display());
    let copied = copy::tree(files, recording.config.epoch_unix_ns, &partial.make()?).with_context(what)?;
    partial.publish(&args.out).with_context(what)?;

    let (out, digest) = (args.out.clone(), machine.digest().to_string());
    let exported = Exported { out, batch, digest, checked, copied };
    if json {
        show::print_json(&[&exported])?;
    } else {
        show::print(&text(&exported, &recording.config.name))?;
        for (name, why) in &exported.copied.left_out {
            telemetry::say(&format!("left out: {name}: {why}"));
        }
    }
    Ok(u8::from(!exported.copied.left_out.is_empty()))
}

fn text(it: &Exported, name: &str) -> String {
    let plural = |n: u64, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    let copied = &it.copied;
    let mut text = format!(
        "wrote {} ({}), {} and {} of '{name}' as of batch #{} to {}\n",
        plural(copied.files, "file", "files"),
        show::bytes(copied.bytes),
        plural(copied.directories, "directory", "directories"),
        plural(copied.links, "symbolic link", "symbolic links"),
        it.batch,
        it.out.display()
    );
    text.push_str(&format!("{} of {} recorded digests were compared and agree\n", it.checked, it.batch));
    if !copied.left_out.is_empty() {
        let count = copied.left_out.len() as u64;
        text.push_str(&format!("{} could not be written here\n", plural(count, "name", "names")));
    }
    text
}

/// Refuses a place where something stands already.
fn check_vacant(out: &Path) -> Result<()> {
    match fs::read_dir(out) {
        Ok(mut entries) => {
            let empty = entries.next().is_none();
            ensure!(empty, "cannot export to {}: it is not empty; name a new directory", out.display());
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot export to {}: name a new directory", out.display())),
    }
}

/// The directory beside OUT in which the files gather. Removed when dropped, unless it has become OUT or is another's.
struct Partial {
    path: PathBuf,
    parent: PathBuf,
    made: bool,
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.made {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

impl Partial {
    fn beside(out: &Path) -> Result<Self> {
        let name = out.file_name().with_context(|| format!("cannot export to {}: it has no name", out.display()))?;
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        ensure!(parent.is_dir(), "cannot export to {}: there is no directory {}", out.display(), parent.display());
        let mut partial = name.to_owned();
        partial.push(format!(".partial-{}", std::process::id()));
        Ok(Self { path: parent.join(partial), parent: parent.into(), made: false })
    }

    fn make(&mut self) -> Result<File> {
        let path = self.path.clone();
        let what = || format!("cannot make directory {}", path.display());
        DirBuilder::new().mode(0o700).create(&self.path).with_context(what)?;
        self.made = true;
        signals::remove_at_hard_end(&self.path);
        File::open(&self.path).with_context(what)
    }

    /// Gives the directory its name, durably.
    fn publish(&self, out: &Path) -> Result<()> {
        sync(&File::open(&self.path)?)?;
        fs::rename(&self.path, out)?;
        Ok(File::open(&self.parent)?.sync_all()?)
    }
}

/// Makes everything durable that was written to a directory's file system: one call for however many files.
fn sync(dir: &File) -> Result<()> {
    #[cfg(target_os = "linux")]
    nix::unistd::syncfs(dir)?;
    #[cfg(not(target_os = "linux"))]
    dir.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_new_or_empty_directory_will_do() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        assert!(check_vacant(tmp.path()).is_ok() && check_vacant(&tmp.path().join("new")).is_ok());
        fs::write(tmp.path().join("x"), "")?;
        for (path, why) in [(tmp.path().to_path_buf(), "not empty"), (tmp.path().join("x"), "name a new directory")] {
            let error = check_vacant(&path).map_err(|error| error.to_string());
            assert!(error.is_err_and(|error| error.contains(why)));
        }
        assert!(Partial::beside(&tmp.path().join("none/out")).is_err() && Partial::beside(Path::new("/")).is_err());
        Ok(())
    }

    #[test]
    fn what_is_not_finished_is_removed() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let out = tmp.path().join("out");
        let mut partial = Partial::beside(&out)?;
        partial.make()?;
        fs::write(partial.path.join("half"), "x")?;
        drop(partial);
        assert_eq!(fs::read_dir(tmp.path())?.count(), 0);

        fs::create_dir(&out)?;
        let mut partial = Partial::beside(&out)?;
        partial.make()?;
        fs::write(partial.path.join("whole"), "x")?;
        partial.publish(&out)?;
        drop(partial);
        assert_eq!((fs::read_dir(tmp.path())?.count(), fs::read(out.join("whole"))?), (1, b"x".to_vec()));

        let mut partial = Partial::beside(&out)?;
        fs::create_dir(&partial.path)?;
        fs::write(partial.path.join("another's"), "x")?;
        assert!(partial.make().is_err());
        drop(partial);
        assert_eq!(fs::read_dir(tmp.path())?.count(), 2, "what this export did not make stays");
        Ok(())
    }
}
