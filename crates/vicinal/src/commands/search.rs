//! `vicinal search`.

use super::get::{row_cells, row_json};
use crate::connection::{Target, block_on, parse_ids};
use crate::failure::Failure;
use crate::filter::FilterArgs;
use crate::output::{self, Align, Grid};
use crate::source::npy;
use serde_json::{Value, json};
use std::path::PathBuf;
use vicinal_client::proto::CollectionSpec;
use vicinal_client::{
    Collection, Effort, Found, HitGroup, Hits, One, Search, Value as Cell, Vectors,
};
use vicinal_types::limits::K_MAX;

/// Rows of a page: few pages, each far below what a message may have.
const PAGE_ROWS: u32 = 4_096;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal search -c words --id 42 -k 5
  vicinal search -c points --vector 0.1,0.2,-0.3 --min-recall 0.99
  vicinal search -c sift --file queries.npy --row 7 --effort 64 --json
  vicinal search -c words --id 42 --exact --columns word,gloss
  vicinal search -c words --id 42 --filter 'relations >= {n}' --param n=5
  vicinal search -c words --id 42 -k 100 --radius 0.6 --inner-radius 0.9
  vicinal search -c words --id 42 -k 10 --offset 10
  vicinal search -c words --id 42 -k 5 --group-by category --group-size 3
  vicinal search -c words --id 42 --all --radius 0.5 --json        however many they are";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    asked: Asked,

    /// Find all rows that pass and are within the bounds, read in pages.
    #[arg(long, conflicts_with_all = ["k", "offset", "group_by"])]
    all: bool,

    /// Print JSON: one line a hit.
    #[arg(long)]
    json: bool,
}

/// A search, whatever is done with it.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked {
    #[command(flatten)]
    pub(crate) target: Target,

    #[command(flatten)]
    query: Query,

    /// Which row of the file, from 0.
    #[arg(long, default_value_t = 0, requires = "file", value_name = "N")]
    row: usize,

    /// Rows wanted, or groups; more than 16,384 rows are read in pages.
    #[arg(short, long, default_value_t = 10)]
    k: u32,

    /// Nearest rows, or groups, to pass over first.
    #[arg(long, default_value_t = 0, value_name = "N")]
    offset: u32,

    #[command(flatten)]
    groups: Groups,

    #[command(flatten)]
    bounds: Bounds,

    #[command(flatten)]
    filter: FilterArgs,

    #[command(flatten)]
    how: How,

    /// Columns wanted with each hit; `*`: all scalar columns, `**`: vectors, too.
    #[arg(long, value_delimiter = ',', default_value = "*", value_name = "NAMES")]
    columns: Vec<String>,

    /// The vector column, if there are several.
    #[arg(long, default_value = "", value_name = "NAME")]
    vector_column: String,
}

/// What to search for: exactly one of the three.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Query {
    /// The vector of the row with this id.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    id: Option<String>,

    /// The vector itself.
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_name = "X,Y,…")]
    vector: Option<Vec<f32>>,

    /// The vector in a row of this .npy file.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What groups rows.
#[derive(Clone, Debug, clap::Args)]
struct Groups {
    /// Find the nearest groups of rows with the same value in this column: of bools,
    /// integers, timestamps or strings.
    #[arg(long, value_name = "COLUMN")]
    group_by: Option<String>,

    /// Rows of each group, at most.
    #[arg(long, default_value_t = 1, requires = "group_by", value_name = "N")]
    group_size: u32,
}

/// Which scores are wanted.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Bounds {
    /// Only rows whose score is below this, or above it under ip and cosine.
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    radius: Option<f32>,

    /// Only rows whose score is at least this, or at most under ip and cosine.
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    inner_radius: Option<f32>,
}

/// How hard to try: at most one of the three.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(multiple = false)]
pub(crate) struct How {
    /// Candidates that indexes keep.
    #[arg(long, value_name = "N")]
    pub(crate) effort: Option<u32>,

    /// Mean recall that the server chooses the effort for; 0.95 if nothing is said.
    #[arg(long, value_name = "RECALL")]
    pub(crate) min_recall: Option<f32>,

    /// Compare with every row.
    #[arg(long)]
    pub(crate) exact: bool,
}

impl How {
    pub(crate) fn effort(self) -> Effort {
        match (self.effort, self.min_recall) {
            (Some(effort), _) => Effort::Candidates(effort as usize),
            (None, Some(recall)) => Effort::MinRecall(recall),
            (None, None) if self.exact => Effort::Exact,
            (None, None) => Effort::DEFAULT,
        }
    }
}

impl Asked {
    /// The search, of a collection that is asked for the vector if need be.
    pub(crate) async fn search(&self, collection: &Collection) -> Result<Search<One>, Failure> {
        let vector = query(collection, self).await?;
        let columns = self.columns.iter().filter(|column| !column.is_empty()).cloned();
        let mut search = collection
            .search(vector)
            .vector_column(&self.vector_column)
            .k(self.k)
            .offset(self.offset)
            .effort(self.how.effort())
            .columns(columns);
        if let Some(filter) = self.filter.filter()? {
            search = search.filter(filter);
        }
        if let Some(column) = &self.groups.group_by {
            search = search.group_by(column, self.groups.group_size);
        }
        if let Some(radius) = self.bounds.radius {
            search = search.radius(radius);
        }
        if let Some(inner_radius) = self.bounds.inner_radius {
            search = search.inner_radius(inner_radius);
        }
        Ok(search)
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let collection = args.asked.target.connect().await?;
        let search = args.asked.search(&collection).await?;
        let wanted = if args.all { usize::MAX } else { args.asked.k as usize };
        if wanted > K_MAX {
            return walk(search, wanted, args.json).await;
        }
        let found = search.send().await?;
        if args.json { print_json(&found, usize::MAX) } else { print_table(&[found], usize::MAX) }
    })
}

