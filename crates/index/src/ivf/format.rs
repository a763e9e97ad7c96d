//! The sections of an IVF index. Numbers are little-endian, floats binary32.
//!
//! [`section::HEADER`]:
//!
//! | offset | bytes | field                                                        |
//! |-------:|------:|--------------------------------------------------------------|
//! |      0 |     4 | index kind, 4: IVF                                           |
//! |      4 |     4 | rows                                                         |
//! |      8 |     4 | lists                                                        |
//! |     12 |     4 | lists asked for                                              |
//! |     16 |     4 | codes: 0 rows, 1 bytes, 2 product, 3 rotated, 4 anisotropic  |
//! |     20 |     4 | bits of a product or rotated code, else 0                    |
//! |     24 |     4 | subvectors asked for, else 0                                 |
//! |     28 |     4 | zero                                                         |
//! |     32 |     8 | seed                                                         |
//! |     40 |    12 | bytes: lowest value, width of a level, longest row; else 0   |
//! |     52 |     4 | zero                                                         |
//!
//! [`section::IVF_LISTS`]: the number of rows of every list, then a float for
//! every list: the distance of its farthest row from its centroid.
//!
//! [`section::IVF_CENTROIDS`]: the centroids, floats.
//!
//! [`section::IVF_CODEBOOK`]: for product codes, the codewords of subvector after
//! subvector, dimension by dimension; else empty.
//!
//! [`section::IVF_BLOCKS`]: the blocks of list after list, see
//! [`crate::quantise::blocks`]. Every row is in one of them.

use super::build::{probing_metric, shape};
use super::coarse::Coarse;
use super::{Ivf, check};
use crate::index::{IVF, VERSION, section};
use crate::quantise::blocks::{Blocks, block_count};
use crate::quantise::coded::{Codec, Coded};
use crate::quantise::product::Product;
use crate::quantise::rabitq::Rabitq;
use crate::quantise::scalar::{Range as ScalarRange, Scalar};
use crate::quantise::words::Words;
use crate::{IndexError, Section, Vectors};
use bytes::Bytes;
use std::ops::Range;
use vicinal_types::{Bitmap, ElementType, IvfCodes, IvfParams, VectorType};

const KIND: Range<usize> = 0..4;
const ROWS: Range<usize> = KIND.end..KIND.end + 4;
const LISTS: Range<usize> = ROWS.end..ROWS.end + 4;
const LISTS_ASKED: Range<usize> = LISTS.end..LISTS.end + 4;
const CODES: Range<usize> = LISTS_ASKED.end..LISTS_ASKED.end + 4;
const BITS: Range<usize> = CODES.end..CODES.end + 4;
const SUBVECTORS: Range<usize> = BITS.end..BITS.end + 4;
const ZERO: Range<usize> = SUBVECTORS.end..SUBVECTORS.end + 4;
const SEED: Range<usize> = ZERO.end..ZERO.end + 8;
const LO: Range<usize> = SEED.end..SEED.end + 4;
const STEP: Range<usize> = LO.end..LO.end + 4;
const NORM_MAX: Range<usize> = STEP.end..STEP.end + 4;
const ZERO_END: Range<usize> = NORM_MAX.end..NORM_MAX.end + 4;
const HEADER_BYTES: usize = ZERO_END.end;
const _: () = assert!(HEADER_BYTES == 56, "the table above says so");

type Read<'a> = dyn FnMut(u32) -> Result<Bytes, IndexError> + 'a;
type Header = [u8; HEADER_BYTES];

pub(super) fn encode(ivf: &Ivf) -> Vec<Section> {
    let codebook = match &ivf.coded.codec {
        Codec::Product(product) => product.codebook().bytes().clone(),
        Codec::Rows | Codec::Scalar(_) | Codec::Rabitq(_) => Bytes::new(),
    };
    let parts = [
        (section::HEADER, Bytes::copy_from_slice(&header(ivf))),
        (section::IVF_LISTS, ivf.lists.bytes().clone()),
        (section::IVF_CENTROIDS, ivf.coarse.centroids().bytes().clone()),
        (section::IVF_CODEBOOK, codebook),
        (section::IVF_BLOCKS, ivf.coded.blocks.words().bytes().clone()),
    ];
    parts.into_iter().map(|(kind, bytes)| (kind, VERSION, bytes)).collect()
}

