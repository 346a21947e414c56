//! The body of a request, compressed from the start.

use crate::send::ops::Ops;

/// The body of a request as it grows.
#[derive(Debug, Default)]
pub struct Body {
    pub(super) ops: Ops,
    pub(super) raw_len: usize,
    /// Where the stencils were when they left it.
    pub(super) left_at: Option<(u64, u32)>,
}

impl Body {
    pub fn clear(&mut self) {
        self.ops.clear();
        self.raw_len = 0;
        self.left_at = None;
    }

    /// Bytes of the message.
    pub fn raw_len(&self) -> usize {
        self.raw_len
    }

    /// Bytes of the message, compressed.
    pub fn block_len(&self) -> usize {
        self.ops.block_len(self.raw_len)
    }

    /// Appends the message, compressed.
    // spec: RW-25
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.ops.write_to(self.raw_len, out);
    }
}
