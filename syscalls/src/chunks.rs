//! A receive buffer: the chunks of a stream as the log delivered them, without copying them together.

use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::VecDeque;

/// Bytes in order. Whole chunks are moved in; bytes are copied once, on their way to the guest.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Chunks {
    queue: VecDeque<Vec<u8>>,
    /// Bytes of the first chunk that have been taken.
    taken: usize,
    len: usize,
}

impl Chunks {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a chunk; an empty one is dropped.
    pub(crate) fn push(&mut self, chunk: Vec<u8>) {
        if !chunk.is_empty() {
            self.len += chunk.len();
            self.queue.push_back(chunk);
        }
    }

    /// Takes up to `out.len()` bytes from the front; answers how many.
    pub(crate) fn take(&mut self, out: &mut [u8]) -> usize {
        self.consume(out.len(), |at, part| out[at..at + part.len()].copy_from_slice(part))
    }

    /// Takes up to `most` bytes from the front and forgets them; answers how many.
    pub(crate) fn skip(&mut self, most: usize) -> usize {
        self.consume(most, |_, _| {})
    }

    /// Takes up to `most` bytes from the front, shows each piece with how many came before it; answers how many.
    #[inline]
    fn consume(&mut self, most: usize, mut show: impl FnMut(usize, &[u8])) -> usize {
        let mut done = 0;
        while done < most
            && let Some(first) = self.queue.front()
        {
            let rest = &first[self.taken..];
            let n = rest.len().min(most - done);
            show(done, &rest[..n]);
            done += n;
            self.taken += n;
            if self.taken == first.len() {
                self.queue.pop_front();
                self.taken = 0;
            }
        }
        self.len -= done;
        done
    }

    /// Copies up to `out.len()` bytes, leaving out the first `skip`; answers how many. Nothing is taken.
    pub(crate) fn peek(&self, mut skip: usize, out: &mut [u8]) -> usize {
        let mut done = 0;
        let mut taken = self.taken;
        for chunk in &self.queue {
            let rest = &chunk[taken..];
            taken = 0;
            let start = skip.min(rest.len());
            skip -= start;
            let n = (rest.len() - start).min(out.len() - done);
            out[done..done + n].copy_from_slice(&rest[start..start + n]);
            done += n;
            if done == out.len() {
                break;
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_as_one_long_slice(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9),
            reads in prop::collection::vec((0_usize..12, 0_u8..3, 0_usize..12), 0..20),
        ) {
            let mut model: Vec<u8> = chunks.concat();
            let mut queue = Chunks::default();
            for chunk in chunks {
                queue.push(chunk);
            }
            for (len, how, skip) in reads {
                let mut out = vec![0; len];
                if how == 0 {
                    prop_assert_eq!(queue.skip(len), model.drain(..len.min(model.len())).count());
                } else if how == 1 {
                    let n = queue.peek(skip, &mut out);
                    let want: Vec<u8> = model.iter().copied().skip(skip).take(len).collect();
                    prop_assert_eq!(&out[..n], &want[..]);
                } else {
                    let n = queue.take(&mut out);
                    let want: Vec<u8> = model.drain(..len.min(model.len())).collect();
                    prop_assert_eq!(&out[..n], &want[..]);
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.is_empty(), model.is_empty());
            }
        }
    }
}
