//! Making and removing names: open, mkdir, rmdir, link, unlink, symlink.

use super::*;

const CREATE: OpenHow = OpenHow { create: true, write: true, ..READ };
const EXCLUSIVE: OpenHow = OpenHow { exclusive: true, ..CREATE };

#[test]
fn open_obeys_its_flags() {
    let mut cell = Cell::new();
    cell.mkdir("d").expect("new");
    let f = cell.put("f", "text").expect("new");
    cell.symlink("f", "to_f").expect("new");
    cell.symlink("d", "to_d").expect("new");
    cell.symlink("new", "to_new").expect("new");
    let nofollow = OpenHow { follow: false, ..READ };
    let directory = OpenHow { directory: true, ..READ };
    let write = OpenHow { write: true, ..READ };

    assert_eq!(cell.open("f", READ), Ok(f));
    assert_eq!(cell.open("to_f", READ), Ok(f));
    assert_eq!(cell.open("to_f", nofollow), Err(Errno::Loop));
    assert_eq!(cell.open("to_d", OpenHow { directory: true, ..nofollow }), Err(Errno::NotDir));
    assert!(cell.open("to_d/", nofollow).is_ok());
    assert!(cell.open("d", directory).is_ok());
    assert_eq!(cell.open("f", directory), Err(Errno::NotDir));
    assert_eq!(cell.open("d", write), Err(Errno::IsDir));
    assert_eq!(cell.open("d", OpenHow { truncate: true, ..READ }), Err(Errno::IsDir));
    assert_eq!(cell.open("x", READ), Err(Errno::NoEnt));
    assert_eq!(cell.open("x", OpenHow { directory: true, ..CREATE }), Err(Errno::Inval));

    assert_eq!(cell.open("f", CREATE), Ok(f));
    assert_eq!(cell.open("f", EXCLUSIVE), Err(Errno::Exist));
    assert_eq!(cell.open("to_new", EXCLUSIVE), Err(Errno::Exist));
    assert_eq!(cell.open("to_new", OpenHow { create: true, ..nofollow }), Err(Errno::Loop));
    assert_eq!(cell.open("d", CREATE), Err(Errno::IsDir));
    for path in ["d/.", "d/..", "/", ".", "x/", "f/", "d/"] {
        assert_eq!(cell.open(path, CREATE), Err(Errno::IsDir), "{path}");
    }
    assert_eq!(cell.open("d/.", EXCLUSIVE), Err(Errno::Exist));
    assert_eq!(cell.open("x/y", CREATE), Err(Errno::NoEnt));
    assert_eq!(cell.open("f/y", CREATE), Err(Errno::NotDir));

    let new = cell.open("to_new", CREATE).expect("made through the link");
    assert_eq!(cell.lookup("new"), Ok(new));
    assert_eq!(cell.text("f").as_deref(), Ok("text"));
    assert_eq!(cell.open("f", OpenHow { truncate: true, ..write }), Ok(f));
    assert_eq!(cell.text("f").as_deref(), Ok(""));
    cell.check();
}

#[test]
fn a_link_that_leads_into_another_directory_is_created_there() {
    let mut cell = Cell::new();
    cell.mkdir("a").expect("new");
    cell.mkdir("b").expect("new");
    cell.symlink("../b/second", "a/first").expect("new");
    cell.symlink("third", "b/second").expect("new");
    let ino = cell.open("a/first", CREATE).expect("made through both links");
    assert_eq!(cell.lookup("b/third"), Ok(ino));
    cell.check();
}

#[test]
fn mkdir_and_rmdir() {
    let mut cell = Cell::new();
    assert!(cell.mkdir("d").is_ok());
    assert!(cell.mkdir("d/sub/").is_ok());
    cell.put("f", "").expect("new");
    cell.symlink("d/sub", "to_sub").expect("new");
    cell.symlink("x", "dangling").expect("new");
    assert_eq!(cell.stat("/").map(|stat| stat.nlink), Ok(3));
    assert_eq!(cell.stat("d").map(|stat| stat.nlink), Ok(3));
    for path in ["d", "d/", "f", "f/", "to_sub", "to_sub/", "dangling", "dangling/", "/", ".", "..", "d/."] {
        assert_eq!(cell.mkdir(path), Err(Errno::Exist), "{path}");
    }
    assert_eq!(cell.mkdir("x/y"), Err(Errno::NoEnt));
    assert_eq!(cell.mkdir("f/y"), Err(Errno::NotDir));

    assert_eq!(cell.rmdir("d"), Err(Errno::NotEmpty));
    assert_eq!(cell.rmdir("d/sub/.."), Err(Errno::NotEmpty));
    assert_eq!(cell.rmdir("d/sub/."), Err(Errno::Inval));
    assert_eq!(cell.rmdir("/"), Err(Errno::Busy));
    assert_eq!(cell.rmdir("f"), Err(Errno::NotDir));
    assert_eq!(cell.rmdir("to_sub/"), Err(Errno::NotDir));
    assert_eq!(cell.rmdir("x"), Err(Errno::NoEnt));
    assert_eq!(cell.rmdir("d/sub/"), Ok(()));
    assert_eq!(cell.rmdir("d"), Ok(()));
    assert_eq!(cell.stat("/").map(|stat| stat.nlink), Ok(2));
    cell.check();
}

