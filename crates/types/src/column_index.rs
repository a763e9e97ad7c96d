//! Which index a scalar column gets, as a user declares it.

use crate::{Error, Result, ScalarType};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The index of a scalar column in sealed segments: filters that test the column ask it
/// instead of reading the column.
///
/// Its name is how YAML, flags, messages and stored schemas spell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum ColumnIndex {
    /// By the type and by the values of the segment.
    #[default]
    Auto,
    /// None: the column is read.
    None,
    /// The rows of each value: for few different values.
    Bitmap,
    /// The rows in the order of their values: for many different values.
    Sorted,
    /// The rows of each item: for arrays.
    Inverted,
    /// The rows of each three bytes that follow each other: for parts of strings.
    Trigram,
}

impl ColumnIndex {
    /// Every kind there is.
    pub const ALL: [Self; 6] =
        [Self::Auto, Self::None, Self::Bitmap, Self::Sorted, Self::Inverted, Self::Trigram];

    /// The kind's name in YAML, flags and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Bitmap => "bitmap",
            Self::Sorted => "sorted",
            Self::Inverted => "inverted",
            Self::Trigram => "trigram",
        }
    }

    /// Whether columns of that type can have it.
    pub fn takes(self, scalar: ScalarType) -> bool {
        match self {
            Self::Auto | Self::None => true,
            Self::Bitmap | Self::Sorted => scalar != ScalarType::Json && scalar.item().is_none(),
            Self::Inverted => scalar.item().is_some(),
            Self::Trigram => scalar == ScalarType::String,
        }
    }

    /// Checks that columns of that type can have it.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) naming what they can have.
    pub fn check(self, scalar: ScalarType) -> Result<()> {
        if self.takes(scalar) {
            return Ok(());
        }
        let takes = Self::ALL.into_iter().filter(|kind| kind.takes(scalar));
        let takes: Vec<_> = takes.map(Self::name).collect();
        Err(Error::invalid(format!(
            "a column of type {scalar} cannot have index {self}; use one of {}",
            takes.join(", ")
        )))
    }

    /// Whether it is what a column has that says nothing.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks this of a reference")]
    pub(crate) fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

impl fmt::Display for ColumnIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<ColumnIndex> for &'static str {
    fn from(index: ColumnIndex) -> Self {
        index.name()
    }
}

impl TryFrom<String> for ColumnIndex {
    type Error = String;

    fn try_from(name: String) -> std::result::Result<Self, String> {
        Self::ALL.into_iter().find(|index| index.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no column index {name:?}; use one of {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ColumnIndex;
    use crate::{ArrayItem, ScalarType};

    #[test]
    fn every_type_names_the_indexes_that_it_can_have() {
        let check = |scalar: ScalarType, expected: &str| {
            let wrong = ColumnIndex::ALL.into_iter().find(|index| !index.takes(scalar));
            let error = wrong.expect("one is not for it").check(scalar).expect_err("it is not");
            assert!(error.to_string().ends_with(expected), "{error}");
        };
        check(ScalarType::Int8, "use one of auto, none, bitmap, sorted");
        check(ScalarType::String, "use one of auto, none, bitmap, sorted, trigram");
        check(ScalarType::Array(ArrayItem::String), "use one of auto, none, inverted");
        check(ScalarType::Json, "use one of auto, none");
        assert!(ColumnIndex::Bitmap.check(ScalarType::Bool).is_ok());
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for index in ColumnIndex::ALL {
            assert_eq!(ColumnIndex::try_from(index.to_string()), Ok(index));
        }
        let error = ColumnIndex::try_from("btree".to_owned()).expect_err("there is none");
        assert!(error.contains("\"btree\"; use one of auto, none, bitmap"), "{error}");
    }
}
