//! Code kernels: every table against the plain loops.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_table_scans_blocks_alike(
        (codes, tables) in (0..=20usize).prop_flat_map(|fours| {
            (vec(any::<u8>(), 64 * fours + 1), vec(any::<u8>(), 64 * fours + 3))
        }),
    ) {
        check_fastscan(&codes[1..], &tables[3..]);
    }

    #[test]
    fn every_table_has_the_same_least_keys(
        sums in vec(0_u32..1 << 31, 32),
        columns in vec(prop_oneof![9 => -1e3f32..1e3, 1 => special()], 96),
        (base, step, offset) in (-1e3f32..1e3, 0f32..1e-3, -1e3f32..1e3),
        (reach, bound) in (0f32..10.0, prop_oneof![9 => -1e3f32..1e6, 1 => special()]),
    ) {
        let sums = <[u32; 32]>::try_from(sums).expect("32 lanes");
        let [biases, scales, errors] = columns.as_chunks::<32>().0 else { panic!("three columns") };
        let facts = Facts { biases, scales, errors, base, step, offset, reach, bound };
        let key = |lane: usize| {
            let near = base + biases[lane] + scales[lane] * (step * sums[lane] as f32 + offset);
            near - reach * errors[lane]
        };
        let expected = std::array::from_fn::<f32, 32, _>(key);
        for kernels in available() {
            let mut found = [f32::NAN; 32];
            let passing = kernels.least_keys(&sums, &facts, &mut found);
            assert_eq!(bits(&found), bits(&expected), "{kernels:?}");
            for (lane, key) in found.iter().enumerate() {
                assert_eq!(passing >> lane & 1 == 1, *key <= bound, "{kernels:?}: {key}");
            }
        }
    }

    #[test]
    fn every_table_sums_subsets_alike(
        values in vec(prop_oneof![9 => -1e3f32..1e3, 1 => special()], 0..=130),
    ) {
        let values = &values[values.len() % 4..];
        let mut expected = vec![f32::NAN; 4 * values.len()];
        for (at, sum) in expected.iter_mut().enumerate() {
            let subset = (0..4).filter(|bit| at >> bit & 1 == 1).map(|bit| values[at / 16 * 4 + bit]);
            *sum = subset.fold(0.0, |sum, value| sum + value);
        }
        for kernels in available() {
            let mut found = vec![f32::NAN; 4 * values.len()];
            kernels.subset_sums(values, &mut found);
            assert_eq!(bits(&found), bits(&expected), "{kernels:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_table_compares_nibbles_exactly(pair in pair(any::<u8>())) {
        let (a, b) = halves(&pair);
        let levels = |code: &[u8]| code.iter().flat_map(|byte| [byte & 15, byte >> 4]).map(i64::from).collect::<Vec<_>>();
        let pairs = levels(a).into_iter().zip(levels(b));
        let l2: i64 = pairs.clone().map(|(a, b)| (a - b).pow(2)).sum();
        let dot: i64 = pairs.map(|(a, b)| a * b).sum();
        for kernels in available() {
            assert_eq!(kernels.l2_u4(a, b), rounded(l2), "{kernels:?}");
            assert_eq!(kernels.dot_u4(a, b), rounded(dot), "{kernels:?}");
        }
    }

    #[test]
    fn every_table_has_one_jaccard_distance(pair in pair(prop_oneof![any::<u8>(), Just(0)])) {
        let (a, b) = halves(&pair);
        let count = |join: fn(u8, u8) -> u8| a.iter().zip(b).map(|(&a, &b)| join(a, b).count_ones()).sum::<u32>();
        let (common, either) = (count(|a, b| a & b), count(|a, b| a | b));
        let expected = if either == 0 { 0.0 } else { 1.0 - common as f32 / either as f32 };
        for kernels in available() {
            assert_eq!(kernels.jaccard(a, b), expected, "{kernels:?}");
        }
    }

    #[test]
    fn every_table_multiplies_bit_planes_alike(
        (len, skip, buffer) in (0..=130usize, 0..4usize, vec(any::<u8>(), 5 * 130 + 4)),
    ) {
        let (planes, code) = buffer[skip..][..5 * len].split_at(4 * len);
        let bit = |bytes: &[u8], at: usize| u32::from(bytes[at / 8] >> (at % 8) & 1);
        let level = |at| (0..4).map(|plane| bit(&planes[plane * len..], at) << plane).sum::<u32>();
        let expected: u32 = (0..8 * len).map(|at| level(at) * bit(code, at)).sum();
        for kernels in available() {
            assert_eq!(kernels.bit_dot(planes, code), expected, "{kernels:?}");
        }
    }

    #[test]
    fn every_table_sums_entries_within_rounding(code in vec(any::<u8>(), 0..=70)) {
        let tables: Vec<f32> = (0..256 * code.len()).map(|at| (at * 7919 % 1000) as f32 / 7.0 - 50.0).collect();
        let chosen = || code.iter().enumerate().map(|(part, &code)| f64::from(tables[256 * part + usize::from(code)]));
        for kernels in available() {
            let found = kernels.table_sum(&tables, &code);
            assert_within_rounding(found, chosen().sum(), chosen().map(f64::abs).sum(), code.len());
        }
    }

    /// Sixteen bytes have a way of their own.
    #[test]
    fn rows_of_codes_are_compared_like_each(
        (len, count, bytes) in (prop_oneof![Just(16usize), 1..=70usize], 0..=9usize, vec(any::<u8>(), 70 * 13)),
    ) {
        let (planes, codes) = bytes[..len * (4 + count)].split_at(4 * len);
        let query = &planes[..len];
        let tables: Vec<f32> = (0..256 * len).map(|at| (at * 7919 % 1000) as f32).collect();
        for kernels in available() {
            let (mut floats, mut whole) = (vec![f32::NAN; count], vec![u32::MAX; count]);
            let mut check = |each: &dyn Fn(&[u8]) -> f32, rows: &dyn Fn(&mut [f32])| {
                rows(&mut floats);
                assert_eq!(floats, codes.chunks(len).map(each).collect::<Vec<_>>(), "{kernels:?}");
            };
            check(&|code| kernels.l2_u4(query, code), &|out| kernels.l2_u4_rows(query, codes, out));
            check(&|code| kernels.dot_u4(query, code), &|out| kernels.dot_u4_rows(query, codes, out));
            check(&|code| kernels.table_sum(&tables, code), &|out| kernels.table_sum_rows(&tables, codes, out));
            let mut rows: Vec<u32> = (0..).take(count).collect();
            rows.reverse();
            kernels.bit_dot_rows(planes, (codes, len), &rows, &mut whole);
            let code = |row: &u32| &codes[*row as usize * len..][..len];
            let each: Vec<_> = rows.iter().map(|row| kernels.bit_dot(planes, code(row))).collect();
            assert_eq!(whole, each, "{kernels:?}");
            // The codes at the beginnings of records that are one byte longer.
            let fit = codes.len() / (len + 1);
            let rows: Vec<u32> = (0..).take(fit).collect();
            kernels.bit_dot_rows(planes, (codes, len + 1), &rows, &mut whole[..fit]);
            let each: Vec<_> = codes.chunks_exact(len + 1).map(|record| kernels.bit_dot(planes, &record[..len])).collect();
            whole.truncate(fit);
            assert_eq!(whole, each, "{kernels:?}");
        }
    }
}

#[test]
fn the_longest_codes_do_not_overflow() {
    let (zeros, ones) = (vec![0; 32_768], vec![255; 4 * 32_768]);
    for kernels in available() {
        assert_eq!(kernels.l2_u4(&zeros, &ones[..32_768]), 225.0 * 65_536.0, "{kernels:?}");
        assert_eq!(
            kernels.dot_u4(&ones[..32_768], &ones[..32_768]),
            225.0 * 65_536.0,
            "{kernels:?}"
        );
        assert_eq!(kernels.bit_dot(&ones, &ones[..32_768]), 15 * 8 * 32_768, "{kernels:?}");
    }
}

fn check_fastscan(codes: &[u8], tables: &[u8]) {
    let mut expected = [0u32; 32];
    for (group, table) in tables.chunks(16).enumerate() {
        for (lane, sum) in expected.iter_mut().enumerate() {
            let nibble = codes[16 * group + lane % 16] >> (lane / 16 * 4) & 15;
            *sum += u32::from(table[usize::from(nibble)]);
        }
    }
    for kernels in available() {
        let mut found = [u32::MAX; 32];
        kernels.fastscan(codes, tables, &mut found);
        assert_eq!(found, expected, "{kernels:?}");
    }
}

#[test]
fn long_blocks_of_the_largest_entries_do_not_overflow() {
    for groups in [4, 252, 256, 260, 512, 1020, 1024, 1028, 4100, 8192] {
        check_fastscan(&vec![0x5f; 16 * groups], &vec![255; 16 * groups]);
    }
}

#[test]
#[should_panic(expected = "groups come in fours")]
fn a_block_of_two_groups_is_refused() {
    scalar::KERNELS.fastscan(&[0; 32], &[0; 32], &mut [0; 32]);
}

#[test]
#[should_panic(expected = "sixteen subsets")]
fn subset_sums_without_room_are_refused() {
    scalar::KERNELS.subset_sums(&[0.0; 4], &mut [0.0; 15]);
}
