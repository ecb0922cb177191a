//! How a detector is kept: a version, the numbers in a fixed order, and a checksum.

use std::fmt;

/// First bytes of every state.
const MAGIC: [u8; 4] = *b"MADS";

/// Version of the format. Any change of a structure, of its order or of the meaning of a number raises it.
const VERSION: u8 = 1;

/// No detector has counted farther: one that had would overflow soon, and was made up.
const MOST: u64 = 1 << 53;

/// Why a state cannot be used. The answer to each is to start afresh, and to say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateError {
    /// These bytes are no detector's state, or only a part of one, or were changed.
    Damaged,
    /// The state is of a version that this program does not know.
    Version(u8),
}

impl fmt::Display for StateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => write!(formatter, "the detector's state is damaged"),
            Self::Version(version) => write!(formatter, "the detector's state has version {version}, not {VERSION}"),
        }
    }
}

impl std::error::Error for StateError {}

/// Something that is kept. One function both writes and reads, so that the two cannot disagree.
pub(super) trait Kept {
    fn keep(&mut self, ledger: &mut Ledger);
}

/// A state being written or read.
pub(super) struct Ledger {
    bytes: Vec<u8>,
    /// Where the next number is read; none while writing.
    at: Option<usize>,
    /// A number was missing or cannot be.
    bad: bool,
}

impl Ledger {
    pub(super) fn real(&mut self, value: &mut f64) {
        self.exchange(value, f64::to_le_bytes, f64::from_le_bytes);
        self.refuse_if(!value.is_finite());
    }

    pub(super) fn small(&mut self, value: &mut f32) {
        self.exchange(value, f32::to_le_bytes, f32::from_le_bytes);
        self.refuse_if(!value.is_finite());
    }

    pub(super) fn whole(&mut self, value: &mut u64) {
        self.exchange(value, u64::to_le_bytes, u64::from_le_bytes);
        self.refuse_if(*value > MOST);
    }

    pub(super) fn signed(&mut self, value: &mut i64) {
        self.exchange(value, i64::to_le_bytes, i64::from_le_bytes);
    }

    pub(super) fn flag(&mut self, value: &mut bool) {
        let mut byte = u8::from(*value);
        self.exchange(&mut byte, u8::to_le_bytes, u8::from_le_bytes);
        self.refuse_if(byte > 1);
        *value = byte == 1;
    }

    /// A list of at most `most` items, with its length before them.
    pub(super) fn list<T: Kept + Default>(&mut self, items: &mut Vec<T>, most: usize) {
        let mut length = u16::try_from(items.len()).unwrap_or(u16::MAX);
        self.exchange(&mut length, u16::to_le_bytes, u16::from_le_bytes);
        self.refuse_if(usize::from(length) > most);
        if self.bad {
            return;
        }
        items.resize_with(usize::from(length), T::default);
        for item in items {
            item.keep(self);
        }
    }

    /// Marks a state that was read as damaged.
    pub(super) fn refuse_if(&mut self, wrong: bool) {
        self.bad |= wrong;
    }

    fn exchange<T: Copy, const N: usize>(&mut self, value: &mut T, to: fn(T) -> [u8; N], from: fn([u8; N]) -> T) {
        let Some(at) = self.at else {
            self.bytes.extend_from_slice(&to(*value));
            return;
        };
        match self.bytes.get(at..at + N).and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => *value = from(bytes),
            None => self.bad = true,
        }
        self.at = Some(at + N);
    }
}

impl Kept for f64 {
    fn keep(&mut self, ledger: &mut Ledger) {
        ledger.real(self);
    }
}

/// The bytes of a state.
pub(super) fn write(kept: &mut impl Kept) -> Vec<u8> {
    let mut ledger = Ledger { bytes: MAGIC.to_vec(), at: None, bad: false };
    ledger.bytes.push(VERSION);
    kept.keep(&mut ledger);
    let sum = checksum(&ledger.bytes);
    ledger.bytes.extend_from_slice(&sum.to_le_bytes());
    ledger.bytes
}

/// Fills `kept` from the bytes of a state. After an error it is not to be used.
pub(super) fn read(bytes: &[u8], kept: &mut impl Kept) -> Result<(), StateError> {
    let (body, sum) = bytes.split_last_chunk().ok_or(StateError::Damaged)?;
    let version = match body {
        [a, b, c, d, version, ..] if [*a, *b, *c, *d] == MAGIC => *version,
        _ => return Err(StateError::Damaged),
    };
    if version != VERSION {
        return Err(StateError::Version(version));
    }
    if checksum(body) != u64::from_le_bytes(*sum) {
        return Err(StateError::Damaged);
    }
    let mut ledger = Ledger { bytes: body.to_vec(), at: Some(MAGIC.len() + 1), bad: false };
    kept.keep(&mut ledger);
    let complete = ledger.at == Some(body.len());
    if complete && !ledger.bad { Ok(()) } else { Err(StateError::Damaged) }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo: draft-eastlake-fnv).
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(u64);

    impl Kept for Count {
        fn keep(&mut self, ledger: &mut Ledger) {
            ledger.whole(&mut self.0);
        }
    }

    #[test]
    fn a_count_that_would_overflow_is_refused_although_the_checksum_fits() {
        let again = |count| {
            let mut kept = Count(0);
            read(&write(&mut Count(count)), &mut kept).map(|()| kept.0)
        };
        assert_eq!(again(1 << 53), Ok(1 << 53));
        assert_eq!(again((1 << 53) + 1), Err(StateError::Damaged));
        assert_eq!(again(u64::MAX), Err(StateError::Damaged));
    }
}
