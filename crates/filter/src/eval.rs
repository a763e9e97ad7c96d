//! Evaluation: block by block of rows, test by test, each into a bit a row.
//!
//! A chain gives each of its parts the rows that are still undecided, and stops where
//! there are none. Tests of numbers look at whole blocks without a branch, all others
//! at the rows that they are given.

mod arrays;
mod bits;
mod condition;
mod leaf;
mod sets;

use crate::plan::{ColumnRef, Leaf, Plan, Test};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use bits::{BLOCK_ROWS, Bits, Block};
use condition::ConditionTask;
use leaf::LeafTask;
use vicinal_types::{Bitmap, ScalarType};

/// The columns of some rows, as Arrow arrays of one length.
#[derive(Clone, Debug)]
pub struct Columns {
    row_count: usize,
    arrays: Vec<(ColumnRef, ArrayRef)>,
}

/// Why a filter cannot be evaluated on some rows: not the fault of who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// A column that the filter reads is not there.
    #[error("{0} is read by the filter and is not among the columns given")]
    Missing(ColumnRef),
    /// An array of another type than its column.
    #[error("{column} has values of type {found}, its type {scalar} is held as another")]
    Type {
        /// The column.
        column: ColumnRef,
        /// Its type in the schema.
        scalar: ScalarType,
        /// The array's type.
        found: String,
    },
    /// An array or a set of rows of another length.
    #[error("{what} ranges over {found} rows, the filter is evaluated on {expected}")]
    Rows {
        /// What it is.
        what: &'static str,
        /// Its rows.
        found: usize,
        /// The rows of the columns.
        expected: usize,
    },
}

impl std::fmt::Display for ColumnRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id => f.write_str("the primary id"),
            Self::Column(id) => write!(f, "column number {id}"),
        }
    }
}

impl Columns {
    /// No columns, of so many rows.
    pub fn new(row_count: usize) -> Self {
        Self { row_count, arrays: Vec::new() }
    }

    /// Adds a column, in its [`ScalarType::arrow`] type; ids as int64 or strings.
    ///
    /// # Errors
    /// [`EvaluateError::Rows`] if the array has another length.
    pub fn insert(&mut self, column: ColumnRef, array: ArrayRef) -> Result<(), EvaluateError> {
        check_rows("a column", array.len(), self.row_count)?;
        self.arrays.push((column, array));
        Ok(())
    }

    fn array(&self, column: ColumnRef) -> Result<&ArrayRef, EvaluateError> {
        let found = self.arrays.iter().find(|(own, _)| *own == column);
        found.map(|(_, array)| array).ok_or(EvaluateError::Missing(column))
    }
}

fn check_rows(what: &'static str, found: usize, expected: usize) -> Result<(), EvaluateError> {
    if found == expected { Ok(()) } else { Err(EvaluateError::Rows { what, found, expected }) }
}

/// The rows for which a plan is true.
pub(crate) fn evaluate(
    plan: &Plan,
    columns: &Columns,
    within: Option<&Bitmap>,
    index: &mut dyn FnMut(&Leaf) -> Option<Bitmap>,
) -> Result<Bitmap, EvaluateError> {
    let row_count = columns.row_count;
    if let Some(within) = within {
        check_rows("the set of rows asked for", within.len(), row_count)?;
    }
    let task = Task::bind(plan, columns, index)?;
    let mut words = Vec::with_capacity(row_count.div_ceil(64));
    for start in (0..row_count).step_by(BLOCK_ROWS) {
        let block = Block { start, len: BLOCK_ROWS.min(row_count - start) };
        let mut mask = block.full();
        if let Some(within) = within {
            let asked = &within.words()[start / 64..];
            mask.iter_mut().zip(asked).for_each(|(word, asked)| *word &= asked);
        }
        let mut found: Bits = [0; _];
        task.run(block, &mask, &mut found);
        words.extend_from_slice(&found[..block.len.div_ceil(64)]);
    }
    Ok(Bitmap::from_words(words, row_count))
}

