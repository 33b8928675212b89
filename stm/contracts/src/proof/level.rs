//! Questions, and the proofs that answer them.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{AccountContent, Batch, Path, PathError};
use crate::hash::{Domain, Hash, PageProof, PageProofError, key, of};

/// What is asked. A verifier states it; it is no part of the proof.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Question {
    /// An account's content.
    Account {
        /// Whose.
        address: [u8; 20],
    },
    /// Bytes of a contract's pages. Those that were never written are zero.
    Slice {
        /// Whose.
        address: [u8; 20],
        /// In which page.
        page: u32,
        /// From which byte of it.
        offset: u32,
        /// How many.
        length: u32,
    },
    /// An element of a collection: the content behind its key.
    Element {
        /// In whose storage.
        address: [u8; 20],
        /// The page in which the collection's state stands.
        page: u32,
        /// From which byte of it.
        offset: u32,
        /// Its key; before it the keys of the elements that hold the collection, outermost first.
        keys: Vec<Vec<u8>>,
    },
    /// The receipt of a transaction of the batch.
    Receipt {
        /// Its hash.
        transaction: Hash,
    },
}

/// What the verifier knows already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The root after a batch. Receipts are not below it.
    Root(Hash),
    /// The digest of a batch.
    Digest(Hash),
}

/// The way into one tree, and what was found there.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Level {
    /// In the tree of accounts, or of receipts, or of a collection: the content behind the key, if there is any.
    Content {
        /// What stands there.
        content: Option<Vec<u8>>,
        /// The way there.
        path: Path,
    },
    /// In the tree of a contract's pages: the blocks of the page that hold the slice, if there is such a page.
    Page {
        /// The blocks.
        page: Option<PageProof>,
        /// The way to the page.
        path: Path,
    },
}

/// The answer to a question, with all that is needed to believe it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proof {
    /// Version of this format, 1.
    pub version: u8,
    /// What a batch left behind, if the proof leads to its digest.
    pub batch: Option<Batch>,
    /// From the outside in. Where a level shows that there is nothing, there is none below it.
    pub levels: Vec<Level>,
}

