//! FLAT over codes: every code is looked at, and the rows whose codes do not
//! rule them out are compared. Exact.
//!
//! Bounds of bytes are certain. Those of 1-bit codes hold for each row with a
//! certainty of [`DEVIATIONS`] standard deviations of a random rotation: of a
//! million true neighbours, three are missed.
//!
//! [`section::HEADER`], little-endian:
//!
//! | offset | bytes | field                                                       |
//! |-------:|------:|-------------------------------------------------------------|
//! |      0 |     4 | index kind, 5: FLAT over codes                              |
//! |      4 |     4 | rows                                                        |
//! |      8 |     4 | codes: 1 bytes, 3 rotated                                   |
//! |     12 |    12 | bytes: lowest value, width of a level, longest row; else 0  |
//!
//! [`section::FLAT_CENTER`]: what codes are relative to, floats.
//!
//! [`section::FLAT_BLOCKS`]: the rows in order, see [`crate::quantise::blocks`].

use super::exact;
use crate::index::{FLAT_CODED, VERSION, section};
use crate::ivf::coarse::terms;
use crate::ivf::format::{check_range, check_rows, damaged, words};
use crate::quantise::blocks::{Blocks, LANES, block_count};
use crate::quantise::coded::{Certainty, Codec, Coded, CodedScratch, Part, Wanted};
use crate::quantise::encode::Encoder;
use crate::quantise::floats;
use crate::quantise::rabitq::Rabitq;
use crate::quantise::scalar::{Range as ScalarRange, Scalar};
use crate::quantise::words::Words;
use crate::{Found, IndexError, Progress, Scratch, Search, Section, Vectors, Work};
use bytes::Bytes;
use rayon::prelude::*;
use std::ops::Range;
use vicinal_types::{Bitmap, Cancel, ElementType, FlatCodes, Metric, Stopped, VectorType};

const KIND: Range<usize> = 0..4;
const ROWS: Range<usize> = KIND.end..KIND.end + 4;
const CODES: Range<usize> = ROWS.end..ROWS.end + 4;
const LO: Range<usize> = CODES.end..CODES.end + 4;
const STEP: Range<usize> = LO.end..LO.end + 4;
const NORM_MAX: Range<usize> = STEP.end..STEP.end + 4;
const HEADER_BYTES: usize = NORM_MAX.end;
const _: () = assert!(HEADER_BYTES == 24, "the table above says so");

/// Standard deviations within which a row is compared.
const DEVIATIONS: f32 = 4.5;

/// The rotation of the codes; any would do.
const SEED: u64 = 0x666c_6174;

/// Rows that the center is the mean of.
const CENTER_ROWS: u32 = 65_536;

/// Blocks coded by a thread at once, and looked at between two looks at the
/// clock.
const BLOCKS: usize = 64;

/// With fewer allowed rows than this part of all, these are compared one by one.
const SPARSE: usize = 24;

/// An index that looks at every row's code.
#[derive(Clone, Debug)]
pub struct FlatCoded {
    codes: FlatCodes,
    rows: u32,
    center: Words,
    coded: Coded,
}

/// Memory of a search, used again by the next.
#[derive(Debug, Default)]
pub(crate) struct FlatScratch {
    coded: CodedScratch,
}