#[test]
fn unlink_takes_names_of_files_and_links() {
    let mut cell = Cell::new();
    cell.mkdir("d").expect("new");
    cell.put("f", "").expect("new");
    cell.symlink("d", "to_d").expect("new");
    for path in ["d", "d/", ".", "..", "/", "d/."] {
        assert_eq!(cell.unlink(path), Err(Errno::IsDir), "{path}");
    }
    assert_eq!(cell.unlink("f/"), Err(Errno::NotDir));
    assert_eq!(cell.unlink("to_d/"), Err(Errno::NotDir));
    assert_eq!(cell.unlink("x"), Err(Errno::NoEnt));
    assert_eq!(cell.unlink("x/"), Err(Errno::NoEnt));
    assert_eq!((cell.unlink("f"), cell.unlink("to_d")), (Ok(()), Ok(())));
    assert_eq!(cell.names("/"), [".", "..", "d"]);
    cell.check();
}

#[test]
fn hard_links_share_everything_but_the_name() {
    let mut cell = Cell::new();
    let ino = cell.put("a", "1").expect("new");
    cell.mkdir("d").expect("new");
    assert_eq!(cell.link("a", "d/b"), Ok(()));
    assert_eq!(cell.stat("a"), cell.stat("d/b"));
    assert_eq!(cell.stat("a").map(|stat| stat.nlink), Ok(2));
    cell.write(ino, 1, b"2").expect("room");
    assert_eq!(cell.text("d/b").as_deref(), Ok("12"));
    assert_eq!(cell.unlink("a"), Ok(()));
    assert_eq!(cell.stat("d/b").map(|stat| (stat.ino, stat.nlink)), Ok((ino, 1)));

    assert_eq!(cell.link("d", "e"), Err(Errno::Perm));
    assert_eq!(cell.link("d/b", "d"), Err(Errno::Exist));
    assert_eq!(cell.link("d/b", "d/b"), Err(Errno::Exist));
    assert_eq!(cell.link("d/b", "e/"), Err(Errno::NoEnt));
    assert_eq!(cell.link("d/b/", "e"), Err(Errno::NotDir));
    assert_eq!(cell.link("x", "e"), Err(Errno::NoEnt));
    cell.check();
}

#[test]
fn a_link_call_follows_on_request() {
    let mut cell = Cell::new();
    let (file, root) = (cell.put("f", "").expect("new"), cell.fs.root());
    let symlink = cell.symlink("f", "s").expect("new");
    let now = cell.now();
    assert_eq!(cell.fs.link(root, b"s", true, root, b"followed", now), Ok(()));
    assert_eq!(cell.fs.link(root, b"s", false, root, b"itself", now), Ok(()));
    assert_eq!(cell.stat("followed").map(|stat| stat.ino), Ok(file));
    assert_eq!(cell.stat("itself").map(|stat| (stat.ino, stat.nlink)), Ok((symlink, 2)));
    cell.check();
}

#[test]
fn symlinks_keep_any_target() {
    let mut cell = Cell::new();
    assert_eq!(cell.symlink("", "a"), Err(Errno::NoEnt));
    assert_eq!(cell.symlink("a\0b", "a"), Err(Errno::Inval));
    assert_eq!(cell.symlink("x", "a/"), Err(Errno::NoEnt));
    assert!(cell.symlink("/../..//odd/", "a").is_ok());
    assert_eq!(cell.fs.readlink(cell.fs.root(), b"a"), Ok(&b"/../..//odd/"[..]));
    assert_eq!(cell.stat("a").map(|stat| stat.size), Ok(12));
    assert_eq!(cell.symlink("x", "a"), Err(Errno::Exist));
    assert_eq!(cell.symlink("x", "a/"), Err(Errno::Exist));
    cell.check();
}

#[test]
fn inode_numbers_are_never_given_twice() {
    let mut cell = Cell::new();
    let mut last = cell.fs.root().number();
    assert_eq!(last, 1);
    for _ in 0..5 {
        let ino = cell.put("f", "x").expect("new");
        assert_eq!(ino.number(), last + 1);
        last = ino.number();
        cell.unlink("f").expect("is there");
        assert_eq!(cell.fs.size(ino), Err(Errno::Stale));
    }
}
