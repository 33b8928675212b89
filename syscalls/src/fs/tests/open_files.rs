//! What descriptors see: content, times, and inodes whose names are gone.

use super::*;

#[test]
fn an_unlinked_file_lives_until_it_is_closed() {
    let mut cell = Cell::new();
    let f = cell.put("f", "abc").expect("new");
    cell.fs.hold(f);
    cell.fs.hold(f);
    cell.unlink("f").expect("is there");
    assert_eq!(cell.write(f, 3, b"def"), Ok(3));
    assert_eq!(cell.fs.read_all(f).as_deref(), Ok(&b"abcdef"[..]));
    assert_eq!(cell.fs.stat(f).map(|stat| stat.nlink), Ok(0));
    cell.put("f", "another").expect("the name is free");
    cell.fs.release(f);
    assert_eq!(cell.fs.usage().bytes, 13);
    cell.fs.release(f);
    assert_eq!((cell.fs.kind(f), cell.fs.usage().bytes), (Err(Errno::Stale), 7));
    cell.check();
}

#[test]
fn a_removed_directory_is_an_empty_place_to_nowhere() {
    let mut cell = Cell::new();
    let d = cell.mkdir("d").expect("new");
    cell.fs.hold(d);
    cell.rmdir("d").expect("empty");
    let (now, root) = (cell.now(), cell.fs.root());
    cell.put("f", "").expect("new");
    assert_eq!(cell.fs.lookup(d, b".", false), Ok(d));
    assert_eq!(cell.fs.lookup(d, b"..", false), Err(Errno::NoEnt));
    assert_eq!(cell.fs.lookup(d, b"x", false), Err(Errno::NoEnt));
    assert_eq!(cell.fs.open(d, b"x", OpenHow { create: true, ..READ }, now), Err(Errno::NoEnt));
    assert_eq!(cell.fs.mkdir(d, b"x", now), Err(Errno::NoEnt));
    assert_eq!(cell.fs.symlink(b"t", d, b"x", now), Err(Errno::NoEnt));
    assert_eq!(cell.fs.link(root, b"f", false, d, b"x", now), Err(Errno::NoEnt));
    assert_eq!(cell.fs.rename(root, b"f", d, b"x", now), Err(Errno::NoEnt));
    assert_eq!(cell.fs.seek_listing(d, &mut Listing::Unread, 0).err(), Some(Errno::NoEnt));
    cell.check();
    cell.fs.release(d);
    assert_eq!(cell.fs.kind(d), Err(Errno::Stale));
    cell.check();
}

#[test]
fn a_directory_is_no_file() {
    let mut cell = Cell::new();
    let (d, now) = (cell.mkdir("d").expect("new"), cell.now());
    assert_eq!(cell.fs.read_at(d, 0, &mut [0]), Err(Errno::IsDir));
    assert_eq!(cell.fs.write_at(d, 0, b"x", now), Err(Errno::IsDir));
    assert_eq!(cell.fs.truncate(d, 0, now), Err(Errno::IsDir));
    assert_eq!(cell.fs.allocate(d, 0, 1, now), Err(Errno::IsDir));
}

#[test]
fn reads_end_at_the_end() {
    let mut cell = Cell::new();
    let f = cell.put("f", "abcdef").expect("new");
    let mut buf = [b'.'; 4];
    assert_eq!((cell.fs.read_at(f, 4, &mut buf), &buf), (Ok(2), b"ef.."));
    assert_eq!(cell.fs.read_at(f, 6, &mut buf), Ok(0));
    assert_eq!(cell.fs.read_at(f, u64::MAX, &mut buf), Ok(0));
    assert_eq!(cell.fs.read_at(f, 0, &mut []), Ok(0));
}

/// Which of (atim, mtim, ctim) a call sets to its time.
fn touched<R>(cell: &mut Cell, ino: Ino, call: impl FnOnce(&mut Cell) -> R) -> (bool, bool, bool) {
    let before = cell.fs.stat(ino).expect("is there");
    let _ = call(cell);
    let after = cell.fs.stat(ino).expect("is there");
    let now = FileTime::from(LogicalTime::from_nanos(cell.clock));
    let changed = |before, after| {
        assert!(after == before || after == now);
        after != before
    };
    (changed(before.atim, after.atim), changed(before.mtim, after.mtim), changed(before.ctim, after.ctim))
}

#[test]
fn calls_set_the_times_that_posix_names() {
    let mut cell = Cell::new();
    let (f, d) = (cell.put("f", "text").expect("new"), cell.mkdir("d").expect("new"));
    let (nothing, attributes, content) = ((false, false, false), (false, false, true), (false, true, true));
    assert_eq!(touched(&mut cell, f, |cell| cell.write(f, 0, b"x")), content);
    assert_eq!(touched(&mut cell, f, |cell| cell.write(f, 0, b"")), nothing);
    assert_eq!(touched(&mut cell, f, |cell| cell.text("f")), nothing);
    assert_eq!(touched(&mut cell, f, |cell| cell.open("f", OpenHow { truncate: true, ..READ })), content);
    assert_eq!(touched(&mut cell, f, |cell| cell.link("f", "d/l")), attributes);
    assert_eq!(touched(&mut cell, f, |cell| cell.unlink("d/l")), attributes);
    assert_eq!(touched(&mut cell, f, |cell| cell.rename("f", "d/f")), attributes);
    assert_eq!(touched(&mut cell, d, |cell| cell.put("d/new", "")), content);
    assert_eq!(touched(&mut cell, d, |cell| cell.put("d/new", "")), nothing);
    assert_eq!(touched(&mut cell, d, |cell| cell.unlink("d/new")), content);
    assert_eq!(touched(&mut cell, d, |cell| cell.mkdir("d/sub")), content);
    assert_eq!(touched(&mut cell, d, |cell| cell.rename("d/sub", "sub")), content);
    assert_eq!(touched(&mut cell, d, |cell| cell.put("x/y", "")), nothing);
}

#[test]
fn times_can_be_set_to_any_moment() {
    let mut cell = Cell::new();
    let (f, epoch) = (cell.put("f", "").expect("new"), 1_700_000_000_000_000_000);
    let before = cell.fs.stat(f).expect("is there");
    let (y2000, now) = (FileTime::from_unix_ns(946_684_800_000_000_000, epoch), cell.now());
    assert_eq!(cell.fs.set_times(f, None, Some(y2000), now), Ok(()));
    let after = cell.fs.stat(f).expect("is there");
    assert_eq!((after.atim, after.mtim.unix_ns(epoch)), (before.atim, 946_684_800_000_000_000));
    assert_eq!(after.ctim, now.into());
}
