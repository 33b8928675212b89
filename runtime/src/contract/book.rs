//! What this machine knows of accounts: keys, and names that people have given to contracts and templates.
//!
//! ```text
//! ~/.config/replicode/keys/NAME          an Ed25519 key, mode 0600
//! ~/.config/replicode/names/CELL.json    names of contracts and templates in the cell with this name
//! ~/.config/replicode/names/CELL.lock    held by who changes them
//! ```
//!
//! `ann` is what was called so here, else the account of the key `ann`, else, in a cell where names are trusted, the account of
//! the bare name. `name:ann` is always the last: a key that was made later, under the same name, takes nothing away.

use crate::Usage;
use anyhow::{Context, Result, bail, ensure};
use replicode_contracts::abi::Names;
use replicode_contracts::account::Address;
use replicode_contracts::hash::Hash;
use replicode_contracts::transaction::SigningKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A key as it lies on the disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    version: u32,
    kind: String,
    /// 64 hexadecimal digits.
    secret: String,
    /// The account, for people.
    account: String,
}

/// Names in one cell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamesFile {
    /// Accounts by name.
    #[serde(default)]
    accounts: BTreeMap<String, String>,
    /// Templates by name: the last that was deployed under it.
    #[serde(default)]
    templates: BTreeMap<String, String>,
}

/// Keys and names.
pub struct Book {
    dir: PathBuf,
    /// Accounts of keys.
    keys: BTreeMap<String, Address>,
    /// Keys that cannot be used, and why. They stand in nobody's way but their own.
    bad: BTreeMap<String, String>,
    cell: Option<Hash>,
    names: NamesFile,
    /// Whether every name is an account's.
    open: bool,
}

/// The directory of keys and names.
///
/// # Errors
/// When neither `REPLICODE_CONFIG` nor `HOME` is set.
pub fn directory() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("REPLICODE_CONFIG")
        .or_else(|| variable("XDG_CONFIG_HOME").map(|dir| dir.join("replicode")))
        .or_else(|| variable("HOME").map(|dir| dir.join(".config/replicode")))
        .context("there is no directory for keys: set REPLICODE_CONFIG or HOME")
}

/// Whether a name may stand for a key or an account: it could not be taken for an address or a path.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
    !name.is_empty()
        && name.len() <= 64
        && name.chars().all(plain)
        && !name.starts_with(['.', '-'])
        && name.parse::<Address>().is_err()
}

