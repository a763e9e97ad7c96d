//! Vectors at the door: checked, converted to the column's type, normalised.

use bytes::Bytes;
use half::{bf16, f16};
use vicinal_types::{ElementType, Error, Metric, Result, VectorInput, VectorType};

/// Vectors as they are stored.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    /// rows × row bytes, little-endian, in the column's element type.
    pub(crate) bytes: Bytes,
    /// Cosine: the length of each vector before it was brought to length 1.
    pub(crate) norms: Option<Vec<f32>>,
}

/// Checks `rows` vectors and brings them into the column's form.
///
/// # Errors
/// `Invalid` naming the column, the row and what is wrong with it.
pub(crate) fn encode(
    column: &str,
    kind: VectorType,
    rows: usize,
    input: &VectorInput,
) -> Result<Encoded> {
    let fault =
        |row: usize, what: String| Error::invalid(format!("vector {row} of `{column}` {what}"));
    let element = kind.element();
    let is_stored_form =
        matches!(input, VectorInput::Packed { element: given, .. } if *given == element);
    check_len(column, kind, rows, input)?;
    if let VectorInput::Packed { element: given, bytes } = input
        && is_stored_form
        && kind.metric() != Metric::Cosine
    {
        if let Some(row) = first_not_finite(*given, bytes, kind.row_bytes()) {
            return Err(fault(row, "holds NaN or an infinity".into()));
        }
        return Ok(Encoded { bytes: bytes.clone(), norms: None });
    }
    let mut floats = to_floats(column, kind, input)?;
    let dim = kind.dim();
    if let Some(at) = floats.iter().position(|x| !x.is_finite()) {
        return Err(fault(at / dim, "holds NaN or an infinity".into()));
    }
    let norms = match kind.metric() {
        Metric::Cosine => Some(normalise(&mut floats, dim).map_err(|row| {
            fault(row, "has length zero, for which cosine is not defined".into())
        })?),
        Metric::L2 | Metric::InnerProduct | Metric::Hamming | Metric::Jaccard => None,
    };
    let bytes = from_floats(element, &floats)
        .map_err(|at| {
            let value = floats[at];
            fault(at / dim, format!("holds {value}, which {element} cannot hold"))
        })?
        .into();
    Ok(Encoded { bytes, norms })
}

/// The original vectors of a cosine column, from unit vectors and lengths.
pub(crate) fn denormalise(element: ElementType, dim: usize, unit: &[u8], norms: &[f32]) -> Vec<u8> {
    let mut floats = widen(element, unit);
    for (row, norm) in floats.chunks_exact_mut(dim).zip(norms) {
        for x in row {
            *x *= norm;
        }
    }
    // A length whose product overflows f16 was refused when the vector came.
    from_floats(element, &floats).unwrap_or_else(|_| unit.to_vec())
}

fn check_len(column: &str, kind: VectorType, rows: usize, input: &VectorInput) -> Result<()> {
    let dim = kind.dim();
    let (given, unit) = match input {
        VectorInput::Packed { element, bytes } => (bytes.len(), element.row_bytes(dim)),
        VectorInput::Floats(floats) => (floats.len(), dim),
    };
    if given == rows * unit {
        return Ok(());
    }
    let element = match input {
        VectorInput::Packed { element, .. } => *element,
        VectorInput::Floats(_) => ElementType::F32,
    };
    let dims = match (input, rows) {
        (_, 0) => None,
        (VectorInput::Floats(_), _) => given.is_multiple_of(rows).then_some(given / rows),
        (VectorInput::Packed { .. }, _) => {
            let bits = given * 8 / rows;
            let element_bits = element.row_bytes(8);
            (given.is_multiple_of(rows) && bits.is_multiple_of(element_bits))
                .then_some(bits / element_bits)
        }
    };
    Err(Error::invalid(match dims {
        Some(dims) => {
            format!("vectors of {dims} dimensions were sent, column `{column}` takes {dim}")
        }
        None => {
            let needed = rows * unit;
            let units = if matches!(input, VectorInput::Floats(_)) { "floats" } else { "bytes" };
            format!(
                "column `{column}` needs {needed} {units} for {rows} vectors of {dim} dimensions, {given} were sent"
            )
        }
    }))
}

