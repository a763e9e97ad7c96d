//! Finding the centroids nearest to a vector.
//!
//! Many centroids are looked through as 1-bit codes first: there are thousands
//! of them, and most are far.

use crate::neighbors::Ranked;
use crate::quantise::blocks::{Blocks, block_count};
use crate::quantise::coded::{Certainty, Codec, Coded, CodedScratch, Part, Wanted};
use crate::quantise::encode::Encoder;
use crate::quantise::floats;
use crate::quantise::rabitq::Rabitq;
use crate::quantise::words::Words;
use crate::{Vectors, Work};
use vicinal_types::{ElementType, Metric};
use zerocopy::IntoBytes;

/// From so many centroids on, codes are worth their tables.
const CODES_MIN: u32 = 256;

/// Deviations of a code within which a centroid is compared itself, to put a row
/// in its list.
const DEVIATIONS: f32 = 2.5;

/// The same for the lists to probe: it matters little which of the last ones are.
const PROBING_DEVIATIONS: f32 = 1.0;

/// The rotation of the codes; any would do.
const SEED: u64 = 0x6c69_7374;

/// Rows compared with all centroids at once, where there are few of these.
const TILE_ROWS: usize = 64;

/// Centroids, searchable.
#[derive(Clone, Debug)]
pub(crate) struct Coarse {
    centroids: Vectors,
    codes: Option<Codes>,
}

#[derive(Clone, Debug)]
struct Codes {
    mean: Vec<f32>,
    coded: Coded,
}

/// Memory of a search, used again by the next.
#[derive(Debug, Default)]
pub(crate) struct CoarseScratch {
    coded: CodedScratch,
    keys: Vec<f32>,
    found: Vec<Ranked>,
    work: Work,
}

impl Coarse {
    /// Takes centroids of floats.
    pub(crate) fn new(centroids: Vectors) -> Self {
        let codes = (centroids.len() >= CODES_MIN).then(|| Codes::new(&centroids));
        Self { centroids, codes }
    }

    /// The centroids.
    pub(crate) fn centroids(&self) -> &Vectors {
        &self.centroids
    }

    /// A centroid's values.
    pub(crate) fn centroid(&self, list: u32, out: &mut [f32]) {
        floats::decode(ElementType::F32, self.centroids.row(list), out);
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        let codes = self.codes.as_ref().map_or(0, |codes| {
            codes.coded.blocks.words().bytes().len()
                + codes.coded.codec.bytes()
                + size_of_val(&codes.mean[..])
        });
        self.centroids.bytes().len() + codes
    }

