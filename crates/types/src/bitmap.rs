//! A set of row offsets as bits: allowed rows, deleted rows.

/// A fixed-length set of rows; bit `row` of word `row / 64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    /// The empty set over `len` rows.
    pub fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// The full set over `len` rows.
    pub fn full(len: usize) -> Self {
        let mut words = vec![u64::MAX; len.div_ceil(64)];
        if let (Some(last), rest @ 1..) = (words.last_mut(), len % 64) {
            *last = (1 << rest) - 1;
        }
        Self { words, len }
    }

    /// The set whose bits these are, as [`words`](Self::words) gives them; bits past
    /// the end are cleared.
    ///
    /// # Panics
    /// If there are not as many words as `len` rows take.
    pub fn from_words(mut words: Vec<u64>, len: usize) -> Self {
        assert_eq!(words.len(), len.div_ceil(64), "words for {len} rows");
        if let (Some(last), rest @ 1..) = (words.last_mut(), len % 64) {
            *last &= (1 << rest) - 1;
        }
        Self { words, len }
    }

    /// Lets the set range over `len` rows, if it ranges over fewer; the new rows
    /// are in it.
    pub fn extend_full(&mut self, len: usize) {
        let old = self.len;
        if len <= old {
            return;
        }
        let full = Self::full(len);
        let kept = std::mem::replace(self, full);
        for (at, word) in kept.words.into_iter().enumerate() {
            let is_cut = at == old / 64;
            let new_rows = if is_cut { u64::MAX << (old % 64) } else { 0 };
            self.words[at] = word | (self.words[at] & new_rows);
        }
    }

    /// How many rows the set ranges over.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the set ranges over no rows at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many rows are in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether `row` is in the set.
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len).
    #[inline]
    pub fn contains(&self, row: u32) -> bool {
        assert!((row as usize) < self.len, "row {row} of {}", self.len);
        self.words[row as usize / 64] >> (row % 64) & 1 == 1
    }

    /// Adds `row`; says whether it was new.
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len).
    pub fn insert(&mut self, row: u32) -> bool {
        assert!((row as usize) < self.len, "row {row} of {}", self.len);
        let word = &mut self.words[row as usize / 64];
        let was = *word;
        *word |= 1 << (row % 64);
        *word != was
    }

    /// Takes `row` out; says whether it was in.
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len).
    pub fn remove(&mut self, row: u32) -> bool {
        assert!((row as usize) < self.len, "row {row} of {}", self.len);
        let word = &mut self.words[row as usize / 64];
        let was = *word;
        *word &= !(1 << (row % 64));
        *word != was
    }

    /// Adds the rows of another set, each `first` rows further on.
    ///
    /// # Panics
    /// If the other set ends beyond this one.
    pub fn insert_from(&mut self, first: u32, other: &Self) {
        let (first, len) = (first as usize, self.len);
        assert!(first + other.len <= len, "rows {first} and {} more of {len}", other.len);
        let (at, shift) = (first / 64, first % 64);
        for (word_at, &word) in (at..).zip(&other.words) {
            self.words[word_at] |= word << shift;
            if shift > 0 && word >> (64 - shift) != 0 {
                self.words[word_at + 1] |= word >> (64 - shift);
            }
        }
    }

    /// Takes out the rows that `other` does not have.
    ///
    /// # Panics
    /// If the other set ends before this one.
    pub fn intersect(&mut self, other: &Self) {
        assert!(other.len >= self.len, "{} rows for {}", other.len, self.len);
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= other);
    }

    /// The bits, 64 rows a word, lowest row first; bits past the end are zero.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The rows of the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..).zip(&self.words).flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(at * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Bitmap;

    #[test]
    fn full_holds_every_row_and_no_more() {
        for len in [0, 1, 63, 64, 65, 130] {
            let full = Bitmap::full(len);
            assert_eq!(full.count(), len);
            assert_eq!(full.iter().count(), len);
        }
    }

    #[test]
    fn words_make_the_set_they_came_from() {
        let mut set = Bitmap::full(70);
        set.remove(3);
        assert_eq!(Bitmap::from_words(set.words().to_vec(), 70), set);
        assert_eq!(Bitmap::from_words(vec![u64::MAX, u64::MAX], 70), Bitmap::full(70));
    }

    #[test]
    fn extending_keeps_what_is_out() {
        let mut set = Bitmap::full(70);
        set.remove(3);
        set.remove(69);
        set.extend_full(200);
        assert_eq!((set.len(), set.count()), (200, 198));
        assert!(!set.contains(69) && set.contains(70) && set.contains(199));
    }

    #[test]
    fn sets_are_put_together_wherever_they_begin() {
        let rows = |set: &Bitmap| set.iter().collect::<Vec<_>>();
        for first in [0, 1, 63, 64, 65, 127] {
            let part = Bitmap::from_words(vec![1 << 63 | 1, 0b101], 67);
            let mut set = Bitmap::new(first as usize + 67);
            set.insert_from(first, &part);
            assert_eq!(rows(&set), [0, 63, 64, 66].map(|row| row + first));
        }
        let mut set = Bitmap::full(70);
        set.intersect(&Bitmap::from_words(vec![0b1001, 1 << 5, 1], 129));
        assert_eq!(rows(&set), [0, 3, 69]);
    }

    #[test]
    fn insert_and_remove_say_what_changed() {
        let mut set = Bitmap::new(130);
        assert!(set.insert(129));
        assert!(!set.insert(129));
        assert!(set.contains(129));
        assert_eq!(set.iter().collect::<Vec<_>>(), [129]);
        assert!(set.remove(129));
        assert!(!set.remove(129));
    }
}
