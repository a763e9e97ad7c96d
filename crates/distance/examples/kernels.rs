//! Measures every kernel of every table on this CPU and prints nanoseconds an
//! operation: `cargo run --release -p vicinal-distance --example kernels`, with
//! part of a kernel's name behind `--` to measure only these.

use half::{bf16, f16};
use std::hint::black_box;
use vicinal_distance::{Comparer, Kernels, available};
use vicinal_types::{ElementType, Metric, VectorType};
use zerocopy::IntoBytes;

/// How long a kernel runs for one figure; the best of [`ROUNDS`] counts.
const ROUND_S: f64 = 500e-6;
const ROUNDS: usize = 60;

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let tables: Vec<_> = available().collect();
    let names: Vec<_> = tables.iter().map(|kernels| kernels.isa().name()).collect();
    line("nanoseconds an operation", "", &names);
    for mut case in cases().into_iter().filter(|case| case.name.contains(&only)) {
        let times: Vec<_> =
            tables.iter().map(|kernels| format!("{:.2}", case.nanoseconds(kernels))).collect();
        line(&case.name, &case.size, &times);
    }
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn line(name: &str, size: &str, cells: &[impl AsRef<str>]) {
    let cells: String = cells.iter().map(|cell| format!("{:>12}", cell.as_ref())).collect();
    println!("{name:<26}{size:>16}{cells}");
}

/// A kernel with its input.
struct Case {
    name: String,
    size: String,
    /// What one run counts for.
    operations: f64,
    run: Box<dyn FnMut(&'static Kernels)>,
}

impl Case {
    /// The fastest of several rounds.
    fn nanoseconds(&mut self, kernels: &'static Kernels) -> f64 {
        let mut batch = 1u32;
        while self.seconds(kernels, batch) < ROUND_S {
            batch *= 2;
        }
        let rounds = (0..ROUNDS).map(|_| self.seconds(kernels, batch));
        rounds.fold(f64::INFINITY, f64::min) * 1e9 / (f64::from(batch) * self.operations)
    }

    /// Seconds that a batch takes this thread: waiting for a busy CPU does not count.
    fn seconds(&mut self, kernels: &'static Kernels, batch: u32) -> f64 {
        let busy_s = || {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
        };
        let start = busy_s();
        for _ in 0..batch {
            (self.run)(kernels);
        }
        busy_s() - start
    }
}

fn case(
    name: &str,
    size: impl std::fmt::Display,
    run: impl FnMut(&'static Kernels) + 'static,
) -> Case {
    Case { name: name.to_owned(), size: size.to_string(), operations: 1.0, run: Box::new(run) }
}

/// Numbers without a pattern that a branch predictor could learn.
fn noise(count: usize) -> impl Iterator<Item = u32> {
    let mut state = 0x2545_f491u32;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    })
}

fn bytes(count: usize) -> &'static mut [u8] {
    aligned(noise(count).map(|word| word.to_le_bytes()[0]).collect())
}

fn floats(count: usize) -> &'static mut [f32] {
    aligned(noise(count).map(|word| word as f32 / u32::MAX as f32 - 0.5).collect())
}

/// Moves values to where a cache line begins, for good, so that kernels are not
/// told apart by where the allocator happened to put their input.
fn aligned<T: Copy>(values: Vec<T>) -> &'static mut [T] {
    let Some(filler) = values.first() else { return &mut [] };
    let room = vec![*filler; values.len() + 64 / size_of::<T>()].leak();
    let skip = room.as_ptr().align_offset(64);
    let place = &mut room[skip..][..values.len()];
    place.copy_from_slice(&values);
    place
}

fn cases() -> Vec<Case> {
    let pairs = [128, 768].into_iter().flat_map(pairs);
    pairs.chain(many()).chain(blocks()).chain(transforms()).collect()
}

/// Some vectors against 480: time a pair.
fn many() -> Vec<Case> {
    let mut cases = Vec::new();
    for (element, metric) in [
        (ElementType::F32, Metric::L2),
        (ElementType::F32, Metric::InnerProduct),
        (ElementType::F16, Metric::L2),
        (ElementType::U8, Metric::L2),
        (ElementType::I8, Metric::InnerProduct),
    ] {
        for (dim, query_count) in [(128, 16), (128, 240), (384, 16), (384, 240)] {
            let vector = VectorType::new(dim, element, metric).expect("a right type");
            let count = 480 * dim as usize;
            let halves =
                || floats(count).iter().flat_map(|value| f16::from_f32(*value).to_le_bytes());
            let rows = match element {
                ElementType::F32 => floats(count).as_mut_bytes(),
                ElementType::F16 => aligned(halves().collect()),
                ElementType::Bf16 | ElementType::I8 | ElementType::U8 | ElementType::Binary => {
                    bytes(count)
                }
            };
            let mut keys = vec![0.0; query_count * 480];
            let name = format!("keys_many {element} {metric}");
            let mut many = case(&name, format!("{query_count} of {dim}"), move |kernels| {
                let queries = &rows[..query_count * vector.row_bytes()];
                Comparer::new(vector, kernels).keys_many(
                    black_box(queries),
                    rows,
                    black_box(&mut keys),
                );
            });
            many.operations = f64::from(u32::try_from(query_count * 480).expect("small"));
            cases.push(many);
        }
    }
    cases
}