    /// The `count` nearest centroids, nearest first, left in the scratch; if not
    /// all are asked for, one may be missed that is hardly nearer.
    pub(crate) fn nearest<'a>(
        &self,
        query: &[f32],
        count: usize,
        scratch: &'a mut CoarseScratch,
    ) -> &'a [Ranked] {
        self.find(query, count, PROBING_DEVIATIONS, scratch)
    }

    fn find<'a>(
        &self,
        query: &[f32],
        count: usize,
        deviations: f32,
        scratch: &'a mut CoarseScratch,
    ) -> &'a [Ranked] {
        let CoarseScratch { coded, keys, found, work } = scratch;
        coded.begin(count);
        match &self.codes {
            Some(codes) if count < self.centroids.len() as usize / 4 => {
                let wanted = Wanted {
                    vectors: &self.centroids,
                    query: query.as_bytes(),
                    allowed: None,
                    within: f32::INFINITY,
                    certainty: Certainty::Deviations(deviations),
                };
                codes.coded.codec.prepare(query, &codes.mean, coded);
                codes.coded.scan(&codes.part(query, &self.centroids), &wanted, coded, work);
                coded.compare(&wanted, work);
            }
            Some(_) | None => {
                keys.resize(self.centroids.len() as usize, 0.0);
                self.centroids.comparer().keys(query.as_bytes(), self.centroids.bytes(), keys);
                for (list, key) in (0..).zip(&*keys) {
                    coded.top.push(*key, list);
                }
            }
        }
        coded.top.drain_sorted(found);
        found
    }

    /// Calls `found` with the place and the nearest centroid of each row.
    pub(crate) fn nearest_of_many(
        &self,
        rows: &[f32],
        scratch: &mut CoarseScratch,
        mut found: impl FnMut(usize, Ranked),
    ) {
        let dim = self.centroids.vector_type().dim();
        let nothing = Ranked::new(f32::INFINITY, 0);
        if self.codes.is_some() {
            for (at, row) in rows.chunks_exact(dim).enumerate() {
                let nearest = self.find(row, 1, DEVIATIONS, scratch).first();
                found(at, nearest.copied().unwrap_or(nothing));
            }
            return;
        }
        let count = self.centroids.len() as usize;
        for (tile, rows) in rows.chunks(TILE_ROWS * dim).enumerate() {
            let keys = &mut scratch.keys;
            keys.resize(rows.len() / dim * count, 0.0);
            self.centroids.comparer().keys_many(rows.as_bytes(), self.centroids.bytes(), keys);
            for (at, keys) in keys.chunks_exact(count.max(1)).enumerate() {
                let nearest = (0..).zip(keys).map(|(list, key)| Ranked::new(*key, list)).min();
                found(tile * TILE_ROWS + at, nearest.unwrap_or(nothing));
            }
        }
    }
}

impl Codes {
    fn new(centroids: &Vectors) -> Self {
        let dim = centroids.vector_type().dim();
        let mean = origin(centroids);
        let codec = Codec::Rabitq(Rabitq::new(dim, 1, SEED));
        let layout = codec.layout(0);
        let lists: Vec<u32> = (0..centroids.len()).collect();
        let words = Words::filled(block_count(lists.len()) * layout.words(), |words| {
            Encoder::new(&codec, centroids).list(&lists, &mean, &mean, words);
        });
        let blocks = Blocks::new(words, layout).expect("as many words as the blocks take");
        Self { mean, coded: Coded { codec, blocks } }
    }

    fn part(&self, query: &[f32], centroids: &Vectors) -> Part {
        let rows = centroids.len() as usize;
        let blocks = 0..self.coded.blocks.len();
        let (base, reach) = terms(centroids.vector_type().metric(), query, &self.mean);
        Part { blocks, rows, base, reach }
    }
}

/// What queries are seen from: the mean of the centroids, which makes their
/// tables finer; of products zeros, as their queries need not lie among the rows.
pub(crate) fn origin(centroids: &Vectors) -> Vec<f32> {
    let dim = centroids.vector_type().dim();
    let (mut mean, mut values) = (vec![0.0; dim], vec![0.0; dim]);
    if centroids.vector_type().metric() == Metric::InnerProduct {
        return mean;
    }
    let share = (centroids.len().max(1) as f32).recip();
    for list in 0..centroids.len() {
        floats::decode(ElementType::F32, centroids.row(list), &mut values);
        mean.iter_mut().zip(&values).for_each(|(mean, value)| *mean += value * share);
    }
    mean
}

/// What all rows around a center have in common: its term of their keys, and the
/// length that goes with the errors of their codes.
pub(crate) fn terms(metric: Metric, query: &[f32], center: &[f32]) -> (f32, f32) {
    let pairs = || query.iter().zip(center);
    let distance: f32 = pairs().map(|(a, b)| (a - b) * (a - b)).sum();
    let product: f32 = pairs().map(|(a, b)| a * b).sum();
    match metric {
        Metric::L2 | Metric::Hamming | Metric::Jaccard => (distance, distance.sqrt()),
        Metric::Cosine => (-product, distance.sqrt()),
        Metric::InnerProduct => (-product, query.iter().map(|a| a * a).sum::<f32>().sqrt()),
    }
}
