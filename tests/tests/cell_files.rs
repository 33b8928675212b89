//! `replicode files`: what is listed, printed and copied is what the cell has, on every node alike, while it runs.

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use replicode_tests::cluster::{START, json, replicode};
use replicode_tests::process::{Process, run};
use replicode_tests::{check, eventually, free_ports, guest};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

/// What a command printed, and what it said; it must have this exit code.
fn said(dir: &Path, args: &[&OsStr], code: i32) -> Result<(Vec<u8>, String)> {
    let output = run(replicode(&["files"]).arg(dir).args(args), b"", TIMEOUT)?;
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    check(output.status.code() == Some(code), || format!("{args:?}: {}: {err}", output.status))?;
    Ok((output.stdout, err))
}

fn files(dir: &Path, args: &[&str]) -> Result<Vec<u8>> {
    let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    Ok(said(dir, &args, 0)?.0)
}

fn refused(dir: &Path, args: &[&str], says: &str) -> Result<()> {
    let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    let (_, err) = said(dir, &args, 1)?;
    check(err.contains(says), || format!("{args:?} must say {says}: {err}"))
}

/// A tree as `find` and `cmp` would compare it: paths, kinds, contents, targets.
fn picture(root: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            let kind = path.symlink_metadata()?.file_type();
            let content = if kind.is_symlink() {
                fs::read_link(&path)?.as_os_str().as_bytes().to_vec()
            } else if kind.is_dir() {
                open.push(path.clone());
                b"directory".to_vec()
            } else {
                fs::read(&path)?
            };
            found.push((path.strip_prefix(root)?.as_os_str().as_bytes().to_vec(), content));
        }
    }
    found.sort();
    Ok(found)
}

fn command(port: u16, line: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer.trim_end().to_string())
}

#[test]
fn a_cells_files_are_listed_printed_and_copied_while_it_runs() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let tree = tmp.path().join("tree");
    fs::create_dir_all(tree.join("a/b/c"))?;
    // Three pieces, none like another.
    let big: Vec<u8> =
        (0..9_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).take(9_000_000).collect();
    fs::write(tree.join("a/big"), &big)?;
    fs::write(tree.join("a/b/c/deep"), "deep\n")?;
    fs::write(tree.join(OsStr::from_bytes(b"caf\xe9 \n")), "latin")?;
    symlink("../a/b", tree.join("a/link"))?;
    symlink("/nowhere", tree.join("lost"))?;
    fs::create_dir(tree.join("many"))?;
    for n in 0..2_500 {
        fs::write(tree.join(format!("many/{n:04}")), n.to_string())?;
    }
    let (port, data) = (free_ports(3), tmp.path().join("d"));
    let mut up = replicode(&["up"]);
    up.arg(guest("notes")).args(["--nodes", "3", "--publish", &format!("{port}:7000"), "--data"]).arg(&data);
    up.args(["--dir", &format!("{}:/tree", tree.display())]);
    let mut up = Process::start(&mut up, &tmp.path().join("up.log"))?;
    eventually("the program to serve", START, || check(command(port, "put first one two")? == "ok", || up.output()))?;
    for node in 1..=3 {
        let dir = data.join(format!("node-{node}"));
        eventually("the note on every node", TIMEOUT, || {
            let names = String::from_utf8(files(&dir, &["ls"])?)?;
            check(names.contains(" tree/\n") && names.contains(" first"), || names)
        })?;
    }
    let dir = data.join("node-2");
    assert_eq!(files(&dir, &["cat", "/tree/a/link/c/deep", "tree/a/b/../b/c/deep"])?, b"deep\ndeep\n");
    assert!(files(&dir, &["cat", "/tree/a/big"])? == big, "a file of several pieces");
    let many = json(&["files", &dir.to_string_lossy(), "ls", "/tree/lost"])?;
    assert_eq!((&many["kind"], &many["target"]), (&"link".into(), &"/nowhere".into()));
    let many = json(&["files", &dir.to_string_lossy(), "ls", "/tree/many"])?;
    let rows = many.as_array().context("rows")?;
    assert_eq!((rows.len(), &rows[2_499]["name"], &rows[2_499]["size"]), (2_500, &"2499".into(), &4.into()));
    let odd = files(&dir, &["ls", "/tree", "--json"])?;
    assert!(String::from_utf8(odd)?.contains("\"name\":[99,97,102,233,32,10]"), "a name that is no text");

    let out = tmp.path().join("out");
    files(&dir, &["cp", "/tree", &out.to_string_lossy()])?;
    assert!(picture(&out)? == picture(&tree)?, "the whole tree comes out as it went in");
    let there = tmp.path().join("there");
    fs::create_dir(&there)?;
    fs::write(there.join("deep"), "old")?;
    files(&dir, &["cp", "/tree/a/b/c/deep", &there.to_string_lossy()])?;
    assert_eq!(fs::read(there.join("deep"))?, b"deep\n", "a file that is there is replaced");
    assert_eq!(fs::read_dir(&there)?.count(), 1, "and nothing else is left");

    refused(&dir, &["cat", "/nothing"], "/nothing: no such file or directory (in the cell's files)")?;
    refused(&dir, &["cat", "/tree"], "/tree: it is a directory")?;
    refused(&dir, &["ls", "/tree/a/big/x"], "not a directory")?;
    refused(&dir, &["cp", "/tree", &out.join("a/big").to_string_lossy()], "File exists")?;
    refused(&dir, &["cp", "/tree/a/big", "/proc/none/out"], "cannot write /proc/none/out")?;
    let (printed, err) = said(&dir, &["cat", "/nothing", "/tree/a/b/c/deep"].map(OsStr::new), 1)?;
    assert!(printed == b"deep\n" && err.contains("/nothing"), "the others are printed all the same");

    // What changes all the time is read as it was between two batches.
    let writer = std::thread::spawn(move || -> Result<()> {
        for n in 0..200 {
            let text = char::from(b'a' + n % 26).to_string().repeat(900);
            check(command(port, &format!("put busy {text}"))? == "ok", || "not put".into())?;
        }
        Ok(())
    });
    let mut seen = 0;
    while !writer.is_finished() || seen == 0 {
        if let Ok(text) = files(&dir, &["cat", "/busy"]) {
            let whole = text.is_empty() || text.iter().filter(|byte| **byte == text[0]).count() >= 900;
            assert!(whole, "{}", String::from_utf8_lossy(&text));
            seen += 1;
        }
    }
    writer.join().expect("no panic")?;
    up.signal(Signal::SIGTERM)?;
    up.wait(TIMEOUT)?;
    refused(&dir, &["ls"], "use 'replicode export'")
}
