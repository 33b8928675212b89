//! Files, directories and links: every call on them, and every error that they have.

use super::{ALL, CREAT, DIRECTORY, EXCL, READ, ROOT, Scene, TRUNC, WRITE, fails};
use crate::logbook::{Logbook, Program};
use crate::script::Script;
use crate::script::Want::Ok as Fine;
use crate::script::at::{BUF, END, IOV, OUT, PATH, PATH2};
use anyhow::Result;
use replicode_log::{FsEntry, FsImage, FsNode, Limits};
use replicode_syscalls::abi::Errno::{
    BadF, Busy, Exist, FBig, Fault, Inval, IsDir, Loop, MFile, NameTooLong, NoDev, NoEnt, NoMem, NoSpc, NotDir,
    NotEmpty, NotSup, Perm, Rofs, SPipe, XDev,
};

/// A directory that guests may not change, and one that they may.
fn image() -> FsImage {
    let entry = |path: &str, node, read_only| FsEntry { path: path.into(), node, read_only };
    let mut image = FsImage::from_entries(vec![
        entry("data", FsNode::Directory, false),
        entry("data/greeting", FsNode::File(b"good day".to_vec()), false),
        entry("data/link", FsNode::Symlink(b"greeting".to_vec()), false),
        entry("fixed", FsNode::Directory, true),
        entry("fixed/file", FsNode::File(b"as it is".to_vec()), true),
    ]);
    image.preopens = vec!["data".into()];
    image
}

