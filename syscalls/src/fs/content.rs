//! The bytes of a regular file, in chunks, so that a hole costs no memory and growth never copies the whole file.

use borsh::{BorshDeserialize, BorshSerialize};

/// Bytes per chunk, a power of two. Large enough that a chunk's 24-byte header does not count, small enough that the
/// copying while a chunk grows does not show as a pause.
const CHUNK: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 16;

/// A sparse array of bytes.
///
/// Invariants, with `size` the length that the guest sees:
/// - no chunk holds a byte at or beyond `size`, and there are at most ⌈size / CHUNK⌉ chunks;
/// - what lies below `size` and in no chunk is zero, so a file can grow without touching memory.
///
/// Hence the stored bytes are never more than `size`, which is what the quota counts.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct Content {
    size: u64,
    chunks: Vec<Vec<u8>>,
}

/// Chunk number and offset within the chunk. Sizes are limited to 64 GiB (`Limits::validate`), so the number of a chunk
/// that exists fits any `usize`; a larger offset gives a number that no chunk has.
fn place(offset: u64) -> (usize, usize) {
    let number = usize::try_from(offset >> CHUNK_BITS).unwrap_or(usize::MAX);
    (number, (offset & (CHUNK as u64 - 1)) as usize)
}

impl Content {
    /// Length in bytes.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Copies bytes from `offset` on into `buf` and answers how many: fewer than asked for only at the end.
    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let left = self.size.saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let mut rest = &mut buf[..wanted];
        let (mut number, mut start) = place(offset);
        while !rest.is_empty() {
            let (part, later) = rest.split_at_mut(rest.len().min(CHUNK - start));
            let stored = self.chunks.get(number).and_then(|chunk| chunk.get(start..)).unwrap_or_default();
            let here = stored.len().min(part.len());
            part[..here].copy_from_slice(&stored[..here]);
            part[here..].fill(0);
            rest = later;
            (number, start) = (number + 1, 0);
        }
        wanted
    }

    /// Puts `bytes` at `offset`, growing the file as needed; no bytes change nothing. The caller has checked size and
    /// quota.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut rest = bytes;
        let (mut number, mut start) = place(offset);
        while !rest.is_empty() {
            let (part, later) = rest.split_at(rest.len().min(CHUNK - start));
            if number >= self.chunks.len() {
                self.chunks.resize_with(number + 1, Vec::new);
            }
            put(&mut self.chunks[number], start, part);
            rest = later;
            (number, start) = (number + 1, 0);
        }
        self.size = self.size.max(offset + bytes.len() as u64);
    }

    /// Cuts the file or extends it with zeros.
    pub(super) fn set_size(&mut self, size: u64) {
        if size < self.size {
            let (number, start) = place(size);
            self.chunks.truncate(number + usize::from(start > 0));
            // The chunk that the new end lies in exists only if it was not a hole.
            if let Some(last) = self.chunks.get_mut(number) {
                last.truncate(start);
                last.shrink_to_fit();
            }
        }
        self.size = size;
    }

    /// Bytes that are really stored.
    pub(super) fn stored(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.len() as u64).sum()
    }

    /// Whether the invariants of the type hold.
    pub(super) fn is_sound(&self) -> bool {
        let holds = |number: usize, chunk: &Vec<u8>| {
            let start = (number as u64) << CHUNK_BITS;
            chunk.len() <= CHUNK && (start < self.size) && start + chunk.len() as u64 <= self.size
        };
        self.chunks.iter().enumerate().all(|(number, chunk)| holds(number, chunk))
    }
}

/// Writes `part` into a chunk at `start`, filling a gap with zeros. `start + part.len()` is at most [`CHUNK`].
fn put(chunk: &mut Vec<u8>, start: usize, part: &[u8]) {
    let end = start + part.len();
    if end > chunk.capacity() {
        // Doubling, but never beyond what a chunk can hold.
        let target = end.max(chunk.capacity() * 2).min(CHUNK);
        chunk.reserve_exact(target - chunk.len());
    }
    if start > chunk.len() {
        chunk.resize(start, 0);
    }
    let over = part.len().min(chunk.len() - start);
    chunk[start..start + over].copy_from_slice(&part[..over]);
    chunk.extend_from_slice(&part[over..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(content: &Content) -> Vec<u8> {
        let mut bytes = vec![0xee; usize::try_from(content.size()).expect("small file")];
        let read = content.read(0, &mut bytes);
        assert_eq!(read, bytes.len());
        assert!(content.is_sound());
        bytes
    }

    #[test]
    fn behaves_as_a_flat_array_around_chunk_borders() {
        let edges = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 7];
        for offset in edges {
            for len in edges {
                let (mut content, mut flat) = (Content::default(), Vec::new());
                for (round, at) in [offset, 3, CHUNK - 2].into_iter().enumerate() {
                    let bytes = vec![u8::try_from(round + 1).expect("few rounds"); len];
                    content.write(at as u64, &bytes);
                    if len > 0 {
                        flat.resize(flat.len().max(at + len), 0);
                        flat[at..at + len].copy_from_slice(&bytes);
                    }
                }
                assert_eq!(all(&content), flat, "offset {offset}, length {len}");
            }
        }
    }

    #[test]
    fn what_was_cut_off_reads_as_zero_after_growing_again() {
        for cut in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let mut content = Content::default();
            content.write(0, &vec![7; 3 * CHUNK]);
            content.set_size(cut as u64);
            assert!(content.is_sound() && content.stored() == cut as u64);
            content.set_size(4 * CHUNK as u64);
            let mut expected = vec![7; cut];
            expected.resize(4 * CHUNK, 0);
            assert_eq!(all(&content), expected);
        }
    }

    #[test]
    fn a_hole_stores_nothing() {
        let mut content = Content::default();
        content.write(64 << 30, b"x");
        assert_eq!((content.size(), content.stored()), ((64 << 30) + 1, 1));
        let mut buf = [9; 4];
        assert_eq!(content.read((64 << 30) - 2, &mut buf), 3);
        assert_eq!(buf, [0, 0, b'x', 9]);
        assert_eq!(content.read(u64::MAX, &mut buf), 0);
    }
}
