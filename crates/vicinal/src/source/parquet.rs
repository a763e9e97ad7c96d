//! Parquet: list columns of numbers are vectors, the rest is scalars.

mod values;

use super::{Layout, ScalarLayout, SourceError, VectorLayout};
use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ListArray, RecordBatch};
use arrow_schema::{ArrowError, Schema};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::reader::ChunkReader;
use std::fs::File;
use std::path::{Path, PathBuf};
use values::{id_type, ids, packed, scalar_type, scalars, vector_element};
use vicinal_client::{IdType, Ids, Rows, Vectors};

/// The column whose values are the rows' ids, if there is one.
const ID: &str = "id";

/// Such a file as a stream of rows.
pub(crate) struct ParquetRows {
    path: PathBuf,
    input: Input,
    layout: Layout,
    has_ids: bool,
    reader: Option<ParquetRecordBatchReader>,
    /// Read, but not handed out.
    rest: Option<RecordBatch>,
    next: u64,
}

/// Where the bytes are.
pub(super) enum Input {
    File(File),
    Memory(Bytes),
}

impl From<File> for Input {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

impl From<Bytes> for Input {
    fn from(bytes: Bytes) -> Self {
        Self::Memory(bytes)
    }
}

impl ParquetRows {
    pub(super) fn open(path: &Path, input: impl Into<Input>) -> Result<Self, SourceError> {
        let input = input.into();
        let mut rows = Self {
            path: path.to_owned(),
            input,
            layout: Layout {
                rows: 0,
                id_type: IdType::Int64,
                vectors: Vec::new(),
                scalars: Vec::new(),
                skipped: Vec::new(),
            },
            has_ids: false,
            reader: None,
            rest: None,
            next: 0,
        };
        let first = rows.first_row()?;
        rows.read_schema(&first)?;
        Ok(rows)
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn next_rows(&mut self, rows_max: usize) -> Result<Option<Rows>, SourceError> {
        let Some(batch) = self.next_batch(rows_max)? else {
            return Ok(None);
        };
        let count = batch.num_rows().min(rows_max);
        if count < batch.num_rows() {
            self.rest = Some(batch.slice(count, batch.num_rows() - count));
        }
        let rows = self.convert(&batch.slice(0, count))?;
        self.next += count as u64;
        Ok(Some(rows))
    }

    fn next_batch(&mut self, rows_max: usize) -> Result<Option<RecordBatch>, SourceError> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        if self.reader.is_none() {
            let wanted = self.wanted_columns();
            self.reader = Some(self.reader(rows_max, Some(&wanted))?);
        }
        let batch = self.reader.as_mut().and_then(Iterator::next).transpose();
        batch.map_err(|error: ArrowError| SourceError::format(&self.path, error.to_string()))
    }

    fn wanted_columns(&self) -> Vec<String> {
        let id = self.has_ids.then(|| ID.to_owned());
        let vectors = self.layout.vectors.iter().map(|vector| vector.name.clone());
        let scalars = self.layout.scalars.iter().map(|scalar| scalar.name.clone());
        id.into_iter().chain(vectors).chain(scalars).collect()
    }

    /// A reader from the start of the file; of these columns, or of all.
    fn reader(
        &self,
        batch_rows: usize,
        columns: Option<&[String]>,
    ) -> Result<ParquetRecordBatchReader, SourceError> {
        match &self.input {
            Input::File(file) => {
                let file = file.try_clone().map_err(SourceError::io(&self.path))?;
                self.reader_of(file, batch_rows, columns)
            }
            Input::Memory(bytes) => self.reader_of(bytes.clone(), batch_rows, columns),
        }
    }

    fn reader_of<R: ChunkReader + 'static>(
        &self,
        input: R,
        batch_rows: usize,
        columns: Option<&[String]>,
    ) -> Result<ParquetRecordBatchReader, SourceError> {
        let wrong = |error: parquet::errors::ParquetError| {
            SourceError::format(&self.path, error.to_string())
        };
        // Parquet's own types are fewer than Arrow's: no dictionaries, one kind
        // of list, one kind of string.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let mut builder = ParquetRecordBatchReaderBuilder::try_new_with_options(input, options)
            .map_err(wrong)?
            .with_batch_size(batch_rows);
        if let Some(columns) = columns {
            let roots = builder.schema().fields().iter().enumerate();
            let wanted = roots.filter(|(_, field)| columns.contains(field.name()));
            let roots: Vec<_> = wanted.map(|(at, _)| at).collect();
            let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
            builder = builder.with_projection(mask);
        }
        builder.build().map_err(wrong)
    }

