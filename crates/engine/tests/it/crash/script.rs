//! The scripts: each a life of the database that works one part of it hard.

use super::snapshots::Snapshots;
use super::step::{Change, Step, Stop};
use super::world::World;
use crate::fixture::range;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vicinal_engine::Engine;
use vicinal_storage::{SimDisk, Survivors};
use vicinal_types::IndexKind;

/// Disk calls that a script makes at least.
pub(crate) const CALLS_MIN: u64 = 300;

/// A life in steps.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) steps: Vec<Step>,
}

/// How far a script came.
pub(crate) struct Played {
    pub(crate) engine: Option<Engine>,
    pub(crate) snapshots: Snapshots,
    /// Steps done.
    pub(crate) done: usize,
    /// Why the next step failed that others stand on.
    pub(crate) failed: Option<String>,
    /// Failures of other steps, which the script goes on after.
    pub(crate) said: Vec<String>,
}

impl Script {
    pub(crate) fn all() -> Vec<Self> {
        vec![
            Self::log(),
            Self::seal(),
            Self::index(),
            Self::compaction(),
            Self::catalogue(),
            Self::recovery(),
            Self::requests(),
            Self::snapshot(),
        ]
    }

    /// The word before the colon of its name.
    pub(crate) fn word(&self) -> &'static str {
        self.name.split(':').next().unwrap_or_default()
    }

    /// The world after each number of steps.
    pub(crate) fn worlds(&self) -> Vec<World> {
        let (mut worlds, mut snapshots) = (vec![World::default()], BTreeMap::new());
        for step in &self.steps {
            let mut world = worlds.last().cloned().unwrap_or_default();
            world.apply(step, &mut snapshots);
            worlds.push(world);
        }
        worlds
    }

    /// Runs the script until a step fails that others stand on. The counter
    /// is twice the steps done, plus one while a step is under way.
    pub(crate) fn play(&self, disk: &SimDisk, counter: &Arc<AtomicU64>) -> Played {
        let (engine, snapshots) = (None, Snapshots::default());
        let mut played = Played { engine, snapshots, done: 0, failed: None, said: Vec::new() };
        // After a failure at start the disk is good again.
        for _ in 0..2 {
            match super::step::open(disk) {
                Ok(engine) => played.engine = Some(engine),
                Err(error) => played.said.push(error.to_string()),
            }
            if played.engine.is_some() {
                break;
            }
        }
        for step in &self.steps {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut outcome = step.run(disk, &mut played.engine, &mut played.snapshots);
            if let Err(error) = &outcome
                && !step.is_needed()
            {
                played.said.push(error.to_string());
                if played.engine.is_none() {
                    outcome = super::step::open(disk).map(|engine| played.engine = Some(engine));
                } else {
                    outcome = Ok(());
                }
            }
            if let Err(error) = outcome {
                played.failed = Some(error.to_string());
                return played;
            }
            played.done += 1;
            counter.fetch_add(1, Ordering::SeqCst);
        }
        played
    }
}

fn write(to: &'static str, change: Change) -> Step {
    Step::Write { to, change, request: None }
}

fn insert(to: &'static str, ids: std::ops::Range<i64>, form: i64) -> Step {
    write(to, Change::Insert(range(ids), form))
}

fn upsert(to: &'static str, ids: &[i64], form: i64) -> Step {
    write(to, Change::Upsert(ids.to_vec(), form))
}

fn delete(to: &'static str, ids: &[i64]) -> Step {
    write(to, Change::Delete(ids.to_vec()))
}

impl Script {
    /// The log: many small writes of two collections, one of which is sealed now
    /// and then; files are begun, entries of the other one moved, files removed.
    pub(crate) fn log() -> Self {
        let mut steps = vec![Step::Create("often"), Step::Create("rarely")];
        for round in 0..45 {
            steps.push(insert("often", round * 3..round * 3 + 3, 0));
            if round % 3 == 1 {
                steps.push(upsert("often", &[round * 3, round], round));
                steps.push(delete("often", &[round * 2]));
            }
            if round % 12 == 5 {
                steps.push(insert("rarely", round..round + 1, round));
            }
            if round % 9 == 8 {
                steps.push(Step::Flush("often"));
            }
        }
        Self { name: "log: append, rotate, move, purge", steps }
    }

