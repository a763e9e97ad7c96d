//! The steps of a script, and how the engine does them.

use super::snapshots::Snapshots;
use super::world::extra_value;
use crate::fixture::{options, rows, spec};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vicinal_engine::{ApplyMode, Compaction, Engine, EngineOptions, Write};
use vicinal_storage::{SimDisk, Survivors};
use vicinal_types::{
    Cancel, Clock, Column, ColumnId, ColumnIndex, IndexKind, IndexSpec, Metric, RequestId, Result,
    ScalarType, ScalarValue, Schema, SystemClock,
};

/// Bytes of a log file in scripts: it rotates every few writes.
const LOG_FILE_BYTES: u64 = 4 * 1024;

/// Added columns begin here; the declared ones come before.
const EXTRA: ColumnId = ColumnId(4);

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Create(&'static str),
    Drop(&'static str),
    /// Collection, column, default.
    AddColumn(&'static str, &'static str, i64),
    DropColumn(&'static str, &'static str),
    /// Alias, collection.
    SetAlias(&'static str, &'static str),
    DropAlias(&'static str),
    Write {
        to: &'static str,
        change: Change,
        /// Repeated with the same number it is done once.
        request: Option<u8>,
    },
    /// Seals, builds indexes, and waits for both.
    Flush(&'static str),
    /// Merges segments until none is worth its work.
    Compact(&'static str),
    /// Another kind of index for all segments, and one of a scalar column.
    Reindex(&'static str, IndexKind),
    /// Takes a snapshot, collection and name, and holds it.
    Pin(&'static str, &'static str),
    /// Copies the files of a snapshot that is held, and lets it go.
    Keep(&'static str),
    /// Makes a collection, named last, of a snapshot that is kept.
    Restore(&'static str, &'static str),
    Restart(Stop),
}

/// Ids and the form of their values.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Insert(Vec<i64>, i64),
    Upsert(Vec<i64>, i64),
    Delete(Vec<i64>),
}

/// How the node ended before a restart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    Clean,
    /// The process; the machine lives on.
    Kill,
    Power(Survivors),
    /// The power, while a write without effect goes to the log.
    MidWrite,
}

impl Step {
    /// Whether later steps stand on it: if it fails, the script ends.
    pub(crate) fn is_needed(&self) -> bool {
        !matches!(self, Self::Flush(_) | Self::Compact(_) | Self::Reindex(..) | Self::Restart(_))
    }

    /// Does the step; a restart leaves no engine if it fails.
    pub(crate) fn run(
        &self,
        disk: &SimDisk,
        engine: &mut Option<Engine>,
        snapshots: &mut Snapshots,
    ) -> Result<()> {
        if let Self::Restart(stop) = self {
            restart(disk, engine, *stop);
            *engine = Some(open(disk)?);
            return Ok(());
        }
        let engine = engine.as_ref().expect("scripts go on with an engine");
        match self {
            Self::Create(name) => {
                let mut spec = spec(Metric::L2);
                (*name).clone_into(&mut spec.name);
                spec.segments.max_rows = 40;
                spec.segments.max_interval_s = 1_000_000;
                engine.create_collection("", spec, None).map(|_| ())
            }
            Self::Drop(name) => engine.drop_collection("", name, None),
            Self::AddColumn(name, column, default) => {
                let mut column = Column::scalar(EXTRA, *column, ScalarType::Int64, false);
                column.default = Some(ScalarValue::Int(*default));
                engine.add_column("", name, column, None).map(|_| ())
            }
            Self::DropColumn(name, column) => engine.drop_column("", name, column, None),
            Self::SetAlias(alias, name) => engine.set_alias("", alias, name, None).map(|_| ()),
            Self::DropAlias(alias) => engine.drop_alias("", alias, None),
            Self::Write { to, change, request } => {
                let request = request.map(|number| RequestId([number; 16]));
                engine.write_blocking("", to, change.write(engine, to)?, request).map(|_| ())
            }
            Self::Flush(name) => flush(engine, name),
            Self::Compact(name) => engine.compact("", name, &a_minute()).map(|_| ()),
            Self::Reindex(name, kind) => {
                let mut spec = engine.collection("", name)?.spec.clone();
                spec.indexes.insert("v".into(), IndexSpec { kind: *kind, ..IndexSpec::default() });
                let sorted = spec.schema.columns().iter().cloned().map(|mut column| {
                    if column.name == "number" {
                        column.index = ColumnIndex::Sorted;
                    }
                    column
                });
                spec.schema = Schema::new(spec.schema.id_type(), sorted.collect())?;
                engine.apply_collection("", spec, ApplyMode::default(), None)?;
                flush(engine, name)
            }
            Self::Pin(of, name) => snapshots.pin(engine, of, name, &a_minute()),
            Self::Keep(name) => snapshots.keep(name),
            Self::Restore(name, to) => snapshots.restore(engine, name, to),
            Self::Restart(_) => Ok(()),
        }
    }
}

impl Change {
    pub(crate) fn write(&self, engine: &Engine, to: &str) -> Result<Write> {
        let info = engine.collection("", to)?;
        let batch = |ids: &[i64], form: i64| {
            let mut batch = rows(ids, form);
            let added = info.spec.schema.scalars().filter(|(column, ..)| column.id >= EXTRA);
            for (column, ..) in added {
                let values: Vec<_> = ids.iter().map(|id| extra_value(*id, form)).collect();
                batch.scalars.push((column.id, Arc::new(arrow_array::Int64Array::from(values))));
            }
            batch
        };
        Ok(match self {
            Self::Insert(ids, form) => Write::Insert(batch(ids, *form)),
            Self::Upsert(ids, form) => Write::Upsert(batch(ids, *form)),
            Self::Delete(ids) => Write::Delete(vicinal_types::Ids::Int(ids.clone())),
        })
    }
}

/// A second of it is ten milliseconds, so that pauses before another attempt are
/// short.
struct FastClock {
    start: Instant,
}

impl Clock for FastClock {
    fn now(&self) -> Instant {
        self.start + (SystemClock.now() - self.start) * 100
    }

    fn unix_micros(&self) -> u64 {
        SystemClock.unix_micros()
    }
}

pub(crate) fn open(disk: &SimDisk) -> Result<Engine> {
    Engine::open(EngineOptions {
        log_file_bytes: LOG_FILE_BYTES,
        compaction: Compaction::OnRequest,
        clock: Arc::new(FastClock { start: SystemClock.now() }),
        ..options(Arc::new(disk.clone()))
    })
}

fn flush(engine: &Engine, name: &str) -> Result<()> {
    engine.flush("", name, true, &a_minute()).map(|_| ())
}

fn a_minute() -> Cancel {
    let timeout = SystemClock.now() + Duration::from_secs(60);
    Cancel::new(Arc::new(SystemClock), Some(timeout))
}

fn restart(disk: &SimDisk, engine: &mut Option<Engine>, stop: Stop) {
    match stop {
        Stop::Clean => {}
        Stop::Kill | Stop::Power(_) => disk.power_off(),
        Stop::MidWrite => {
            disk.crash_at(1);
            let engine = engine.as_ref().expect("scripts go on with an engine");
            let delete = Write::Delete(vicinal_types::Ids::Int(vec![-1]));
            let outcome = engine.write_blocking("", "points", delete, None);
            assert!(outcome.is_err(), "the power went before its sync");
        }
    }
    if let Some(engine) = engine.take() {
        engine.close();
    }
    match stop {
        Stop::Clean => {}
        Stop::Kill => disk.kill(),
        Stop::Power(survivors) => disk.crash_leaving(survivors),
        Stop::MidWrite => disk.crash(),
    }
}
