//! What the database must hold: the model that every crash is compared with.

use super::step::{Change, Step};
use crate::fixture::{DIM, vector};
use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use std::collections::BTreeMap;
use vicinal_engine::Engine;
use vicinal_types::{Cancel, Ids, Result, RowBatch, Schema, VectorInput};

/// Collections and aliases, with every value of every row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) collections: BTreeMap<String, Collection>,
    pub(crate) aliases: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collection {
    /// Columns added to those of the declaration, with their defaults.
    pub(crate) extras: BTreeMap<String, i64>,
    pub(crate) rows: BTreeMap<i64, Row>,
}

/// The form decides the values of the declared columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) form: i64,
    pub(crate) extras: BTreeMap<String, i64>,
}

/// What a write puts into an added column.
pub(crate) fn extra_value(id: i64, form: i64) -> i64 {
    id * 7 + form + 1_000
}

impl World {
    /// Does a step; `snapshots` has what each that was taken holds.
    pub(crate) fn apply(
        &mut self,
        step: &Step,
        snapshots: &mut BTreeMap<&'static str, Collection>,
    ) {
        match step {
            Step::Create(name) => {
                self.collections.entry((*name).to_owned()).or_default();
            }
            Step::Drop(name) => {
                self.collections.remove(*name);
                self.aliases.retain(|_, collection| collection != name);
            }
            Step::AddColumn(name, column, default) => {
                let collection = self.collection(name);
                collection.extras.insert((*column).to_owned(), *default);
                for row in collection.rows.values_mut() {
                    row.extras.insert((*column).to_owned(), *default);
                }
            }
            Step::DropColumn(name, column) => {
                let collection = self.collection(name);
                collection.extras.remove(*column);
                for row in collection.rows.values_mut() {
                    row.extras.remove(*column);
                }
            }
            Step::SetAlias(alias, name) => {
                self.aliases.insert((*alias).to_owned(), (*name).to_owned());
            }
            Step::DropAlias(alias) => {
                self.aliases.remove(*alias);
            }
            Step::Write { to, change, .. } => self.collection(to).apply(change),
            Step::Pin(of, name) => {
                snapshots.insert(name, self.collection(of).clone());
            }
            Step::Restore(name, to) => {
                self.collections.insert((*to).to_owned(), snapshots[name].clone());
            }
            Step::Flush(_)
            | Step::Compact(_)
            | Step::Reindex(..)
            | Step::Keep(_)
            | Step::Restart(_) => {}
        }
    }

    fn collection(&mut self, name: &str) -> &mut Collection {
        self.collections.get_mut(name).expect("scripts use collections that are there")
    }

    /// Reads everything there is; checks that all columns of a row are of one
    /// form, and that count, scroll and search agree.
    pub(crate) fn read(engine: &Engine) -> Result<Self> {
        let mut collections = BTreeMap::new();
        for summary in engine.list_collections("")? {
            collections.insert(summary.name.clone(), Collection::read(engine, &summary.name)?);
        }
        let aliases = engine.list_aliases("")?.into_iter().collect();
        Ok(Self { collections, aliases })
    }
}

impl Collection {
    pub(crate) fn apply(&mut self, change: &Change) {
        let extras = |id: i64, form: i64| -> BTreeMap<String, i64> {
            self.extras.keys().map(|name| (name.clone(), extra_value(id, form))).collect()
        };
        match change {
            Change::Insert(ids, form) => {
                for &id in ids {
                    let row = Row { form: *form, extras: extras(id, *form) };
                    self.rows.entry(id).or_insert(row);
                }
            }
            Change::Upsert(ids, form) => {
                for &id in ids {
                    self.rows.insert(id, Row { form: *form, extras: extras(id, *form) });
                }
            }
            Change::Delete(ids) => self.rows.retain(|id, _| !ids.contains(id)),
        }
    }

    pub(crate) fn read(engine: &Engine, name: &str) -> Result<Self> {
        let info = engine.collection("", name)?;
        let schema = &info.spec.schema;
        let mut found = Self::default();
        for (column, _, _) in schema.scalars().filter(|(column, ..)| column.id.0 > 3) {
            let Some(vicinal_types::ScalarValue::Int(default)) = column.default else {
                panic!("added columns have defaults");
            };
            found.extras.insert(column.name.clone(), default);
        }
        let (mut cursor, columns) = (Vec::new(), ["**".to_owned()]);
        loop {
            let page = engine.scroll("", name, &cursor, 50, &columns, &Cancel::never())?;
            for (id, row) in rows_of(&page.rows, schema) {
                let before = found.rows.insert(id, row);
                assert!(before.is_none(), "id {id} of {name} has two rows");
            }
            match page.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        let count = engine.count("", name)?;
        assert_eq!(count, found.rows.len() as u64, "count and scroll of {name} agree");
        if let Some((&id, row)) = found.rows.iter().next() {
            let query = VectorInput::Floats(vector(id, row.form).to_vec());
            let search = vicinal_engine::Search::new(query, 1);
            let answer = engine.search_blocking("", name, search, Cancel::never())?;
            assert_eq!(answer.results[0].rows.ids, Ids::Int(vec![id]), "{name} finds its row");
        }
        Ok(found)
    }
}

/// The rows of a page. A row whose columns are of different forms is torn.
fn rows_of(page: &RowBatch, schema: &Schema) -> Vec<(i64, Row)> {
    let Ids::Int(ids) = &page.ids else { panic!("integer ids") };
    let VectorInput::Packed { bytes, .. } = &page.vectors[0].1 else { panic!("packed vectors") };
    let floats: Vec<f32> = bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
    let of = |name: &str| {
        let id = schema.column(name).expect("a column of the schema").id;
        let found = page.scalars.iter().find(|(column, _)| *column == id);
        &found.expect("a column of the answer").1
    };
    let row = |(at, &id): (usize, &i64)| {
        let form = of("number").as_primitive::<Int64Type>().value(at) - id * 10;
        let words = of("word").as_string::<i32>();
        let word = (!words.is_null(at)).then(|| words.value(at).to_owned());
        assert_eq!(word, (id % 3 != 0).then(|| format!("word {id}.{form}")), "word of {id}");
        assert_eq!(floats[at * DIM..][..DIM], vector(id, form), "vector of {id}");
        let extras = schema.scalars().filter(|(column, ..)| column.id.0 > 3);
        let extras = extras.map(|(column, ..)| {
            (column.name.clone(), of(&column.name).as_primitive::<Int64Type>().value(at))
        });
        (id, Row { form, extras: extras.collect() })
    };
    ids.iter().enumerate().map(row).collect()
}
