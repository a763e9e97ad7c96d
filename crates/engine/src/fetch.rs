//! The columns of rows found: from wherever their segments hold them.

use crate::columns::{self, IdRef, id_ref};
use crate::segment::Rows;
use crate::shard::{SegmentView, View};
use crate::vectors;
use arrow_array::ArrayRef;
use vicinal_types::{
    Column, ColumnType, Error, IdType, Ids, Result, RowBatch, ScalarType, Schema, VectorInput,
    VectorType,
};

/// The columns that an answer holds.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    columns: Vec<&'a Column>,
}

impl<'a> Wanted<'a> {
    /// Resolves names; `*` is every scalar column, `**` every column.
    ///
    /// # Errors
    /// `Invalid` naming a column that there is not.
    pub(crate) fn new(schema: &'a Schema, names: &[String]) -> Result<Self> {
        let mut columns: Vec<&Column> = Vec::new();
        for name in names {
            match name.as_str() {
                "*" => columns.extend(schema.scalars().map(|(column, ..)| column)),
                "**" => columns.extend(schema.columns()),
                Schema::ID_NAME => {}
                name => match schema.column(name) {
                    Some(column) => columns.push(column),
                    None => {
                        let known: Vec<_> =
                            schema.columns().iter().map(|column| column.name.as_str()).collect();
                        let known = known.join("`, `");
                        return Err(Error::invalid(format!(
                            "there is no column `{name}`; there are `{known}`"
                        )));
                    }
                },
            }
        }
        let mut seen = Vec::new();
        columns.retain(|column| {
            let is_new = !seen.contains(&column.id);
            seen.push(column.id);
            is_new
        });
        Ok(Self { columns })
    }
}

/// Where a row's columns are: a block of rows and a place in it.
pub(crate) type Source<'a> = (&'a Rows, u32);

/// The block of rows that holds a row of a view's segment.
pub(crate) fn source(view: &View, segment: usize, row: u32) -> Source<'_> {
    match &view.segments[segment] {
        SegmentView::Sealed(sealed) => (&sealed.sealed.rows, row),
        SegmentView::Memory(memory) => {
            let (chunk, row) = memory.locate(row);
            (&chunk.rows, row)
        }
    }
}

/// Ids and wanted columns of rows, in the order given.
pub(crate) fn fetch<'a>(
    schema: &Schema,
    wanted: &Wanted<'_>,
    sources: impl Iterator<Item = Source<'a>> + Clone,
) -> RowBatch {
    let ids = match schema.id_type() {
        IdType::Int64 => Ids::Int(sources.clone().map(int_id).collect()),
        IdType::String => Ids::Str(sources.clone().map(str_id).collect()),
    };
    let mut batch = RowBatch { ids, vectors: Vec::new(), scalars: Vec::new() };
    if wanted.columns.is_empty() {
        return batch;
    }
    let sources: Vec<Source<'_>> = sources.collect();
    let (blocks, places) = by_block(&sources);
    for column in &wanted.columns {
        match column.kind {
            ColumnType::Vector(kind) => {
                let vectors = fetch_vectors(column, kind, &sources);
                batch.vectors.extend(vectors.map(|vectors| (column.id, vectors)));
            }
            ColumnType::Scalar { scalar, .. } => {
                let array = fetch_scalars(column, scalar, &blocks, &places);
                batch.scalars.push((column.id, array));
            }
        }
    }
    batch
}

fn int_id((rows, row): Source<'_>) -> i64 {
    match id_ref(&rows.ids, row as usize) {
        IdRef::Int(id) => id,
        IdRef::Str(_) => unreachable!("segments are opened with ids of the schema's type"),
    }
}

fn str_id((rows, row): Source<'_>) -> String {
    match id_ref(&rows.ids, row as usize) {
        IdRef::Str(id) => id.to_owned(),
        IdRef::Int(_) => unreachable!("segments are opened with ids of the schema's type"),
    }
}

/// The distinct blocks, and each row's block and place.
pub(crate) fn by_block<'a>(sources: &[Source<'a>]) -> (Vec<&'a Rows>, Vec<(usize, usize)>) {
    let mut blocks: Vec<&Rows> = Vec::new();
    let places = sources.iter().map(|(rows, row)| {
        let known = blocks.iter().position(|block| std::ptr::eq(*block, *rows));
        let block = known.unwrap_or_else(|| {
            blocks.push(rows);
            blocks.len() - 1
        });
        (block, *row as usize)
    });
    let places = places.collect();
    (blocks, places)
}

/// Values of a scalar column; blocks older than it have its default in every row.
pub(crate) fn fetch_scalars(
    column: &Column,
    scalar: ScalarType,
    blocks: &[&Rows],
    places: &[(usize, usize)],
) -> ArrayRef {
    if blocks.is_empty() {
        return columns::constant(scalar, None, 0);
    }
    let default = columns::constant(scalar, column.default.as_ref(), 1);
    let arrays: Vec<_> =
        blocks.iter().map(|rows| rows.scalars(column.id).unwrap_or(&default)).collect();
    let is_default: Vec<_> = blocks.iter().map(|rows| rows.scalars(column.id).is_none()).collect();
    if !is_default.contains(&true) {
        return columns::interleave(&arrays, places);
    }
    // The one value of a default stands for all rows of its block.
    let place = |&(block, row): &(usize, usize)| (block, if is_default[block] { 0 } else { row });
    columns::interleave(&arrays, &places.iter().map(place).collect::<Vec<_>>())
}

/// Vectors of a column; none if it was dropped while the rows were looked for.
fn fetch_vectors(column: &Column, kind: VectorType, sources: &[Source<'_>]) -> Option<VectorInput> {
    let mut bytes = Vec::with_capacity(sources.len() * kind.row_bytes());
    let mut norms = Vec::new();
    for (rows, row) in sources {
        let part = rows.vectors(column.id)?;
        bytes.extend_from_slice(part.vectors.row(*row));
        norms.extend(part.norms.as_ref().map(|norms| norms[*row as usize]));
    }
    let element = kind.element();
    let is_cosine = !norms.is_empty();
    let bytes =
        if is_cosine { vectors::denormalise(element, kind.dim(), &bytes, &norms) } else { bytes };
    Some(VectorInput::Packed { element, bytes: bytes.into() })
}
