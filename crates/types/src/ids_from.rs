//! Ids from what callers have at hand.

use crate::Ids;

impl From<Vec<i64>> for Ids {
    fn from(ids: Vec<i64>) -> Self {
        Self::Int(ids)
    }
}

impl<const N: usize> From<[i64; N]> for Ids {
    fn from(ids: [i64; N]) -> Self {
        Self::Int(ids.into())
    }
}

impl From<Vec<String>> for Ids {
    fn from(ids: Vec<String>) -> Self {
        Self::Str(ids)
    }
}

impl<const N: usize> From<[&str; N]> for Ids {
    fn from(ids: [&str; N]) -> Self {
        Self::Str(ids.into_iter().map(String::from).collect())
    }
}
