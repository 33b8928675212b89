//! Listings: order, cookies, and what a program sees that changes a directory while it reads it.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A directory being read, as a descriptor does it.
struct Reader {
    ino: Ino,
    listing: Listing,
    cookie: u64,
}

impl Reader {
    fn new(ino: Ino) -> Self {
        Self { ino, listing: Listing::default(), cookie: 0 }
    }

    /// Reads up to `page` names, and ends the listing when that is not full.
    fn read(&mut self, cell: &mut Cell, page: usize) -> Vec<String> {
        cell.fs.seek_listing(self.ino, &mut self.listing, self.cookie).expect("a directory");
        let mut names = Vec::new();
        for entry in cell.fs.entries(self.ino, &self.listing, self.cookie).expect("a directory").take(page) {
            names.push(String::from_utf8_lossy(entry.name).into_owned());
            self.cookie = entry.next;
        }
        if names.len() < page {
            cell.fs.end_listing(&mut self.listing, self.cookie);
        }
        names
    }

    fn rewind(&mut self) -> &mut Self {
        self.cookie = 0;
        self
    }
}

#[test]
fn entries_are_sorted_by_the_bytes_of_their_names() {
    let file = || FsNode::File(Vec::new());
    let mut cell = Cell::of(vec![entry("z", file(), false), entry("a", file(), false), entry("m", file(), false)]);
    for name in ["b", "B", "ä", "a.b", "ab", "-"] {
        cell.put(name, "").expect("new");
    }
    assert_eq!(cell.names("/"), [".", "..", "-", "B", "a", "a.b", "ab", "b", "m", "z", "ä"]);
    cell.rename("m", "0").expect("possible");
    cell.rename("b", "z").expect("possible");
    assert_eq!(cell.names("/"), [".", "..", "-", "0", "B", "a", "a.b", "ab", "z", "ä"]);
}

#[test]
fn entries_tell_inode_kind_and_their_place() {
    let mut cell = Cell::new();
    let d = cell.mkdir("d").expect("new");
    let s = cell.symlink("f", "d/s").expect("new");
    let f = cell.put("d/f", "").expect("new");
    let expected: [(&[u8], Ino, Kind); 4] = [
        (b".", d, Kind::Directory),
        (b"..", cell.fs.root(), Kind::Directory),
        (b"f", f, Kind::File),
        (b"s", s, Kind::Symlink),
    ];
    let mut listing = Listing::default();
    // Entry by entry, each time from the cookie of the one before.
    for (cookie, (name, ino, kind)) in (0..).zip(expected) {
        cell.fs.seek_listing(d, &mut listing, cookie).expect("a directory");
        let entry = cell.fs.entries(d, &listing, cookie).expect("a directory").next().expect("one more");
        assert_eq!(entry, DirEntry { name, ino, kind, next: cookie + 1 });
    }
    assert!(cell.fs.entries(d, &listing, 4).expect("a directory").next().is_none());
    assert_eq!(cell.fs.seek_listing(f, &mut Listing::default(), 0), Err(Errno::NotDir));
}

#[test]
fn a_listing_shows_what_its_names_lead_to_by_then() {
    let mut cell = Cell::new();
    for name in ["a", "b", "c", "d", "e"] {
        cell.put(name, "").expect("new");
    }
    let mut reader = Reader::new(cell.fs.root());
    assert_eq!(reader.read(&mut cell, 3), [".", "..", "a"]);
    cell.unlink("a").expect("is there");
    cell.unlink("b").expect("is there");
    cell.unlink("c").expect("is there");
    cell.mkdir("c").expect("new");
    cell.put("aa", "").expect("new");
    cell.put("z", "").expect("new");
    let shown = cell.fs.entries(reader.ino, &reader.listing, 3).expect("root").next().map(|it| (it.ino, it.kind));
    assert_eq!(shown, Some((cell.lookup("c").expect("new"), Kind::Directory)));
    assert_eq!(reader.read(&mut cell, 9), ["c", "d", "e"]);
    assert_eq!(reader.rewind().read(&mut cell, 9), [".", "..", "aa", "c", "d", "e", "z"]);
}

