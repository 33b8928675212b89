//! Quotas: what does not fit fails with the documented error and changes nothing.

use super::*;

#[test]
fn huge_offsets_and_lengths_allocate_nothing() {
    let mut cell = Cell::new();
    let f = cell.put("f", "abc").expect("new");
    let before = cell.fs.stat(f);
    let now = cell.now();
    for offset in [1 << 30, 1 << 40, 1 << 63, u64::MAX - 1, u64::MAX] {
        assert_eq!(cell.fs.write_at(f, offset, b"x", now), Err(Errno::FBig), "{offset}");
        assert_eq!(cell.fs.allocate(f, offset, 1, now), Err(Errno::FBig), "{offset}");
        assert_eq!(cell.fs.allocate(f, 0, offset.max((1 << 30) + 1), now), Err(Errno::FBig), "{offset}");
    }
    assert_eq!(cell.fs.truncate(f, (1 << 30) + 1, now), Err(Errno::FBig));
    assert_eq!(cell.fs.truncate(f, u64::MAX, now), Err(Errno::FBig));
    assert_eq!(cell.fs.allocate(f, 1, 0, now), Err(Errno::Inval));
    assert_eq!(cell.fs.write_at(f, u64::MAX, b"", now), Ok(0));
    assert_eq!(cell.fs.stat(f), before);
    cell.check();
}

#[test]
fn holes_count_and_can_always_be_filled() {
    let mut cell = Cell::with(&Limits { file_bytes: 1000, file_size: 800, ..Limits::default() });
    let a = cell.put("a", "").expect("new");
    let b = cell.put("b", "").expect("new");
    assert_eq!(cell.write(a, 700, b"end"), Ok(3));
    assert_eq!(cell.fs.usage().bytes, 703);
    assert_eq!(cell.write(b, 297, b"x"), Err(Errno::NoSpc));
    assert_eq!(cell.write(b, 290, &[1; 20]), Ok(7));
    assert_eq!(cell.write(b, 297, b"x"), Err(Errno::NoSpc));
    assert_eq!(cell.write(a, 0, &[2; 700]), Ok(700));
    assert_eq!(cell.write(a, 799, b"x"), Err(Errno::NoSpc));
    let now = cell.now();
    assert_eq!(cell.fs.truncate(b, 10, now), Ok(()));
    assert_eq!(cell.write(a, 799, b"xy"), Ok(1));
    assert_eq!(cell.write(a, 800, b"y"), Err(Errno::FBig));
    assert_eq!(cell.fs.allocate(b, 10, 190, now), Ok(()));
    assert_eq!(cell.fs.allocate(b, 10, 191, now), Err(Errno::NoSpc));
    assert_eq!(cell.fs.usage().bytes, 1000);
    cell.check();
}

#[test]
fn allocate_extends_and_never_cuts() {
    let mut cell = Cell::new();
    let f = cell.put("f", "abcdef").expect("new");
    let before = cell.fs.stat(f);
    let now = cell.now();
    assert_eq!(cell.fs.allocate(f, 2, 3, now), Ok(()));
    assert_eq!(cell.fs.stat(f), before);
    assert_eq!(cell.fs.allocate(f, 4, 4, now), Ok(()));
    assert_eq!(cell.fs.read_all(f).as_deref(), Ok(&b"abcdef\0\0"[..]));
}

#[test]
fn names_links_and_unlinked_open_files_are_nodes() {
    // The root and four more.
    let mut cell = Cell::with(&Limits { inodes: 5, ..Limits::default() });
    let f = cell.put("f", "").expect("first");
    cell.mkdir("d").expect("second");
    cell.symlink("x", "s").expect("third");
    cell.link("f", "hard").expect("fourth");
    let refused = |cell: &mut Cell| {
        assert_eq!(cell.put("more", ""), Err(Errno::NoSpc));
        assert_eq!(cell.mkdir("more"), Err(Errno::NoSpc));
        assert_eq!(cell.symlink("x", "more"), Err(Errno::NoSpc));
        assert_eq!(cell.link("f", "more"), Err(Errno::NoSpc));
        cell.check();
    };
    refused(&mut cell);
    // A rename needs no room.
    cell.rename("hard", "d/hard").expect("possible");
    refused(&mut cell);
    // An unlinked file that is open still counts, until it is closed.
    cell.unlink("d/hard").expect("is there");
    cell.link("f", "hard").expect("room again");
    cell.unlink("hard").expect("is there");
    cell.fs.hold(f);
    cell.unlink("f").expect("is there");
    cell.put("f2", "").expect("room for one");
    assert_eq!(cell.put("more", ""), Err(Errno::NoSpc));
    cell.fs.release(f);
    cell.put("more", "").expect("room for one");
    refused_only_new(&mut cell);
}

fn refused_only_new(cell: &mut Cell) {
    assert_eq!(cell.put("yet more", ""), Err(Errno::NoSpc));
    assert!(cell.put("more", "").is_ok());
    cell.check();
}

#[test]
fn link_targets_are_bytes_too() {
    let mut cell = Cell::with(&Limits { file_bytes: 10, ..Limits::default() });
    assert!(cell.symlink("12345678", "a").is_ok());
    assert_eq!(cell.symlink("123", "b"), Err(Errno::NoSpc));
    assert!(cell.symlink("12", "b").is_ok());
    assert_eq!(cell.put("c", "x"), Err(Errno::NoSpc));
    cell.unlink("a").expect("is there");
    assert!(cell.put("c", "x").is_ok());
    cell.check();
}

#[test]
fn directories_have_a_depth() {
    let mut cell = Cell::with(&Limits { path_depth: 3, ..Limits::default() });
    cell.mkdir("a").expect("depth 1");
    cell.mkdir("a/b").expect("depth 2");
    cell.mkdir("a/b/c").expect("depth 3");
    assert_eq!(cell.mkdir("a/b/c/d"), Err(Errno::NameTooLong));
    assert!(cell.put("a/b/c/file", "").is_ok());
}

#[test]
fn a_directory_of_many_entries_is_made_and_removed() {
    let mut cell = Cell::new();
    for n in 0..20_000 {
        cell.put(&format!("file{n}"), "").expect("room");
    }
    assert_eq!(cell.names("/").len(), 20_002);
    cell.check();
    for n in 0..20_000 {
        cell.unlink(&format!("file{n}")).expect("is there");
    }
    assert_eq!(cell.fs.usage(), Usage { bytes: 0, nodes: 1, listed: 0 });
    cell.check();
}
