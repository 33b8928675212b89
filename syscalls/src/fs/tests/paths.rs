//! Paths: every shape of them, and what it leads to.

use super::*;

/// `/d/e/f` is a file, `/d/loop` leads to itself, the other links say where they lead.
fn tree() -> Cell {
    let mut cell = Cell::new();
    cell.mkdir("d").expect("new");
    cell.mkdir("d/e").expect("new");
    cell.put("d/e/f", "content").expect("new");
    for (target, path) in [
        ("loop", "d/loop"),
        ("e", "d/to_dir"),
        ("e/", "d/to_dir_slash"),
        ("e/f", "d/to_file"),
        ("e/f/", "d/to_file_slash"),
        ("/d/e", "d/absolute"),
        ("../../../../d/e", "d/above"),
        ("nowhere", "d/dangling"),
        (".", "d/here"),
        ("/", "d/top"),
    ] {
        cell.symlink(target, path).expect("new");
    }
    cell
}

#[test]
fn a_table_of_paths() {
    let cell = tree();
    let (root, d, e, f) = ("/", "d", "d/e", "d/e/f");
    let cases: &[(&str, Result<&str, Errno>)] = &[
        ("/", Ok(root)),
        ("//", Ok(root)),
        (".", Ok(root)),
        ("..", Ok(root)),
        ("../../..", Ok(root)),
        ("/..", Ok(root)),
        ("d", Ok(d)),
        ("d/", Ok(d)),
        ("d//.//", Ok(d)),
        ("d/e/..", Ok(d)),
        ("d/e/../", Ok(d)),
        ("/d/e", Ok(e)),
        ("../d/./e/../e", Ok(e)),
        ("d/e/f", Ok(f)),
        ("d/e/f/", Err(Errno::NotDir)),
        ("d/e/f/.", Err(Errno::NotDir)),
        ("d/e/f/..", Err(Errno::NotDir)),
        ("d/e/f/x", Err(Errno::NotDir)),
        ("x", Err(Errno::NoEnt)),
        ("x/", Err(Errno::NoEnt)),
        ("x/..", Err(Errno::NoEnt)),
        ("", Err(Errno::NoEnt)),
        ("d\0", Err(Errno::Inval)),
        ("d/to_dir", Ok(e)),
        ("d/to_dir/", Ok(e)),
        ("d/to_dir/f", Ok(f)),
        ("d/to_dir/..", Ok(d)),
        ("d/to_dir_slash/f", Ok(f)),
        ("d/to_file", Ok(f)),
        ("d/to_file/", Err(Errno::NotDir)),
        ("d/to_file/..", Err(Errno::NotDir)),
        ("d/to_file_slash", Err(Errno::NotDir)),
        ("d/absolute/f", Ok(f)),
        ("d/above/f", Ok(f)),
        ("d/dangling", Err(Errno::NoEnt)),
        ("d/dangling/x", Err(Errno::NoEnt)),
        ("d/loop", Err(Errno::Loop)),
        ("d/loop/x", Err(Errno::Loop)),
        ("d/here/here/here/e", Ok(e)),
        ("d/top/d/top/d", Ok(d)),
    ];
    for (path, expected) in cases {
        let expected = expected.and_then(|path| cell.lookup(path));
        assert_eq!(cell.lookup(path), expected, "{path:?}");
    }
}

#[test]
fn the_last_link_is_followed_on_request_or_before_a_slash() {
    let cell = tree();
    let kind = |path: &str| cell.stat(path).map(|stat| stat.kind);
    assert_eq!(kind("d/to_dir"), Ok(Kind::Symlink));
    assert_eq!(kind("d/to_dir/"), Ok(Kind::Directory));
    assert_eq!(kind("d/to_dir/."), Ok(Kind::Directory));
    assert_eq!(kind("d/to_file/"), Err(Errno::NotDir));
    assert_eq!(kind("d/dangling"), Ok(Kind::Symlink));
    assert_eq!(kind("d/dangling/"), Err(Errno::NoEnt));
    assert_eq!(kind("d/loop"), Ok(Kind::Symlink));
    assert_eq!(kind("d/loop/"), Err(Errno::Loop));
}