fn to_floats(column: &str, kind: VectorType, input: &VectorInput) -> Result<Vec<f32>> {
    let element = kind.element();
    let refuse = |given: &str| {
        Err(Error::invalid(format!(
            "column `{column}` holds {element} vectors and cannot take {given}; send packed {element}"
        )))
    };
    match input {
        VectorInput::Floats(_) if element == ElementType::Binary => refuse("floats"),
        VectorInput::Floats(floats) => Ok(floats.clone()),
        VectorInput::Packed { element: given, bytes } => {
            let is_rounding = *given == ElementType::F32
                && matches!(element, ElementType::F16 | ElementType::Bf16);
            if *given == element || is_rounding {
                Ok(widen(*given, bytes))
            } else {
                refuse(&format!("packed {given}"))
            }
        }
    }
}

/// The elements as floats; bits of binary vectors as 0 and 1.
fn widen(element: ElementType, bytes: &[u8]) -> Vec<f32> {
    match element {
        ElementType::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        ElementType::F16 => {
            bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect()
        }
        ElementType::Bf16 => {
            bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect()
        }
        ElementType::I8 => bytes.iter().map(|b| f32::from(b.cast_signed())).collect(),
        ElementType::U8 => bytes.iter().map(|b| f32::from(*b)).collect(),
        ElementType::Binary => {
            bytes.iter().flat_map(|b| (0..8).map(move |bit| f32::from(b >> bit & 1))).collect()
        }
    }
}

/// The floats in the element type, or the place of one that it cannot hold.
fn from_floats(element: ElementType, floats: &[f32]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(floats.len() * element.row_bytes(8) / 8);
    let whole = |at: usize, x: f32, low: f32, high: f32| {
        let fits = x.fract() == 0.0 && (low..=high).contains(&x);
        if fits { Ok(x) } else { Err(at) }
    };
    for (at, &x) in floats.iter().enumerate() {
        match element {
            ElementType::F32 => out.extend_from_slice(&x.to_le_bytes()),
            ElementType::F16 => {
                let half = f16::from_f32(x);
                if !half.is_finite() {
                    return Err(at);
                }
                out.extend_from_slice(&half.to_le_bytes());
            }
            ElementType::Bf16 => {
                let half = bf16::from_f32(x);
                if !half.is_finite() {
                    return Err(at);
                }
                out.extend_from_slice(&half.to_le_bytes());
            }
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
            ElementType::I8 => out.push((whole(at, x, -128.0, 127.0)? as i8).cast_unsigned()),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be whole and in range"
            )]
            ElementType::U8 => out.push(whole(at, x, 0.0, 255.0)? as u8),
            ElementType::Binary => return Err(at),
        }
    }
    Ok(out)
}

/// Brings each vector to length 1; returns the lengths, or the row of a zero vector.
fn normalise(floats: &mut [f32], dim: usize) -> Result<Vec<f32>, usize> {
    let mut norms = Vec::with_capacity(floats.len() / dim);
    for (at, row) in floats.chunks_exact_mut(dim).enumerate() {
        let sum: f64 = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
        #[expect(clippy::cast_possible_truncation, reason = "rounding a length to f32 is meant")]
        let norm = sum.sqrt() as f32;
        if norm == 0.0 || !norm.is_finite() {
            return Err(at);
        }
        for x in row {
            *x /= norm;
        }
        norms.push(norm);
    }
    Ok(norms)
}

fn first_not_finite(element: ElementType, bytes: &[u8], row_bytes: usize) -> Option<usize> {
    let at = match element {
        // An exponent of all ones is NaN or an infinity, in each of the formats.
        ElementType::F32 => {
            let is_wrong = |b: &[u8; 4]| u32::from_le_bytes(*b) & 0x7f80_0000 == 0x7f80_0000;
            find_in_blocks(bytes.as_chunks().0, is_wrong).map(|at| at * 4)
        }
        ElementType::F16 => {
            let is_wrong = |b: &[u8; 2]| u16::from_le_bytes(*b) & 0x7c00 == 0x7c00;
            find_in_blocks(bytes.as_chunks().0, is_wrong).map(|at| at * 2)
        }
        ElementType::Bf16 => {
            let is_wrong = |b: &[u8; 2]| u16::from_le_bytes(*b) & 0x7f80 == 0x7f80;
            find_in_blocks(bytes.as_chunks().0, is_wrong).map(|at| at * 2)
        }
        ElementType::I8 | ElementType::U8 | ElementType::Binary => None,
    };
    at.map(|at| at / row_bytes)
}

