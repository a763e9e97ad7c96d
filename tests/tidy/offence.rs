//! What a rule found, and how it is told.

use std::fmt;

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offence {
    path: String,
    line: usize,
    /// What is wrong and how to mend it.
    what: String,
}

impl Offence {
    /// Notes an offence; lines count from 1.
    pub(crate) fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }

    /// The line it is in.
    #[cfg(test)]
    pub(crate) fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Fails, listing every offender.
pub(crate) fn assert_none(offences: Vec<Offence>) {
    let list: Vec<String> = offences.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} offenders:\n{}", list.len(), list.join("\n"));
}

/// The lines of offences, for the rules' own tests.
#[cfg(test)]
pub(crate) fn lines(offences: &[Offence]) -> Vec<usize> {
    offences.iter().map(Offence::line).collect()
}