impl Book {
    /// Reads the names of keys; those of a cell follow with [`Book::enter`].
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn read() -> Result<Self> {
        let dir = directory()?;
        let (mut keys, mut bad) = (BTreeMap::new(), BTreeMap::new());
        let entries = match fs::read_dir(dir.join("keys")) {
            Ok(entries) => entries.collect::<std::io::Result<Vec<_>>>(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        for entry in entries.with_context(|| format!("cannot read {}", dir.join("keys").display()))? {
            let Some(name) = entry.file_name().to_str().map(str::to_string) else { continue };
            if is_name(&name) {
                match read_key(&entry.path()) {
                    Ok(key) => _ = keys.insert(name, account_of(&key)),
                    Err(why) => _ = bad.insert(name, format!("{why:#}")),
                }
            }
        }
        Ok(Self { dir, keys, bad, cell: None, names: NamesFile::default(), open: false })
    }

    /// Reads the names of a cell. `open`: every other name is an account's, too.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn enter(&mut self, cell: &Hash, open: bool) -> Result<()> {
        (self.cell, self.open) = (Some(*cell), open);
        self.names = self.read_names(cell)?;
        Ok(())
    }

    fn read_names(&self, cell: &Hash) -> Result<NamesFile> {
        let path = self.names_path(cell);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("{} holds no names", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(NamesFile::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn names_path(&self, cell: &Hash) -> PathBuf {
        self.dir.join("names").join(format!("{cell}.json"))
    }

    /// Changes the names as they are on the disk: another command may have changed them since they were read.
    fn change(&mut self, change: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let Some(cell) = self.cell else { return Ok(()) };
        let path = self.names_path(&cell);
        let cannot = || format!("cannot write {}", path.display());
        fs::create_dir_all(self.dir.join("names")).with_context(cannot)?;
        // Given back when it is closed. Whoever has it writes a small file.
        let lock = fs::File::create(path.with_extension("lock")).with_context(cannot)?;
        lock.lock().with_context(cannot)?;
        self.names = self.read_names(&cell)?;
        change(self)?;
        // A half-written file would lose all names.
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec_pretty(&self.names)?).with_context(cannot)?;
        fs::rename(&new, &path).with_context(cannot)
    }

    /// Calls an account by a name from now on.
    ///
    /// # Errors
    /// When it is no name, or another account's.
    pub fn name_account(&mut self, name: &str, account: &Address) -> Result<()> {
        self.change(|book| {
            book.check_free(name)?;
            book.names.accounts.insert(name.to_string(), account.to_string());
            Ok(())
        })
    }

    /// Whether a name could be given to an account.
    ///
    /// # Errors
    /// When it is no name, or another account's.
    pub fn check_free(&self, name: &str) -> Result<()> {
        if !is_name(name) {
            bail!(Usage(format!(
                "{name:?} cannot be a name: letters, digits, '_', '-' and '.', 64 at most, and no address"
            )));
        }
        if let Some(other) = self.names.accounts.get(name) {
            bail!(Usage(format!("{name} is the name of {other} already")));
        }
        if self.keys.contains_key(name) || self.bad.contains_key(name) {
            bail!(Usage(format!("{name} is the name of a key already")));
        }
        Ok(())
    }

    /// Calls a template by its own name from now on.
    ///
    /// # Errors
    /// When the names cannot be written.
    pub fn name_template(&mut self, name: &str, template: &Hash) -> Result<()> {
        self.change(|book| {
            book.names.templates.insert(name.to_string(), template.to_string());
            Ok(())
        })
    }

    /// The template that was deployed last under a name from here.
    pub fn template(&self, name: &str) -> Option<Hash> {
        self.names.templates.get(name)?.parse().ok()
    }

    /// Keys, and their accounts.
    pub fn keys(&self) -> &BTreeMap<String, Address> {
        &self.keys
    }

    /// Keys that cannot be used, and why.
    pub fn bad_keys(&self) -> &BTreeMap<String, String> {
        &self.bad
    }

    /// The key of this name, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn key(&self, name: &str) -> Result<Option<SigningKey>> {
        if let Some(why) = self.bad.get(name) {
            bail!("{why}");
        }
        if !self.keys.contains_key(name) {
            return Ok(None);
        }
        read_key(&self.dir.join("keys").join(name)).map(Some)
    }

    /// Makes a key.
    ///
    /// # Errors
    /// When there is one of this name, or it cannot be written.
    pub fn new_key(&mut self, name: &str) -> Result<Address> {
        self.check_free(name)?;
        let dir = self.dir.join("keys");
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.with_context(|| format!("cannot make {}", dir.display()))?;
        let mut secret = [0; 32];
        let random =
            fs::File::open("/dev/urandom").and_then(|mut file| std::io::Read::read_exact(&mut file, &mut secret));
        random.context("cannot read /dev/urandom")?;
        let account = account_of(&SigningKey::from_bytes(&secret));
        let file = KeyFile {
            version: 1,
            kind: "ed25519".into(),
            secret: Hash::new(secret).to_string(),
            account: account.to_string(),
        };
        let path = dir.join(name);
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).and_then(|mut out| {
            out.write_all(&serde_json::to_vec_pretty(&file)?)?;
            out.sync_all()
        });
        written.with_context(|| format!("cannot write {}", path.display()))?;
        self.keys.insert(name.to_string(), account);
        Ok(account)
    }
}

fn account_of(key: &SigningKey) -> Address {
    Address::of_key(&key.verifying_key().to_bytes())
}

fn read_key(path: &Path) -> Result<SigningKey> {
    let what = || format!("cannot read the key {}", path.display());
    let mode = fs::metadata(path).with_context(what)?.mode();
    ensure!(mode & 0o077 == 0, "the key {} can be read by others (mode {:o}): chmod 600", path.display(), mode & 0o777);
    let file: KeyFile = serde_json::from_slice(&fs::read(path).with_context(what)?).with_context(what)?;
    ensure!(
        file.version == 1 && file.kind == "ed25519",
        "the key {} is of a kind that this program does not know",
        path.display()
    );
    let secret: Hash = file.secret.parse().with_context(what)?;
    Ok(SigningKey::from_bytes(secret.as_bytes()))
}

/// `name:ann`, and the account of that name in a cell where names are trusted.
pub const BARE: &str = "name:";

impl Names for Book {
    fn address(&self, name: &str) -> Option<Address> {
        if let Some(bare) = name.strip_prefix(BARE).filter(|bare| self.open && !bare.is_empty()) {
            return Some(Address::of_name(bare));
        }
        if self.bad.contains_key(name) {
            // Not the bare name's account instead: that is somebody else's.
            return None;
        }
        let named = self.names.accounts.get(name).and_then(|address| address.parse().ok());
        named.or_else(|| self.keys.get(name).copied()).or_else(|| {
            let known = self.open && name.parse::<Address>().is_err() && !name.is_empty();
            known.then(|| Address::of_name(name))
        })
    }

