//! Filling the blocks of a list.

use super::blocks::{BlockMut, Factors, LANES};
use super::coded::Codec;
use super::product::dot;
use crate::Vectors;
use crate::quantise::floats;
use vicinal_types::Metric;

/// Codes rows of one source.
pub(crate) struct Encoder<'a> {
    codec: &'a Codec,
    vectors: &'a Vectors,
    vector: Vec<f32>,
    residual: Vec<f32>,
    direction: Vec<f32>,
    rotated: Vec<f32>,
    rotated_direction: Vec<f32>,
    /// The list's center as seen from the origin of queries, rotated.
    shift: Vec<f32>,
    numbers: Vec<u8>,
    decoded: Vec<f32>,
    /// The length of the longest decoded row so far.
    pub(crate) norm_max: f32,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(codec: &'a Codec, vectors: &'a Vectors) -> Self {
        let empty = Vec::new;
        Self {
            codec,
            vectors,
            vector: vec![0.0; vectors.vector_type().dim()],
            residual: empty(),
            direction: empty(),
            rotated: empty(),
            rotated_direction: empty(),
            shift: empty(),
            numbers: Vec::new(),
            decoded: empty(),
            norm_max: 0.0,
        }
    }

    /// Fills the blocks of a list around `center`; tables will be made of queries
    /// minus `origin`.
    pub(crate) fn list(&mut self, rows: &[u32], center: &[f32], origin: &[f32], words: &mut [u32]) {
        let shift: Vec<f32> = center.iter().zip(origin).map(|(a, b)| a - b).collect();
        match self.codec {
            Codec::Rabitq(rabitq) => rabitq.rotate(&shift, &mut self.shift),
            Codec::Product(product) => product.rotate(&shift, &mut self.shift),
            Codec::Rows | Codec::Scalar(_) => {}
        }
        let layout = self.codec.layout(self.vectors.vector_type().row_bytes());
        for (rows, mut block) in rows.chunks(LANES).zip(BlockMut::all(words, layout)) {
            for (lane, &row) in rows.iter().enumerate() {
                block.set_row(lane, row);
                self.row(row, center, &mut block, lane);
            }
        }
    }

    fn row(&mut self, row: u32, center: &[f32], block: &mut BlockMut<'_>, lane: usize) {
        let kind = self.vectors.vector_type();
        if let Codec::Rows = self.codec {
            return block.set_bytes(lane, self.vectors.row(row));
        }
        floats::decode(kind.element(), self.vectors.row(row), &mut self.vector);
        self.residual.clear();
        self.residual.extend(self.vector.iter().zip(center).map(|(value, center)| value - center));
        match self.codec {
            Codec::Rows => return,
            Codec::Scalar(scalar) => {
                let (factors, norm) = scalar.encode(&self.vector, &mut self.numbers);
                self.norm_max = self.norm_max.max(norm);
                block.set_bytes(lane, &self.numbers);
                return block.set_factors(lane, factors);
            }
            Codec::Product(product) => {
                let along = if kind.metric() == Metric::L2 { &self.residual } else { &self.vector };
                unit(along, &mut self.direction);
                product.rotate(&self.direction, &mut self.rotated_direction);
                product.rotate(&self.residual, &mut self.rotated);
                unit(&self.rotated, &mut self.direction);
                let (numbers, decoded) = (&mut self.numbers, &mut self.decoded);
                product.encode(&self.direction, &self.rotated_direction, numbers, decoded);
                product.store(block, lane, &self.numbers);
            }
            Codec::Rabitq(rabitq) => {
                rabitq.rotate(&self.residual, &mut self.rotated);
                rabitq.encode(&self.rotated, &mut self.numbers, &mut self.decoded);
                rabitq.store(block, lane, &self.numbers);
            }
        }
        let of_center = dot(&self.residual, center);
        let pair = Pair { residual: &self.rotated, decoded: &self.decoded };
        block.set_factors(lane, pair.factors(kind.metric(), &self.shift, of_center));
    }
}

/// The vector at unit length, or zeros.
pub(crate) fn unit(vector: &[f32], out: &mut Vec<f32>) {
    let norm = dot(vector, vector).sqrt();
    let scale = if norm > 0.0 { norm.recip() } else { 0.0 };
    out.clear();
    out.extend(vector.iter().map(|value| value * scale));
}

/// A residual and what its code decodes to.
struct Pair<'a> {
    residual: &'a [f32],
    decoded: &'a [f32],
}

impl Pair<'_> {
    /// What the codes leave out.
    ///
    /// With q a query, x = c + r a row, d what its code decodes to, stretched so
    /// that its product with r is right (then estimates are right on average, and
    /// exact where q is x), and o the origin: the squared distance is
    /// |q - c|² + |r|² - 2⟨q - c, r⟩ and so
    /// |q - c|² + (|r|² + 2⟨c - o, d⟩) - 2⟨q - o, d⟩, off by 2⟨q - c, d - r⟩. That
    /// is a random direction's product with a known error, so its standard
    /// deviation is known. Products of unit vectors likewise; of other vectors,
    /// where o is zero, ⟨q, r⟩ is taken to be ⟨q, d⟩.
    fn factors(&self, metric: Metric, shift: &[f32], of_center: f32) -> Factors {
        let product = dot(self.residual, self.decoded);
        let square = dot(self.residual, self.residual);
        let stretch = if product > 0.0 { square / product } else { 0.0 };
        let error = stretch * stretch * dot(self.decoded, self.decoded) - square;
        let error = error.max(0.0).sqrt();
        let others = (self.residual.len().max(2) - 1) as f32;
        let is_usable = stretch > 0.0 && stretch.is_finite() && error.is_finite();
        // The length of a product is at most that of its factors.
        let (stretch, error) =
            if is_usable { (stretch, error) } else { (0.0, (square * others).sqrt()) };
        let of_shift = stretch * dot(shift, self.decoded);
        let (weight, bias) = match metric {
            Metric::L2 | Metric::Hamming | Metric::Jaccard => (2.0, square + 2.0 * of_shift),
            Metric::Cosine => (1.0, of_shift - of_center),
            Metric::InnerProduct => (1.0, 0.0),
        };
        Factors { bias, scale: -weight * stretch, error: weight * error / others.sqrt() }
    }
}
