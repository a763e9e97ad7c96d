//! Rows whose vectors are equal byte for byte.
//!
//! One of each group, the lowest row, is the vertex; the others are its copies.

use super::layers::Words;
use crate::Vectors;
use rayon::prelude::*;
use vicinal_types::Bitmap;
use xxhash_rust::xxh3::xxh3_64;

/// The copies of every vertex that has some.
#[derive(Clone, Debug)]
pub(crate) struct Duplicates {
    /// The vertex of every copy, ascending; then the copies' rows, ascending
    /// for each vertex.
    words: Words,
    /// The vertices that have copies, when there are any.
    vertices: Option<Bitmap>,
    /// The copies.
    copies: Option<Bitmap>,
}

impl Duplicates {
    /// Finds equal rows: by hash first, then byte for byte. Runs on the pool it
    /// is called in.
    pub(crate) fn find(vectors: &Vectors) -> Self {
        let mut hashed: Vec<(u64, u32)> = (0..vectors.len())
            .into_par_iter()
            .map(|row| (xxh3_64(vectors.row(row)), row))
            .collect();
        hashed.par_sort_unstable();
        let mut pairs = Vec::new();
        for group in hashed.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            let mut vertices: Vec<u32> = Vec::new();
            for &(_, row) in group {
                let equal = |vertex: &&u32| vectors.row(**vertex) == vectors.row(row);
                match vertices.iter().find(equal) {
                    Some(&vertex) => pairs.push((vertex, row)),
                    None => vertices.push(row),
                }
            }
        }
        pairs.sort_unstable();
        let words = pairs.iter().map(|pair| pair.0).chain(pairs.iter().map(|pair| pair.1));
        Self::new(Words::aligned(2 * pairs.len(), words), vectors.len())
    }

    /// Takes checked words: every row below `rows`.
    pub(crate) fn new(words: Words, rows: u32) -> Self {
        let mut this = Self { words, vertices: None, copies: None };
        let (vertices, copies) = this.halves();
        if !vertices.is_empty() {
            let bits = |members: &[u32]| {
                let mut bits = Bitmap::new(rows as usize);
                members.iter().for_each(|&row| _ = bits.insert(row));
                Some(bits)
            };
            (this.vertices, this.copies) = (bits(vertices), bits(copies));
        }
        this
    }

    /// A vertex and its copies.
    pub(crate) fn with_copies(&self, vertex: u32) -> impl Iterator<Item = u32> {
        std::iter::once(vertex).chain(self.of(vertex).iter().copied())
    }

    /// How many rows are copies.
    pub(crate) fn len(&self) -> usize {
        self.halves().0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The other rows that have the vertex's vector.
    #[inline]
    pub(crate) fn of(&self, vertex: u32) -> &[u32] {
        if self.vertices.as_ref().is_none_or(|vertices| !vertices.contains(vertex)) {
            return &[];
        }
        let (vertices, copies) = self.halves();
        let start = vertices.partition_point(|&other| other < vertex);
        let end = vertices.partition_point(|&other| other <= vertex);
        &copies[start..end]
    }

    /// Whether a row has another row's vertex.
    pub(crate) fn is_duplicate(&self, row: u32) -> bool {
        self.copies.as_ref().is_some_and(|copies| copies.contains(row))
    }

    pub(crate) fn words(&self) -> &Words {
        &self.words
    }

    pub(crate) fn bytes(&self) -> usize {
        let bits = [&self.vertices, &self.copies].into_iter().flatten();
        self.words.bytes().len() + bits.map(|bits| size_of_val(bits.words())).sum::<usize>()
    }

    fn halves(&self) -> (&[u32], &[u32]) {
        let words = self.words.get();
        words.split_at(words.len() / 2)
    }
}
