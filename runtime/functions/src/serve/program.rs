//! What a request to load says of a program's world.

use super::request::{FileText, Request, bytes};
use crate::error::{ErrorCode, ServiceError};
use crate::registry::Given;
use replicode_log::{FsEntry, FsImage, FsNode, codec};
use std::collections::BTreeMap;

/// What a program is given, and its files, encoded.
///
/// # Errors
/// When a file cannot be understood.
pub(super) fn given(request: &Request<'_>) -> Result<(Given, Vec<u8>), ServiceError> {
    let files = match &request.files {
        Some(files) if !files.is_empty() => encode(files, request.preopens.clone().unwrap_or_default())?,
        _ => Vec::new(),
    };
    let digest = (!files.is_empty()).then(|| blake3::hash(&files).to_hex().to_string());
    let env = request.env.iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect();
    let args = request.args.clone().unwrap_or_default();
    Ok((Given { env, args, files: digest, file_bytes: files.len() as u64 }, files))
}

fn encode(files: &[FileText<'_>], preopens: Vec<String>) -> Result<Vec<u8>, ServiceError> {
    let mut entries: BTreeMap<Vec<u8>, FsEntry> = BTreeMap::new();
    for file in files {
        let path = file.path.as_str().trim_start_matches('/').as_bytes().to_vec();
        let node = match (&file.text, &file.b64, &file.link) {
            (None, None, None) => FsNode::Directory,
            (None, None, Some(link)) => FsNode::Symlink(link.as_str().as_bytes().to_vec()),
            (_, _, None) => FsNode::File(bytes(file.text.as_ref(), file.b64.as_ref(), "text")?.into_owned()),
            _ => {
                let why = format!("'{}' is a link and has content, too", file.path.as_str().escape_debug());
                return Err(ServiceError::new(ErrorCode::BadRequest, why));
            }
        };
        // Directories that lead to it are there, and are as it is, unless something else is said of them.
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let above = path.get(..at).unwrap_or_default().to_vec();
            entries.entry(above.clone()).or_insert(FsEntry {
                path: above,
                node: FsNode::Directory,
                read_only: !file.write,
            });
        }
        entries.insert(path.clone(), FsEntry { path, node, read_only: !file.write });
    }
    let image = FsImage { entries: entries.into_values().collect(), preopens };
    Ok(codec::encode(&image))
}
