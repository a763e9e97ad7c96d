//! The layers of a graph: flat arrays of links.

use super::rows::Rows;
use super::walk::Walk;
use crate::Work;
use bytes::Bytes;
use vicinal_distance::prefetch;
use zerocopy::{FromBytes, IntoBytes};

/// Ends a vertex's links that are fewer than its layer's degree.
pub(crate) const NONE: u32 = u32::MAX;

/// Layers above the ground: with `m` = 2, the sixteenth holds one row in 65,536,
/// few enough to walk through.
pub(crate) const LAYERS_MAX: usize = 16;

/// Little-endian words, aligned to be read as they lie.
#[derive(Clone, Debug)]
pub(crate) struct Words(Bytes);

/// Where a layer above the ground lies among the words of all of them.
///
/// Its vertices are numbered from 0 in ascending order of their rows: such a
/// number is a *slot*.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpperLayer {
    pub(crate) count: usize,
    pub(crate) start: usize,
}

/// The layers above the ground, and where every search begins.
#[derive(Clone, Debug)]
pub(crate) struct Tower {
    /// Links of a vertex.
    pub(crate) m: u32,
    /// A slot of the top layer; a vertex of the ground if there is none.
    pub(crate) entry: u32,
    pub(crate) words: Words,
    /// Layer 1 first.
    pub(crate) layers: Vec<UpperLayer>,
}

/// Where a walk can go from a vertex.
///
/// The vertices linked to are those of one layer, whose row never changes;
/// links may change while they are read.
pub(crate) trait Links {
    /// The vertices that `vertex` links to. A walk asks once a vertex expanded.
    fn neighbors(&self, vertex: u32) -> impl Iterator<Item = u32>;

    /// The row of a vertex, by which it is compared.
    fn row(&self, vertex: u32) -> u32;

    /// Asks for the links of a vertex before they are read.
    fn prefetch(&self, vertex: u32);
}

/// One layer as a search sees it, over words of links that may still change.
pub(crate) struct Layer<'a, W, L> {
    links: &'a [W],
    degree: usize,
    /// The row of every slot; on the ground a vertex is its row.
    rows: Option<&'a [u32]>,
    load: L,
}

impl Words {
    /// Takes whole words; copies them only if they are not aligned.
    pub(crate) fn new(bytes: Bytes) -> Option<Self> {
        if <[u32]>::ref_from_bytes(&bytes).is_ok() {
            return Some(Self(bytes));
        }
        let (words, rest) = bytes.as_chunks();
        rest.is_empty()
            .then(|| Self::aligned(words.len(), words.iter().map(|word| u32::from_le_bytes(*word))))
    }

    /// Lays `count` words out from the beginning of a cache line on.
    pub(crate) fn aligned(count: usize, words: impl Iterator<Item = u32>) -> Self {
        Self::filled(count, LINE_WORDS, |places| {
            for (place, word) in places.iter_mut().zip(words) {
                *place = word;
            }
        })
    }

    /// Lays `count` words out from a multiple of `align` words on, zero before
    /// `fill` writes them.
    pub(crate) fn filled(count: usize, align: usize, fill: impl FnOnce(&mut [u32])) -> Self {
        let mut buffer = vec![0u32; count + align];
        let start = buffer.as_ptr().align_offset(align * size_of::<u32>()).min(align);
        fill(&mut buffer[start..start + count]);
        let bytes = start * size_of::<u32>()..(start + count) * size_of::<u32>();
        Self(Bytes::from_owner(Buffer(buffer)).slice(bytes))
    }

    /// Records of `record` words each, some of them, in another order.
    pub(crate) fn gathered(&self, order: &[u32], record: usize) -> Self {
        let words = order.iter().flat_map(|&at| &self.get()[at as usize * record..][..record]);
        Self::aligned(order.len() * record, words.copied())
    }

    pub(crate) fn get(&self) -> &[u32] {
        <[u32]>::ref_from_bytes(&self.0).expect("both constructors leave aligned whole words")
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }
}

/// Words of a cache line: a record of links that begins on one spans fewest.
pub(crate) const LINE_WORDS: usize = 16;

/// Words of a page.
pub(crate) const PAGE_WORDS: usize = 1_024;

struct Buffer(Vec<u32>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl UpperLayer {
    /// Words of a layer: row, slot below and `m` links a vertex.
    pub(crate) fn words(count: usize, m: u32) -> usize {
        count * (2 + m as usize)
    }

    /// The row of every slot, ascending.
    pub(crate) fn vertices<'a>(&self, words: &'a Words) -> &'a [u32] {
        &words.get()[self.start..self.start + self.count]
    }

    /// The slot in the layer below of every slot; on the first layer its row.
    pub(crate) fn below<'a>(&self, words: &'a Words) -> &'a [u32] {
        let start = self.start + self.count;
        &words.get()[start..start + self.count]
    }

    /// `m` slots of this layer a slot.
    pub(crate) fn links<'a>(&self, words: &'a Words, m: u32) -> &'a [u32] {
        let start = self.start + 2 * self.count;
        &words.get()[start..start + self.count * m as usize]
    }
}

impl Tower {
    /// Walks down to the ground; the vertex arrived at, and the entry's own, from
    /// which every vertex can be reached, if that is another.
    pub(crate) fn descend<R: Rows>(
        &self,
        walk: &Walk<'_, R>,
        work: &mut Work,
    ) -> ([u32; 2], usize) {
        let (mut nearest, mut entry) = (self.entry, self.entry);
        for layer in self.layers.iter().rev() {
            let below = layer.below(&self.words);
            let vertices = layer.vertices(&self.words);
            let links = layer.links(&self.words, self.m);
            let view = Layer::new(links, self.m as usize, Some(vertices), |link: &u32| *link);
            nearest = below[walk.greedy(&view, nearest, work) as usize];
            entry = below[entry as usize];
        }
        ([nearest, entry], if nearest == entry { 1 } else { 2 })
    }

    /// The entry's vertex on the ground.
    pub(crate) fn ground_entry(&self) -> u32 {
        let layers = self.layers.iter().rev();
        layers.fold(self.entry, |slot, layer| layer.below(&self.words)[slot as usize])
    }
}

impl<'a, W, L: Fn(&W) -> u32> Layer<'a, W, L> {
    pub(crate) fn new(links: &'a [W], degree: usize, rows: Option<&'a [u32]>, load: L) -> Self {
        Self { links, degree, rows, load }
    }

    #[inline]
    fn record(&self, vertex: u32) -> &'a [W] {
        let start = vertex as usize * self.degree;
        &self.links[start..start + self.degree]
    }
}

impl<W, L: Fn(&W) -> u32> Links for Layer<'_, W, L> {
    #[inline]
    fn neighbors(&self, vertex: u32) -> impl Iterator<Item = u32> {
        self.record(vertex).iter().map(&self.load).take_while(|&link| link != NONE)
    }

    #[inline]
    fn row(&self, vertex: u32) -> u32 {
        self.rows.map_or(vertex, |rows| rows[vertex as usize])
    }

    #[inline]
    fn prefetch(&self, vertex: u32) {
        prefetch(self.record(vertex));
    }
}