fn header(ivf: &Ivf) -> Header {
    let (codes, bits, subvectors) = match ivf.params.codes {
        IvfCodes::None => (0, 0, 0),
        IvfCodes::Sq8 => (1, 0, 0),
        IvfCodes::Pq { bits, subvectors } => (2, bits, subvectors),
        IvfCodes::Rabitq { bits } => (3, bits, 0),
        IvfCodes::Scann { subvectors } => (4, 0, subvectors),
    };
    let range = match &ivf.coded.codec {
        Codec::Scalar(scalar) => scalar.range(),
        Codec::Rows | Codec::Product(_) | Codec::Rabitq(_) => {
            ScalarRange { lo: 0.0, step: 0.0, norm_max: 0.0 }
        }
    };
    let mut header = [0; HEADER_BYTES];
    let words = [
        (KIND, IVF),
        (ROWS, ivf.rows),
        (LISTS, ivf.coarse.centroids().len()),
        (LISTS_ASKED, ivf.params.lists),
        (CODES, codes),
        (BITS, bits),
        (SUBVECTORS, subvectors),
        (LO, range.lo.to_bits()),
        (STEP, range.step.to_bits()),
        (NORM_MAX, range.norm_max.to_bits()),
    ];
    for (at, word) in words {
        header[at].copy_from_slice(&word.to_le_bytes());
    }
    header[SEED].copy_from_slice(&ivf.params.seed.to_le_bytes());
    header
}

pub(super) fn decode(
    header: &[u8],
    read: &mut Read<'_>,
    vectors: &Vectors,
) -> Result<Ivf, IndexError> {
    let header: &Header = header.try_into().map_err(|_| {
        damaged(section::HEADER, format!("it has {} bytes, not {HEADER_BYTES}", header.len()))
    })?;
    let params = params(header, vectors)?;
    let (rows, lists) = (word(header, ROWS), word(header, LISTS));
    if rows != vectors.len() {
        let reason = format!("it is about {rows} rows, the segment has {}", vectors.len());
        return Err(damaged(section::HEADER, reason));
    }
    if lists > rows || (lists == 0) != (rows == 0) {
        return Err(damaged(section::HEADER, format!("{lists} lists cannot hold {rows} rows")));
    }
    let kind = vectors.vector_type();
    let codec = codec(header, params, kind, read)?;
    let facts = words(section::IVF_LISTS, read, 2 * lists as usize)?;
    let counts = &facts.get()[..lists as usize];
    let listed: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    if listed != u64::from(rows) {
        let reason = format!("its lists have {listed} rows, the segment has {rows}");
        return Err(damaged(section::IVF_LISTS, reason));
    }
    let centroids = centroids(read, lists as usize, vectors)?;
    let layout = codec.layout(kind.row_bytes());
    let blocks = counts.iter().map(|count| block_count(*count as usize)).sum::<usize>();
    let blocks = words(section::IVF_BLOCKS, read, blocks * layout.words())?;
    let blocks = Blocks::new(blocks, layout).expect("as many words as the blocks take");
    check_rows(&blocks, counts.iter().copied(), rows, section::IVF_BLOCKS)?;
    Ok(Ivf::new(params, rows, Coarse::new(centroids), facts, Coded { codec, blocks }))
}

fn word(header: &Header, at: Range<usize>) -> u32 {
    header[at].iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))
}