fn script() -> Script {
    let mut s = Script::new();
    // What is preopened: the root, and a directory that the image names.
    s.ok("fd_prestat_get", &[ROOT, OUT]).ok("fd_prestat_get", &[4, OUT]).fails("fd_prestat_get", &[5, OUT], BadF);
    s.ok("fd_prestat_dir_name", &[4, BUF, 4]).fails("fd_prestat_dir_name", &[4, BUF, 1], NameTooLong);
    s.fails("fd_prestat_get", &[ROOT, END], Fault);

    // A file: written, read, moved about in, measured.
    s.open(ROOT, "a", CREAT, ALL, Fine);
    s.put(BUF, b"hello golden world").iov(&[(BUF, 5), (BUF + 5, 13)]);
    s.ok("fd_write", &[5, IOV, 2, OUT]).ok("fd_tell", &[5, OUT]);
    s.ok("fd_seek", &[5, 6, 0, OUT]).ok("fd_seek", &[5, 1, 1, OUT]).ok("fd_seek", &[5, ALL, 2, OUT]);
    s.fails("fd_seek", &[5, ALL, 0, OUT], Inval).fails("fd_seek", &[5, 0, 9, OUT], Inval);
    s.ok("fd_seek", &[5, 0, 0, OUT]).read(5, 8, Fine).read(5, 100, Fine).read(5, 100, Fine);
    s.iov(&[(BUF, 4), (BUF + 100, 6)]);
    s.ok("fd_pread", &[5, IOV, 2, 3, OUT]).ok("fd_pwrite", &[5, IOV, 2, 30, OUT]);
    s.fails("fd_pread", &[5, IOV, 2, 1 << 63, OUT], Inval).fails("fd_pread", &[5, IOV, 99_999, 0, OUT], Inval);
    s.iov(&[(END - 2, 4)]).fails("fd_read", &[5, IOV, 1, OUT], Fault).fails("fd_write", &[5, IOV, 1, OUT], Fault);
    s.ok("fd_filestat_get", &[5, OUT]).fails("fd_filestat_get", &[5, END], Fault);
    s.ok("fd_filestat_set_size", &[5, 8]).ok("fd_filestat_set_size", &[5, 64]);
    s.ok("fd_filestat_set_times", &[5, 7, 9, 5]).ok("fd_filestat_set_times", &[5, 0, 0, 10]);
    s.fails("fd_filestat_set_times", &[5, 0, 0, 3], Inval);
    s.ok("fd_fdstat_get", &[5, OUT]).ok("fd_fdstat_set_flags", &[5, 1]).write(5, b" at the end", Fine);
    s.fails("fd_fdstat_set_flags", &[5, 64], Inval).fails("fd_fdstat_set_rights", &[5, 1, 1], NotSup);
    s.ok("fd_advise", &[5, 0, 10, 3]).fails("fd_advise", &[5, 0, 10, 9], Inval).fails(
        "fd_advise",
        &[0, 0, 0, 0],
        SPipe,
    );
    s.ok("fd_allocate", &[5, 10, 100]).fails("fd_allocate", &[5, 0, 0], Inval).fails("fd_allocate", &[1, 0, 9], NoDev);
    s.ok("fd_sync", &[5]).ok("fd_datasync", &[5]).fails("fd_sync", &[1], Inval).fails("fd_datasync", &[1], Inval);
    s.fails("fd_seek", &[1, 0, 1, OUT], SPipe).fails("fd_tell", &[1, OUT], SPipe);
    s.iov(&[(BUF, 4)]).fails("fd_pread", &[1, IOV, 1, 0, OUT], SPipe).fails("fd_pwrite", &[1, IOV, 1, 0, OUT], SPipe);
    s.read(ROOT, 8, fails(IsDir)).write(ROOT, b"x", fails(BadF)).fails("fd_filestat_set_size", &[ROOT, 0], Inval);
    s.open(ROOT, "a", 0, READ, Fine).write(6, b"no", fails(BadF)).ok("fd_close", &[6]);
    s.open(ROOT, "a", 0, WRITE, Fine).read(6, 8, fails(BadF)).ok("fd_close", &[6]).fails("fd_close", &[6], BadF);

    // Opening: what is there already, what is not, what is something else.
    s.open(ROOT, "a", CREAT | EXCL, ALL, fails(Exist)).open(ROOT, "none", 0, READ, fails(NoEnt));
    s.open(ROOT, "a", DIRECTORY, READ, fails(NotDir)).open(ROOT, "a/b", 0, READ, fails(NotDir));
    s.open(ROOT, "data", 0, WRITE, fails(IsDir)).open(ROOT, "a", TRUNC, ALL, Fine).ok("fd_close", &[6]);
    s.open(5, "b", CREAT, ALL, fails(NotDir)).open(99, "b", CREAT, ALL, fails(BadF));
    s.fails("path_open", &[ROOT, 1, END, 4, 0, READ, READ, 0, OUT], Fault);
    s.fails("path_open", &[ROOT, 8, PATH, 1, 0, READ, READ, 0, OUT], Inval);
    s.open(ROOT, "fixed/new", CREAT, ALL, fails(Rofs)).open(ROOT, "fixed/file", 0, WRITE, fails(Rofs));
    s.open(ROOT, &"n".repeat(300), CREAT, ALL, fails(NameTooLong)).open(ROOT, "", 0, READ, fails(NoEnt));
    s.open(ROOT, "a\0b", 0, READ, fails(Inval));

    // Directories.
    let make = "path_create_directory";
    s.path(make, &[ROOT], "d", &[], Fine).path(make, &[ROOT], "d", &[], fails(Exist));
    s.path(make, &[ROOT], "none/d", &[], fails(NoEnt)).path(make, &[ROOT], "fixed/d", &[], fails(Rofs));
    s.path(make, &[ROOT], "a/d", &[], fails(NotDir)).path(make, &[99], "d", &[], fails(BadF));
    s.fails(make, &[ROOT, END, 1], Fault).path(make, &[ROOT], "d/e", &[], Fine);
    s.ok("fd_readdir", &[ROOT, BUF, 2_000, 0, OUT]).ok("fd_readdir", &[ROOT, BUF, 50, 2, OUT]);
    s.fails("fd_readdir", &[5, BUF, 99, 0, OUT], NotDir).fails("fd_readdir", &[ROOT, END, 99, 0, OUT], Fault);
    s.fails("fd_readdir", &[99, BUF, 99, 0, OUT], BadF);
    let remove = "path_remove_directory";
    s.path(remove, &[ROOT], "d", &[], fails(NotEmpty)).path(remove, &[ROOT], "a", &[], fails(NotDir));
    s.path(remove, &[ROOT], "d/.", &[], fails(Inval)).path(remove, &[ROOT], "/", &[], fails(Busy));
    s.path(remove, &[ROOT], "none", &[], fails(NoEnt)).path(remove, &[ROOT], "fixed", &[], fails(NotEmpty));
    s.path(remove, &[ROOT], "d/e", &[], Fine);

    // Names.
    let stat = "path_filestat_get";
    s.path(stat, &[ROOT, 0], "a", &[OUT], Fine).path(stat, &[ROOT, 1], "data/link", &[OUT], Fine);
    s.path(stat, &[ROOT, 0], "none", &[OUT], fails(NoEnt)).path(stat, &[ROOT, 0], "a", &[END], fails(Fault));
    s.path(stat, &[ROOT, 4], "a", &[OUT], fails(Inval));
    let times = "path_filestat_set_times";
    s.path(times, &[ROOT, 0], "a", &[5, 6, 5], Fine).path(times, &[ROOT, 0], "fixed/file", &[5, 6, 5], fails(Rofs));
    s.path(times, &[ROOT, 0], "none", &[5, 6, 5], fails(NoEnt)).path(times, &[ROOT, 0], "a", &[5, 6, 3], fails(Inval));
    let link = "path_link";
    s.paths(link, (&[ROOT, 0], "a"), (ROOT, "b"), Fine).paths(link, (&[ROOT, 0], "a"), (ROOT, "b"), fails(Exist));
    s.paths(link, (&[ROOT, 0], "d"), (ROOT, "c"), fails(Perm)).paths(
        link,
        (&[ROOT, 0], "no"),
        (ROOT, "c"),
        fails(NoEnt),
    );
    s.paths(link, (&[ROOT, 0], "fixed/file"), (ROOT, "c"), fails(Rofs));
    s.paths(link, (&[ROOT, 0], "/proc/self/fd/5"), (ROOT, "c"), fails(XDev));
    // `path_symlink` has its target before the directory.
    s.paths("path_symlink", (&[], "a"), (ROOT, "to-a"), Fine).paths("path_symlink", (&[], "y"), (ROOT, "x"), Fine);
    s.paths("path_symlink", (&[], "x"), (ROOT, "y"), Fine).paths("path_symlink", (&[], "x"), (ROOT, "y"), fails(Exist));
    s.paths("path_symlink", (&[], ""), (ROOT, "z"), fails(NoEnt));
    s.paths("path_symlink", (&[], "/etc"), (4, "z"), fails(Perm)).open(4, "/etc", 0, READ, fails(Perm));
    s.open(4, "../a", 0, READ, fails(Perm)).open(ROOT, "x", 0, READ, fails(Loop));
    s.path("path_readlink", &[ROOT], "to-a", &[BUF, 100, OUT], Fine);
    s.path("path_readlink", &[ROOT], "a", &[BUF, 100, OUT], fails(Inval));
    s.path("path_readlink", &[ROOT], "none", &[BUF, 100, OUT], fails(NoEnt));
    let rename = "path_rename";
    s.paths(rename, (&[ROOT], "b"), (ROOT, "c"), Fine).paths(rename, (&[ROOT], "none"), (ROOT, "c"), fails(NoEnt));
    s.paths(rename, (&[ROOT], "d"), (ROOT, "c"), fails(NotDir)).paths(
        rename,
        (&[ROOT], "c"),
        (ROOT, "d"),
        fails(IsDir),
    );
    s.paths(rename, (&[ROOT], "d"), (ROOT, "d/e"), fails(Inval)).paths(
        rename,
        (&[ROOT], "."),
        (ROOT, "z"),
        fails(Busy),
    );
    s.paths(rename, (&[ROOT], "c"), (ROOT, "fixed/c"), fails(Rofs));
    let unlink = "path_unlink_file";
    s.path(unlink, &[ROOT], "c", &[], Fine).path(unlink, &[ROOT], "c", &[], fails(NoEnt));
    s.path(unlink, &[ROOT], "d", &[], fails(IsDir)).path(unlink, &[ROOT], "fixed/file", &[], fails(Rofs));
    s.path(unlink, &[ROOT], "to-a/", &[], fails(NotDir));

    // Permission bits, which are kept and refuse nothing.
    s.path("chmod", &[ROOT], "a", &[1, 0o640], Fine).path(
        "mode",
        &[ROOT],
        "a",
        &[1],
        crate::script::Want::Value(0o640),
    );
    s.path("chmod", &[ROOT], "to-a", &[0, 0o640], fails(NotSup)).path(
        "chmod",
        &[ROOT],
        "none",
        &[1, 0o640],
        fails(NoEnt),
    );
    s.gives("mode", &[0, 0, 0, 0], 0o600).path("mode", &[ROOT], "none", &[1], fails(NoEnt)).fails(
        "mode",
        &[99, 0, 0, 0],
        BadF,
    );
    s.ok("chmod", &[5, 0, 0, 0, 0o600]).fails("chmod", &[5, 0, 0, 8, 0o600], Inval);

    // Devices, which are files that end never or always.
    s.open(ROOT, "/dev/zero", 0, READ, Fine).read(6, 16, Fine).ok("fd_close", &[6]);
    s.open(ROOT, "/dev/urandom", 0, READ, Fine).read(6, 16, Fine).ok("fd_close", &[6]);
    s.open(ROOT, "/dev/null", 0, ALL, Fine).write(6, b"gone", Fine).read(6, 16, Fine).ok("fd_close", &[6]);
    s.open(ROOT, "/dev/full", 0, WRITE, Fine).write(6, b"x", fails(NoSpc)).ok("fd_close", &[6]);
    s.open(ROOT, "/proc/self/fd", DIRECTORY, READ, Fine).ok("fd_readdir", &[6, BUF, 999, 0, OUT]).ok("fd_close", &[6]);
    s.path("path_readlink", &[ROOT], "/proc/self/fd/5", &[BUF, 100, OUT], Fine);
    s.fails("fd_renumber", &[5, 9], BadF)
        .gives("dup", &[5, 9, 0], 9)
        .ok("fd_renumber", &[5, 9])
        .fails("fd_renumber", &[5, 9], BadF)
        .ok("fd_close", &[9]);
    s.put(PATH2, b"");
    s
}

