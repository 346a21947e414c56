//! The body of a request: one of the two messages, compressed.

use crate::base::{put_uvarint, uvarint_len};
use crate::http::{SnappyEncoder, snappy};
use crate::model::{Description, RemoteMessage};
use crate::send::ops::Ops;
use crate::send::symbols::Symbols;
use crate::wal::Exemplar;
use crate::wire::remote_v2::{Entry, MetadataRefs, put_entry, put_exemplar};

/// The body of a request as it grows. A message of 1.0 is written compressed at once (see `stencils.rs`), one of 2.0
/// is compressed when it is whole.
#[derive(Debug, Default)]
pub struct Body {
    message: RemoteMessage,
    pub(super) ops: Ops,
    pub(super) raw_len: usize,
    /// Where the stencils were when they left it.
    pub(super) left_at: Option<(u64, u32)>,
    second: Second,
}

/// A message of 2.0.
#[derive(Debug, Default)]
struct Second {
    symbols: Symbols,
    entries: Vec<u8>,
    scratch: Vec<u8>,
    /// Of the entry that is being added.
    exemplars: Vec<u8>,
    /// The description asked for last, and what it is in the symbols.
    described: Option<(u16, MetadataRefs)>,
    /// Compressed; empty while it has not been.
    block: Vec<u8>,
}

/// Compresses messages of 2.0, one after the other.
#[derive(Debug, Default)]
pub struct Packer {
    encoder: SnappyEncoder,
    packed: Vec<u8>,
}

impl Second {
    /// What a description, by its number, is in this message.
    #[inline]
    fn metadata<'s>(
        &mut self,
        number: u16,
        said: impl FnOnce() -> Option<Description<'s>>,
    ) -> MetadataRefs {
        if let Some((known, refs)) = self.described
            && known == number
        {
            return refs;
        }
        let refs = said().map_or(MetadataRefs::default(), |said| MetadataRefs {
            metric_type: said.metric_type.code(),
            help: self.symbols.number(said.help.as_bytes()),
            unit: self.symbols.number(said.unit.as_bytes()),
        });
        self.described = Some((number, refs));
        refs
    }
}

impl Body {
    /// Forgets everything; what comes is a message of this kind.
    pub fn begin(&mut self, message: RemoteMessage) {
        self.message = message;
        self.clear();
    }

    pub fn clear(&mut self) {
        self.ops.clear();
        self.raw_len = 0;
        self.left_at = None;
        self.second.symbols.clear();
        self.second.entries.clear();
        self.second.block.clear();
        self.second.described = None;
    }

    pub fn message(&self) -> RemoteMessage {
        self.message
    }

    /// Bytes of the message.
    pub fn raw_len(&self) -> usize {
        match self.message {
            RemoteMessage::V1 => self.raw_len,
            RemoteMessage::V2 => self.second.symbols.encoded().len() + self.second.entries.len(),
        }
    }

    /// Adds an entry of 2.0 with exemplars, whose description has the number `about` and says what `said` gives, if the
    /// message stays within `bytes_max` bytes; says whether it did.
    pub(super) fn put_second<'s>(
        &mut self,
        packed_labels: &[u8],
        mut entry: Entry<'_>,
        (about, said): (u16, impl FnOnce() -> Option<Description<'s>>),
        exemplars: impl Iterator<Item = Exemplar<'s>>,
        bytes_max: usize,
    ) -> bool {
        let (symbols, entries) = (self.second.symbols.len(), self.second.entries.len());
        let second = &mut self.second;
        entry.metadata = second.metadata(about, said);
        second.exemplars.clear();
        for Exemplar { labels, value, time } in exemplars {
            let refs = second.symbols.labels(labels);
            put_exemplar(&mut second.exemplars, refs, value, time);
        }
        let refs = second.symbols.labels(packed_labels);
        let entry = Entry { exemplars: &second.exemplars, ..entry };
        put_entry(&mut second.entries, &mut second.scratch, refs, &entry);
        second.block.clear();
        let fits = self.raw_len() <= bytes_max;
        if !fits {
            self.second.described = None;
            self.second.symbols.truncate(symbols);
            self.second.entries.truncate(entries);
        }
        fits
    }

    /// Makes the block of what was added.
    // spec: RW-25, Snappy's block format
    pub fn seal(&mut self, packer: &mut Packer) {
        let raw_len = self.raw_len();
        let Second { symbols, entries, block, .. } = &mut self.second;
        if self.message == RemoteMessage::V1 || !block.is_empty() {
            return;
        }
        put_uvarint(block, raw_len as u64);
        for part in [symbols.encoded(), entries].into_iter().filter(|part| !part.is_empty()) {
            // Copies go back a distance, so a piece is the same wherever it stands; only its length is not wanted.
            snappy(&mut packer.encoder, part, &mut packer.packed);
            block.extend_from_slice(&packer.packed[uvarint_len(part.len() as u64)..]);
        }
    }

    /// Bytes of the message, compressed; one of 2.0 must be sealed.
    pub fn block_len(&self) -> usize {
        match self.message {
            RemoteMessage::V1 => self.ops.block_len(self.raw_len),
            RemoteMessage::V2 => self.second.block.len(),
        }
    }

    /// What [`Body::write_to`] appends, in two pieces, of which the first may be empty.
    pub fn pieces(&self) -> (Vec<u8>, &[u8]) {
        let mut length = Vec::new();
        match self.message {
            RemoteMessage::V1 => {
                put_uvarint(&mut length, self.raw_len as u64);
                (length, self.ops.written())
            }
            RemoteMessage::V2 => (length, &self.second.block),
        }
    }

    /// Appends the message, compressed.
    // spec: RW-25
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self.message {
            RemoteMessage::V1 => self.ops.write_to(self.raw_len, out),
            RemoteMessage::V2 => out.extend_from_slice(&self.second.block),
        }
    }
}
