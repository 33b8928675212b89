//! Listings: order, cookies, and what a program sees that changes a directory while it reads it.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn the_image_is_listed_by_name_and_new_entries_behind_it() {
    let file = || FsNode::File(Vec::new());
    let mut cell = Cell::of(vec![entry("z", file(), false), entry("a", file(), false), entry("m", file(), false)]);
    cell.put("b", "").expect("new");
    assert_eq!(cell.names("/"), [".", "..", "a", "m", "z", "b"]);
    cell.rename("m", "n").expect("possible");
    assert_eq!(cell.names("/"), [".", "..", "a", "z", "b", "n"]);
    cell.rename("n", "z").expect("possible");
    assert_eq!(cell.names("/"), [".", "..", "a", "z", "b"]);
}

#[test]
fn entries_tell_inode_kind_and_the_way_on() {
    let mut cell = Cell::new();
    let d = cell.mkdir("d").expect("new");
    let f = cell.put("d/f", "").expect("new");
    let s = cell.symlink("f", "d/s").expect("new");
    let expected: [(&[u8], Ino, Kind); 4] = [
        (b".", d, Kind::Directory),
        (b"..", cell.fs.root(), Kind::Directory),
        (b"f", f, Kind::File),
        (b"s", s, Kind::Symlink),
    ];
    // Entry by entry, each time from the cookie of the one before.
    let mut cookie = 0;
    for (name, ino, kind) in expected {
        let entry = cell.fs.readdir(d, cookie).expect("a directory").next().expect("one more");
        assert_eq!((entry.name, entry.ino, entry.kind), (name, ino, kind));
        cookie = entry.next;
    }
    assert!(cell.fs.readdir(d, cookie).expect("a directory").next().is_none());
    assert_eq!(cell.fs.readdir(f, 0).err(), Some(Errno::NotDir));
}

#[test]
fn cookies_survive_the_entry_they_stand_behind() {
    let mut cell = Cell::new();
    for name in ["a", "b", "c", "d"] {
        cell.put(name, "").expect("new");
    }
    let cookie = cell.fs.readdir(cell.fs.root(), 0).expect("root").nth(3).expect("b").next;
    cell.unlink("b").expect("is there");
    cell.unlink("c").expect("is there");
    cell.put("b", "").expect("new");
    let rest: Vec<_> = cell.fs.readdir(cell.fs.root(), cookie).expect("root").map(|entry| entry.name).collect();
    assert_eq!(rest, [b"d"]);
}

#[test]
fn a_program_that_renames_what_it_reads_comes_to_an_end() {
    let mut cell = Cell::new();
    for name in ["a", "b", "c"] {
        cell.put(name, "").expect("new");
    }
    let (mut cookie, mut seen) = (0, Vec::new());
    loop {
        let next = cell.fs.readdir(cell.fs.root(), cookie).expect("root").next();
        let Some((name, next)) = next.map(|entry| (String::from_utf8_lossy(entry.name).into_owned(), entry.next))
        else {
            break;
        };
        cookie = next;
        if !name.starts_with('.') {
            cell.rename(&name, &format!("{name}.old")).expect("possible");
        }
        seen.push(name);
    }
    assert_eq!(seen, [".", "..", "a", "b", "c"]);
    assert_eq!(cell.names("/"), [".", "..", "a.old", "b.old", "c.old"]);
}

#[test]
fn cookies_of_32_bits_find_their_place() {
    let mut cell = Cell::new();
    for name in ["a", "b", "c"] {
        cell.put(name, "").expect("new");
    }
    for entry in cell.fs.readdir(cell.fs.root(), 0).expect("root") {
        let rest = |cookie| cell.fs.readdir(cell.fs.root(), cookie).expect("root").map(|entry| entry.ino);
        assert!(rest(entry.next).eq(rest(entry.next & u64::from(u32::MAX))));
    }
}

#[derive(Clone, Debug)]
enum Change {
    Make(u8),
    Remove(u8),
    Rename(u8, u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..12_u8).prop_map(Change::Make),
        (0..12_u8).prop_map(Change::Remove),
        (0..12_u8, 0..12_u8).prop_map(|(a, b)| Change::Rename(a, b)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// POSIX `readdir`: what is there all the time is returned exactly once, however small the steps.
    #[test]
    fn what_stays_is_listed_exactly_once(
        first in prop::collection::vec(0..12_u8, 0..12),
        rounds in prop::collection::vec((1..4_usize, prop::collection::vec(change(), 0..4)), 1..20),
    ) {
        let mut cell = Cell::new();
        for name in &first {
            cell.put(&format!("n{name}"), "").expect("room");
        }
        let mut stays: Vec<String> = cell.names("/").split_off(2);
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut cookie = 0;
        for (page, changes) in rounds {
            for entry in cell.fs.readdir(cell.fs.root(), cookie).expect("root").take(page) {
                *seen.entry(String::from_utf8_lossy(entry.name).into_owned()).or_default() += 1;
                cookie = entry.next;
            }
            for change in changes {
                match change {
                    Change::Make(a) => {
                        let _ = cell.put(&format!("n{a}"), "");
                    }
                    Change::Remove(a) => {
                        let _ = cell.unlink(&format!("n{a}"));
                        stays.retain(|name| *name != format!("n{a}"));
                    }
                    // The new name was there before and after, if it was there at all; the old one goes.
                    Change::Rename(a, b) if a != b => {
                        if cell.rename(&format!("n{a}"), &format!("n{b}")).is_ok() {
                            stays.retain(|name| *name != format!("n{a}"));
                        }
                    }
                    Change::Rename(..) => {}
                }
            }
        }
        for entry in cell.fs.readdir(cell.fs.root(), cookie).expect("root") {
            *seen.entry(String::from_utf8_lossy(entry.name).into_owned()).or_default() += 1;
        }
        for name in [".".to_string(), "..".to_string()].iter().chain(&stays) {
            prop_assert_eq!(seen.get(name), Some(&1), "{}", name);
        }
        cell.check();
    }
}
