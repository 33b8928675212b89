//! What a contract has stored, read by its layout: variables and collections by name, or slices as they lie.

use super::reach::Contracts;
use super::show::hex;
use anyhow::{Result, ensure};
use replicode_contracts::abi::{Abi, NoNames, StorageType, Type, key};
use replicode_contracts::account::Address;
use replicode_contracts::collection::CollectionId;
use replicode_contracts::state::PastEntry;
use replicode_contracts::template::Template;
use serde_json::{Map, Value as Json, json};

/// Elements that are shown at most: a store of millions is asked for what is wanted of it, with proofs or views.
pub const MOST: usize = 100_000;

/// A reader of one contract's storage, as of a batch.
pub struct Reader<'a> {
    /// Whom to ask.
    pub reach: &'a mut dyn Contracts,
    /// Whose storage.
    pub account: Address,
    /// As of the end of this batch.
    pub at: Option<u64>,
    /// Elements that may still be read.
    pub left: usize,
}

impl Reader<'_> {
    /// All variables, in the order of the document.
    ///
    /// # Errors
    /// When nobody answers, or what is stored is not of its type.
    pub fn variables(&mut self, template: &Template) -> Result<Map<String, Json>> {
        let mut all = Map::new();
        for variable in &template.abi.storage {
            let entry = self.reach.slice(&self.account, variable.slice, self.at)?;
            let value = match (&variable.ty, entry) {
                (StorageType::Value(ty), Some(PastEntry::Bytes(bytes))) => padded(&template.abi, ty, &bytes),
                (StorageType::Value(ty), _) => {
                    // Nothing was ever written: zeros, as the contract would read them.
                    let length = template.abi.slice_len(&variable.ty).unwrap_or(0);
                    padded(&template.abi, ty, &vec![0; length])
                }
                (ty, entry) => self.entry(&template.abi, ty, entry)?,
            };
            all.insert(variable.name.clone(), value);
        }
        Ok(all)
    }

    fn entry(&mut self, abi: &Abi, ty: &StorageType, entry: Option<PastEntry>) -> Result<Json> {
        Ok(match (ty, entry) {
            (StorageType::Value(ty), Some(PastEntry::Bytes(bytes))) => {
                super::show::plain(abi, ty, &bytes).unwrap_or_else(|| hex(&bytes).into())
            }
            (StorageType::Counter, Some(PastEntry::Sum(sum))) => sum.to_string().into(),
            (StorageType::Counter, None) => "0".into(),
            (StorageType::List(element), Some(PastEntry::Collection { id, .. })) => {
                let mut list: Vec<(u64, Json)> = Vec::new();
                for (key, entry) in self.elements(&id)? {
                    let position = u64::from_le_bytes(key.as_slice().try_into().unwrap_or_default());
                    list.push((position, self.entry(abi, element, Some(entry))?));
                }
                list.sort_by_key(|(position, _)| *position);
                list.into_iter().map(|(_, value)| value).collect()
            }
            (StorageType::Map(ty, element), Some(PastEntry::Collection { id, .. })) => {
                let mut map = Map::new();
                for (key, entry) in self.elements(&id)? {
                    map.insert(key_text(abi, ty, &key), self.entry(abi, element, Some(entry))?);
                }
                map.into()
            }
            (StorageType::Set(ty) | StorageType::SortedSet(ty), Some(PastEntry::Collection { id, .. })) => {
                self.elements(&id)?.iter().map(|(key, _)| Json::String(key_text(abi, ty, key))).collect()
            }
            (StorageType::Map(..), None) => Map::new().into(),
            (ty, None) if ty.is_collection() => Json::Array(Vec::new()),
            (ty, other) => json!(format!("not a {ty}: {other:?}")),
        })
    }

    /// Elements in the order of their keys' bytes, which is that of the keys.
    fn elements(&mut self, id: &CollectionId) -> Result<Vec<(Vec<u8>, PastEntry)>> {
        let mut elements = self.reach.elements(id, self.at)?;
        ensure!(elements.len() <= self.left, "there are more than {MOST} elements: ask for what is wanted with a view");
        self.left -= elements.len();
        elements.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(elements)
    }

    /// Slices as they lie: page, offset, length, kind, bytes.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn slices(&mut self, template: &Template) -> Result<Vec<Json>> {
        let mut rows = Vec::new();
        for (index, spec) in (0u32..).zip(&template.layout.slices) {
            let bytes = match self.reach.slice(&self.account, index, self.at)? {
                Some(PastEntry::Bytes(bytes)) => bytes,
                Some(PastEntry::Sum(sum)) => sum.to_le_bytes().to_vec(),
                Some(PastEntry::Collection { state, .. }) => state.as_bytes().to_vec(),
                None => vec![0; usize::from(spec.length)],
            };
            let variable = template.abi.storage.iter().find(|variable| variable.slice == index);
            rows.push(json!({
                "slice": index, "variable": variable.map(|variable| &variable.name), "page": spec.page,
                "offset": spec.offset, "length": spec.length, "kind": format!("{:?}", spec.kind), "bytes": hex(&bytes),
            }));
        }
        Ok(rows)
    }
}

fn padded(abi: &Abi, ty: &Type, bytes: &[u8]) -> Json {
    abi.decode_padded(ty, bytes).map_or_else(|_| hex(bytes).into(), |value| abi.to_json_value(ty, &value))
}

fn key_text(abi: &Abi, ty: &Type, bytes: &[u8]) -> String {
    match key::decode(ty, bytes) {
        Some(replicode_contracts::abi::Value::Text(text)) => text,
        Some(value) => abi.show(ty, &value, &NoNames),
        None => hex(bytes),
    }
}
