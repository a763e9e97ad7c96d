//! Measures exact scans against the bandwidth of memory: one query and sixteen
//! over a million vectors, in ordinary memory and in huge pages. `cargo run
//! --release -p vicinal-distance --example scan`.

use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::hint::black_box;
use vicinal_distance::{Comparer, Isa, available, prefetch};
use vicinal_types::{ElementType, Metric, VectorType};

const ROWS: usize = 1_000_000;
const DIM: u32 = 128;
const QUERIES: usize = 16;
/// Rows whose keys are asked for at once: their keys fit the cache.
const STEP: usize = 1024;
const ROUNDS: usize = 5;

#[expect(clippy::print_stdout, reason = "the figures are what this program is for")]
fn main() {
    for (pages, advice) in [("ordinary", Advice::LinuxNoHugepage), ("huge", Advice::LinuxHugepage)]
    {
        let data = random(ROWS * DIM as usize * 4, advice);
        let seconds = fastest(|| {
            black_box(read(data));
        });
        let bandwidth = data.len() as f64 / seconds;
        println!("{pages} pages: a plain read has {:.1} GB/s", bandwidth / 1e9);
        for element in [ElementType::F32, ElementType::F16, ElementType::U8] {
            let vector = VectorType::new(DIM, element, Metric::L2).expect("a right type");
            let rows = &data[..ROWS * vector.row_bytes()];
            for kernels in available().filter(|kernels| kernels.isa() != Isa::Scalar) {
                let comparer = Comparer::new(vector, kernels);
                let [own, kernel] = scattered(&comparer, rows);
                println!(
                    "  {:<7} {element:<4} scattered rows: {own:.1} ns by a loop of the caller's, {kernel:.1} ns by the kernel's",
                    kernels.isa().name(),
                );
                for count in [1, QUERIES] {
                    let seconds =
                        fastest(|| scan(&comparer, &data[..count * vector.row_bytes()], rows));
                    println!(
                        "  {:<7} {element:<4} {count:>2} queries: {:6.1} ms, {:5.1} GB/s, {:3.0} % of the read",
                        kernels.isa().name(),
                        seconds * 1e3,
                        rows.len() as f64 / seconds / 1e9,
                        rows.len() as f64 / seconds / bandwidth * 100.0,
                    );
                }
            }
        }
    }
}

/// A walk through a graph asks for rows like this: a few at a time, anywhere.
/// Nanoseconds a row, of the caller's loop and of the kernel's.
fn scattered(comparer: &Comparer, rows: &[u8]) -> [f64; 2] {
    let row_bytes = comparer.vector_type().row_bytes();
    let row = |row: u32| &rows[row as usize * row_bytes..][..row_bytes];
    let count = u32::try_from(ROWS).expect("a million");
    let at: Vec<u32> = (0..200_000u32).map(|at| at.wrapping_mul(2_654_435_761) % count).collect();
    let query = row(0);
    let mut keys = [0.0; 32];
    let own = fastest(|| {
        for at in at.as_chunks::<32>().0 {
            at.iter().for_each(|at| prefetch(row(*at)));
            for (key, at) in keys.iter_mut().zip(at) {
                *key = comparer.key(query, row(*at));
            }
            black_box(&mut keys);
        }
    });
    let kernel = fastest(|| {
        for at in at.as_chunks::<32>().0 {
            comparer.keys_at(query, rows, at, &mut keys);
            black_box(&mut keys);
        }
    });
    [own, kernel].map(|seconds| seconds * 1e9 / at.len() as f64)
}

fn scan(comparer: &Comparer, queries: &[u8], rows: &[u8]) {
    let row_bytes = comparer.vector_type().row_bytes();
    let mut keys = vec![0.0; queries.len() / row_bytes * STEP];
    for rows in rows.chunks(STEP * row_bytes) {
        let keys = &mut keys[..queries.len() / row_bytes * (rows.len() / row_bytes)];
        if queries.len() == row_bytes {
            comparer.keys(queries, rows, keys);
        } else {
            comparer.keys_many(queries, rows, keys);
        }
        black_box(keys);
    }
}

/// Reads everything and does as little as possible with it.
fn read(data: &[u8]) -> u64 {
    let mut joined = [0u64; 32];
    for line in data.as_chunks::<256>().0 {
        for (joined, word) in joined.iter_mut().zip(line.as_chunks::<8>().0) {
            *joined ^= u64::from_le_bytes(*word);
        }
    }
    joined.into_iter().fold(0, |all, one| all ^ one)
}

fn fastest(mut run: impl FnMut()) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let start = busy_s();
        run();
        busy_s() - start
    });
    rounds.fold(f64::INFINITY, f64::min)
}

/// Seconds that this thread has run: waiting for a busy CPU does not count.
fn busy_s() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Memory of its own that lives as long as the process, filled with floats from
/// -1 to 1.
fn random(len: usize, advice: Advice) -> &'static [u8] {
    let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
    // SAFETY: the kernel chooses a place where nothing is yet, and nobody unmaps it.
    let data = unsafe {
        let at = rustix::mm::mmap_anonymous(std::ptr::null_mut(), len, prot, flags)
            .expect("there is memory");
        rustix::mm::madvise(at, len, advice).expect("the advice is known");
        std::slice::from_raw_parts_mut(at.cast::<u8>(), len)
    };
    let mut state = 0x2545_f491u32;
    for place in data.as_chunks_mut::<4>().0 {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        *place = (state as f32 / u32::MAX as f32 * 2.0 - 1.0).to_le_bytes();
    }
    data
}