fn pairs(dim: usize) -> Vec<Case> {
    fn pair<T: Copy + 'static>(
        name: &str,
        values: &'static mut [T],
        kernel: fn(&Kernels, &[T], &[T]) -> f32,
    ) -> Case {
        let dim = values.len() / 2;
        case(name, dim, move |kernels| {
            let (a, b) = black_box(&*values).split_at(dim);
            black_box(kernel(kernels, a, b));
        })
    }
    let f16s = || aligned(floats(2 * dim).iter().copied().map(f16::from_f32).collect());
    let bf16s = || aligned(floats(2 * dim).iter().copied().map(bf16::from_f32).collect());
    let i8s = || aligned(bytes(2 * dim).iter().copied().map(u8::cast_signed).collect());
    vec![
        pair("l2_f32", floats(2 * dim), Kernels::l2_f32),
        pair("dot_f32", floats(2 * dim), Kernels::dot_f32),
        pair("l2_f16", f16s(), Kernels::l2_f16),
        pair("dot_f16", f16s(), Kernels::dot_f16),
        pair("l2_bf16", bf16s(), Kernels::l2_bf16),
        pair("dot_bf16", bf16s(), Kernels::dot_bf16),
        pair("l2_i8", i8s(), Kernels::l2_i8),
        pair("dot_i8", i8s(), Kernels::dot_i8),
        pair("l2_u8", bytes(2 * dim), Kernels::l2_u8),
        pair("dot_u8", bytes(2 * dim), Kernels::dot_u8),
        pair("hamming", bytes(2 * dim / 8), Kernels::hamming),
        pair("jaccard", bytes(2 * dim / 8), Kernels::jaccard),
        pair("l2_u4", bytes(2 * dim / 2), Kernels::l2_u4),
        pair("dot_u4", bytes(2 * dim / 2), Kernels::dot_u4),
    ]
}

fn blocks() -> Vec<Case> {
    let scan = |groups: usize| {
        let (codes, tables, mut sums) = (bytes(16 * groups), bytes(16 * groups), [0; 32]);
        case("fastscan, 32 lanes", format!("{groups} groups"), move |kernels| {
            kernels.fastscan(black_box(codes), black_box(tables), black_box(&mut sums));
        })
    };
    // A query's four planes and a hundred codes, each a bit for an element.
    let planes = |dim: usize| {
        let (bytes, mut out) = (bytes(dim / 8 * 104), [0; 100]);
        let rows: Vec<u32> = (0..100).collect();
        let mut bits = case("bit_dot_rows", dim, move |kernels| {
            let (planes, codes) = bytes.split_at(dim / 2);
            kernels.bit_dot_rows(black_box(planes), (codes, dim / 8), &rows, black_box(&mut out));
        });
        bits.operations = 100.0;
        bits
    };
    let tables = |parts: usize| {
        let (tables, codes, mut out) = (floats(256 * parts), bytes(100 * parts), [0.0; 100]);
        let mut sums = case("table_sum_rows", format!("{parts} parts"), move |kernels| {
            kernels.table_sum_rows(black_box(tables), codes, black_box(&mut out));
        });
        sums.operations = 100.0;
        sums
    };
    vec![
        scan(32),
        scan(96),
        scan(192),
        planes(128),
        planes(384),
        planes(768),
        tables(16),
        tables(96),
    ]
}

fn transforms() -> Vec<Case> {
    let rotate = |len: usize| {
        let values = aligned(vec![0.0; len]);
        case("rotate_fht", len, move |kernels| kernels.rotate_fht(black_box(values)))
    };
    let (values, levels, sums) = (&*floats(128), bytes(128), floats(512));
    vec![
        rotate(128),
        rotate(512),
        rotate(1024),
        rotate(4096),
        case("quantise_u8", 128, move |kernels| {
            kernels.quantise_u8(black_box(values), -0.5, 255.0, black_box(levels));
        }),
        case("min_max", 128, move |kernels| {
            black_box(kernels.min_max(black_box(values)));
        }),
        case("subset_sums", 128, move |kernels| {
            kernels.subset_sums(black_box(values), black_box(sums));
        }),
    ]
}
