//! Proofs: made, written to a file, and checked offline.
//!
//! The file says what is asked (account, page, offset, keys) and answers it with the bytes of
//! `docs/formats/contract-state.md`. Its words for people (`claims`, `shown`) are not proven, and not believed.

use super::session::{Session, Stored};
use super::show::hex;
use crate::Usage;
use crate::show;
use anyhow::{Context, Result, bail, ensure};
use borsh::BorshDeserialize;
use replicode_contracts::abi::document::closest;
use replicode_contracts::abi::{StorageType, key};
use replicode_contracts::account::Address;
use replicode_contracts::backend::{Against, account_of};
use replicode_contracts::hash::Hash;
use replicode_contracts::proof::{Anchor, Proof, Question};
use replicode_contracts::receipt::Receipt;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::io::Read;
use std::path::Path;

/// A proof in a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFile {
    /// Version of this form, 1.
    version: u32,
    /// What is asked.
    question: Asked,
    /// `root` or `digest`: what the proof leads to.
    against: String,
    /// The batch as of whose end it is, for people. Of proofs against a digest, the batch in the proof counts.
    batch: u64,
    /// The proof's bytes, hexadecimal.
    proof: String,
    /// What it says, for people.
    claims: String,
    /// The type of the value, for people.
    #[serde(rename = "type")]
    ty: Option<String>,
}

/// A question, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Asked {
    Account { address: String },
    Slice { address: String, page: u32, offset: u32, length: u32 },
    Element { address: String, page: u32, offset: u32, keys: Vec<String> },
    Receipt { transaction: String },
}

impl Asked {
    fn of(question: &Question) -> Self {
        let digits = |bytes: &[u8]| hex(bytes)[2..].to_string();
        match question {
            Question::Account { address } => Self::Account { address: digits(address) },
            Question::Slice { address, page, offset, length } => {
                Self::Slice { address: digits(address), page: *page, offset: *offset, length: *length }
            }
            Question::Element { address, page, offset, keys } => Self::Element {
                address: digits(address),
                page: *page,
                offset: *offset,
                keys: keys.iter().map(|key| digits(key)).collect(),
            },
            Question::Receipt { transaction } => Self::Receipt { transaction: transaction.to_string() },
        }
    }

    fn question(&self) -> Result<Question> {
        let address = |text: &str| Ok::<_, anyhow::Error>(*text.parse::<Address>()?.as_bytes());
        Ok(match self {
            Self::Account { address: of } => Question::Account { address: address(of)? },
            Self::Slice { address: of, page, offset, length } => {
                Question::Slice { address: address(of)?, page: *page, offset: *offset, length: *length }
            }
            Self::Element { address: of, page, offset, keys } => {
                let keys = keys.iter().map(|key| unhex(key)).collect::<Result<_>>()?;
                Question::Element { address: address(of)?, page: *page, offset: *offset, keys }
            }
            Self::Receipt { transaction } => Question::Receipt { transaction: transaction.parse()? },
        })
    }
}

/// The bytes of hexadecimal digits.
///
/// # Errors
/// When they are none.
pub fn unhex(text: &str) -> Result<Vec<u8>> {
    let pair = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let even = text.len().is_multiple_of(2) && text.is_ascii();
    let bytes = (0..text.len()).step_by(2).map(pair).collect::<Option<Vec<u8>>>().filter(|_| even);
    bytes.with_context(|| {
        format!("{:?} is no even number of hexadecimal digits", text.chars().take(40).collect::<String>())
    })
}