#[test]
fn a_program_that_renames_what_it_reads_comes_to_an_end() {
    let mut cell = Cell::new();
    for name in ["a", "b", "c"] {
        cell.put(name, "").expect("new");
    }
    let (mut reader, mut seen) = (Reader::new(cell.fs.root()), Vec::new());
    while let Some(name) = reader.read(&mut cell, 1).pop() {
        if !name.starts_with('.') {
            cell.rename(&name, &format!("{name}.old")).expect("possible");
        }
        seen.push(name);
    }
    assert_eq!(seen, [".", "..", "a", "b", "c"]);
    assert_eq!(cell.names("/"), [".", "..", "a.old", "b.old", "c.old"]);
}

#[test]
fn removing_what_it_reads_empties_a_directory() {
    let mut cell = Cell::new();
    for n in 0..50 {
        cell.put(&format!("f{n}"), "").expect("new");
    }
    let mut reader = Reader::new(cell.fs.root());
    loop {
        let names = reader.read(&mut cell, 7);
        for name in names.iter().filter(|name| name.starts_with('f')) {
            cell.unlink(name).expect("is there");
        }
        if names.len() < 7 {
            break;
        }
    }
    assert_eq!(cell.names("/"), [".", ".."]);
    cell.check();
}

#[test]
fn the_end_stays_the_end_until_one_begins_anew() {
    let mut cell = Cell::new();
    cell.put("m", "").expect("new");
    let mut reader = Reader::new(cell.fs.root());
    assert_eq!(reader.read(&mut cell, 9), [".", "..", "m"]);
    assert_eq!((cell.fs.usage().listed, reader.cookie), (0, 3));
    for name in ["a", "z"] {
        cell.put(name, "").expect("new");
        assert!(reader.read(&mut cell, 9).is_empty(), "at the end");
        reader.cookie = u64::MAX;
        assert!(reader.read(&mut cell, 9).is_empty(), "behind it");
        reader.cookie = 3;
    }
    // Back to the middle of a listing that is over: the same place in a new one.
    reader.cookie = 2;
    assert_eq!(reader.read(&mut cell, 9), ["a", "m", "z"]);
}

#[test]
fn the_end_is_where_the_last_name_was_shown() {
    let mut cell = Cell::new();
    cell.put("a", "").expect("new");
    cell.put("b", "").expect("new");
    let mut reader = Reader::new(cell.fs.root());
    assert_eq!(reader.read(&mut cell, 2), [".", ".."]);
    cell.unlink("b").expect("is there");
    assert_eq!(reader.read(&mut cell, 2), ["a"]);
    cell.put("0", "").expect("new");
    assert!(reader.read(&mut cell, 9).is_empty(), "it would show 'a' again");
}

#[test]
fn any_number_is_a_cookie() {
    let mut cell = Cell::new();
    cell.put("a", "").expect("new");
    for cookie in [3, 4, 1 << 31, u64::from(u32::MAX), 1 << 32, 1 << 63, u64::MAX - 1, u64::MAX] {
        let mut reader = Reader { cookie, ..Reader::new(cell.fs.root()) };
        assert!(reader.read(&mut cell, 9).is_empty(), "{cookie}");
    }
    // Without a listing, as after `seekdir` on a directory that was opened again.
    let mut reader = Reader { cookie: 1, ..Reader::new(cell.fs.root()) };
    assert_eq!(reader.read(&mut cell, 9), ["..", "a"]);
}