impl FlatCoded {
    pub(crate) fn build(
        codes: FlatCodes,
        vectors: &Vectors,
        pool: &rayon::ThreadPool,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Self, IndexError> {
        check(vectors)?;
        let kind = vectors.vector_type();
        let center = match codes {
            FlatCodes::Sq8 => vec![0.0; kind.dim()],
            FlatCodes::Rabitq => mean(vectors),
        };
        let mut codec = codec(codes, kind, || ScalarRange::measure(vectors));
        let (blocks, norm_max) =
            pool.install(|| encode(&codec, vectors, &center, progress, cancel))?;
        if let Codec::Scalar(scalar) = &mut codec {
            scalar.set_norm_max(norm_max);
        }
        let center = Words::from_floats(&center);
        Ok(Self { codes, rows: vectors.len(), center, coded: Coded { codec, blocks } })
    }

    pub(crate) fn search(
        &self,
        vectors: &Vectors,
        query: &[u8],
        search: &Search<'_>,
        Scratch { flat: scratch, pools, .. }: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        assert_eq!(vectors.len(), self.rows, "an index is searched with its own vectors");
        let passing = search.allowed.map_or(self.rows as usize, Bitmap::count);
        let mut work = Work::default();
        let k = search.k.min(passing);
        if k > 0 && passing >= self.rows as usize / SPARSE {
            let mut values = pools.vector(vectors.vector_type().dim());
            floats::decode(vectors.vector_type().element(), query, &mut values);
            scratch.coded.begin(k);
            let certainty = Certainty::Always(DEVIATIONS);
            let Search { allowed, within, .. } = *search;
            let wanted = Wanted { vectors, query, allowed, within, certainty };
            let looked = self.look(&wanted, &values, scratch, &mut work, cancel);
            pools.put_vector(values);
            looked?;
            if scratch.coded.top.len() == k || within < f32::INFINITY {
                let mut neighbors = pools.results(k);
                scratch.coded.top.drain_into(&mut neighbors);
                return Ok(Found { neighbors, work });
            }
        }
        exact(vectors, query, &Search { k, ..*search }, pools, work, cancel)
    }

    /// Looks at all codes and compares the candidates.
    fn look(
        &self,
        wanted: &Wanted<'_>,
        values: &[f32],
        scratch: &mut FlatScratch,
        work: &mut Work,
        cancel: &Cancel,
    ) -> Result<(), Stopped> {
        self.coded.codec.prepare(values, self.center.floats(), &mut scratch.coded);
        let metric = wanted.vectors.vector_type().metric();
        let (base, reach) = terms(metric, values, self.center.floats());
        let mut rest = self.rows as usize;
        for start in (0..self.coded.blocks.len()).step_by(BLOCKS) {
            cancel.check()?;
            let blocks = start..(start + BLOCKS).min(self.coded.blocks.len());
            let rows = rest.min(blocks.len() * LANES);
            rest -= rows;
            let part = Part { blocks, rows, base, reach };
            self.coded.scan(&part, wanted, &mut scratch.coded, work);
        }
        scratch.coded.compare(wanted, work);
        Ok(())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.center.bytes().len()
            + self.coded.blocks.words().bytes().len()
            + self.coded.codec.bytes()
    }

    pub(crate) fn codes(&self) -> FlatCodes {
        self.codes
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        let (codes, range) = match &self.coded.codec {
            Codec::Scalar(scalar) => (1, scalar.range()),
            Codec::Rows | Codec::Product(_) | Codec::Rabitq(_) => {
                (3, ScalarRange { lo: 0.0, step: 0.0, norm_max: 0.0 })
            }
        };
        let mut header = [0; HEADER_BYTES];
        let words = [
            (KIND, FLAT_CODED),
            (ROWS, self.rows),
            (CODES, codes),
            (LO, range.lo.to_bits()),
            (STEP, range.step.to_bits()),
            (NORM_MAX, range.norm_max.to_bits()),
        ];
        for (at, word) in words {
            header[at].copy_from_slice(&word.to_le_bytes());
        }
        vec![
            (section::HEADER, VERSION, Bytes::copy_from_slice(&header)),
            (section::FLAT_CENTER, VERSION, self.center.bytes().clone()),
            (section::FLAT_BLOCKS, VERSION, self.coded.blocks.words().bytes().clone()),
        ]
    }

    pub(crate) fn open(
        header: &[u8],
        read: &mut dyn FnMut(u32) -> Result<Bytes, IndexError>,
        vectors: &Vectors,
    ) -> Result<Self, IndexError> {
        let header: &[u8; HEADER_BYTES] = header.try_into().map_err(|_| {
            damaged(section::HEADER, format!("it has {} bytes, not {HEADER_BYTES}", header.len()))
        })?;
        let word =
            |at: Range<usize>| header[at].iter().rev().fold(0, |word, &b| word << 8 | u32::from(b));
        let rows = word(ROWS);
        if rows != vectors.len() {
            let reason = format!("it is about {rows} rows, the segment has {}", vectors.len());
            return Err(damaged(section::HEADER, reason));
        }
        check(vectors).map_err(|error| damaged(section::HEADER, error.to_string()))?;
        let float = |at| f32::from_bits(word(at));
        let range = ScalarRange { lo: float(LO), step: float(STEP), norm_max: float(NORM_MAX) };
        let codes = match word(CODES) {
            1 => FlatCodes::Sq8,
            3 => FlatCodes::Rabitq,
            other => {
                return Err(damaged(section::HEADER, format!("codes {other} are unknown")));
            }
        };
        let kind = vectors.vector_type();
        let range = if codes == FlatCodes::Sq8 { check_range(range)? } else { range };
        let codec = codec(codes, kind, || range);
        let center = words(section::FLAT_CENTER, read, kind.dim())?;
        let layout = codec.layout(kind.row_bytes());
        let count = block_count(rows as usize);
        let blocks = words(section::FLAT_BLOCKS, read, count * layout.words())?;
        let blocks = Blocks::new(blocks, layout).expect("as many words as the blocks take");
        check_rows(&blocks, std::iter::once(rows), rows, section::FLAT_BLOCKS)?;
        Ok(Self { codes, rows, center, coded: Coded { codec, blocks } })
    }
}

fn check(vectors: &Vectors) -> Result<(), IndexError> {
    match vectors.vector_type().element() {
        ElementType::Binary => Err(IndexError::BinaryLists),
        ElementType::F32
        | ElementType::F16
        | ElementType::Bf16
        | ElementType::I8
        | ElementType::U8 => Ok(()),
    }
}

fn codec(codes: FlatCodes, kind: VectorType, range: impl FnOnce() -> ScalarRange) -> Codec {
    match codes {
        FlatCodes::Sq8 => Codec::Scalar(Scalar::new(kind, range())),
        FlatCodes::Rabitq => Codec::Rabitq(Rabitq::new(kind.dim(), 1, SEED)),
    }
}

/// The mean of some rows; of none, or where products are asked for, zeros.
fn mean(vectors: &Vectors) -> Vec<f32> {
    let kind = vectors.vector_type();
    let (mut sums, mut values) = (vec![0.0f64; kind.dim()], vec![0.0; kind.dim()]);
    let mut count = 0u32;
    if kind.metric() != Metric::InnerProduct {
        for row in floats::sample(vectors, CENTER_ROWS) {
            floats::decode(kind.element(), vectors.row(row), &mut values);
            sums.iter_mut().zip(&values).for_each(|(sum, value)| *sum += f64::from(*value));
            count += 1;
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "a mean of such floats")]
    sums.into_iter().map(|sum| (sum / f64::from(count.max(1))) as f32).collect()
}

/// The blocks of all rows, and the length of the longest decoded one.
fn encode(
    codec: &Codec,
    vectors: &Vectors,
    center: &[f32],
    progress: &Progress,
    cancel: &Cancel,
) -> Result<(Blocks, f32), Stopped> {
    let layout = codec.layout(vectors.vector_type().row_bytes());
    let rows: Vec<u32> = (0..vectors.len()).collect();
    let mut done = Ok(0.0);
    let words = Words::filled(block_count(rows.len()) * layout.words(), |words| {
        let encode = |encoder: &mut Encoder<'_>, (rows, words): (&[u32], &mut [u32])| {
            cancel.check()?;
            encoder.list(rows, center, center, words);
            progress.add(rows.len() as u64);
            Ok(encoder.norm_max)
        };
        done = rows
            .par_chunks(BLOCKS * LANES)
            .zip(words.par_chunks_mut(BLOCKS * layout.words()))
            .map_init(|| Encoder::new(codec, vectors), encode)
            .try_reduce(|| 0.0, |a, b| Ok(a.max(b)));
    });
    Ok((Blocks::new(words, layout).expect("as many words as the blocks take"), done?))
}
