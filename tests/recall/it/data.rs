//! Real vectors, and how many of the true neighbours are found.

use arrow_array::{Array, FixedSizeListArray, ListArray, cast::AsArray, types::Float16Type};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rayon::prelude::*;
use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use vicinal_index::{Index, Scratch, Search, TopK, Vectors, Work, scan};
use vicinal_types::{Cancel, ElementType, Metric, VectorType};

const K: usize = 10;

/// Rows of the slice in the tree that are queries and not stored.
const HELD_OUT: usize = 500;

/// Rows of sift1m that are searched.
const SIFT_ROWS: usize = 100_000;

/// Vectors to search, and what to search for.
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) rows: Vectors,
    /// By where they come from.
    pub(crate) queries: Vec<(&'static str, Queries)>,
}

/// Queries and, for each, the key of its true neighbour number [`K`].
pub(crate) struct Queries {
    vectors: Vectors,
    bounds: Vec<f32>,
}

/// Says something past the test's captured output.
pub(crate) fn say(what: &str) {
    writeln!(std::io::stderr(), "{what}").expect("standard error takes a line");
}

/// The recall of queries at an effort; what is as near as the last true neighbour
/// counts.
pub(crate) fn recall(index: &Index, rows: &Vectors, queries: &Queries, effort: usize) -> f64 {
    let (search, never, mut scratch) =
        (Search::new(K, effort), Cancel::never(), Scratch::default());
    let found = queries.bounds.iter().zip(0..).map(|(bound, query)| {
        let query = queries.vectors.row(query);
        let found = index.search(rows, query, &search, &mut scratch, &never);
        let neighbors = found.expect("nobody stops it").neighbors;
        assert_eq!(neighbors.len(), K);
        neighbors.iter().filter(|neighbor| neighbor.key <= *bound).count()
    });
    found.sum::<usize>() as f64 / (queries.bounds.len() * K) as f64
}

fn queries(rows: &Vectors, bytes: Bytes) -> Queries {
    let vectors = Vectors::new(rows.vector_type(), bytes).expect("whole vectors");
    let bound = |query| {
        let (mut top, mut work) = (TopK::new(K), Work::default());
        let query = vectors.row(query);
        scan(rows, query, None, 0, &mut top, &mut work, &Cancel::never()).expect("nobody stops it");
        top.threshold()
    };
    let bounds = (0..vectors.len()).into_par_iter().map(bound).collect();
    Queries { vectors, bounds }
}

fn vector(dim: u32, element: ElementType, metric: Metric) -> VectorType {
    VectorType::new(dim, element, metric).expect("a right type")
}

/// 9,500 words and 500 others to search for.
pub(crate) fn slice_in_the_tree() -> Set {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/wordnet10k.parquet");
    let file = File::open(path).expect("it is part of the tree");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|file| file.build());
    let mut bytes = Vec::new();
    for batch in reader.expect("a parquet file") {
        let batch = batch.expect("rows");
        let column = batch.column_by_name("vector").expect("it has vectors");
        let any = column.as_any();
        let values = match any.downcast_ref::<FixedSizeListArray>() {
            Some(list) => list.values(),
            None => any.downcast_ref::<ListArray>().expect("a list of numbers").values(),
        };
        let values = values.as_primitive::<Float16Type>().values();
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    let vector = vector(384, ElementType::F16, Metric::InnerProduct);
    let held_out = bytes.split_off(bytes.len() - HELD_OUT * vector.row_bytes());
    let rows = Vectors::new(vector, bytes.into()).expect("whole vectors");
    let queries = vec![("held out", queries(&rows, held_out.into()))];
    Set { name: "wordnet10k", rows, queries }
}

/// All of wordnet384, if it is there.
pub(crate) fn wordnet384(folder: &Path) -> Option<Set> {
    let vector = vector(384, ElementType::F16, Metric::InnerProduct);
    let [base, inside, outside] = ["base", "query", "query_ood"]
        .map(|part| array(&folder.join(format!("wordnet384.{part}.f16.npy")), usize::MAX));
    let rows = Vectors::new(vector, base?.into()).expect("whole vectors");
    let queries = vec![
        ("in distribution", queries(&rows, inside?.into())),
        ("out of distribution", queries(&rows, outside?.into())),
    ];
    Some(Set { name: "wordnet384", rows, queries })
}

/// The beginning of sift1m, if it is there, packed or not.
pub(crate) fn sift100k(folder: &Path) -> Option<Set> {
    let vector = vector(128, ElementType::U8, Metric::L2);
    let base = array(&folder.join("sift1m.base.u8.npy"), SIFT_ROWS * vector.row_bytes())?;
    let asked = array(&folder.join("sift1m.query.u8.npy"), usize::MAX)?;
    let rows = Vectors::new(vector, base.into()).expect("whole vectors");
    let queries = vec![("held out", queries(&rows, asked.into()))];
    Some(Set { name: "sift1m", rows, queries })
}

/// At most so many bytes of the elements of a NumPy file, or of one packed with
/// zstd.
fn array(path: &Path, bytes_max: usize) -> Option<Vec<u8>> {
    let found = match File::open(path) {
        Ok(file) => elements(file, bytes_max),
        Err(_) => {
            let packed = format!("{}.zst", path.display());
            let mut zstd = Command::new("zstd");
            let child = zstd.args(["-dcq", &packed]).stdout(Stdio::piped()).stderr(Stdio::null());
            child.spawn().ok().and_then(|mut child| {
                let found = child.stdout.take().and_then(|out| elements(out, bytes_max));
                // It ends by itself: nobody reads on.
                child.wait().ok().and(found)
            })
        }
    };
    if found.is_none() {
        say(&format!("skipped: recall on {}, which is not there", path.display()));
    }
    found
}

/// The elements behind the header of a NumPy file of version 1.
fn elements(mut file: impl Read, bytes_max: usize) -> Option<Vec<u8>> {
    let mut head = [0; 10];
    file.read_exact(&mut head).ok()?;
    let [b'\x93', b'N', b'U', b'M', b'P', b'Y', 1, _, low, high] = head else { return None };
    let mut header = vec![0; usize::from(u16::from_le_bytes([low, high]))];
    file.read_exact(&mut header).ok()?;
    let mut elements = Vec::new();
    file.take(u64::try_from(bytes_max).unwrap_or(u64::MAX)).read_to_end(&mut elements).ok()?;
    Some(elements)
}