/// Everything about files that needs no particular limit.
pub fn scene() -> Result<Scene> {
    let script = script();
    let program = Program::new("files", script.wasm()?);
    let mut book = Logbook::new("files", Limits::default(), image(), vec![program]);
    book.boot(1).boot(2).boot(3).batch(1_000).ticks(2, 5_000);
    Ok(Scene { name: "scene-files", book, scripts: vec![(1, script)] })
}

/// What the limits refuse.
pub fn limits() -> Result<Scene> {
    let mut s = Script::new();
    s.open(ROOT, "big", CREAT, ALL, Fine).fails("fd_filestat_set_size", &[4, 20_001], FBig);
    s.fails("fd_allocate", &[4, 0, 1 << 40], FBig).ok("fd_seek", &[4, 20_000, 0, OUT]).write(4, b"x", fails(FBig));
    s.ok("fd_filestat_set_size", &[4, 20_000])
        .open(ROOT, "more", CREAT, ALL, Fine)
        .ok("fd_filestat_set_size", &[5, 5_000]);
    s.open(ROOT, "last", CREAT, ALL, Fine).fails("fd_filestat_set_size", &[6, 20_000], NoSpc);
    s.fails("fd_allocate", &[6, 0, 20_000], NoSpc).ok("fd_seek", &[6, 19_000, 0, OUT]).write(6, b"x", fails(NoSpc));
    s.ok("fd_filestat_set_size", &[4, 0]).ok("fd_filestat_set_size", &[5, 0]);
    // Long names, so that two listings at once keep more than they may.
    for n in 0..9 {
        let name = format!("{n}{}", "x".repeat(249));
        s.path("path_create_directory", &[ROOT], &name, &[], Fine);
    }
    s.open(ROOT, ".", DIRECTORY, READ, Fine).ok("fd_readdir", &[ROOT, BUF, 100, 0, OUT]);
    s.fails("fd_readdir", &[7, BUF, 100, 0, OUT], NoMem).ok("fd_close", &[7]);
    // Descriptors: the last one is number 11.
    s.repeat(5, |s| _ = s.open(ROOT, "big", 0, READ, Fine)).open(ROOT, "big", 0, READ, fails(MFile));
    s.fails("dup", &[4, 0, 0], MFile).fails("pipe", &[0, OUT], MFile).fails("eventfd", &[0, 0], MFile);
    s.fails("epoll_create", &[0], MFile).fails("timerfd_create", &[1, 0], MFile).fails("open", &[1, 6, 0], MFile);
    s.fails("socketpair", &[3, 6, 0, OUT], MFile);
    // Paths and depth.
    s.path("path_create_directory", &[ROOT], "d", &[], Fine).path("path_create_directory", &[ROOT], "d/d", &[], Fine);
    s.path("path_create_directory", &[ROOT], "d/d/d", &[], Fine);
    s.path("path_create_directory", &[ROOT], "d/d/d/d", &[], fails(NameTooLong));
    s.path("path_create_directory", &[ROOT], &"e/".repeat(300), &[], fails(NameTooLong));
    // Inodes.
    for n in 0..40 {
        s.path("path_create_directory", &[ROOT], &format!("inode-{n}"), &[], crate::script::Want::Any);
    }
    s.path("path_create_directory", &[ROOT], "one-too-many", &[], fails(NoSpc));
    s.paths("path_symlink", (&[], "a"), (ROOT, "one-too-many"), fails(NoSpc));
    s.ok("fd_close", &[11]).open(ROOT, "one-too-many", CREAT, ALL, fails(NoSpc));
    let limits = Limits {
        file_size: 20_000,
        file_bytes: 32_000,
        inodes: 50,
        descriptors: 12,
        listing_bytes: 4_096,
        path_depth: 3,
        path_bytes: 512,
        ..Limits::default()
    };
    let program = Program::new("limits", s.wasm()?);
    let mut book = Logbook::new("limits", limits, FsImage::default(), vec![program]);
    book.boot(1).batch(1_000).ticks(2, 5_000);
    Ok(Scene { name: "scene-limits", book, scripts: vec![(1, s)] })
}
