//! What the clients got, and what it adds up to.

use super::{Latencies, Percentiles};
use crate::failure::Failure;
use crate::recall;
use crate::source::npy::Matrix;
use std::collections::BTreeMap;
use std::time::Duration;
use vicinal_client::{Code, Found, Hits, Ids, Nearer};

/// What one client got.
pub(in crate::commands::bench) struct Outcome {
    latencies: Latencies,
    answered: u64,
    from_cache: u64,
    /// By gRPC code.
    errors: BTreeMap<i32, u64>,
    /// The first answer to each query.
    answers: BTreeMap<usize, Answer>,
}

/// What recall is computed from, after the clock has stopped.
struct Answer {
    hits: Hits,
    nearer: Nearer,
}

/// What all clients got.
pub(in crate::commands::bench) struct Tally {
    latencies: Latencies,
    answered: u64,
    from_cache: u64,
    errors: BTreeMap<i32, u64>,
    answers: Vec<Option<Answer>>,
}

impl Outcome {
    pub(in crate::commands::bench) fn new() -> Self {
        Self {
            latencies: Latencies::new(),
            answered: 0,
            from_cache: 0,
            errors: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    pub(in crate::commands::bench) fn answered(
        &mut self,
        query: usize,
        latency: Duration,
        found: Found<Hits>,
    ) {
        self.latencies.record(latency);
        self.answered += 1;
        self.from_cache += u64::from(found.report.from_cache);
        let Found { hits, nearer, .. } = found;
        self.answers.entry(query).or_insert(Answer { hits, nearer });
    }

    pub(in crate::commands::bench) fn failed(&mut self, code: Code) {
        *self.errors.entry(code.into()).or_default() += 1;
    }
}

impl Tally {
    pub(in crate::commands::bench) fn new(queries: usize) -> Self {
        Self {
            latencies: Latencies::new(),
            answered: 0,
            from_cache: 0,
            errors: BTreeMap::new(),
            answers: std::iter::repeat_with(|| None).take(queries).collect(),
        }
    }

    pub(in crate::commands::bench) fn add(&mut self, outcome: Outcome) -> Result<(), Failure> {
        self.latencies.add(&outcome.latencies)?;
        self.answered += outcome.answered;
        self.from_cache += outcome.from_cache;
        for (code, count) in outcome.errors {
            *self.errors.entry(code).or_default() += count;
        }
        for (query, answer) in outcome.answers {
            self.answers[query].get_or_insert(answer);
        }
        Ok(())
    }

    pub(in crate::commands::bench) fn answered(&self) -> u64 {
        self.answered
    }

    pub(in crate::commands::bench) fn asked(&self) -> u64 {
        self.answered + self.errors.values().sum::<u64>()
    }

    pub(in crate::commands::bench) fn cached(&self) -> u64 {
        self.from_cache
    }

    pub(in crate::commands::bench) fn errors(&self) -> &BTreeMap<i32, u64> {
        &self.errors
    }

    pub(in crate::commands::bench) fn percentiles(&self) -> Percentiles {
        self.latencies.percentiles()
    }

    /// Mean recall over the queries that were answered.
    pub(in crate::commands::bench) fn recall(&self, truth: &Matrix<i32>, k: usize) -> f64 {
        self.mean(|query, hits, nearer| {
            let Ids::Int(ids) = hits.rows.ids() else {
                return Some(0.0);
            };
            Some(recall::by_ids(ids, &hits.scores, &truth.row(query)[..k], nearer))
        })
    }

    /// The mean of something of the first answer to each query, where it has it; 1 if
    /// it has it nowhere.
    pub(in crate::commands::bench) fn mean(
        &self,
        of: impl Fn(usize, &Hits, Nearer) -> Option<f64>,
    ) -> f64 {
        let answers = self.answers.iter().enumerate();
        let found = answers.filter_map(|(query, answer)| {
            let answer = answer.as_ref()?;
            of(query, &answer.hits, answer.nearer)
        });
        let found: Vec<f64> = found.collect();
        if found.is_empty() { 1.0 } else { found.iter().sum::<f64>() / found.len() as f64 }
    }
}