/// A plan with the arrays that it reads.
enum Task<'a> {
    Constant(bool),
    And(Vec<Task<'a>>),
    Or(Vec<Task<'a>>),
    /// Where the column is null, or where it is not.
    Null {
        nulls: Option<&'a NullBuffer>,
        is_negated: bool,
    },
    /// A test that an index answered.
    Answer {
        rows: Bitmap,
        nulls: Option<&'a NullBuffer>,
        is_negated: bool,
    },
    Leaf {
        task: LeafTask<'a>,
        nulls: Option<&'a NullBuffer>,
        is_negated: bool,
    },
    Condition {
        task: ConditionTask<'a>,
        is_negated: bool,
    },
}

impl<'a> Task<'a> {
    fn bind(
        plan: &'a Plan,
        columns: &'a Columns,
        index: &mut dyn FnMut(&Leaf) -> Option<Bitmap>,
    ) -> Result<Self, EvaluateError> {
        let mut all = |plans: &'a [Plan]| -> Result<Vec<Self>, EvaluateError> {
            plans.iter().map(|plan| Self::bind(plan, columns, index)).collect()
        };
        Ok(match plan {
            Plan::Constant(value) => Self::Constant(*value),
            Plan::And(plans) => Self::And(all(plans)?),
            Plan::Or(plans) => Self::Or(all(plans)?),
            Plan::Leaf { leaf, is_negated } => {
                let array = columns.array(leaf.column)?;
                let (nulls, is_negated) = (array.nulls(), *is_negated);
                if leaf.test == Test::IsNull {
                    return Ok(Self::Null { nulls, is_negated });
                }
                if let Some(rows) = index(leaf) {
                    check_rows("an index's answer", rows.len(), columns.row_count)?;
                    return Ok(Self::Answer { rows, nulls, is_negated });
                }
                Self::Leaf { task: LeafTask::bind(leaf, array)?, nulls, is_negated }
            }
            Plan::Condition { condition, is_negated } => Self::Condition {
                task: ConditionTask::bind(condition, columns)?,
                is_negated: *is_negated,
            },
        })
    }

    /// Sets `out` to the rows of `mask` that pass.
    fn run(&self, block: Block, mask: &Bits, out: &mut Bits) {
        match self {
            Self::Constant(true) => *out = *mask,
            Self::Constant(false) => *out = [0; _],
            Self::And(tasks) => {
                *out = *mask;
                for task in tasks {
                    if bits::is_empty(out) {
                        return;
                    }
                    let rest = *out;
                    task.run(block, &rest, out);
                }
            }
            Self::Or(tasks) => {
                let (mut rest, mut found): (Bits, Bits) = (*mask, [0; _]);
                *out = [0; _];
                for task in tasks {
                    if bits::is_empty(&rest) {
                        return;
                    }
                    task.run(block, &rest, &mut found);
                    for ((out, rest), found) in out.iter_mut().zip(&mut rest).zip(&found) {
                        *out |= found;
                        *rest &= !found;
                    }
                }
            }
            Self::Null { nulls, is_negated } => {
                *out = *mask;
                let mut valid = *mask;
                bits::keep_valid(&mut valid, *nulls, block);
                bits::resolve(out, &valid, !is_negated);
            }
            Self::Answer { rows, nulls, is_negated } => {
                let mut known = *mask;
                bits::keep_valid(&mut known, *nulls, block);
                *out = known;
                let words = &rows.words()[block.start / 64..];
                let mut found: Bits = [0; _];
                found.iter_mut().zip(words).for_each(|(found, word)| *found = *word);
                bits::resolve(out, &found, *is_negated);
            }
            Self::Leaf { task, nulls, is_negated } => {
                *out = *mask;
                bits::keep_valid(out, *nulls, block);
                let mut found: Bits = [0; _];
                task.run(block, out, &mut found);
                bits::resolve(out, &found, *is_negated);
            }
            Self::Condition { task, is_negated } => task.run(block, mask, *is_negated, out),
        }
    }
}
