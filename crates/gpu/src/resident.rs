//! Rows on a device.

use crate::arguments::NormsArgs;
use crate::device::{Buffer, Device};
use crate::launch::{Compare, norms};
use crate::sources::Element;
use std::sync::Arc;
use vicinal_index::{AcceleratorError, Vectors};
use vicinal_types::{ElementType, Metric, VectorType};
use zerocopy::{FromBytes, IntoBytes};

/// Vectors are padded to as many bytes: a step of the tensor cores.
const PITCH: usize = 32;

/// Bytes copied at once where rows must be padded.
const STAGED_BYTES: usize = 8 << 20;

/// What kernels need to know of a type of vectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) vector: VectorType,
    pub(crate) element: Element,
    pub(crate) compare: Compare,
}

/// Rows on a device, and the squares of their lengths.
pub(crate) struct Resident<D: Device> {
    pub(crate) vectors: Vectors,
    pub(crate) kind: Kind,
    pub(crate) rows: Buffer<D>,
    pub(crate) norms: Buffer<D>,
    /// The square of the length of the longest row.
    pub(crate) norm_max: f32,
}

impl Kind {
    /// `None` if there are no kernels for it.
    pub(crate) fn of(vector: VectorType) -> Option<Self> {
        let element = match vector.element() {
            ElementType::F32 => Element::F32,
            ElementType::F16 => Element::F16,
            ElementType::Bf16 => Element::Bf16,
            ElementType::I8 => Element::I8,
            ElementType::U8 => Element::U8,
            ElementType::Binary => return None,
        };
        let compare = match vector.metric() {
            Metric::L2 => Compare::L2,
            Metric::InnerProduct | Metric::Cosine => Compare::Dot,
            Metric::Hamming | Metric::Jaccard => return None,
        };
        Some(Self { vector, element, compare })
    }

    pub(crate) fn is_integer(self) -> bool {
        match self.element {
            Element::I8 | Element::U8 => true,
            Element::F32 | Element::F16 | Element::Bf16 => false,
        }
    }

    /// Bytes of a vector on the device.
    pub(crate) fn pitch(self) -> usize {
        self.vector.row_bytes().next_multiple_of(PITCH)
    }

    #[expect(clippy::cast_possible_truncation, reason = "a vector has at most 128 KiB")]
    pub(crate) fn words(self) -> u32 {
        (self.pitch() / 4) as u32
    }

    /// Vectors with zeros behind each.
    pub(crate) fn padded(self, stored: &[u8]) -> Vec<u8> {
        let mut padded = Vec::with_capacity(stored.len() / self.vector.row_bytes() * self.pitch());
        for row in stored.chunks_exact(self.vector.row_bytes()) {
            padded.extend_from_slice(row);
            padded.resize(padded.len().next_multiple_of(self.pitch()), 0);
        }
        padded
    }

    /// Bytes that rows take on a device.
    pub(crate) fn bytes(self, rows: u32) -> u64 {
        u64::from(rows) * (self.pitch() as u64 + 4)
    }
}

impl<D: Device> Resident<D> {
    /// Copies rows to the device.
    pub(crate) fn load(
        device: &Arc<D>,
        vectors: &Vectors,
        kind: Kind,
    ) -> Result<Self, AcceleratorError> {
        let count = vectors.len() as usize;
        let rows = Buffer::new(device, count * kind.pitch())?;
        let row_bytes = kind.vector.row_bytes();
        let staged_rows = (STAGED_BYTES / kind.pitch()).max(1);
        let chunks = vectors.bytes().chunks(staged_rows * row_bytes);
        for (at, chunk) in chunks.enumerate() {
            let to = at * staged_rows * kind.pitch();
            let padded = if row_bytes == kind.pitch() { Vec::new() } else { kind.padded(chunk) };
            let bytes = if padded.is_empty() { chunk } else { &padded };
            // SAFETY: nothing is launched with this memory yet.
            unsafe { rows.upload(to, bytes)? };
        }
        let norms = Buffer::new(device, count * 4)?;
        let norm_max = measure(device, kind, (&rows, &norms), vectors.len())?;
        Ok(Self { vectors: vectors.clone(), kind, rows, norms, norm_max })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.kind.bytes(self.vectors.len())
    }
}

/// Has all rows read so many times, and nothing else done; the bytes.
pub(crate) fn read<D: Device>(
    device: &Arc<D>,
    resident: &Resident<D>,
    times: u32,
) -> Result<u64, AcceleratorError> {
    if resident.vectors.is_empty() {
        return Ok(0);
    }
    let args = NormsArgs {
        rows: resident.rows.address(),
        norms: resident.norms.address(),
        row_count: resident.vectors.len(),
        words: resident.kind.words(),
    };
    let launch = norms(device.facts(), resident.kind.element, resident.vectors.len());
    for _ in 0..times {
        // SAFETY: the same lengths of the same rows are written again; both stay until the
        // download below.
        unsafe { device.launch(&launch, args.as_bytes())? };
    }
    let mut first = [0; 4];
    resident.norms.download(0, &mut first)?;
    Ok(u64::from(resident.vectors.len()) * resident.kind.pitch() as u64 * u64::from(times))
}

/// Has the squares of the lengths written; the largest.
fn measure<D: Device>(
    device: &Arc<D>,
    kind: Kind,
    (rows, norms_of): (&Buffer<D>, &Buffer<D>),
    count: u32,
) -> Result<f32, AcceleratorError> {
    let args = NormsArgs {
        rows: rows.address(),
        norms: norms_of.address(),
        row_count: count,
        words: kind.words(),
    };
    let launch = norms(device.facts(), kind.element, count);
    // SAFETY: there are `count` rows of so many words and four bytes for each; the download
    // below is behind the launch.
    unsafe { device.launch(&launch, args.as_bytes())? };
    let mut lengths = vec![0u32; count as usize];
    norms_of.download(0, lengths.as_mut_bytes())?;
    if kind.is_integer() {
        return Ok(0.0); // integers, of which nothing is lost
    }
    let lengths = <[f32]>::ref_from_bytes(lengths.as_bytes());
    Ok(lengths.map_or(f32::INFINITY, |lengths| lengths.iter().copied().fold(0.0, f32::max)))
}