    /// Segments: sealed while rows are replaced and deleted, in files and in memory.
    pub(crate) fn seal() -> Self {
        let mut steps = vec![Step::Create("points")];
        for round in 0..10 {
            let base = round * 16;
            steps.push(insert("points", base..base + 16, 0));
            steps.push(upsert("points", &[base, base + 3, (base + 9) / 2], round + 1));
            steps.push(delete("points", &[base + 7, (base + 5) / 2]));
            steps.push(insert("points", base + 7..base + 8, 9));
            if round % 2 == 0 {
                steps.push(Step::Flush("points"));
            }
        }
        steps.push(Step::Restart(Stop::Clean));
        steps.push(delete("points", &range(0..40)));
        steps.push(Step::Flush("points"));
        Self { name: "seal: rows, tombstones, manifest", steps }
    }

    /// Indexes: built, replaced by others, taken away.
    pub(crate) fn index() -> Self {
        let mut steps = vec![Step::Create("points")];
        let kinds = [IndexKind::Hnsw, IndexKind::IvfFlat, IndexKind::Flat, IndexKind::Hnsw];
        for (round, kind) in (0..).zip(kinds) {
            let base = round * 24;
            steps.push(insert("points", base..base + 24, 0));
            steps.push(Step::Flush("points"));
            steps.push(delete("points", &[base + 1, base / 2]));
            steps.push(upsert("points", &[base + 2], 5));
            steps.push(Step::Reindex("points", kind));
        }
        Self { name: "index: build, replace, manifest", steps }
    }

    /// Merges: of small segments, of those with many deleted rows, of all but nothing.
    pub(crate) fn compaction() -> Self {
        let mut steps = vec![Step::Create("points")];
        for round in 0..3 {
            let base = round * 60;
            for part in 0..4 {
                let first = base + part * 15;
                steps.push(insert("points", first..first + 15, round));
                steps.push(delete("points", &[first + 1, base / 2]));
                steps.push(Step::Flush("points"));
            }
            steps.push(upsert("points", &[base + 3, base + 18], round + 40));
            steps.push(Step::Compact("points"));
            steps.push(delete("points", &range(base + 5..base + 45)));
            steps.push(insert("points", base + 10..base + 20, 7));
            steps.push(Step::Compact("points"));
        }
        steps.push(Step::Restart(Stop::Kill));
        steps.push(delete("points", &range(0..200)));
        steps.push(Step::Compact("points"));
        Self { name: "compaction: merge, replace, remove", steps }
    }

    /// The catalogue: collections, columns and aliases come and go.
    pub(crate) fn catalogue() -> Self {
        let mut steps = vec![Step::Create("stays"), insert("stays", 0..12, 0)];
        steps.push(Step::SetAlias("alias", "stays"));
        for round in 0..4 {
            let base = 100 * (round + 1);
            steps.push(Step::Create("goes"));
            steps.push(insert("goes", 0..10, round));
            steps.push(Step::AddColumn("stays", "first", round * 11));
            steps.push(insert("stays", base..base + 8, round));
            steps.push(Step::SetAlias("other", "goes"));
            steps.push(Step::Flush("stays"));
            steps.push(Step::AddColumn("stays", "second", 5));
            steps.push(upsert("stays", &[base, base + 1, 3], round + 20));
            if round % 2 == 1 {
                steps.push(Step::Flush("goes"));
                steps.push(Step::Restart(Stop::Clean));
            }
            steps.push(Step::DropColumn("stays", "first"));
            steps.push(delete("stays", &[base + 2]));
            steps.push(Step::Drop("goes"));
            steps.push(Step::DropColumn("stays", "second"));
        }
        steps.push(Step::SetAlias("more", "stays"));
        steps.push(Step::DropAlias("alias"));
        Self { name: "catalogue: columns, aliases, drop", steps }
    }

