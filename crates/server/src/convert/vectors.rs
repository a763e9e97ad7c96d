//! Vectors, their element types and metrics.

use vicinal_api::v1;
use vicinal_types::{ElementType, Error, Metric, Nearer, Result, VectorInput, VectorType};

/// Where vectors are going, for messages.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    /// The collection's name.
    pub collection: &'a str,
    /// The vector column's name.
    pub column: &'a str,
    /// The column's type.
    pub kind: VectorType,
}

/// Vectors whose bytes are whole elements of a fitting type.
pub(super) struct Parsed {
    pub input: VectorInput,
    /// Elements of all vectors together.
    pub elements: usize,
}

impl Target<'_> {
    /// Parses vectors of any number.
    pub(super) fn parse(self, vectors: v1::Vectors) -> Result<Parsed> {
        let given = element_in(vectors.element)?;
        match vectors.data {
            Some(v1::vectors::Data::Packed(bytes)) => {
                let element = given.unwrap_or(self.kind.element());
                self.check_element(element)?;
                let elements = whole_elements(element, bytes.len()).ok_or_else(|| {
                    let (at, len) = (self.name(), bytes.len());
                    Error::invalid(format!(
                        "{at}: {len} packed bytes are not whole {element} elements"
                    ))
                })?;
                Ok(Parsed { input: VectorInput::Packed { element, bytes }, elements })
            }
            Some(v1::vectors::Data::Floats(_)) if self.kind.element() == ElementType::Binary => {
                let at = self.name();
                Err(Error::invalid(format!(
                    "{at} holds binary vectors, which have no floats; use `packed`"
                )))
            }
            Some(v1::vectors::Data::Floats(floats)) => {
                let elements = floats.values.len();
                Ok(Parsed { input: VectorInput::Floats(floats.values), elements })
            }
            None => {
                let at = self.name();
                Err(Error::invalid(format!("{at}: there are no vectors; set `packed` or `floats`")))
            }
        }
    }

    /// Parses exactly `rows` vectors.
    pub(super) fn parse_rows(self, vectors: v1::Vectors, rows: usize) -> Result<VectorInput> {
        let Parsed { input, elements } = self.parse(vectors)?;
        let dim = self.kind.dim();
        if Some(elements) == rows.checked_mul(dim) {
            return Ok(input);
        }
        let at = self.name();
        Err(Error::invalid(if rows > 0 && elements.is_multiple_of(rows) && elements > 0 {
            let found = elements / rows;
            format!("vector has {found} dimensions, {at} takes {dim}")
        } else {
            format!(
                "{elements} elements are not {rows} vectors of the {dim} dimensions that {at} takes"
            )
        }))
    }

    fn check_element(self, element: ElementType) -> Result<()> {
        let own = self.kind.element();
        let is_rounded =
            element == ElementType::F32 && matches!(own, ElementType::F16 | ElementType::Bf16);
        if element == own || is_rounded {
            return Ok(());
        }
        let at = self.name();
        Err(Error::invalid(format!("packed vectors are {element}, {at} takes {own}")))
    }

    pub(super) fn name(self) -> String {
        format!("column `{}` of collection `{}`", self.column, self.collection)
    }
}

/// How many elements `bytes` bytes are, if they are whole ones.
fn whole_elements(element: ElementType, bytes: usize) -> Option<usize> {
    match element {
        ElementType::Binary => bytes.checked_mul(8),
        ElementType::F32
        | ElementType::F16
        | ElementType::Bf16
        | ElementType::I8
        | ElementType::U8 => {
            let element_bytes = element.row_bytes(1);
            bytes.is_multiple_of(element_bytes).then_some(bytes / element_bytes)
        }
    }
}

/// Vectors on their way out.
pub(super) fn vectors_out(input: VectorInput) -> v1::Vectors {
    match input {
        VectorInput::Packed { element, bytes } => v1::Vectors {
            data: Some(v1::vectors::Data::Packed(bytes)),
            element: element_out(element).into(),
        },
        VectorInput::Floats(values) => v1::Vectors {
            data: Some(v1::vectors::Data::Floats(v1::FloatValues { values })),
            element: v1::ElementType::F32.into(),
        },
    }
}

/// An element type; none if it was left out.
pub(super) fn element_in(number: i32) -> Result<Option<ElementType>> {
    match v1::ElementType::try_from(number) {
        Ok(v1::ElementType::Unspecified) => Ok(None),
        Ok(v1::ElementType::F32) => Ok(Some(ElementType::F32)),
        Ok(v1::ElementType::F16) => Ok(Some(ElementType::F16)),
        Ok(v1::ElementType::Bf16) => Ok(Some(ElementType::Bf16)),
        Ok(v1::ElementType::I8) => Ok(Some(ElementType::I8)),
        Ok(v1::ElementType::U8) => Ok(Some(ElementType::U8)),
        Ok(v1::ElementType::Binary) => Ok(Some(ElementType::Binary)),
        Err(_) => Err(Error::invalid(format!("{number} is no ElementType; use 0 to 6"))),
    }
}

pub(super) fn element_out(element: ElementType) -> v1::ElementType {
    match element {
        ElementType::F32 => v1::ElementType::F32,
        ElementType::F16 => v1::ElementType::F16,
        ElementType::Bf16 => v1::ElementType::Bf16,
        ElementType::I8 => v1::ElementType::I8,
        ElementType::U8 => v1::ElementType::U8,
        ElementType::Binary => v1::ElementType::Binary,
    }
}

/// The metric of a declared column, which must name one.
pub(super) fn metric_in(column: &str, number: i32) -> Result<Metric> {
    match v1::Metric::try_from(number) {
        Ok(v1::Metric::L2) => Ok(Metric::L2),
        Ok(v1::Metric::InnerProduct) => Ok(Metric::InnerProduct),
        Ok(v1::Metric::Cosine) => Ok(Metric::Cosine),
        Ok(v1::Metric::Hamming) => Ok(Metric::Hamming),
        Ok(v1::Metric::Jaccard) => Ok(Metric::Jaccard),
        Ok(v1::Metric::Unspecified) => Err(Error::invalid(format!(
            "vector column `{column}` names no metric; use L2, INNER_PRODUCT, COSINE, HAMMING or JACCARD"
        ))),
        Err(_) => Err(Error::invalid(format!("{number} is no Metric; use 1 to 5"))),
    }
}

pub(super) fn metric_out(metric: Metric) -> v1::Metric {
    match metric {
        Metric::L2 => v1::Metric::L2,
        Metric::InnerProduct => v1::Metric::InnerProduct,
        Metric::Cosine => v1::Metric::Cosine,
        Metric::Hamming => v1::Metric::Hamming,
        Metric::Jaccard => v1::Metric::Jaccard,
    }
}

pub(super) fn nearer_out(nearer: Nearer) -> v1::Nearer {
    match nearer {
        Nearer::Lower => v1::Nearer::Lower,
        Nearer::Higher => v1::Nearer::Higher,
    }
}
