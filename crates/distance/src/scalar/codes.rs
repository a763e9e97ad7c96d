//! Comparing quantised codes one by one: the definition.

pub(crate) fn l2_u4(a: &[u8], b: &[u8]) -> f32 {
    nibbles(a, b).map(|(a, b)| (a - b).pow(2)).sum::<i32>() as f32
}

pub(crate) fn dot_u4(a: &[u8], b: &[u8]) -> f32 {
    nibbles(a, b).map(|(a, b)| a * b).sum::<i32>() as f32
}

fn nibbles(a: &[u8], b: &[u8]) -> impl Iterator<Item = (i32, i32)> {
    let both = a.iter().zip(b);
    both.flat_map(|(a, b)| [(a & 15, b & 15), (a >> 4, b >> 4)])
        .map(|(a, b)| (i32::from(a), i32::from(b)))
}

pub(crate) fn jaccard(a: &[u8], b: &[u8]) -> f32 {
    let (common, either) = a.iter().zip(b).fold((0, 0), |(common, either), (a, b)| {
        (common + (a & b).count_ones(), either + (a | b).count_ones())
    });
    jaccard_distance(common, either)
}

/// From the numbers of bits in both and in either.
pub(crate) fn jaccard_distance(common: u32, either: u32) -> f32 {
    if either == 0 { 0.0 } else { 1.0 - common as f32 / either as f32 }
}

pub(crate) fn bit_dot(planes: &[u8], code: &[u8]) -> u32 {
    let mut sum = 0;
    for (weight, plane) in planes.chunks_exact(code.len().max(1)).enumerate() {
        let bits: u32 = plane.iter().zip(code).map(|(a, b)| (a & b).count_ones()).sum();
        sum += bits << weight;
    }
    sum
}

pub(crate) fn bit_dot_rows(
    planes: &[u8],
    (records, record_bytes): (&[u8], usize),
    rows: &[u32],
    out: &mut [u32],
) {
    let len = planes.len() / 4;
    for (&row, out) in rows.iter().zip(out) {
        *out = bit_dot(planes, &records[row as usize * record_bytes..][..len]);
    }
}

/// Every instruction set uses this one: gathering sixteen entries at once takes
/// 1.1 (96 parts) to 2 (16 parts) times as long on Zen 4.
pub(crate) fn table_sum(tables: &[f32], codes: &[u8]) -> f32 {
    let tables = tables.as_chunks::<256>().0;
    tables.iter().zip(codes).fold(0.0, |sum, (table, code)| sum + table[usize::from(*code)])
}

pub(crate) fn table_sum_rows(tables: &[f32], codes: &[u8], out: &mut [f32]) {
    for (codes, out) in codes.chunks_exact(tables.len() / 256).zip(out) {
        *out = table_sum(tables, codes);
    }
}
