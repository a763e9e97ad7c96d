//! What a vector is made of and how two of them are compared.

use crate::{Error, Result, limits};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How near two vectors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Squared Euclidean distance; smaller is nearer.
    L2,
    /// Inner product; larger is nearer.
    #[serde(rename = "ip")]
    InnerProduct,
    /// Cosine of the angle; larger is nearer. Vectors are stored at unit length.
    Cosine,
    /// Differing bits of binary vectors; smaller is nearer.
    Hamming,
    /// The part of the bits set in either of two binary vectors that is not set
    /// in both; 0 if none is set. Smaller is nearer.
    Jaccard,
}

/// The type of a vector's elements, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElementType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16.
    Bf16,
    /// Signed byte.
    I8,
    /// Unsigned byte.
    U8,
    /// One bit an element, eight elements a byte, lowest bit first.
    Binary,
}

/// The type of a vector column: dimension, elements, metric; checked together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "VectorTypeFields", into = "VectorTypeFields")]
pub struct VectorType {
    dim: u32,
    element: ElementType,
    metric: Metric,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VectorTypeFields {
    dim: u32,
    element: ElementType,
    metric: Metric,
}

impl Metric {
    /// The metric's name in YAML, flags and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::InnerProduct => "ip",
            Self::Cosine => "cosine",
            Self::Hamming => "hamming",
            Self::Jaccard => "jaccard",
        }
    }

    /// Whether a larger score means a nearer row.
    pub fn higher_is_nearer(self) -> bool {
        match self {
            Self::InnerProduct | Self::Cosine => true,
            Self::L2 | Self::Hamming | Self::Jaccard => false,
        }
    }
}

impl ElementType {
    /// The element type's name in YAML, flags and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::Binary => "binary",
        }
    }

    /// Bytes of a stored vector of `dim` elements.
    pub fn row_bytes(self, dim: usize) -> usize {
        match self {
            Self::F32 => dim * 4,
            Self::F16 | Self::Bf16 => dim * 2,
            Self::I8 | Self::U8 => dim,
            Self::Binary => dim / 8,
        }
    }
}

impl VectorType {
    /// Checks the three against each other.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the dimension is 0 or above
    /// [`limits::DIM_MAX`], not a multiple of 8 for binary vectors, or if the
    /// metric does not go with the element type.
    pub fn new(dim: u32, element: ElementType, metric: Metric) -> Result<Self> {
        let max = limits::DIM_MAX;
        if dim == 0 || dim > max {
            return Err(Error::invalid(format!("dimension {dim} is not between 1 and {max}")));
        }
        let is_binary = element == ElementType::Binary;
        if is_binary && !dim.is_multiple_of(8) {
            return Err(Error::invalid(format!(
                "binary vectors of {dim} bits are not whole bytes; use a multiple of 8"
            )));
        }
        let counts_bits = match metric {
            Metric::Hamming | Metric::Jaccard => true,
            Metric::L2 | Metric::InnerProduct | Metric::Cosine => false,
        };
        if is_binary != counts_bits {
            return Err(Error::invalid(format!(
                "metric {metric} does not go with {element} elements: binary takes hamming or jaccard, and only binary does"
            )));
        }
        let is_integer = matches!(element, ElementType::I8 | ElementType::U8);
        if is_integer && metric == Metric::Cosine {
            return Err(Error::invalid(format!(
                "cosine stores unit vectors, which {element} elements cannot hold; use f32, f16 or bf16, or the metric ip"
            )));
        }
        Ok(Self { dim, element, metric })
    }

    /// Elements of a vector.
    pub fn dim(self) -> usize {
        self.dim as usize
    }

    /// The type of the elements.
    pub fn element(self) -> ElementType {
        self.element
    }

    /// How two vectors are compared.
    pub fn metric(self) -> Metric {
        self.metric
    }

    /// Bytes of one stored vector.
    pub fn row_bytes(self) -> usize {
        self.element.row_bytes(self.dim())
    }
}

impl TryFrom<VectorTypeFields> for VectorType {
    type Error = Error;

    fn try_from(fields: VectorTypeFields) -> Result<Self> {
        Self::new(fields.dim, fields.element, fields.metric)
    }
}

impl From<VectorType> for VectorTypeFields {
    fn from(vector: VectorType) -> Self {
        Self { dim: vector.dim, element: vector.element, metric: vector.metric }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