    fn name(&self, address: &Address) -> Option<String> {
        let text = address.to_string();
        let named = self.names.accounts.iter().find(|(_, known)| **known == text).map(|(name, _)| name.clone());
        named.or_else(|| self.keys.iter().find(|(_, known)| *known == address).map(|(name, _)| name.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(dir: &Path) -> Book {
        let (keys, bad) = (BTreeMap::new(), BTreeMap::new());
        let cell = Some(Hash::new([7; 32]));
        Book { dir: dir.to_path_buf(), keys, bad, cell, names: NamesFile::default(), open: true }
    }

    /// Two commands that have read the same names, and then each give one.
    #[test]
    fn no_name_is_lost_to_a_command_that_runs_beside() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let (mut one, mut other) = (book(tmp.path()), book(tmp.path()));
        let [tok, pot] = ["tok", "pot"].map(Address::of_name);
        one.name_account("tok", &tok)?;
        other.name_account("pot", &pot)?;
        let refused = other.name_account("tok", &pot);
        assert!(refused.is_err_and(|why| why.to_string().contains("already")));
        let mut all = book(tmp.path());
        all.enter(&Hash::new([7; 32]), true)?;
        assert_eq!((all.address("tok"), all.address("pot")), (Some(tok), Some(pot)));
        Ok(())
    }

    #[test]
    fn a_key_takes_nothing_away_from_the_account_of_its_name() {
        let mut book = book(Path::new("nowhere"));
        assert_eq!(book.address("ann"), Some(Address::of_name("ann")));
        book.keys.insert("ann".into(), Address::of_key(&[7; 32]));
        assert_eq!(book.address("ann"), Some(Address::of_key(&[7; 32])));
        assert_eq!(book.address("name:ann"), Some(Address::of_name("ann")));
        book.bad.insert("bob".into(), "it is no key".into());
        assert_eq!((book.address("bob"), book.address("name:")), (None, Some(Address::of_name("name:"))));
        assert!(book.key("bob").is_err_and(|why| why.to_string() == "it is no key"));
        book.open = false;
        assert_eq!((book.address("name:ann"), book.address("eve")), (None, None));
    }

    #[test]
    fn names_are_no_addresses_and_no_paths() {
        for name in ["ann", "a.b-c_d", "1"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "name:ann", "-a", "ä", &"a".repeat(65), &"ab".repeat(20)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