/// Prints the nearest rows, so many, page by page; a table once all are there.
async fn walk(search: Search<One>, wanted: usize, as_json: bool) -> Result<(), Failure> {
    let mut pages = search.k(PAGE_ROWS).pages();
    let (mut left, mut all) = (wanted, Vec::new());
    while left > 0
        && let Some(found) = pages.next_page().await?
    {
        if as_json {
            print_json(&found, left)?;
        }
        left -= found.hits.rows.len().min(left);
        if !as_json {
            all.push(found);
        }
    }
    if as_json { Ok(()) } else { print_table(&all, wanted) }
}

async fn query(collection: &Collection, args: &Asked) -> Result<Vectors, Failure> {
    if let Some(vector) = &args.query.vector {
        return Ok(Vectors::from(vector));
    }
    if let Some(file) = &args.query.file {
        let queries = npy::read_f32(file)?;
        let (row, rows) = (args.row, queries.rows);
        if row >= rows {
            let reason = format!("row {row} is not there; it has {rows} rows, counted from 0");
            return Err(Failure::file(file, reason));
        }
        return Ok(Vectors::from(queries.row(row)));
    }
    let Some(id) = &args.query.id else {
        return Err(Failure::new("say what to search for: --id, --vector or --file"));
    };
    let spec = collection.describe().await?.spec.unwrap_or_default();
    let column = vector_column(&spec, &args.vector_column)?;
    let ids = parse_ids(std::slice::from_ref(id), &spec)?;
    let rows = collection.get(ids, &[column]).await?;
    let vector = rows.vector_column(column).filter(|_| !rows.is_empty());
    vector.cloned().ok_or_else(|| {
        Failure::new(format!("collection `{}` has no row with the id {id}", collection.name()))
    })
}

/// The vector column of that name, or the only one.
pub(crate) fn vector_column<'a>(spec: &'a CollectionSpec, name: &str) -> Result<&'a str, Failure> {
    let found = match (name, &spec.vectors[..]) {
        ("", [only]) => Some(only),
        ("", _) => None,
        (name, columns) => columns.iter().find(|column| column.name == name),
    };
    found.map(|column| column.name.as_str()).ok_or_else(|| {
        let names: Vec<_> = spec.vectors.iter().map(|column| column.name.as_str()).collect();
        let (name, names) = (&spec.name, names.join("`, `"));
        Failure::new(format!("say --vector-column: collection `{name}` has `{names}`"))
    })
}

/// The group of each row; nothing if they are not grouped.
fn groups(found: &Found<Hits>) -> Vec<Cell<'_>> {
    let rows = |group: &HitGroup| group.rows.len();
    let groups = found.hits.groups.iter();
    groups.flat_map(|group| std::iter::repeat_n(group.key(), rows(group))).collect()
}

/// Prints the first so many.
fn print_json(found: &Found<Hits>, limit: usize) -> Result<(), Failure> {
    let groups = groups(found);
    for (row, score) in found.hits.scores.iter().enumerate().take(limit) {
        let mut hit = row_json(&found.hits.rows, row);
        hit.insert("score".into(), json!(score));
        if let Some(group) = groups.get(row) {
            hit.insert("group".into(), output::value_json(group));
        }
        output::json(&Value::Object(hit))?;
    }
    Ok(())
}

/// Prints the first so many of all pages.
fn print_table(pages: &[Found<Hits>], limit: usize) -> Result<(), Failure> {
    let Some(first) = pages.first().filter(|found| !found.hits.rows.is_empty()) else {
        output::note(
            "nothing found: no row passes the filter and is within the bounds, or there are none",
        );
        return Ok(());
    };
    let names: Vec<_> = first.hits.rows.column_names().map(String::from).collect();
    let columns = names.iter().map(|name| (name.as_str(), Align::Left));
    let group = (!first.hits.groups.is_empty()).then_some(("group", Align::Left));
    let heads = group.into_iter().chain([("score", Align::Right), ("id", Align::Right)]);
    let columns: Vec<_> = heads.chain(columns).collect();
    let mut grid = Grid::new(&columns);
    let rows =
        pages.iter().flat_map(|found| (0..found.hits.scores.len()).map(move |row| (found, row)));
    let groups: Vec<_> = pages.iter().flat_map(groups).collect();
    for (at, (found, row)) in rows.take(limit).enumerate() {
        let Hits { rows, scores, .. } = &found.hits;
        let group = groups.get(at).map(output::cell);
        let heads = group.into_iter().chain([format!("{:.4}", scores[row])]);
        grid.row(heads.chain(row_cells(rows, row, &names)));
    }
    grid.print()
}