/// `contract proof`.
///
/// # Errors
/// When it is not plain what is to be proven, or it does not hold.
pub fn proof(session: &mut Session, what: &[String], at: Option<u64>, digest: bool) -> Result<u8> {
    let words: Vec<&str> = what.iter().map(String::as_str).collect();
    let (question, ty, present, at) = match words.as_slice() {
        ["account", account] => (Question::Account { address: *session.who(account)?.as_bytes() }, None, None, at),
        ["receipt", transaction] => {
            let hash: Hash = transaction.parse().map_err(|error| Usage(format!("{error}")))?;
            let receipt = session.reach.receipt(&hash)?.with_context(|| format!("there is no receipt of {hash}"))?;
            (Question::Receipt { transaction: hash }, None, Some(true), Some(receipt.batch))
        }
        ["absent", contract, path] => {
            let (address, stored) = session.contract(contract, at)?;
            let (question, ty) = place(session, &address, &stored, path)?;
            if !matches!(question, Question::Element { .. }) {
                bail!(Usage(format!(
                    "{path} is a variable, and one is always there: name an element, like 'balances[eve]'"
                )));
            }
            (question, Some(ty), Some(false), at)
        }
        [contract, path] => {
            let (address, stored) = session.contract(contract, at)?;
            let (question, ty) = place(session, &address, &stored, path)?;
            (question, Some(ty), Some(true), at)
        }
        _ => bail!(Usage(
            "what is to be proven? CONTRACT PATH, absent CONTRACT PATH, account ACCOUNT, or receipt TX".into()
        )),
    };
    // Receipts are below a batch's digest only.
    let digest = digest || matches!(question, Question::Receipt { .. });
    let against = if digest { Against::Digest } else { Against::Root };
    let proven = session.reach.prove(&question, at, against)?;
    let anchor = match digest {
        true => Anchor::Digest(proven.batch.digest()),
        false => Anchor::Root(proven.batch.root),
    };
    let answer = proven.proof.verify(&question, &anchor)?;
    match (present, answer.is_some()) {
        (Some(true), false) => bail!("{} is not there: 'proof absent' proves that", what.join(" ")),
        (Some(false), true) => bail!("{} is there: 'proof' without 'absent' proves that", what[1..].join(" ")),
        _ => {}
    }
    let file = ProofFile {
        version: 1,
        question: Asked::of(&question),
        against: if digest { "digest" } else { "root" }.into(),
        batch: proven.batch.index,
        proof: hex(&borsh::to_vec(&proven.proof)?)[2..].to_string(),
        claims: what.join(" "),
        ty: ty.map(|ty| ty.to_string()),
    };
    show::print_json(&[file])
}

/// The question that a path means, `balances[bob]` say, and the type of what stands there.
fn place(session: &Session, account: &Address, stored: &Stored, path: &str) -> Result<(Question, StorageType)> {
    let template = &stored.1;
    let end = path.find('[').unwrap_or(path.len());
    let (name, mut rest) = path.split_at(end);
    let Some(variable) = template.abi.variable(name) else {
        let names = || template.abi.storage.iter().map(|variable| variable.name.as_str());
        let hint = match closest(name, names()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
        };
        bail!(Usage(format!("{} has no variable {name:?}; {hint}", template.header.name)));
    };
    let slice = template.layout.slices.get(variable.slice as usize).context("the layout has no such slice")?;
    let (address, page, offset) = (*account.as_bytes(), slice.page, u32::from(slice.offset));
    let mut ty = variable.ty.clone();
    let mut keys = Vec::new();
    while !rest.is_empty() {
        let inner = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let Some((text, after)) = inner else {
            bail!(Usage(format!("{path}: expected NAME, NAME[KEY] or NAME[KEY][KEY]")));
        };
        rest = after;
        let scalar = |ty| {
            let value =
                template.abi.parse_value(path, ty, text, &session.book).map_err(|error| Usage(error.to_string()))?;
            key::encode(ty, &value).map_err(|error| Usage(format!("{path}: {error}")))
        };
        let (key, element) = match &ty {
            StorageType::List(element) => {
                let position: u64 = text
                    .parse()
                    .map_err(|_| Usage(format!("{path}: expected a position in the list, got {text:?}")))?;
                (position.to_le_bytes().to_vec(), (**element).clone())
            }
            StorageType::Map(key, element) => (scalar(key)?, (**element).clone()),
            StorageType::Set(key) | StorageType::SortedSet(key) => {
                (scalar(key)?, StorageType::Value(replicode_contracts::abi::Type::Bytes))
            }
            other => bail!(Usage(format!("{path}: {other} has no elements"))),
        };
        keys.push(key);
        ty = element;
    }
    let question = match keys.is_empty() {
        true => Question::Slice { address, page, offset, length: u32::from(slice.length) },
        false => Question::Element { address, page, offset, keys },
    };
    Ok((question, ty))
}

