//! A filter that fits a schema, ready to be evaluated.

use crate::check;
use crate::error::FilterError;
use crate::eval::{self, Columns, EvaluateError};
use crate::plan::{ColumnRef, Leaf, Plan};
use crate::tree::Expression;
use crate::value::Parameters;
use vicinal_types::{Bitmap, Schema};

/// A filter whose names, types and parameters fit a schema.
#[derive(Clone, Debug)]
pub struct Filter {
    plan: Plan,
    columns: Vec<ColumnRef>,
}

impl Filter {
    /// Checks a filter against a schema. `now` is what `now()` is, in microseconds since
    /// 1970: the time of the command, so that every replica sees the same.
    ///
    /// # Errors
    /// [`FilterError`] at the name, operand or parameter that does not fit; also for a
    /// parameter that is given and not used.
    pub fn new(
        expression: &Expression,
        schema: &Schema,
        parameters: &Parameters,
        now: i64,
    ) -> Result<Self, FilterError> {
        let plan = check::check(expression, schema, parameters, now)?.ordered();
        let mut columns = Vec::new();
        plan.columns(&mut |column| columns.push(column));
        columns.sort_unstable();
        columns.dedup();
        Ok(Self { plan, columns })
    }

    /// The columns that are read, ascending, each once.
    pub fn columns(&self) -> &[ColumnRef] {
        &self.columns
    }

    /// Whether all rows pass, or none does, if that is known without looking.
    pub fn constant(&self) -> Option<bool> {
        match &self.plan {
            Plan::Constant(value) => Some(*value),
            Plan::And(_) | Plan::Or(_) | Plan::Leaf { .. } | Plan::Condition { .. } => None,
        }
    }

    /// The tests of single columns, in the order in which [`evaluate`](Self::evaluate)
    /// asks an index about them.
    pub fn leaves(&self) -> Vec<&Leaf> {
        let mut leaves = Vec::new();
        self.plan.leaves(&mut |leaf| leaves.push(leaf));
        leaves
    }

    /// The rows that pass.
    ///
    /// `within` are the rows that are asked for; others do not pass and are looked at
    /// only where that is cheaper. `index` may answer a leaf: with the rows where its
    /// test is true, all of them and no others; rows where the column is null are known
    /// from the column.
    ///
    /// # Errors
    /// [`EvaluateError`] if a column is missing or is not as the schema says, or a set
    /// ranges over another number of rows.
    pub fn evaluate(
        &self,
        columns: &Columns,
        within: Option<&Bitmap>,
        index: &mut dyn FnMut(&Leaf) -> Option<Bitmap>,
    ) -> Result<Bitmap, EvaluateError> {
        eval::evaluate(&self.plan, columns, within, index)
    }
}
