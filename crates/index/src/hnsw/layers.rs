//! The layers of a graph: flat arrays of links.

use bytes::Bytes;
use vicinal_distance::prefetch;
use zerocopy::{FromBytes, IntoBytes};

/// Ends a vertex's links that are fewer than its layer's degree.
pub(super) const NONE: u32 = u32::MAX;

/// Layers above the ground: with `m` = 2, the sixteenth holds one row in 65,536,
/// few enough to walk through.
pub(super) const LAYERS_MAX: usize = 16;

/// Little-endian words, aligned to be read as they lie.
#[derive(Clone, Debug)]
pub(super) struct Words(Bytes);

/// Where a layer above the ground lies among the words of all of them.
///
/// Its vertices are numbered from 0 in ascending order of their rows: such a
/// number is a *slot*.
#[derive(Clone, Copy, Debug)]
pub(super) struct UpperLayer {
    pub(super) count: usize,
    pub(super) start: usize,
}

/// One layer as a search sees it, over words of links that may still change.
pub(super) struct Layer<'a, W, L> {
    links: &'a [W],
    degree: usize,
    /// The row of every slot; on the ground a vertex is its row.
    rows: Option<&'a [u32]>,
    load: L,
}

impl Words {
    /// Takes whole words; copies them only if they are not aligned.
    pub(super) fn new(bytes: Bytes) -> Option<Self> {
        if <[u32]>::ref_from_bytes(&bytes).is_ok() {
            return Some(Self(bytes));
        }
        let (words, rest) = bytes.as_chunks();
        rest.is_empty()
            .then(|| Self::aligned(words.len(), words.iter().map(|word| u32::from_le_bytes(*word))))
    }

    /// Lays `count` words out from the beginning of a cache line on.
    pub(super) fn aligned(count: usize, words: impl Iterator<Item = u32>) -> Self {
        let mut buffer = vec![0u32; count + LINE_WORDS];
        let start = buffer.as_ptr().align_offset(LINE_WORDS * size_of::<u32>()).min(LINE_WORDS);
        for (place, word) in buffer[start..start + count].iter_mut().zip(words) {
            *place = word;
        }
        let bytes = start * size_of::<u32>()..(start + count) * size_of::<u32>();
        Self(Bytes::from_owner(Buffer(buffer)).slice(bytes))
    }

    pub(super) fn get(&self) -> &[u32] {
        <[u32]>::ref_from_bytes(&self.0).expect("both constructors leave aligned whole words")
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.0
    }
}

/// Words of a cache line: a record of links that begins on one spans fewest.
const LINE_WORDS: usize = 16;

struct Buffer(Vec<u32>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl UpperLayer {
    /// Words of a layer: row, slot below and `m` links a vertex.
    pub(super) fn words(count: usize, m: u32) -> usize {
        count * (2 + m as usize)
    }

    /// The row of every slot, ascending.
    pub(super) fn vertices<'a>(&self, words: &'a Words) -> &'a [u32] {
        &words.get()[self.start..self.start + self.count]
    }

    /// The slot in the layer below of every slot; on the first layer its row.
    pub(super) fn below<'a>(&self, words: &'a Words) -> &'a [u32] {
        let start = self.start + self.count;
        &words.get()[start..start + self.count]
    }

    /// `m` slots of this layer a slot.
    pub(super) fn links<'a>(&self, words: &'a Words, m: u32) -> &'a [u32] {
        let start = self.start + 2 * self.count;
        &words.get()[start..start + self.count * m as usize]
    }
}

impl<'a, W, L: Fn(&W) -> u32> Layer<'a, W, L> {
    pub(super) fn new(links: &'a [W], degree: usize, rows: Option<&'a [u32]>, load: L) -> Self {
        Self { links, degree, rows, load }
    }

    /// The vertices that `vertex` links to.
    #[inline]
    pub(super) fn neighbors(&self, vertex: u32) -> impl Iterator<Item = u32> {
        self.record(vertex).iter().map(&self.load).take_while(|&link| link != NONE)
    }

    /// The row of a vertex.
    #[inline]
    pub(super) fn row(&self, vertex: u32) -> u32 {
        self.rows.map_or(vertex, |rows| rows[vertex as usize])
    }

    /// Asks for the links of a vertex before they are read.
    #[inline]
    pub(super) fn prefetch(&self, vertex: u32) {
        prefetch(self.record(vertex));
    }

    #[inline]
    fn record(&self, vertex: u32) -> &'a [W] {
        let start = vertex as usize * self.degree;
        &self.links[start..start + self.degree]
    }
}