    /// Restarts after every kind of end, with writes between: the calls of opening.
    pub(crate) fn recovery() -> Self {
        let ends = [
            Stop::Kill,
            Stop::Power(Survivors::Nothing),
            Stop::MidWrite,
            Stop::Clean,
            Stop::Power(Survivors::Torn),
            Stop::Power(Survivors::Everything),
            Stop::Power(Survivors::Bytes),
            Stop::Power(Survivors::Names),
            Stop::MidWrite,
            Stop::MidWrite,
        ];
        let mut steps = vec![Step::Create("points"), Step::Create("other")];
        for (round, stop) in (0..).zip(ends) {
            let base = round * 10;
            steps.push(insert("points", base..base + 10, round));
            steps.push(insert("other", round..round + 1, 0));
            steps.push(delete("points", &[base + 4, base / 2]));
            if round % 2 == 0 {
                steps.push(Step::Flush("points"));
            }
            steps.push(upsert("points", &[base + 1], round + 30));
            steps.push(Step::Restart(stop));
        }
        Self { name: "recovery: opening after every end", steps }
    }

    /// Writes with request ids, each handed in once more later.
    pub(crate) fn requests() -> Self {
        let mut steps = vec![Step::Create("points")];
        let mut requested = Vec::new();
        for round in 0..12_u8 {
            let base = i64::from(round) * 8;
            for (at, change) in (0..).zip([
                Change::Insert(range(base..base + 8), 0),
                Change::Delete(vec![base + 2, base / 2]),
                Change::Upsert(vec![base + 3], i64::from(round)),
            ]) {
                requested.push((Some(round * 3 + at + 1), change));
            }
        }
        for (at, (request, change)) in requested.into_iter().enumerate() {
            steps.push(Step::Write { to: "points", change, request });
            match at % 9 {
                4 => steps.push(Step::Flush("points")),
                8 => steps.push(Step::Restart(Stop::Kill)),
                _ => {}
            }
        }
        Self { name: "requests: exactly once", steps }
    }

    /// Snapshots: held while files of theirs are merged away, their collection is
    /// dropped and the node ends; brought back beside it and in its place.
    pub(crate) fn snapshot() -> Self {
        let mut steps = vec![Step::Create("points"), Step::SetAlias("alias", "points")];
        let rounds = [("copy-1", Stop::Kill), ("copy-2", Stop::Clean), ("copy-3", Stop::MidWrite)];
        for (round, (copy, stop)) in (0..).zip(rounds) {
            let base = round * 20;
            steps.push(insert("points", base..base + 12, round));
            steps.push(Step::Flush("points"));
            steps.push(upsert("points", &[base + 1, base + 13, base / 2], round + 20));
            steps.push(delete("points", &[base + 2, base / 3]));
            steps.push(Step::Pin("points", "snapshot"));
            steps.push(upsert("points", &[base + 3], round + 30));
            steps.push(delete("points", &range(base + 4..base + 9)));
            steps.push(Step::Compact("points"));
            if round == 1 {
                steps.push(Step::AddColumn("points", "first", 3));
                steps.push(Step::Restart(Stop::Kill));
            }
            steps.push(Step::Keep("snapshot"));
            steps.push(Step::Restore("snapshot", copy));
            steps.push(upsert(copy, &[base + 1, base + 500], round + 40));
            steps.push(delete(copy, &range(base + 5..base + 10)));
            steps.push(Step::Restart(stop));
            steps.push(Step::Compact(copy));
        }
        steps.push(Step::Drop("copy-1"));
        steps.push(Step::Pin("points", "last"));
        steps.push(Step::Drop("points"));
        steps.push(Step::Restore("snapshot", "copy-1"));
        steps.push(Step::Restart(Stop::Power(Survivors::Nothing)));
        steps.push(Step::Keep("last"));
        steps.push(Step::Restore("last", "points"));
        steps.push(insert("points", 600..605, 0));
        steps.push(Step::Flush("points"));
        Self { name: "snapshot: hold, merge, drop, restore", steps }
    }
}
