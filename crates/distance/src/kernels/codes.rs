//! Kernels over quantised codes.

use super::Kernels;

/// What [`Kernels::least_keys`] makes keys with.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What a lane's key begins with, beside `base`.
    pub biases: &'a [f32; 32],
    /// What a lane's sum counts.
    pub scales: &'a [f32; 32],
    /// How far off a lane's key is.
    pub errors: &'a [f32; 32],
    /// The key that all lanes begin with.
    pub base: f32,
    /// What sums are multiplied with first.
    pub step: f32,
    /// What is added to them then.
    pub offset: f32,
    /// How much of the errors is subtracted.
    pub reach: f32,
    /// Keys up to this are counted in.
    pub bound: f32,
}

impl Kernels {
    /// Sums up table entries for a block of 32 codes of four bits a group.
    ///
    /// A group is 16 bytes of `codes`, whose byte j holds lane j in its low half
    /// and lane j + 16 in its high half, and 16 entries of `tables`. Afterwards
    /// `sums[lane]` is the sum of `table[code of the lane]` over all groups.
    ///
    /// # Panics
    /// If `codes` and `tables` differ in length, or their length is not a
    /// multiple of 64 (four groups).
    #[inline]
    pub fn fastscan(&self, codes: &[u8], tables: &[u8], sums: &mut [u32; 32]) {
        assert_eq!(codes.len(), tables.len(), "each group has 16 bytes of codes and of tables");
        assert!(codes.len().is_multiple_of(64), "groups come in fours");
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.fastscan)(codes, tables, sums) }
    }

    /// Turns the sums of 32 lanes into the least keys that their rows may have:
    /// `keys[lane] = base + biases[lane] + scales[lane] · (step · sums[lane] +
    /// offset) - reach · errors[lane]`. The bits of the answer are the lanes whose
    /// key is at most `bound`. Sums must be below 2^31. The same on every
    /// instruction set.
    #[inline]
    pub fn least_keys(&self, sums: &[u32; 32], facts: &Facts<'_>, keys: &mut [f32; 32]) -> u32 {
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.least_keys)(sums, facts, keys) }
    }

    /// For every four values the sums of their sixteen subsets; bit i of an
    /// entry's index says that value i is in. The same on every instruction set.
    ///
    /// # Panics
    /// If the number of values is not a multiple of four or `out` is not four
    /// times as long.
    pub fn subset_sums(&self, values: &[f32], out: &mut [f32]) {
        assert!(values.len().is_multiple_of(4), "values come in fours");
        assert_eq!(out.len(), 4 * values.len(), "four values have sixteen subsets");
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.subset_sums)(values, out) }
    }

    /// [`Self::l2_u4`] of a code and every one of the contiguous `rows`.
    ///
    /// # Panics
    /// If `query` is empty or `rows` does not hold as many codes of its length as
    /// `out` has places.
    #[inline]
    pub fn l2_u4_rows(&self, query: &[u8], rows: &[u8], out: &mut [f32]) {
        check_rows(query.len(), rows.len(), out.len());
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.l2_u4.rows)(query, rows, out) }
    }

    /// [`Self::dot_u4`] of a code and every one of the contiguous `rows`.
    ///
    /// # Panics
    /// If `query` is empty or `rows` does not hold as many codes of its length as
    /// `out` has places.
    #[inline]
    pub fn dot_u4_rows(&self, query: &[u8], rows: &[u8], out: &mut [f32]) {
        check_rows(query.len(), rows.len(), out.len());
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.dot_u4.rows)(query, rows, out) }
    }

    /// The inner product of a 4-bit query and a 1-bit code.
    ///
    /// The query is given as four bit planes behind each other, the lowest bits
    /// first, each as long as the code: the sum over the planes b of 2^b times
    /// the bits that are in the plane and in the code.
    ///
    /// # Panics
    /// If `planes` is not four times as long as `code`.
    #[inline]
    pub fn bit_dot(&self, planes: &[u8], code: &[u8]) -> u32 {
        assert_eq!(planes.len(), 4 * code.len(), "each plane has a bit for each of the code's");
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.bit_dot)(planes, code) }
    }

    /// [`Self::bit_dot`] of a query and the codes at the beginnings of some records of
    /// `record_bytes` bytes.
    ///
    /// # Panics
    /// If `planes` is empty or not four planes, a record is shorter than one, there is no
    /// record of one of the `rows`, or `out` has another length than they.
    #[inline]
    pub fn bit_dot_rows(
        &self,
        planes: &[u8],
        (records, record_bytes): (&[u8], usize),
        rows: &[u32],
        out: &mut [u32],
    ) {
        assert!(!planes.is_empty() && planes.len().is_multiple_of(4), "there are four planes");
        assert!(planes.len() / 4 <= record_bytes, "a record begins with a code");
        assert_eq!(rows.len(), out.len(), "every row has a place for its product");
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.bit_dot_rows)(planes, (records, record_bytes), rows, out) }
    }

    /// The sum of the entries that a code of 8-bit parts chooses from the parts'
    /// tables of 256 entries each.
    ///
    /// # Panics
    /// If `tables` has not 256 entries for each part.
    #[inline]
    pub fn table_sum(&self, tables: &[f32], code: &[u8]) -> f32 {
        assert_eq!(tables.len(), 256 * code.len(), "each part has a table of 256 entries");
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.table_sum)(tables, code) }
    }

    /// [`Self::table_sum`] of every one of the contiguous `codes`.
    ///
    /// # Panics
    /// If `tables` is empty or not whole tables, or `codes` does not hold as many
    /// codes of a part for each table as `out` has places.
    #[inline]
    pub fn table_sum_rows(&self, tables: &[f32], codes: &[u8], out: &mut [f32]) {
        assert!(tables.len().is_multiple_of(256), "each table has 256 entries");
        check_rows(tables.len() / 256, codes.len(), out.len());
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.table_sum_rows)(tables, codes, out) }
    }
}

fn check_rows(row_bytes: usize, rows: usize, count: usize) {
    assert!(row_bytes > 0, "codes have bytes");
    assert_eq!(rows, row_bytes * count, "{count} results take {count} codes of {row_bytes} bytes");
}
