//! Everything that is printed: lines, tables, JSON, progress bars, the error line.

use crate::failure::Failure;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Row, Table};
use console::Term;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::{ErrorKind, Write as _};
use std::time::Duration;
use vicinal_client::Value;

/// The width that texts are cut to where there is no terminal.
const WIDTH_ELSEWHERE: usize = 120;

/// Prints a line to standard output.
pub(crate) fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
        Err(error) => Err(Failure::new(format!("cannot write to standard output: {error}"))),
    }
}

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::new(format!("the result does not go into JSON: {error}")))?;
    line(text)
}

/// Says something that is not the result to standard error.
pub(crate) fn note(text: impl std::fmt::Display) {
    // There is nobody left to tell if standard error is closed.
    let _closed = writeln!(std::io::stderr(), "{text}");
}

/// Whether a person looks at standard output.
pub(crate) fn is_terminal() -> bool {
    Term::stdout().is_term()
}

/// Columns of the terminal, if standard output is one.
fn terminal_width() -> Option<u16> {
    let (_, columns) = Term::stdout().size_checked()?;
    is_terminal().then_some(columns)
}

/// The start of a long text: what a line has room for beside `others` columns.
pub(crate) fn cut(text: &str, others: usize) -> String {
    let width = terminal_width().map_or(WIDTH_ELSEWHERE, usize::from);
    let room = width.saturating_sub(others).max(20);
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut start: String = text.chars().take(room - 1).collect();
    start.push('…');
    start
}

/// How a column of a [`Grid`] is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A table of aligned columns, cut to the width of the terminal if there is one.
pub(crate) struct Grid {
    table: Table,
    aligns: Vec<Align>,
}

impl Grid {
    pub(crate) fn new(columns: &[(&str, Align)]) -> Self {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        if let Some(width) = terminal_width() {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        } else {
            // Who pipes a table wants all of it.
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        let aligns: Vec<_> = columns.iter().map(|(_, align)| *align).collect();
        let mut grid = Self { table, aligns };
        let header = grid.cells(columns.iter().map(|(name, _)| name.to_uppercase()));
        grid.table.set_header(header);
        grid
    }

    /// Adds a row; what does not fit is cut, so that a row stays a line.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row = self.cells(cells);
        row.max_height(1);
        self.table.add_row(row);
    }

    pub(crate) fn print(&self) -> Result<(), Failure> {
        line(self.table.trim_fmt())
    }

    fn cells(&self, cells: impl IntoIterator<Item = String>) -> Row {
        let cells = cells.into_iter().zip(&self.aligns).map(|(text, align)| {
            let text = text.replace(char::is_control, " ");
            Cell::new(text).set_alignment(match align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            })
        });
        Row::from(cells.collect::<Vec<_>>())
    }
}

/// A bar with rate and remaining time; hidden when standard error is not a terminal.
pub(crate) fn bar(total: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template = format!(
        "{what} {{wide_bar}} {{percent:>3}} %  {{human_pos}}/{{human_len}}  {{per_sec}}  {{eta}} left"
    );
    bar.set_style(
        ProgressStyle::with_template(&template).expect("the template has only known keys"),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A bar over bytes with rate and remaining time; hidden like [`bar`].
pub(crate) fn bytes_bar(what: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    let template = format!(
        "{what} {{wide_bar}} {{percent:>3}} %  {{binary_bytes}}/{{binary_total_bytes}}  {{binary_bytes_per_sec}}  {{eta}} left"
    );
    bar.set_style(
        ProgressStyle::with_template(&template).expect("the template has only known keys"),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A value as a cell of a table, where an empty one would not say that it is null.
pub(crate) fn cell(value: &Value<'_>) -> String {
    if matches!(value, Value::Null) { "null".to_owned() } else { value.to_string() }
}

/// A value as JSON; a JSON column's document as itself.
pub(crate) fn value_json(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) | Value::Timestamp(value) => (*value).into(),
        Value::Float32(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Text(text) => (*text).into(),
        Value::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| (*text).into()),
        Value::Vector(values) => values.clone().into(),
        Value::Array(items) => items.iter().map(value_json).collect(),
    }
}

/// A count with its thousands set apart.
pub(crate) fn count(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

/// A rounded number with its thousands set apart.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates and counts are positive and far below 2^64"
)]
pub(crate) fn rate(number: f64) -> String {
    count(number.round() as u64)
}

/// Bytes in the largest fitting unit.
pub(crate) fn bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
