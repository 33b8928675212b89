//! `rename`, the call with the most rules.

use super::*;

/// Directories `d` (empty), `e` (holds `e/sub`), files `f`, `g`, a link `l` to `d`.
fn tree() -> Cell {
    let mut cell = Cell::new();
    cell.mkdir("d").expect("new");
    cell.mkdir("e").expect("new");
    cell.mkdir("e/sub").expect("new");
    cell.put("f", "f").expect("new");
    cell.put("g", "g").expect("new");
    cell.symlink("d", "l").expect("new");
    cell
}

#[test]
fn a_table_of_renames() {
    let ok = Ok(());
    let cases = [
        ("f", "new", ok),
        ("f", "g", ok),
        ("f", "f", ok),
        ("f", "d/f", ok),
        ("f", "l", ok),
        ("f", "l/f", ok),
        ("l", "f", ok),
        ("l", "new", ok),
        ("d", "new", ok),
        ("d", "new/", ok),
        ("d/", "new", ok),
        ("d", "d", ok),
        ("d", "e/sub", ok),
        ("e", "d", ok),
        ("e/sub", "sub", ok),
        ("f", "d", Err(Errno::IsDir)),
        ("d", "f", Err(Errno::NotDir)),
        ("d", "l", Err(Errno::NotDir)),
        ("d", "e", Err(Errno::NotEmpty)),
        ("e", "e/sub", Err(Errno::Inval)),
        ("e", "e/new", Err(Errno::Inval)),
        ("e", "e/sub/new", Err(Errno::Inval)),
        ("e/sub", "e", Err(Errno::NotEmpty)),
        ("f", "new/", Err(Errno::NotDir)),
        ("f/", "new", Err(Errno::NotDir)),
        ("l/", "new", Err(Errno::NotDir)),
        ("x", "f", Err(Errno::NoEnt)),
        ("f", "x/new", Err(Errno::NoEnt)),
        ("f", "g/new", Err(Errno::NotDir)),
        ("f", "", Err(Errno::NoEnt)),
        ("d/.", "new", Err(Errno::Busy)),
        ("e/..", "new", Err(Errno::Busy)),
        ("/", "new", Err(Errno::Busy)),
        ("d", ".", Err(Errno::Busy)),
        ("d", "e/..", Err(Errno::Busy)),
        ("d", "/", Err(Errno::Busy)),
    ];
    for (old, new, expected) in cases {
        let mut cell = tree();
        let before = cell.stat(old);
        assert_eq!(cell.rename(old, new), expected, "{old} to {new}");
        cell.check();
        if expected == ok {
            let new = new.trim_end_matches('/');
            assert_eq!(cell.stat(new).map(|stat| stat.ino), before.map(|stat| stat.ino), "{old} to {new}");
            assert!(old == new || cell.stat(old) == Err(Errno::NoEnt), "{old} to {new}");
        } else {
            let usage = tree().fs.usage();
            assert_eq!(cell.fs.usage(), usage);
        }
    }
}

#[test]
fn two_names_of_one_inode_both_stay() {
    let mut cell = tree();
    cell.link("f", "h").expect("new");
    let before = cell.stat("f");
    assert_eq!(cell.rename("f", "h"), Ok(()));
    assert_eq!((cell.stat("f"), cell.stat("h")), (before, before));
    cell.check();
}

#[test]
fn a_directory_that_moves_takes_its_tree_and_its_parent_along() {
    let mut cell = tree();
    cell.put("e/sub/file", "deep").expect("new");
    let links = |cell: &Cell, path| cell.stat(path).map(|stat| stat.nlink);
    assert_eq!((links(&cell, "/"), links(&cell, "e"), links(&cell, "d")), (Ok(4), Ok(3), Ok(2)));
    cell.rename("e/sub", "d/moved").expect("possible");
    assert_eq!((links(&cell, "/"), links(&cell, "e"), links(&cell, "d")), (Ok(4), Ok(2), Ok(3)));
    assert_eq!(cell.text("d/moved/file").as_deref(), Ok("deep"));
    assert_eq!(cell.lookup("d/moved/.."), cell.lookup("d"));
    cell.check();
}

#[test]
fn what_is_replaced_lives_on_in_descriptors() {
    let mut cell = tree();
    let file = cell.open("g", READ).expect("is there");
    let directory = cell.open("d", READ).expect("is there");
    cell.fs.hold(file);
    cell.fs.hold(directory);
    cell.rename("f", "g").expect("possible");
    cell.rename("e/sub", "d").expect("possible");
    assert_eq!(cell.fs.read_all(file).as_deref(), Ok(&b"g"[..]));
    assert_eq!(cell.text("g").as_deref(), Ok("f"));
    assert_eq!(cell.fs.stat(file).map(|stat| stat.nlink), Ok(0));
    assert_eq!(cell.fs.stat(directory).map(|stat| stat.nlink), Ok(0));
    cell.check();
    cell.fs.release(file);
    cell.fs.release(directory);
    assert_eq!((cell.fs.kind(file), cell.fs.kind(directory)), (Err(Errno::Stale), Err(Errno::Stale)));
    cell.check();
}

#[test]
fn times_tell_of_the_move() {
    let mut cell = tree();
    let before = cell.stat("f").expect("is there");
    cell.rename("f", "d/f").expect("possible");
    let now = FileTime::from(LogicalTime::from_nanos(cell.clock));
    let (file, directory, root) = (cell.stat("d/f"), cell.stat("d"), cell.stat("/"));
    assert_eq!(file.map(|stat| (stat.mtim, stat.ctim)), Ok((before.mtim, now)));
    assert_eq!(directory.map(|stat| (stat.mtim, stat.ctim)), Ok((now, now)));
    assert_eq!(root.map(|stat| (stat.mtim, stat.ctim)), Ok((now, now)));
}

#[test]
fn no_tree_becomes_too_deep_by_a_move() {
    let mut cell = Cell::with(&Limits { path_depth: 4, ..Limits::default() });
    for path in ["a", "a/b", "a/b/c", "x", "x/y", "x/y/z"] {
        cell.mkdir(path).expect("new");
    }
    cell.mkdir("x/y/z/deepest").expect("depth 4 is allowed");
    assert_eq!(cell.mkdir("x/y/z/deepest/more"), Err(Errno::NameTooLong));
    // The tree of `a` is three high: below `x` it fits, below `x/y` it does not.
    assert_eq!(cell.rename("a", "x/y/a"), Err(Errno::NameTooLong));
    assert_eq!(cell.rename("a", "x/a"), Ok(()));
    assert_eq!(cell.rename("x/a/b", "x/y/b"), Ok(()));
    assert_eq!(cell.rename("x/y/z", "z"), Ok(()));
    cell.check();
}
