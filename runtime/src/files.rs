//! `replicode files`: the cell's files on a running node, listed, printed or copied out.
//!
//! They come through the admin socket in pieces. A file that changes between two pieces is read anew, so what is shown is
//! one content that it had between two batches.

use crate::admin::client::{AdminClient, Silent};
use crate::admin::files::{FileRow, Listed, Name, Piece, unhex};
use crate::admin::{Request, files};
use crate::args::{FilesArgs, FilesCommand};
use crate::show::{self, Table};
use crate::telemetry;
use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Serialize;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// How often a file that changes meanwhile is read anew.
const ATTEMPTS: usize = 8;

/// Runs the command. Exit code 1 when some of several things could not be done, each of which is told.
///
/// # Errors
/// When no node answers, there is no such file, or it cannot be written here.
pub fn run(args: &FilesArgs, json: bool) -> Result<u8> {
    let client = AdminClient::connect(&args.dir).map_err(|error| {
        let stopped = args.dir.join("genesis.bin").exists() && !error.is::<Silent>();
        if stopped {
            error.context(format!("{}: to have a stopped node's files, use 'replicode export'", args.dir.display()))
        } else {
            error
        }
    })?;
    let mut cell = Cell { client };
    match &args.what {
        FilesCommand::Ls { path } => cell.ls(path.as_bytes(), json),
        FilesCommand::Cat { paths } => {
            let mut code = 0;
            for path in paths {
                if let Err(error) = cell.cat(path.as_bytes()) {
                    // As `cat` does: the others are printed all the same.
                    if paths.len() == 1 || error.is::<show::NobodyReads>() {
                        return Err(error);
                    }
                    telemetry::say(&format!("{error:#}"));
                    code = 1;
                }
            }
            Ok(code)
        }
        FilesCommand::Cp { path, out } => cell.cp(path.as_bytes(), out, json),
    }
}

/// The files of a cell, through a node of it.
struct Cell {
    client: AdminClient,
}

/// What was copied.
#[derive(Debug, Default, Serialize)]
struct Copied {
    out: PathBuf,
    files: u64,
    directories: u64,
    links: u64,
    bytes: u64,
    /// Paths of the cell that are not there now, and why.
    left_out: Vec<(String, String)>,
}

impl Cell {
    /// What is at a path, with all entries of a directory.
    fn list(&mut self, path: &[u8]) -> Result<Listed> {
        let mut after = None;
        let mut all: Option<Listed> = None;
        loop {
            let request = Request::List { path: Name::new(path), after: after.take() };
            let Listed { row, entries, more } = self.client.ask(&request)?;
            let all = all.get_or_insert_with(|| Listed { row, entries: Vec::new(), more: false });
            after = entries.last().map(|row| row.name.clone());
            all.entries.extend(entries);
            if !more || after.is_none() {
                return Ok(all.clone());
            }
        }
    }

    fn ls(&mut self, path: &[u8], json: bool) -> Result<u8> {
        let Listed { row, entries, .. } = self.list(path)?;
        let rows = if row.kind == "directory" { entries } else { vec![row] };
        if json {
            return show::print_json(&rows);
        }
        let mut table = Table::new(["KIND", "SIZE", "CHANGED", "NAME"]);
        for row in rows {
            let kind = if row.read_only { format!("{}, read-only", row.kind) } else { row.kind.clone() };
            let target = row.target.map(|target| format!(" -> {target}")).unwrap_or_default();
            let slash = if row.kind == "directory" { "/" } else { "" };
            table.row([kind, row.size.to_string(), date(row.modified_ns), format!("{}{slash}{target}", row.name)]);
        }
        show::print(&table.to_string())
    }

    fn cat(&mut self, path: &[u8]) -> Result<()> {
        let (first, bytes) = self.piece(path, 0)?;
        if bytes.len() as u64 == first.stamp.size {
            let mut out = std::io::stdout().lock();
            return show::finish(out.write_all(&bytes).and_then(|()| out.flush()));
        }
        // What is printed cannot be taken back, so all of it is there before.
        let mut whole = tempfile::tempfile().context("cannot make a temporary file")?;
        self.fetch(path, &mut whole)?;
        whole.seek(SeekFrom::Start(0))?;
        let mut piece = vec![0; 64 << 10];
        loop {
            let got = whole.read(&mut piece).context("cannot read a temporary file")?;
            if got == 0 {
                return Ok(());
            }
            let mut out = std::io::stdout().lock();
            show::finish(out.write_all(&piece[..got]).and_then(|()| out.flush()))?;
        }
    }

    fn piece(&mut self, path: &[u8], offset: u64) -> Result<(Piece, Vec<u8>)> {
        let mut piece: Piece = self.client.ask(&Request::Read { path: Name::new(path), offset })?;
        let bytes = unhex(&std::mem::take(&mut piece.data)).context("the node's answer is damaged")?;
        ensure!(bytes.len() <= files::PIECE, "the node's answer is damaged");
        Ok((piece, bytes))
    }

    /// Writes one content of a file to `into`, which is empty.
    fn fetch(&mut self, path: &[u8], into: &mut File) -> Result<FileRow> {
        for _ in 0..ATTEMPTS {
            into.set_len(0).and_then(|()| into.seek(SeekFrom::Start(0))).context("cannot write")?;
            let (first, mut bytes) = self.piece(path, 0)?;
            let mut have = 0;
            loop {
                into.write_all(&bytes).context("cannot write")?;
                have += bytes.len() as u64;
                if have >= first.stamp.size {
                    return Ok(first.row);
                }
                let (next, more) = self.piece(path, have)?;
                if next.stamp != first.stamp || more.is_empty() {
                    break;
                }
                bytes = more;
            }
        }
        bail!("{} changes faster than it can be read: stop a node, and use 'replicode export'", Name::new(path))
    }

