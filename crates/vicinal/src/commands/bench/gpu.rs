//! `vicinal bench gpu`: the kernels against the CPU, then how fast they are.

mod check;
mod timing;

use crate::failure::Failure;
use crate::output;
use bytes::Bytes;
use rayon::prelude::*;
use serde_json::json;
use vicinal_gpu::{Cuda, Devices};
use vicinal_index::{Accelerator, Vectors};
use vicinal_types::{ElementType, Metric, VectorType};
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal bench gpu
  vicinal bench gpu --sets 1000000x128 --batches 1,16,1000 --json

It makes random rows, holds what the first device finds against what this CPU finds, bit
for bit, and then times exact searches of rows that lie on the device: the queries' way
there and the candidates' way back included, comparing candidates on the CPU not. A rate of
bytes is that of the rows, read once a batch; beside it stands the rate at which this
device reads the same rows and does nothing else.

Exit code 3: there is no device.";

/// Rows and dimensions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    rows: u32,
    dim: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rows × dimensions of the sets that searches are timed on.
    #[arg(long, value_delimiter = ',', value_parser = parse_size, value_name = "ROWSxDIM",
          default_value = "1000000x128,1000000x768,10000000x128")]
    sets: Vec<Size>,

    /// Queries of a batch.
    #[arg(long, value_delimiter = ',', default_value = "1,10,100,1000,10000")]
    batches: Vec<usize>,

    /// Neighbours of a query.
    #[arg(short, long, default_value_t = 10)]
    k: usize,

    /// Batches of each size; the fastest counts.
    #[arg(long, default_value_t = 5)]
    passes: usize,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn parse_size(text: &str) -> Result<Size, String> {
    let parsed = text
        .split_once('x')
        .and_then(|(rows, dim)| Some(Size { rows: rows.parse().ok()?, dim: dim.parse().ok()? }));
    parsed
        .filter(|size| size.rows > 0 && size.dim > 0)
        .ok_or_else(|| format!("`{text}` is not rows and dimensions, as 1000000x128 is"))
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut devices = Cuda::all().map_err(|none| Failure::NoDevice(none.to_string()))?;
    let device = devices.swap_remove(0);
    let budget = vicinal_gpu::Device::facts(&device).memory_bytes / 10 * 8;
    let devices = Devices::new(vec![(device, budget)]);
    let states = devices.devices();
    let name = states.first().map(|state| state.name.clone()).unwrap_or_default();
    if !args.json {
        output::line(format_args!("device: {name}"))?;
    }
    let checked = check::all(&devices)?;
    if !args.json {
        check::print(&checked)?;
    }
    let mut timed = Vec::new();
    for (seed, size) in (1..).zip(&args.sets) {
        timed.extend(timing::set(&devices, *size, args, seed)?);
    }
    if args.json {
        let checks: Vec<_> = checked.iter().map(check::Checked::json).collect();
        let timings: Vec<_> = timed.iter().map(timing::Timed::json).collect();
        return output::json(&json!({"device": name, "checks": checks, "timings": timings}));
    }
    timing::print(&timed)
}

/// What a device says when it fails.
pub(super) fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

/// Random rows: floats from -1 to 1, integers of all values.
pub(super) fn random(kind: VectorType, rows: u32, seed: u64) -> Result<Vectors, Failure> {
    let row_bytes = kind.row_bytes();
    let mut bytes = vec![0; rows as usize * row_bytes];
    bytes.par_chunks_mut(row_bytes).enumerate().for_each(|(row, bytes)| {
        let width = ElementType::row_bytes(kind.element(), 8) / 8;
        for (at, element) in bytes.chunks_mut(width).enumerate() {
            let place = (row * kind.dim() + at) as u64;
            write(kind.element(), xxh3_64_with_seed(&place.to_le_bytes(), seed), element);
        }
    });
    Vectors::new(kind, Bytes::from(bytes)).map_err(failed)
}

#[expect(clippy::cast_possible_truncation, reason = "some bits of a random number")]
fn write(element: ElementType, random: u64, place: &mut [u8]) {
    let float = (random as u32) as f32 / u32::MAX as f32 * 2.0 - 1.0;
    match element {
        ElementType::F32 => place.copy_from_slice(&float.to_le_bytes()),
        ElementType::F16 => place.copy_from_slice(&half::f16::from_f32(float).to_le_bytes()),
        ElementType::Bf16 => place.copy_from_slice(&half::bf16::from_f32(float).to_le_bytes()),
        ElementType::I8 | ElementType::U8 | ElementType::Binary => place[0] = random as u8,
    }
}

/// A type of vectors that there is.
pub(super) fn kind(dim: u32, element: ElementType, metric: Metric) -> Result<VectorType, Failure> {
    VectorType::new(dim, element, metric).map_err(Failure::from)
}
