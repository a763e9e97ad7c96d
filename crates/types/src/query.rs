//! What a search asks for and what it finds.

use crate::{Error, Metric, Result, limits};

/// How fresh a read must be. On a single node every level is the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Consistency {
    /// Everything acknowledged before the read began.
    #[default]
    Strong,
    /// At least the caller's own writes.
    Session,
    /// Behind by at most a configured time.
    Bounded,
    /// Whatever this replica has.
    Eventual,
}

/// How hard an approximate search tries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effort {
    /// Compare with every row.
    Exact,
    /// Keep this many candidates, at least k; where several segments are searched one
    /// after another, in all of them.
    Candidates(usize),
    /// Whatever reaches this mean recall by the segment's calibration curve.
    MinRecall(f32),
}

impl Effort {
    /// The recall asked for when a search names nothing.
    pub const DEFAULT: Self = Self::MinRecall(0.95);

    /// Checks the bounds.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) naming value and limit.
    pub fn check(self) -> Result<Self> {
        let max = limits::EFFORT_MAX;
        match self {
            Self::Candidates(effort) if effort == 0 || effort > max => {
                Err(Error::invalid(format!("effort {effort} is not between 1 and {max}")))
            }
            Self::MinRecall(recall) if !(recall > 0.0 && recall <= 1.0) => {
                Err(Error::invalid(format!("min_recall {recall} is not above 0 and at most 1")))
            }
            Self::Exact | Self::Candidates(_) | Self::MinRecall(_) => Ok(self),
        }
    }
}

/// Which way scores point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearer {
    /// The lowest score is nearest.
    Lower,
    /// The highest score is nearest.
    Higher,
}

impl Nearer {
    /// The direction of `metric`.
    pub fn of(metric: Metric) -> Self {
        if metric.higher_is_nearer() { Self::Higher } else { Self::Lower }
    }
}

/// A row found, and how near it is by the metric's own score.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The row's primary id.
    pub id: crate::RowId,
    /// Its score, see [`Nearer`].
    pub score: f32,
}
