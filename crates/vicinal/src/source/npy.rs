//! NumPy's array files: two-dimensional, C order, of u8, f16, f32 or i32.

use super::{Layout, SourceError, numbered, vectors_only};
use half::f16;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use vicinal_client::{ElementType, Rows};

/// A header longer than this is not one of an array of numbers.
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// The elements that are read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    U8,
    F16,
    F32,
    I32,
}

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    element: Element,
    rows: u64,
    dim: usize,
}

/// A whole array of floats, for queries and in-process benchmarks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matrix<T> {
    pub(crate) rows: usize,
    pub(crate) dim: usize,
    pub(crate) values: Vec<T>,
}

/// An array as a stream of rows.
pub(crate) struct NpyRows {
    path: PathBuf,
    file: BufReader<File>,
    layout: Layout,
    element: ElementType,
    row_bytes: usize,
    next: u64,
}

impl Element {
    fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F16 => 2,
            Self::F32 | Self::I32 => 4,
        }
    }

    /// The element type of vectors; integers of 32 bits are no vectors.
    fn of_vectors(self) -> Option<ElementType> {
        match self {
            Self::U8 => Some(ElementType::U8),
            Self::F16 => Some(ElementType::F16),
            Self::F32 => Some(ElementType::F32),
            Self::I32 => None,
        }
    }
}

impl<T> Matrix<T> {
    pub(crate) fn row(&self, row: usize) -> &[T] {
        &self.values[row * self.dim..(row + 1) * self.dim]
    }
}

impl NpyRows {
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let (file, header) = open(path)?;
        let element = header.element.of_vectors().ok_or_else(|| {
            SourceError::format(path, "elements are <i4; vectors have |u1, <f2 or <f4")
        })?;
        let dim = u32::try_from(header.dim).map_err(|_| {
            SourceError::format(path, "the second dimension is not that of vectors")
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            layout: vectors_only(header.rows, dim, element),
            element,
            row_bytes: element.row_bytes(header.dim),
            next: 0,
        })
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn next_rows(&mut self, rows_max: usize) -> Result<Option<Rows>, SourceError> {
        let left = self.layout.rows - self.next;
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(rows_max);
        if count == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; count * self.row_bytes];
        self.file.read_exact(&mut bytes).map_err(SourceError::io(&self.path))?;
        let rows = numbered(self.next, count, self.element, bytes);
        self.next += count as u64;
        Ok(Some(rows))
    }
}

/// Reads a whole array of vectors as floats.
pub(crate) fn read_f32(path: &Path) -> Result<Matrix<f32>, SourceError> {
    let (header, bytes) = read(path)?;
    let values = match header.element {
        Element::U8 => bytes.iter().map(|byte| f32::from(*byte)).collect(),
        Element::F16 => {
            let halves = bytes.as_chunks::<2>().0.iter();
            halves.map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect()
        }
        Element::F32 => {
            let floats = bytes.as_chunks::<4>().0.iter();
            floats.map(|bytes| f32::from_le_bytes(*bytes)).collect()
        }
        Element::I32 => {
            return Err(SourceError::format(
                path,
                "elements are <i4; vectors have |u1, <f2 or <f4",
            ));
        }
    };
    matrix(path, header, values)
}

/// Reads a whole array of row numbers: the true neighbours of each query.
pub(crate) fn read_i32(path: &Path) -> Result<Matrix<i32>, SourceError> {
    let (header, bytes) = read(path)?;
    if header.element != Element::I32 {
        return Err(SourceError::format(path, "the true neighbours' row numbers must be <i4"));
    }
    let integers = bytes.as_chunks::<4>().0.iter();
    matrix(path, header, integers.map(|bytes| i32::from_le_bytes(*bytes)).collect())
}

fn matrix<T>(path: &Path, header: Header, values: Vec<T>) -> Result<Matrix<T>, SourceError> {
    let rows = usize::try_from(header.rows)
        .map_err(|_| SourceError::format(path, "the array does not fit into memory"))?;
    Ok(Matrix { rows, dim: header.dim, values })
}

