//! Block scans over 4-bit codes: the definition.

use crate::kernels::Facts;

pub(crate) fn fastscan(codes: &[u8], tables: &[u8], sums: &mut [u32; 32]) {
    *sums = [0; 32];
    for (codes, table) in codes.as_chunks::<16>().0.iter().zip(tables.as_chunks::<16>().0) {
        for (lane, code) in codes.iter().enumerate() {
            sums[lane] += u32::from(table[usize::from(code & 15)]);
            sums[lane + 16] += u32::from(table[usize::from(code >> 4)]);
        }
    }
}

/// Products are rounded before they are added, on every instruction set.
pub(crate) fn least_keys(sums: &[u32; 32], facts: &Facts<'_>, keys: &mut [f32; 32]) -> u32 {
    let mut passing = 0;
    for lane in 0..32 {
        let sum = facts.step * sums[lane].cast_signed() as f32 + facts.offset;
        let near = facts.base + facts.biases[lane] + facts.scales[lane] * sum;
        keys[lane] = near - facts.reach * facts.errors[lane];
        passing |= u32::from(keys[lane] <= facts.bound) << lane;
    }
    passing
}

/// The sums are made one value at a time, lowest first, on every instruction
/// set, and are therefore the same on each.
pub(crate) fn subset_sums(values: &[f32], out: &mut [f32]) {
    for (values, out) in values.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<16>().0) {
        *out = [0.0; 16];
        for (bit, value) in values.iter().enumerate() {
            for entry in 0..1 << bit {
                out[entry | 1 << bit] = out[entry] + value;
            }
        }
    }
}