/// Whole blocks are judged without a branch per element, so that the compiler
/// can use vector instructions; the place is looked for only in a bad block.
fn find_in_blocks<T>(items: &[T], is_wrong: impl Fn(&T) -> bool + Copy) -> Option<usize> {
    const BLOCK: usize = 1024;
    for (at, block) in items.chunks(BLOCK).enumerate() {
        if block.iter().fold(false, |any, item| any | is_wrong(item)) {
            return block.iter().position(is_wrong).map(|within| at * BLOCK + within);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_types::ErrorKind;

    fn kind(element: ElementType, metric: Metric) -> VectorType {
        VectorType::new(8, element, metric).expect("a right type")
    }

    fn refused(kind: VectorType, rows: usize, input: &VectorInput, expected: &str) {
        let error = encode("v", kind, rows, input).expect_err("wrong vectors");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn wrong_vectors_are_refused_with_row_and_reason() {
        let l2 = kind(ElementType::F32, Metric::L2);
        let floats = |len: usize| VectorInput::Floats(vec![1.0; len]);
        refused(l2, 2, &floats(14), "vectors of 7 dimensions were sent, column `v` takes 8");
        refused(l2, 2, &floats(15), "needs 16 floats for 2 vectors");
        let packed = |x: f32| VectorInput::Packed {
            element: ElementType::F32,
            bytes: [1.0; 15].into_iter().chain([x]).flat_map(f32::to_le_bytes).collect(),
        };
        refused(l2, 2, &packed(f32::NAN), "vector 1 of `v` holds NaN");
        refused(l2, 2, &packed(f32::NEG_INFINITY), "vector 1 of `v` holds NaN or an infinity");
        refused(l2, 1, &packed(0.0), "vectors of 16 dimensions");
        let f16 = kind(ElementType::F16, Metric::L2);
        refused(f16, 2, &packed(70_000.0), "holds 70000, which f16 cannot hold");
        let u8 = kind(ElementType::U8, Metric::L2);
        refused(u8, 1, &VectorInput::Floats(vec![256.0; 8]), "which u8 cannot hold");
        refused(u8, 2, &packed(1.0), "cannot take packed f32");
        let cosine = kind(ElementType::F32, Metric::Cosine);
        refused(cosine, 1, &VectorInput::Floats(vec![0.0; 8]), "has length zero");
        let binary = kind(ElementType::Binary, Metric::Hamming);
        refused(binary, 1, &floats(8), "cannot take floats");
    }

    #[test]
    fn cosine_vectors_come_back_with_their_length() {
        let cosine = kind(ElementType::F32, Metric::Cosine);
        let input = VectorInput::Floats((1..=16u8).map(f32::from).collect());
        let encoded = encode("v", cosine, 2, &input).expect("right vectors");
        let unit = widen(ElementType::F32, &encoded.bytes);
        let length: f32 = unit[8..].iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-6);
        let norms = encoded.norms.expect("cosine keeps lengths");
        let back =
            widen(ElementType::F32, &denormalise(ElementType::F32, 8, &encoded.bytes, &norms));
        assert!(back.iter().zip(1u8..).all(|(x, n)| (x - f32::from(n)).abs() < 1e-4), "{back:?}");
    }

    #[test]
    fn floats_become_every_element_type() {
        let floats: Vec<f32> = (0..8u8).map(f32::from).collect();
        for element in [
            ElementType::F32,
            ElementType::F16,
            ElementType::Bf16,
            ElementType::I8,
            ElementType::U8,
        ] {
            let encoded =
                encode("v", kind(element, Metric::L2), 1, &VectorInput::Floats(floats.clone()));
            assert_eq!(widen(element, &encoded.expect("small whole numbers").bytes), floats);
        }
    }
}