fn read(path: &Path) -> Result<(Header, Vec<u8>), SourceError> {
    let (mut file, header) = open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(SourceError::io(path))?;
    Ok((header, bytes))
}

/// Opens the file, reads its header and checks the length behind it.
fn open(path: &Path) -> Result<(BufReader<File>, Header), SourceError> {
    let file = File::open(path).map_err(SourceError::io(path))?;
    let file_bytes = file.metadata().map_err(SourceError::io(path))?.len();
    let mut file = BufReader::with_capacity(1 << 20, file);
    let text = read_header(&mut file)
        .map_err(SourceError::io(path))?
        .ok_or_else(|| SourceError::format(path, "it does not begin like a .npy file"))?;
    let (text, header_bytes) = text;
    let header = parse(&text).map_err(|reason| SourceError::format(path, reason))?;
    let bytes = (header.dim as u64)
        .checked_mul(header.element.bytes() as u64)
        .and_then(|row_bytes| header.rows.checked_mul(row_bytes));
    let found = file_bytes - header_bytes;
    if bytes != Some(found) {
        let (rows, dim) = (header.rows, header.dim);
        return Err(SourceError::format(
            path,
            format!(
                "the header says {rows} × {dim}, but {found} bytes follow it; is the file whole?"
            ),
        ));
    }
    Ok((file, header))
}

/// The header's text and the bytes up to its end; none if this is another format.
fn read_header(file: &mut impl Read) -> std::io::Result<Option<(String, u64)>> {
    let mut start = [0; 8];
    file.read_exact(&mut start)?;
    if &start[..6] != b"\x93NUMPY" {
        return Ok(None);
    }
    let (len, len_bytes) = if start[6] == 1 {
        let mut len = [0; 2];
        file.read_exact(&mut len)?;
        (usize::from(u16::from_le_bytes(len)), 2)
    } else {
        let mut len = [0; 4];
        file.read_exact(&mut len)?;
        (usize::try_from(u32::from_le_bytes(len)).unwrap_or(usize::MAX), 4)
    };
    if len > HEADER_BYTES_MAX {
        return Ok(None);
    }
    let mut text = vec![0; len];
    file.read_exact(&mut text)?;
    Ok(Some((String::from_utf8_lossy(&text).into_owned(), 8 + len_bytes + len as u64)))
}

/// Reads the Python dictionary of the header, which NumPy always writes alike.
fn parse(text: &str) -> Result<Header, String> {
    let value = |key: &str| {
        let at = text.find(&format!("'{key}'")).ok_or(format!("the header names no {key}"))?;
        let rest = text[at + key.len() + 2..].trim_start().trim_start_matches(':').trim_start();
        Ok::<_, String>(rest)
    };
    let descr = value("descr")?.trim_start_matches('\'').split('\'').next().unwrap_or_default();
    let element = match descr {
        "|u1" | "<u1" => Element::U8,
        "<f2" => Element::F16,
        "<f4" => Element::F32,
        "<i4" => Element::I32,
        other => {
            return Err(format!(
                "elements are `{other}`; |u1, <f2 and <f4 are read (and <i4 for row numbers)"
            ));
        }
    };
    if !value("fortran_order")?.starts_with("False") {
        return Err("the array is in Fortran order; save it with numpy.ascontiguousarray".into());
    }
    let shape = value("shape")?.trim_start_matches('(').split(')').next().unwrap_or_default();
    let sizes: Vec<u64> = shape.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    match sizes[..] {
        [rows, dim] if dim > 0 => {
            let dim = usize::try_from(dim).map_err(|_| format!("{dim} dimensions are too many"))?;
            Ok(Header { element, rows, dim })
        }
        _ => Err(format!("the shape is ({shape}); rows × dimensions are needed")),
    }
}