#[test]
fn forty_links_are_followed_and_not_one_more() {
    let mut cell = Cell::new();
    cell.put("link0", "end").expect("new");
    for n in 1..=41 {
        cell.symlink(&format!("link{}", n - 1), &format!("link{n}")).expect("new");
    }
    assert_eq!(cell.text("link40").as_deref(), Ok("end"));
    assert_eq!(cell.text("link41"), Err(Errno::Loop));

    cell.symlink(".", "here").expect("new");
    assert!(cell.lookup(&["here"; 40].join("/")).is_ok());
    assert_eq!(cell.lookup(&["here"; 41].join("/")), Err(Errno::Loop));
    // The same count holds for opening through dangling links.
    let create = OpenHow { create: true, ..READ };
    cell.unlink("link0").expect("is there");
    assert_eq!(cell.open("link41", create), Err(Errno::Loop));
    assert!(cell.open("link40", create).is_ok());
    assert_eq!(cell.stat("link0").map(|stat| stat.kind), Ok(Kind::File));
}

#[test]
fn lengths_are_limited() {
    let mut cell = Cell::with(&Limits { path_bytes: 600, ..Limits::default() });
    let name = "n".repeat(255);
    assert!(cell.mkdir(&name).is_ok());
    assert!(cell.mkdir(&format!("{name}/{name}")).is_ok());
    let long = "n".repeat(256);
    assert_eq!(cell.mkdir(&long), Err(Errno::NameTooLong));
    assert_eq!(cell.lookup(&format!("{long}/x")), Err(Errno::NameTooLong));
    // What is no directory is found out first.
    cell.put("file", "").expect("new");
    assert_eq!(cell.lookup(&format!("file/{long}")), Err(Errno::NotDir));

    let path = |len: usize| "/".repeat(len - 1) + ".";
    assert!(cell.lookup(&path(600)).is_ok());
    assert_eq!(cell.lookup(&path(601)), Err(Errno::NameTooLong));
    assert!(cell.symlink(&path(600), "ok").is_ok());
    assert_eq!(cell.symlink(&path(601), "bad"), Err(Errno::NameTooLong));
}

#[test]
fn a_path_starts_from_its_directory() {
    let cell = tree();
    let d = cell.lookup("d").expect("is there");
    let f = cell.lookup("d/e/f").expect("is there");
    assert_eq!(cell.fs.lookup(d, b"e/f", false), Ok(f));
    assert_eq!(cell.fs.lookup(d, b"/d/e/f", false), Ok(f));
    assert_eq!(cell.fs.lookup(d, b"..", false), Ok(cell.fs.root()));
    assert_eq!(cell.fs.lookup(f, b"x", false), Err(Errno::NotDir));
    assert_eq!(cell.fs.lookup(f, b".", false), Err(Errno::NotDir));
    assert_eq!(cell.fs.lookup(f, b"", false), Err(Errno::NoEnt));
}

#[test]
fn names_are_bytes() {
    let mut cell = Cell::new();
    let root = cell.fs.root();
    let now = cell.now();
    let ino = cell.fs.mkdir(root, b"\xff\xfe", now).expect("new");
    assert_eq!(cell.fs.lookup(root, b"\xff\xfe", false), Ok(ino));
}

#[test]
fn readlink_answers_links_only() {
    let cell = tree();
    let readlink = |path: &str| cell.fs.readlink(cell.fs.root(), path.as_bytes());
    assert_eq!(readlink("d/to_dir_slash"), Ok(&b"e/"[..]));
    assert_eq!(readlink("d/dangling"), Ok(&b"nowhere"[..]));
    assert_eq!(readlink("d/to_dir/"), Err(Errno::Inval));
    assert_eq!(readlink("d/to_file/"), Err(Errno::NotDir));
    assert_eq!(readlink("d/e/f"), Err(Errno::Inval));
    assert_eq!(readlink("x"), Err(Errno::NoEnt));
}