    fn cp(&mut self, path: &[u8], out: &Path, json: bool) -> Result<u8> {
        let listed = self.list(path)?;
        let last = path.split(|byte| *byte == b'/').rfind(|part| !part.is_empty() && *part != b"." && *part != b"..");
        let out = match last {
            Some(name) if out.is_dir() => out.join(OsStr::from_bytes(name)),
            _ => out.to_path_buf(),
        };
        let mut copied = Copied { out: out.clone(), ..Copied::default() };
        match listed.row.kind.as_str() {
            "directory" => self.tree(path, listed, &out, &mut copied)?,
            "file" => self.file(path, &out, &mut copied)?,
            kind => bail!("{} is a {kind}: there is nothing to copy", listed.row.name),
        }
        if json {
            show::print_json(&[&copied])?;
        } else {
            for (path, why) in &copied.left_out {
                telemetry::say(&format!("left out: {path}: {why}"));
            }
        }
        Ok(u8::from(!copied.left_out.is_empty()))
    }

    /// Copies a directory into a new one. Everything is made below directories that were made here, so no link that the
    /// cell holds leads elsewhere.
    fn tree(&mut self, path: &[u8], listed: Listed, out: &Path, copied: &mut Copied) -> Result<()> {
        let mut open = vec![(path.to_vec(), listed, out.to_path_buf())];
        let mut made: Vec<(PathBuf, u64)> = Vec::new();
        while let Some((path, listed, out)) = open.pop() {
            let top = made.is_empty();
            if let Err(error) = DirBuilder::new().mode(0o700).create(&out) {
                if top {
                    return Err(error).with_context(|| format!("cannot make directory {}", out.display()));
                }
                copied.left_out.push((Name::new(&path).to_string(), error.to_string()));
                continue;
            }
            copied.directories += u64::from(!top);
            made.push((out.clone(), listed.row.modified_ns));
            for row in listed.entries {
                let below = [path.as_slice(), b"/", row.name.bytes()].concat();
                let here = out.join(OsStr::from_bytes(row.name.bytes()));
                if let Err(error) = self.entry(&row, &below, here, &mut open, copied) {
                    let lost = error.downcast_ref::<std::io::Error>().is_some_and(|error| {
                        matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
                    });
                    if lost || error.is::<Silent>() {
                        return Err(error);
                    }
                    copied.left_out.push((Name::new(&below).to_string(), format!("{error:#}")));
                }
            }
        }
        // Their times last: every name that was made in them has changed them.
        for (dir, modified_ns) in made.iter().rev() {
            let _ = File::open(dir).and_then(|dir| set_time(&dir, *modified_ns));
        }
        Ok(())
    }

    fn entry(
        &mut self,
        row: &FileRow,
        path: &[u8],
        here: PathBuf,
        open: &mut Vec<(Vec<u8>, Listed, PathBuf)>,
        copied: &mut Copied,
    ) -> Result<()> {
        match (row.kind.as_str(), &row.target) {
            ("directory", _) => open.push((path.to_vec(), self.list(path)?, here)),
            ("link", Some(target)) => {
                std::os::unix::fs::symlink(OsStr::from_bytes(target.bytes()), &here)?;
                copied.links += 1;
            }
            ("file", _) => self.file(path, &here, copied)?,
            (kind, _) => bail!("it is a {kind}"),
        }
        Ok(())
    }

    /// Copies a file. Its name appears when all of it is there.
    fn file(&mut self, path: &[u8], out: &Path, copied: &mut Copied) -> Result<()> {
        let what = || format!("cannot write {}", out.display());
        let name = out.file_name().ok_or_else(|| anyhow!("{} has no name", out.display()))?;
        // A name of its own length at most, which may be all that fits.
        let partial = out.with_file_name(format!(".replicode-{}.partial", std::process::id()));
        ensure!(name != partial.as_os_str(), "{} is in use by this command", out.display());
        let mut file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&partial).with_context(what)?;
        let fetched = self.fetch(path, &mut file).and_then(|row| {
            set_time(&file, row.modified_ns)?;
            fs::rename(&partial, out).with_context(what)?;
            Ok(row)
        });
        if fetched.is_err() {
            let _ = fs::remove_file(&partial);
        }
        copied.bytes += fetched?.size;
        copied.files += 1;
        Ok(())
    }
}

fn set_time(file: &File, unix_ns: u64) -> std::io::Result<()> {
    file.set_times(FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_nanos(unix_ns)))
}

/// A moment as `2026-11-28 16:20:03`, in UTC (proleptic Gregorian calendar, years from March on so that leap days come
/// last).
fn date(unix_ns: u64) -> String {
    let seconds = unix_ns / 1_000_000_000;
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (date, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_dates() {
        // As `date -u -d @SECONDS` has them.
        for (seconds, says) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_709_251_199, "2024-02-29 23:59:59"),
            (1_700_000_000, "2023-11-14 22:13:20"),
            (4_102_444_800, "2100-01-01 00:00:00"),
        ] {
            assert_eq!(date(seconds * 1_000_000_000), says);
        }
    }
}
