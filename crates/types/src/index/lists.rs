//! The parameters of lists of near rows, and of FLAT over codes.

use super::IndexKind;
use std::fmt;

/// The parameters of an IVF index: rows sorted into lists around centroids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IvfParams {
    /// Lists that the rows are sorted into, at most
    /// [`LISTS_MAX`](crate::limits::LISTS_MAX); 0 for two or four times the square root
    /// of the rows. Never more than there are rows.
    pub lists: u32,
    /// What the rows of a list are compared by first.
    pub codes: IvfCodes,
    /// Decides which rows centroids and codewords are learnt from.
    pub seed: u64,
}

/// What the lists of an IVF index hold; the best are compared again by their
/// rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IvfCodes {
    /// The rows themselves (IVF_FLAT).
    #[default]
    None,
    /// 8 bits a dimension (IVF_SQ8).
    Sq8,
    /// Product codes (IVF_PQ).
    Pq {
        /// Bits of a code: 4 or 8.
        bits: u32,
        /// Codes of a row, at most its dimensions; 0 for half of these with 4
        /// bits, a quarter with 8.
        subvectors: u32,
    },
    /// Codes of a randomly rotated row (IVF_RABITQ).
    Rabitq {
        /// Bits a dimension. 1 to 8.
        bits: u32,
    },
    /// Product codes of 4 bits that weigh errors along the row more (SCANN).
    Scann {
        /// Codes of a row, at most its dimensions; 0 for half of these.
        subvectors: u32,
    },
}

/// The codes that FLAT looks through before it compares rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlatCodes {
    /// 8 bits a dimension; the answer is exact.
    Sq8,
    /// 1 bit a dimension (RaBitQ); the answer is exact but for one row in
    /// hundreds of thousands.
    Rabitq,
}

impl IvfCodes {
    /// The kind of index that has these codes.
    pub fn kind(self) -> IndexKind {
        match self {
            Self::None => IndexKind::IvfFlat,
            Self::Sq8 => IndexKind::IvfSq8,
            Self::Pq { .. } => IndexKind::IvfPq,
            Self::Rabitq { .. } => IndexKind::IvfRabitq,
            Self::Scann { .. } => IndexKind::Scann,
        }
    }
}

impl FlatCodes {
    /// Their name in YAML, flags and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sq8 => "sq8",
            Self::Rabitq => "rabitq",
        }
    }
}

impl fmt::Display for FlatCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for IvfParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lists={}", self.codes.kind(), self.lists)?;
        match self.codes {
            IvfCodes::None | IvfCodes::Sq8 => Ok(()),
            IvfCodes::Pq { bits, subvectors } => {
                write!(f, " pq_subvectors={subvectors} pq_bits={bits}")
            }
            IvfCodes::Rabitq { bits } => write!(f, " bits={bits}"),
            IvfCodes::Scann { subvectors } => write!(f, " pq_subvectors={subvectors}"),
        }
    }
}