fn params(header: &Header, vectors: &Vectors) -> Result<IvfParams, IndexError> {
    let seed = header[SEED].iter().rev().fold(0, |seed, &byte| seed << 8 | u64::from(byte));
    let (bits, subvectors) = (word(header, BITS), word(header, SUBVECTORS));
    let codes = match (word(header, CODES), bits, subvectors) {
        (0, 0, 0) => IvfCodes::None,
        (1, 0, 0) => IvfCodes::Sq8,
        (2, bits, subvectors) => IvfCodes::Pq { bits, subvectors },
        (3, bits, 0) => IvfCodes::Rabitq { bits },
        (4, 0, subvectors) => IvfCodes::Scann { subvectors },
        (codes, ..) => {
            let reason = format!("codes {codes} of {bits} bits, {subvectors} a row, are unknown");
            return Err(damaged(section::HEADER, reason));
        }
    };
    if word(header, ZERO) != 0 || word(header, ZERO_END) != 0 {
        return Err(damaged(section::HEADER, "its reserved bytes are not zero".into()));
    }
    let params = IvfParams { lists: word(header, LISTS_ASKED), codes, seed };
    check(params, vectors).map_err(|error| damaged(section::HEADER, error.to_string()))?;
    Ok(params)
}

fn codec(
    header: &Header,
    params: IvfParams,
    kind: VectorType,
    read: &mut Read<'_>,
) -> Result<Codec, IndexError> {
    let shape = shape(params.codes, kind.dim());
    let codebook =
        words(section::IVF_CODEBOOK, read, shape.map_or(0, |shape| shape.codebook_words()))?;
    if let Some(shape) = shape {
        return Ok(Codec::Product(Product::new(shape, codebook)));
    }
    Ok(match params.codes {
        IvfCodes::Sq8 => {
            let float = |at| f32::from_bits(word(header, at));
            let range = ScalarRange { lo: float(LO), step: float(STEP), norm_max: float(NORM_MAX) };
            Codec::Scalar(Scalar::new(kind, check_range(range)?))
        }
        IvfCodes::Rabitq { bits } => Codec::Rabitq(Rabitq::new(kind.dim(), bits, params.seed)),
        IvfCodes::None | IvfCodes::Pq { .. } | IvfCodes::Scann { .. } => Codec::Rows,
    })
}

/// Bounds hold only if the range is one.
pub(crate) fn check_range(range: ScalarRange) -> Result<ScalarRange, IndexError> {
    let ScalarRange { lo, step, norm_max } = range;
    let is_range = lo.is_finite() && step.is_finite() && step > 0.0 && norm_max >= 0.0;
    is_range.then_some(range).ok_or_else(|| {
        let reason = format!("bytes from {lo} in steps of {step} are no range");
        damaged(section::HEADER, reason)
    })
}

fn centroids(read: &mut Read<'_>, lists: usize, vectors: &Vectors) -> Result<Vectors, IndexError> {
    let dim = vectors.vector_type().dim();
    let words = words(section::IVF_CENTROIDS, read, lists * dim)?;
    let dim = u32::try_from(dim).expect("a dimension is at most DIM_MAX");
    let kind = VectorType::new(dim, ElementType::F32, probing_metric(vectors));
    Vectors::new(kind.expect("floats take any metric"), words.bytes().clone())
}

/// A section of so many words.
pub(crate) fn words(
    section: u32,
    read: &mut Read<'_>,
    expected: usize,
) -> Result<Words, IndexError> {
    let bytes = read(section)?;
    let found = bytes.len();
    let words = Words::new(bytes).filter(|words| words.get().len() == expected);
    words.ok_or_else(|| damaged(section, format!("it has {found} bytes, not {expected} words")))
}

/// Every row is in one of the blocks, of which each list begins one.
pub(crate) fn check_rows(
    blocks: &Blocks,
    lists: impl Iterator<Item = u32>,
    rows: u32,
    section: u32,
) -> Result<(), IndexError> {
    let mut seen = Bitmap::new(rows as usize);
    let mut start = 0;
    for count in lists {
        let end = start + block_count(count as usize);
        let listed = blocks.range(start..end).flat_map(|block| block.rows());
        for &row in listed.take(count as usize) {
            if row >= rows || !seen.insert(row) {
                let reason = format!("row {row} of {rows} is in it twice, or there is none");
                return Err(damaged(section, reason));
            }
        }
        start = end;
    }
    Ok(())
}

pub(crate) fn damaged(section: u32, reason: String) -> IndexError {
    IndexError::Damaged { section, reason }
}
