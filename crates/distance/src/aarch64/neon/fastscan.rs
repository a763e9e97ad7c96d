//! Block scans over 4-bit codes with NEON.
//!
//! Plainly: sums[lane] += table[code of the lane], group by group. The table of a
//! group is one register, and one instruction looks up sixteen lanes of it.

use super::load_bytes;
use std::arch::aarch64::*;

/// Groups summed in 16 bits.
const STRETCH_GROUPS: usize = 256;
const _: () = assert!(STRETCH_GROUPS * 255 <= u16::MAX as usize, "sums fit 16 bits");

#[target_feature(enable = "neon")]
pub(super) fn fastscan(codes: &[u8], tables: &[u8], sums: &mut [u32; 32]) {
    let (codes, tables) = (codes.as_chunks::<16>().0, tables.as_chunks::<16>().0);
    let mut totals = [vdupq_n_u32(0); 8];
    for (codes, tables) in codes.chunks(STRETCH_GROUPS).zip(tables.chunks(STRETCH_GROUPS)) {
        let mut parts = [vdupq_n_u16(0); 4];
        for (codes, table) in codes.iter().zip(tables) {
            let (codes, table) = (load_bytes(codes), load_bytes(table));
            let low = vqtbl1q_u8(table, vandq_u8(codes, vdupq_n_u8(15)));
            let high = vqtbl1q_u8(table, vshrq_n_u8::<4>(codes));
            parts[0] = vaddw_u8(parts[0], vget_low_u8(low));
            parts[1] = vaddw_high_u8(parts[1], low);
            parts[2] = vaddw_u8(parts[2], vget_low_u8(high));
            parts[3] = vaddw_high_u8(parts[3], high);
        }
        for (totals, part) in totals.as_chunks_mut::<2>().0.iter_mut().zip(parts) {
            totals[0] = vaddw_u16(totals[0], vget_low_u16(part));
            totals[1] = vaddw_high_u16(totals[1], part);
        }
    }
    for (total, out) in totals.into_iter().zip(sums.as_chunks_mut::<4>().0) {
        // SAFETY: the chunk has room for four sums.
        unsafe { vst1q_u32(out.as_mut_ptr(), total) };
    }
}
