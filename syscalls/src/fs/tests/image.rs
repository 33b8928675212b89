//! The file image: what it brings, what is refused, what stays read-only; and the state as bytes.

use super::*;

fn directory() -> FsNode {
    FsNode::Directory
}

fn file(text: &str) -> FsNode {
    FsNode::File(text.as_bytes().to_vec())
}

#[test]
fn brings_files_directories_and_links() {
    let cell = Cell::of(vec![
        entry("etc", directory(), false),
        entry("etc/motd", file("hello"), false),
        entry("srv/www/index.html", file("<p>"), false),
        entry("www", FsNode::Symlink(b"/srv/www".to_vec()), false),
    ]);
    assert_eq!(cell.text("etc/motd").as_deref(), Ok("hello"));
    assert_eq!(cell.text("www/index.html").as_deref(), Ok("<p>"));
    assert_eq!(cell.names("/"), [".", "..", "etc", "srv", "www"]);
    assert_eq!(cell.stat("etc/motd").map(|stat| stat.mtim), Ok(FileTime::GENESIS));
    cell.check();
}

#[test]
fn refuses_what_is_no_plain_path_or_does_not_fit() {
    let limits = Limits { file_bytes: 10, file_size: 8, inodes: 4, path_depth: 2, ..Limits::default() };
    let cases = [
        (vec![entry("a//b", directory(), false)], Errno::Inval),
        (vec![entry("/a", directory(), false)], Errno::Inval),
        (vec![entry("a/..", directory(), false)], Errno::Inval),
        (vec![entry(".", directory(), false)], Errno::Inval),
        (vec![entry("a\0", directory(), false)], Errno::Inval),
        (vec![entry("", file("root"), false)], Errno::NoEnt),
        (vec![entry("a", file(""), false), entry("a/b", file(""), false)], Errno::NotDir),
        (vec![entry("a/b/c", directory(), false)], Errno::NameTooLong),
        (vec![entry(&"n".repeat(256), directory(), false)], Errno::NameTooLong),
        (vec![entry("a", file("123456789"), false)], Errno::FBig),
        (vec![entry("a", file("12345678"), false), entry("b", file("123"), false)], Errno::NoSpc),
        ((0..4).map(|n| entry(&n.to_string(), directory(), false)).collect(), Errno::NoSpc),
        (vec![entry("a", FsNode::Symlink(Vec::new()), false)], Errno::NoEnt),
    ];
    for (entries, errno) in cases {
        let image = FsImage::from_entries(entries);
        assert_eq!(Fs::new(&image, &limits).err().map(|error| error.errno), Some(errno), "{image:?}");
    }
    // Entries that repeat a path are not made by `from_entries`, but may come from disk.
    let twice = FsImage { entries: vec![entry("a", file(""), false), entry("a", file(""), false)], preopens: vec![] };
    let error = Fs::new(&twice, &limits).expect_err("two files of one name");
    let text = "file image: cannot place '/a' (there is something already): EEXIST; \
                raise the file limits of the cluster or leave it out";
    assert_eq!(error.to_string(), text);
}

/// `ro` is a read-only tree, `rw` is not but holds a read-only file.
fn half_read_only() -> Cell {
    Cell::of(vec![
        entry("ro", directory(), true),
        entry("ro/sub", directory(), true),
        entry("ro/f", file("fixed"), true),
        entry("rw", directory(), false),
        entry("rw/fixed", file("fixed"), true),
        entry("rw/f", file("free"), false),
    ])
}

