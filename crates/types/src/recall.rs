//! What was measured of an index: how much its searches find.

/// The rows of a segment that count while recall is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Among {
    /// All of them.
    All,
    /// So many in a hundred, strewn over all, as by a filter that has nothing to do with
    /// what vectors are about.
    Strewn(u8),
    /// So many in a hundred, in clumps of rows that are near each other.
    Clumps(u8),
}

impl Among {
    /// The part of the rows that count, 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        match self {
            Self::All => 1.0,
            Self::Strewn(percent) | Self::Clumps(percent) => f64::from(percent) / 100.0,
        }
    }
}

/// The mean recall of growing efforts, for so many neighbours among some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RecallCurve {
    /// Neighbours that were asked for.
    pub k: u32,
    /// Which rows counted.
    pub among: Among,
    /// Queries that were asked: rows of the segment, left out of their own answers.
    pub queries: u32,
    /// Queries of users that were asked again, exactly, and tell of the recall, too.
    pub live: u32,
    /// Effort and recall, 0 to 1, by ascending effort.
    pub points: Vec<(u32, f32)>,
}
