//! Making proofs from a state that is kept.

use super::level::nested;
use super::{AccountContent, Anchor, Batch, Level, Proof, ProofError, Question};
use crate::hash::{Hash, PageProof, key};
use crate::tree::{Name, Schema, View};

/// Where the contents behind leaves are found.
pub trait Contents {
    /// The content behind the leaf of tree `name` at `key`, whose hash is `value`.
    fn content(&mut self, name: &Name, key: &Hash, value: &Hash) -> Result<Vec<u8>, String>;
}

/// Why a proof could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// The content behind a leaf could not be read.
    #[error("the content at {key} of {name} could not be read: {why}")]
    Content {
        /// Of which tree.
        name: Name,
        /// At which key.
        key: Hash,
        /// Why not.
        why: String,
    },
    /// A slice or element that is asked for as a collection is none.
    #[error("the {0} that is asked for holds no collection")]
    NoCollection(&'static str),
    /// The proof does not verify: what is stored is not what the tree says.
    #[error("the proof that was made does not verify: {0}")]
    Wrong(#[from] ProofError),
}

/// The proof for a question, against the root of the view, or against the digest of `batch`. It is verified before it is handed out.
pub fn prove(
    view: View<'_>,
    schema: &impl Schema,
    contents: &mut (impl Contents + ?Sized),
    question: &Question,
    batch: Option<Batch>,
) -> Result<Proof, NotProven> {
    let mut way = Way { view, contents, levels: Vec::new() };
    match question {
        Question::Receipt { transaction } => drop(way.content(Name::Receipts, transaction.as_bytes())?),
        Question::Account { address } => drop(way.content(Name::Accounts, address)?),
        Question::Slice { address, page, offset, length } => {
            drop(way.slice(address, *page, *offset, *length)?);
        }
        Question::Element { address, page, offset, keys } => {
            way.element(schema, address, *page, *offset, keys)?;
        }
    }
    let proof = Proof { version: 1, batch, levels: way.levels };
    let anchor = batch.map_or_else(|| Anchor::Root(view.root(&Name::Accounts)), |batch| Anchor::Digest(batch.digest()));
    proof.verify(question, &anchor)?;
    Ok(proof)
}

struct Way<'a, C: ?Sized> {
    view: View<'a>,
    contents: &'a mut C,
    levels: Vec<Level>,
}

impl<C: Contents + ?Sized> Way<'_, C> {
    fn read(&mut self, name: Name, key: &Hash) -> Result<Option<Vec<u8>>, NotProven> {
        let Some(value) = self.view.get(&name, key) else { return Ok(None) };
        let content = self.contents.content(&name, key, &value);
        content.map(Some).map_err(|why| NotProven::Content { name, key: *key, why })
    }

    fn content(&mut self, name: Name, clear: &[u8]) -> Result<Option<Vec<u8>>, NotProven> {
        let key = key(clear);
        let content = self.read(name, &key)?;
        self.levels.push(Level::Content { content: content.clone(), path: self.view.prove(&name, &key) });
        Ok(content)
    }

    /// The page that holds the slice, with its index in front.
    fn slice(&mut self, address: &[u8; 20], page: u32, offset: u32, length: u32) -> Result<Option<Vec<u8>>, NotProven> {
        let account = self.content(Name::Accounts, address)?;
        if account.as_deref().and_then(AccountContent::decode).is_none() {
            return Ok(None);
        }
        let (name, key) = (Name::Pages { account: *address }, key(&page.to_le_bytes()));
        let content = self.read(name, &key)?;
        let bytes = content.as_deref().map(|content| content.get(4..).unwrap_or_default());
        let page = bytes.map(|bytes| PageProof::new(bytes, offset..offset.saturating_add(length)));
        self.levels.push(Level::Page { page, path: self.view.prove(&name, &key) });
        Ok(content)
    }

    fn element(
        &mut self,
        schema: &impl Schema,
        address: &[u8; 20],
        page: u32,
        offset: u32,
        keys: &[Vec<u8>],
    ) -> Result<(), NotProven> {
        let Some(content) = self.slice(address, page, offset, 32)? else { return Ok(()) };
        let slice = content.get(4..).unwrap_or_default().iter().copied().chain(std::iter::repeat(0));
        let mut state = [0; 32];
        slice.skip(offset as usize).zip(&mut state).for_each(|(from, to)| *to = from);
        let state = Hash::new(state);
        if state == Hash::ZERO {
            return Ok(());
        }
        // Collections of equal states have equal contents: any of them will do.
        let children = schema.children(&Name::Pages { account: *address }, &content);
        let child = children.into_iter().find(|(_, other)| *other == state);
        let (mut name, _) = child.ok_or(NotProven::NoCollection("slice"))?;
        for (at, key) in keys.iter().enumerate() {
            let Some(content) = self.content(name, key)? else { return Ok(()) };
            if at + 1 < keys.len() {
                let (id, state) = nested(&content, key).ok_or(NotProven::NoCollection("element"))?;
                name = Name::Collection { account: *address, id };
                if state == Hash::ZERO {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