/// `contract verify`: needs nothing but the file and what is believed.
///
/// # Errors
/// When the file cannot be read, or the proof proves nothing.
pub fn verify(path: &Path, root: Option<&str>, digest: Option<&str>, json: bool) -> Result<u8> {
    let mut text = String::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text),
        false => std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.with_context(|| format!("cannot read the proof {}", path.display()))?;
    let hash =
        |text: &str| text.strip_prefix("0x").unwrap_or(text).parse::<Hash>().map_err(|error| Usage(error.to_string()));
    let anchor = match (root, digest) {
        (Some(root), _) => Anchor::Root(hash(root)?),
        (None, Some(digest)) => Anchor::Digest(hash(digest)?),
        (None, None) => bail!(Usage("what is believed? --root HEX or --digest HEX".into())),
    };
    let file: ProofFile = serde_json::from_str(&text).with_context(|| format!("{} is no proof", path.display()))?;
    ensure!(file.version == 1, "the proof's file has version {}, and this program reads version 1", file.version);
    let question = file.question.question().context("the proof's question cannot be read")?;
    let bytes = unhex(&file.proof).context("the proof's bytes")?;
    let proof = Proof::try_from_slice(&bytes).context("the proof's bytes are no proof")?;
    let answer = proof.verify(&question, &anchor).context("it does not verify")?;
    let batch = proof.batch.map(|batch| batch.index);
    let text = says(&question, answer.as_deref(), file.ty.as_deref());
    if json {
        let answer = answer.as_deref().map_or(Json::Null, |bytes| hex(bytes).into());
        let value = serde_json::json!({
            "verifies": true, "question": file.question, "batch": batch, "answer": answer, "says": text,
        });
        return show::print_json(&[value]);
    }
    show::print(&format!("it verifies: {text}\n"))
}

/// What was proven, in words.
fn says(question: &Question, answer: Option<&[u8]>, ty: Option<&str>) -> String {
    let address = |bytes: &[u8; 20]| Address::from_bytes(*bytes).to_string();
    let value = |bytes: &[u8]| match (ty, <[u8; 16]>::try_from(bytes)) {
        (Some("counter" | "i128"), Ok(bytes)) => {
            format!("{} (as {})", i128::from_le_bytes(bytes), ty.unwrap_or_default())
        }
        (Some("u128"), Ok(bytes)) => format!("{} (as u128)", u128::from_le_bytes(bytes)),
        (ty, _) => match (ty, <[u8; 8]>::try_from(bytes)) {
            (Some("u64"), Ok(bytes)) => format!("{} (as u64)", u64::from_le_bytes(bytes)),
            _ => hex(bytes),
        },
    };
    match (question, answer) {
        (Question::Account { address: of }, None) => format!("there is no account {}", address(of)),
        (Question::Account { address: of }, Some(content)) => match account_of(content) {
            Some((_, record, balance)) => format!(
                "account {} has balance {balance}, nonce {}, template {}",
                address(of),
                record.nonce,
                record.template.map_or_else(|| "none".into(), |template| template.to_string())
            ),
            None => format!("account {} has content {}", address(of), hex(content)),
        },
        (Question::Slice { address: of, page, offset, length }, answer) => format!(
            "the {length} bytes at {offset} of page {page} of account {} are {}",
            address(of),
            value(answer.unwrap_or_default())
        ),
        (Question::Element { address: of, page, offset, keys }, answer) => {
            let keys: Vec<String> = keys.iter().map(|key| hex(key)).collect();
            let what = format!(
                "element {} of the collection at byte {offset} of page {page} of account {}",
                keys.join(" → "),
                address(of)
            );
            // The content begins with the key's length and the key, then the kind.
            let content = answer.and_then(|content| {
                let (length, rest) = content.split_first_chunk::<2>()?;
                rest.get(usize::from(u16::from_le_bytes(*length)) + 1..)
            });
            match content {
                None => format!("there is no {what}"),
                Some(content) => format!("{what} is {}", value(content)),
            }
        }
        (Question::Receipt { transaction }, None) => format!("the batch has no receipt of {transaction}"),
        (Question::Receipt { transaction }, Some(content)) => {
            let receipt = content.get(32..).and_then(|bytes| Receipt::decode(bytes).ok());
            let status = receipt.map_or_else(|| "unreadable".into(), |receipt| receipt.status.to_string());
            format!("transaction {transaction} has ended so: {status}")
        }
    }
}