#[test]
fn listings_keep_no_more_than_their_limit() {
    let mut cell = Cell::with(&Limits { listing_bytes: 20, ..Limits::default() });
    cell.put("a name", "").expect("new");
    let root = cell.fs.root();
    let (mut one, mut two, mut three) = (Listing::default(), Listing::default(), Listing::default());
    cell.fs.seek_listing(root, &mut one, 0).expect("10 bytes");
    cell.fs.seek_listing(root, &mut two, 0).expect("20 bytes");
    assert_eq!(cell.fs.seek_listing(root, &mut three, 0), Err(Errno::NoMem));
    assert_eq!((&three, cell.fs.usage().listed), (&Listing::Unread, 20));
    cell.fs.seek_listing(root, &mut two, 0).expect("in place of its old one");
    cell.put("more", "").expect("new");
    assert_eq!(cell.fs.seek_listing(root, &mut two, 0), Err(Errno::NoMem));
    assert_eq!(cell.fs.entries(root, &two, 0).expect("as it was").count(), 3);
    cell.fs.end_listing(&mut one, 0);
    cell.fs.seek_listing(root, &mut two, 0).expect("18 bytes");
    cell.fs.end_listing(&mut two, 0);
    cell.fs.end_listing(&mut two, 0);
    assert_eq!(cell.fs.usage().listed, 0);
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

    /// POSIX `readdir`: what is there all the time is returned exactly once, in order, however small the steps; nothing
    /// is returned twice, and nothing that came later at all.
    #[test]
    fn what_stays_is_listed_exactly_once(
        first in prop::collection::vec(0..12_u8, 0..12),
        rounds in prop::collection::vec((1..4_usize, prop::collection::vec(change(), 0..4)), 1..20),
    ) {
        let mut cell = Cell::new();
        for name in &first {
            cell.put(&format!("n{name}"), "").expect("room");
        }
        let at_first = cell.names("/");
        let mut stays = at_first.clone();
        let mut reader = Reader::new(cell.fs.root());
        let mut seen = Vec::new();
        for (page, changes) in rounds {
            seen.extend(reader.read(&mut cell, page));
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
        seen.extend(reader.read(&mut cell, 99));
        prop_assert!(seen.is_sorted_by(|a, b| a < b), "{:?}", seen);
        prop_assert!(stays.iter().all(|name| seen.contains(name)), "{:?} of {:?}", seen, stays);
        prop_assert!(seen.iter().all(|name| at_first.contains(name)), "{:?} of {:?}", seen, at_first);
        prop_assert_eq!(cell.fs.usage().listed, 0);
        cell.check();
    }

    /// `telldir` and `seekdir`: each position leads back to its entry, in any order, whatever became of the others.
    #[test]
    fn a_position_keeps_its_meaning(
        first in prop::collection::btree_set(0..12_u8, 1..12),
        changes in prop::collection::vec(change(), 0..12),
        visits in prop::collection::vec(0..14_usize, 0..20),
    ) {
        let mut cell = Cell::new();
        for name in &first {
            cell.put(&format!("n{name}"), "").expect("room");
        }
        let mut reader = Reader::new(cell.fs.root());
        let mut told: BTreeMap<String, u64> = BTreeMap::new();
        for _ in 0..first.len() + 2 {
            let position = reader.cookie;
            told.extend(reader.read(&mut cell, 1).into_iter().map(|name| (name, position)));
        }
        for change in changes {
            let _ = match change {
                Change::Make(a) => cell.put(&format!("n{a}"), "").map(drop),
                Change::Remove(a) => cell.unlink(&format!("n{a}")),
                Change::Rename(a, b) => cell.rename(&format!("n{a}"), &format!("n{b}")),
            };
        }
        for visit in visits {
            let Some((name, position)) = told.iter().nth(visit) else { continue };
            // Position 0 would begin anew, as would going back once the end was seen.
            if *position == 0 {
                continue;
            }
            reader.cookie = *position;
            let shown = reader.read(&mut cell, 1).pop().unwrap_or_default();
            let there = name.starts_with('.') || cell.stat(name).is_ok();
            prop_assert_eq!(shown == *name, there, "{} shown for {}", shown, name);
            if matches!(reader.listing, Listing::Read(_)) {
                break;
            }
        }
    }
}