#[test]
fn nothing_read_only_changes() {
    let rofs = Err(Errno::Rofs);
    let write = OpenHow { write: true, ..READ };
    let mut cell = half_read_only();
    let usage = cell.fs.usage();
    for path in ["ro/f", "rw/fixed"] {
        assert!(cell.open(path, READ).is_ok(), "{path}");
        assert!(cell.open(path, OpenHow { create: true, ..READ }).is_ok(), "{path}");
        assert_eq!(cell.open(path, write), Err(Errno::Rofs), "{path}");
        assert_eq!(cell.open(path, OpenHow { truncate: true, ..READ }), Err(Errno::Rofs), "{path}");
        assert_eq!(cell.unlink(path), rofs, "{path}");
        assert_eq!(cell.rename(path, "rw/new"), rofs, "{path}");
        assert_eq!(cell.rename("rw/f", path), rofs, "{path}");
        assert_eq!(cell.link(path, "rw/new"), rofs, "{path}");
        let (ino, now) = (cell.lookup(path).expect("is there"), cell.now());
        assert_eq!(cell.fs.write_at(ino, 0, b"x", now), Err(Errno::Rofs), "{path}");
        assert_eq!(cell.fs.truncate(ino, 0, now), rofs, "{path}");
        assert_eq!(cell.fs.allocate(ino, 0, 99, now), rofs, "{path}");
        assert_eq!(cell.fs.set_times(ino, Some(FileTime::GENESIS), None, now), rofs, "{path}");
        assert_eq!(cell.text(path).as_deref(), Ok("fixed"));
    }
    assert_eq!(cell.put("ro/new", ""), Err(Errno::Rofs));
    assert_eq!(cell.mkdir("ro/new"), Err(Errno::Rofs));
    assert_eq!(cell.symlink("x", "ro/new"), Err(Errno::Rofs));
    assert_eq!(cell.link("rw/f", "ro/new"), rofs);
    assert_eq!(cell.rename("rw/f", "ro/new"), rofs);
    assert_eq!(cell.rename("ro", "rw/ro"), rofs);
    assert_eq!(cell.rmdir("ro/sub"), rofs);
    // What is wrong anyway is said first, as on Linux.
    assert_eq!(cell.mkdir("ro/sub"), Err(Errno::Exist));
    assert_eq!(cell.unlink("ro/none"), Err(Errno::NoEnt));
    assert_eq!(cell.fs.usage(), usage);
    cell.check();
    assert!(cell.put("rw/f", "changed").is_ok());
}

#[test]
fn a_read_only_directory_keeps_its_names_but_not_the_content_of_what_is_not() {
    let rofs = Err(Errno::Rofs);
    let mut cell = Cell::of(vec![
        entry("ro", directory(), true),
        entry("ro/f", file("free"), false),
        entry("ro/d", directory(), false),
        entry("f", file("outside"), false),
    ]);
    assert!(cell.put("ro/f", "changed").is_ok());
    assert!(cell.put("ro/d/new", "").is_ok());
    assert_eq!(cell.unlink("ro/d/new"), Ok(()));
    assert_eq!(cell.unlink("ro/f"), rofs);
    assert_eq!(cell.rmdir("ro/d"), rofs);
    assert_eq!(cell.rename("ro/f", "g"), rofs);
    assert_eq!(cell.rename("f", "ro/f"), rofs);
    assert_eq!(cell.link("f", "ro/g"), rofs);
    assert_eq!(cell.link("ro/f", "g"), Ok(()));
    cell.check();
}

#[test]
fn the_root_can_be_read_only() {
    let mut cell = Cell::of(vec![entry("", directory(), true), entry("tmp", directory(), false)]);
    assert_eq!(cell.put("f", ""), Err(Errno::Rofs));
    assert!(cell.put("tmp/f", "").is_ok());
    assert_eq!(cell.rmdir("tmp"), Err(Errno::NotEmpty));
    cell.unlink("tmp/f").expect("is there");
    assert_eq!(cell.rmdir("tmp"), Err(Errno::Rofs));
}

#[test]
fn the_state_goes_through_bytes_and_goes_on_alike() {
    let mut cell = half_read_only();
    let held = cell.put("rw/held", "x").expect("new");
    cell.fs.hold(held);
    cell.unlink("rw/held").expect("is there");
    let (root, mut listing) = (cell.fs.root(), Listing::default());
    cell.fs.seek_listing(root, &mut listing, 0).expect("root");
    let listing = borsh::from_slice(&borsh::to_vec(&listing).expect("encodes")).expect("decodes");
    let cookie = cell.fs.entries(root, &listing, 0).expect("root").nth(2).expect("ro").next;

    let bytes = borsh::to_vec(&cell.fs).expect("encodes");
    let mut copy = Cell { fs: borsh::from_slice(&bytes).expect("decodes"), clock: cell.clock };
    copy.check();
    for cell in [&mut cell, &mut copy] {
        cell.put("rw/new", "made later").expect("room");
        cell.fs.release(held);
        let rest: Vec<_> = cell.fs.entries(root, &listing, cookie).expect("root").map(|entry| entry.name).collect();
        assert_eq!(rest, [b"rw"]);
    }
    assert_eq!(borsh::to_vec(&cell.fs).ok(), borsh::to_vec(&copy.fs).ok());
}

#[test]
fn damage_is_found() {
    let mut cell = half_read_only();
    cell.fs.quota.bytes += 1;
    assert!(cell.fs.audit().is_err());
    let mut cell = half_read_only();
    let ino = cell.lookup("rw/f").expect("is there");
    cell.fs.table.get_mut(ino).expect("is there").nlink = 2;
    let text = format!(
        "file system state is damaged: inode {} has 2 links, not 1; discard it and restore another copy",
        ino.number()
    );
    assert_eq!(cell.fs.audit().map_err(|damage| damage.to_string()), Err(text));
}