/// Why a proof proves nothing: at which level, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Another format.
    #[error("the proof has version {0}, not 1")]
    Version(u8),
    /// The proof is for a root and the question for a digest, or the other way round.
    #[error("the proof leads to {0}")]
    Anchor(&'static str),
    /// The batch has another digest.
    #[error("the batch in the proof has digest {has}, not {digest}")]
    Digest {
        /// What it has.
        has: Hash,
        /// What it should have.
        digest: Hash,
    },
    /// A level is missing, of another kind, or there are more than the question has.
    #[error("the {0} level is missing, of another kind, or one too many")]
    Level(&'static str),
    /// The way in a tree is wrong.
    #[error("the {level} level fails: {why}")]
    Path {
        /// At which level.
        level: &'static str,
        /// What is wrong.
        why: PathError,
    },
    /// The page's blocks are wrong.
    #[error("the page level fails: {0}")]
    Page(#[from] PageProofError),
    /// The bytes are not what a content of this level looks like.
    #[error("the {0} level's content is not of its kind")]
    Content(&'static str),
}

/// The content behind an element's leaf begins with `key length u16 | key`; what follows is `kind u8` and a value, or, of kinds
/// 2 to 5, the name and the state of a collection.
const FIRST_COLLECTION: u8 = 2;
const LAST_COLLECTION: u8 = 5;

/// `key length u16 | key | kind u8 | value`. Keys are at most 65,535 bytes long here, and shorter in practice.
pub fn element_content(key: &[u8], kind: u8, value: &[u8]) -> Vec<u8> {
    [&(key.len() as u16).to_le_bytes(), key, &[kind], value].concat()
}

/// What follows the key, if it is this key's content.
fn after_key<'a>(content: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let length = u16::try_from(key.len()).ok()?;
    content.strip_prefix(&length.to_le_bytes())?.strip_prefix(key)
}

/// The collection that stands in the element at `key`: name and state.
pub(super) fn nested(content: &[u8], key: &[u8]) -> Option<(Hash, Hash)> {
    let (kind, rest) = after_key(content, key)?.split_first()?;
    let (name, rest) = rest.split_first_chunk::<32>()?;
    let state = rest.try_into().ok()?;
    (FIRST_COLLECTION..=LAST_COLLECTION).contains(kind).then(|| (Hash::new(*name), Hash::new(state)))
}

impl Proof {
    /// What the proof answers: an account's, element's or receipt's content, or that there is none; the bytes of a slice.
    pub fn verify(&self, question: &Question, anchor: &Anchor) -> Result<Option<Vec<u8>>, ProofError> {
        if self.version != 1 {
            return Err(ProofError::Version(self.version));
        }
        let (root, receipts) = match (self.batch, anchor) {
            (None, Anchor::Root(root)) => (*root, None),
            (Some(batch), Anchor::Digest(digest)) if batch.digest() == *digest => (batch.root, Some(batch.receipts)),
            (Some(batch), Anchor::Digest(digest)) => {
                return Err(ProofError::Digest { has: batch.digest(), digest: *digest });
            }
            (None, Anchor::Digest(_)) => return Err(ProofError::Anchor("a root, not to a batch's digest")),
            (Some(_), Anchor::Root(_)) => return Err(ProofError::Anchor("a batch's digest, not to a root")),
        };
        let mut levels = Levels { rest: self.levels.iter() };
        let answer = match question {
            Question::Receipt { transaction } => {
                let receipts = receipts.ok_or(ProofError::Anchor("a root, and receipts are not below it"))?;
                levels.content("receipt", &receipts, transaction.as_bytes(), Domain::Receipt)?
            }
            Question::Account { address } => levels.account(&root, address)?,
            Question::Slice { address, page, offset, length } => {
                Some(levels.slice(&root, address, *page, *offset, *length)?)
            }
            Question::Element { address, page, offset, keys } => {
                levels.element(&root, address, *page, *offset, keys)?
            }
        };
        match levels.rest.next() {
            None => Ok(answer),
            Some(_) => Err(ProofError::Level("last")),
        }
    }
}

struct Levels<'a> {
    rest: std::slice::Iter<'a, Level>,
}

impl Levels<'_> {
    fn content(
        &mut self,
        level: &'static str,
        root: &Hash,
        clear: &[u8],
        domain: Domain,
    ) -> Result<Option<Vec<u8>>, ProofError> {
        let Some(Level::Content { content, path }) = self.rest.next() else { return Err(ProofError::Level(level)) };
        let value = content.as_ref().map(|content| of(domain, content));
        path.verify(root, &key(clear), value.as_ref()).map_err(|why| ProofError::Path { level, why })?;
        Ok(content.clone())
    }

    fn account(&mut self, root: &Hash, address: &[u8; 20]) -> Result<Option<Vec<u8>>, ProofError> {
        let content = self.content("account", root, address, Domain::Account)?;
        match content.as_deref().map(AccountContent::decode) {
            Some(decoded) if decoded.is_none_or(|account| account.address != *address) => {
                Err(ProofError::Content("account"))
            }
            _ => Ok(content),
        }
    }

    fn slice(
        &mut self,
        root: &Hash,
        address: &[u8; 20],
        page: u32,
        offset: u32,
        length: u32,
    ) -> Result<Vec<u8>, ProofError> {
        let end = offset.saturating_add(length);
        if end as usize > crate::hash::MAX_PAGE {
            return Err(PageProofError::Outside { end: u64::from(end) }.into());
        }
        let nothing = vec![0; length as usize];
        let content = self.account(root, address)?;
        let Some(account) = content.as_deref().and_then(AccountContent::decode) else { return Ok(nothing) };
        let Some(Level::Page { page: blocks, path }) = self.rest.next() else { return Err(ProofError::Level("page")) };
        let opened = blocks.as_ref().map(|blocks| blocks.open(address, page, offset..end)).transpose()?;
        let value = opened.as_ref().map(|(_, hash)| hash);
        let place = key(&page.to_le_bytes());
        path.verify(&account.state, &place, value).map_err(|why| ProofError::Path { level: "page", why })?;
        Ok(opened.map_or(nothing, |(bytes, _)| bytes))
    }

    fn element(
        &mut self,
        root: &Hash,
        address: &[u8; 20],
        page: u32,
        offset: u32,
        keys: &[Vec<u8>],
    ) -> Result<Option<Vec<u8>>, ProofError> {
        let bytes = self.slice(root, address, page, offset, 32)?;
        let mut state = bytes.as_slice().try_into().map(Hash::new).map_err(|_| ProofError::Content("page"))?;
        let Some((last, before)) = keys.split_last() else { return Err(ProofError::Level("element")) };
        for key in before {
            if state == Hash::ZERO {
                return Ok(None);
            }
            let Some(content) = self.content("element", &state, key, Domain::Element)? else { return Ok(None) };
            (_, state) = nested(&content, key).ok_or(ProofError::Content("element"))?;
        }
        if state == Hash::ZERO {
            return Ok(None);
        }
        let content = self.content("element", &state, last, Domain::Element)?;
        match content.as_deref().map(|content| after_key(content, last)) {
            Some(None) => Err(ProofError::Content("element")),
            _ => Ok(content),
        }
    }
}
