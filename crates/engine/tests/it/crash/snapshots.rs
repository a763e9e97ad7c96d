//! Snapshots of a script: held in the engine, kept outside of its disk, brought back.

use crate::snapshot::{Kept, keep, restore};
use std::collections::BTreeMap;
use vicinal_engine::{Engine, Pinned, RestoreAs};
use vicinal_types::{Cancel, Result};

/// The snapshots of a script by name.
#[derive(Default)]
pub(crate) struct Snapshots {
    held: BTreeMap<&'static str, Pinned>,
    kept: BTreeMap<&'static str, Kept>,
}

impl Snapshots {
    pub(crate) fn pin(
        &mut self,
        engine: &Engine,
        of: &str,
        name: &'static str,
        cancel: &Cancel,
    ) -> Result<()> {
        self.held.insert(name, engine.pin("", of, cancel)?);
        Ok(())
    }

    /// Whatever became of the collection, its files are what they were.
    pub(crate) fn keep(&mut self, name: &'static str) -> Result<()> {
        let pinned = self.held.remove(name).expect("scripts keep what they hold");
        self.kept.insert(name, keep(pinned)?);
        Ok(())
    }

    pub(crate) fn restore(&self, engine: &Engine, name: &str, to: &str) -> Result<()> {
        let to = RestoreAs { database: None, collection: Some(to.to_owned()) };
        restore(engine, &self.kept[name], &to).map(|_| ())
    }
}