    /// The first row: list columns only show their length there.
    fn first_row(&mut self) -> Result<RecordBatch, SourceError> {
        let wrong = |error: String| SourceError::format(&self.path, error);
        let rows = match &self.input {
            Input::File(file) => row_count(&file.try_clone().map_err(SourceError::io(&self.path))?),
            Input::Memory(bytes) => row_count(bytes),
        };
        self.layout.rows = rows.map_err(wrong)?;
        let first = self.reader(1, None)?.next();
        let first = first.transpose().map_err(|error| wrong(error.to_string()))?;
        first.ok_or_else(|| wrong("it has no rows".into()))
    }

    fn read_schema(&mut self, first: &RecordBatch) -> Result<(), SourceError> {
        let schema: &Schema = first.schema_ref();
        for (field, array) in schema.fields().iter().zip(first.columns()) {
            let name = field.name().clone();
            if name == ID {
                self.layout.id_type = id_type(field.data_type()).ok_or_else(|| {
                    let found = field.data_type();
                    let reason = format!("column `id` is {found}; ids are integers or strings");
                    SourceError::format(&self.path, reason)
                })?;
                self.has_ids = true;
            } else if let Some(element) = vector_element(field.data_type()) {
                let dim = array.as_list::<i32>().value_length_of_first();
                let dim = u32::try_from(dim).unwrap_or(0);
                self.layout.vectors.push(VectorLayout { name, dim, element });
            } else if let Some(scalar) = scalar_type(field.data_type()) {
                let nullable = field.is_nullable();
                self.layout.scalars.push(ScalarLayout { name, scalar, nullable });
            } else {
                let reason = format!("{} is no type of a column", field.data_type());
                self.layout.skipped.push((name, reason));
            }
        }
        Ok(())
    }

    /// The file, if there are vectors in it.
    pub(super) fn with_vectors(self) -> Result<Self, SourceError> {
        if self.layout.vectors.is_empty() {
            return Err(SourceError::format(
                &self.path,
                "it has no list column of f16, f32, f64 or u8 with the vectors",
            ));
        }
        Ok(self)
    }

    fn convert(&self, batch: &RecordBatch) -> Result<Rows, SourceError> {
        let column = |name: &str| {
            let wrong = || SourceError::format(&self.path, format!("column `{name}` went away"));
            batch.column_by_name(name).ok_or_else(wrong)
        };
        let wrong = |name: &str, reason: String| {
            let first = self.next;
            let reason = format!("column `{name}`, in the rows from {first}: {reason}");
            SourceError::format(&self.path, reason)
        };
        let ids = if self.has_ids {
            ids(column(ID)?).map_err(|reason| wrong(ID, reason))?
        } else {
            let first = self.next.cast_signed();
            Ids::Int((first..).take(batch.num_rows()).collect())
        };
        let mut rows = Rows::new(ids);
        for vector in &self.layout.vectors {
            let name = &vector.name;
            let list = column(name)?.as_list::<i32>();
            let bytes = packed(list, vector.dim).map_err(|reason| wrong(name, reason))?;
            rows = rows.vectors(name, Vectors::packed(vector.element, bytes));
        }
        for scalar in &self.layout.scalars {
            let name = &scalar.name;
            let values = scalars(column(name)?).map_err(|reason| wrong(name, reason))?;
            rows = rows.column(name, values);
        }
        Ok(rows)
    }
}

/// The length of a list array's first list.
trait FirstLength {
    fn value_length_of_first(&self) -> i32;
}

impl FirstLength for ListArray {
    fn value_length_of_first(&self) -> i32 {
        if self.is_empty() { 0 } else { self.value_length(0) }
    }
}

fn row_count<R: ChunkReader + 'static>(input: &R) -> Result<u64, String> {
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(input);
    let rows = metadata.map_err(|error| error.to_string())?.file_metadata().num_rows();
    u64::try_from(rows).map_err(|_| format!("it says that it has {rows} rows"))
}
