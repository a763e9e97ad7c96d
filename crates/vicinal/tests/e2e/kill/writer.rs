//! A client that writes to its own ids and knows what must come of it.

use crate::message::{column, ids, int_values, packed, rows_stub, strings};
use rand::rngs::SmallRng;
use rand::seq::index::sample;
use rand::{Rng as _, RngCore as _};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::ops::Range;
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Code, Status};
use vicinal_client::proto;
use vicinal_client::proto::column_values::Values;

/// Dimensions of the vectors.
pub(super) const DIM: usize = 16;

/// Bytes of a row's text, about: the log shall be written fast.
const TEXT_BYTES: usize = 500;

/// Before a refused write is sent again.
const PUT_OFF: Duration = Duration::from_millis(20);

/// Rows of a write.
const WRITE_ROWS: Range<usize> = 1..33;

/// What is stored of each id: which of its forms.
pub(super) type Model = BTreeMap<i64, i64>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Insert,
    Upsert,
    Delete,
}

/// A write of some ids in one form.
#[derive(Clone, Debug)]
pub(super) struct Write {
    kind: Kind,
    ids: Vec<i64>,
    form: i64,
    request_id: [u8; 16],
}

/// What a server says of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    inserted: u64,
    replaced: u64,
    deleted: u64,
    already_exists: Vec<u32>,
}

/// Writes to the ids of its own, one write after another.
pub(super) struct Writer {
    pub(super) collection: &'static str,
    pub(super) ids: Range<i64>,
    /// Between two writes.
    pub(super) pause: Duration,
    pub(super) random: SmallRng,
    /// What is acknowledged.
    pub(super) model: Model,
    /// The write that was sent and not acknowledged: done as a whole, or not at all.
    pub(super) pending: Option<Write>,
    pub(super) acknowledged: u64,
    /// Writes that were refused, and sent again, as too much waited to be sealed.
    pub(super) put_off: u64,
    /// The form of the last write.
    forms: i64,
}

/// The vector of an id in a form; no two are alike.
pub(super) fn vector(id: i64, form: i64) -> [f32; DIM] {
    let mut bits = (id as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (form as u64).rotate_left(32);
    std::array::from_fn(|_| {
        bits = (bits ^ (bits >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9).wrapping_add(1);
        (bits >> 48) as f32
    })
}

/// The text of an id in a form.
pub(super) fn text(id: i64, form: i64) -> String {
    let word = format!("{id} in form {form}, ");
    word.repeat(TEXT_BYTES.div_ceil(word.len()))
}

impl Write {
    /// The server's words for it, given what is stored.
    pub(super) fn expected(&self, model: &Model) -> Outcome {
        let is_there = |id: &&i64| model.contains_key(*id);
        let there = self.ids.iter().filter(is_there).count() as u64;
        let absent = self.ids.len() as u64 - there;
        match self.kind {
            Kind::Insert => {
                let places = (0_u32..).zip(&self.ids).filter(|(_, id)| model.contains_key(id));
                let already_exists = places.map(|(place, _)| place).collect();
                Outcome { inserted: absent, already_exists, ..Outcome::default() }
            }
            Kind::Upsert => Outcome { inserted: absent, replaced: there, ..Outcome::default() },
            Kind::Delete => Outcome { deleted: there, ..Outcome::default() },
        }
    }

    /// What it makes of what is stored.
    pub(super) fn apply(&self, model: &mut Model) {
        for id in &self.ids {
            match self.kind {
                Kind::Insert => drop(model.entry(*id).or_insert(self.form)),
                Kind::Upsert => drop(model.insert(*id, self.form)),
                Kind::Delete => drop(model.remove(id)),
            }
        }
    }

    fn rows(&self) -> Option<proto::RowBatch> {
        let form = self.form;
        let vectors: Vec<f32> = self.ids.iter().flat_map(|id| vector(*id, form)).collect();
        Some(proto::RowBatch {
            ids: ids(self.ids.iter().copied()),
            columns: vec![
                column("v", Values::Vectors(packed(&vectors))),
                column("form", int_values(self.ids.iter().map(|_| form))),
                column("text", strings(self.ids.iter().map(|id| text(*id, form)))),
            ],
        })
    }

    /// Sends it, with the same request id each time.
    pub(super) async fn send(&self, to: &Channel, collection: &str) -> Result<Outcome, Status> {
        let (mut stub, collection) = (rows_stub(to), collection.to_owned());
        let options =
            Some(proto::WriteOptions { request_id: self.request_id.to_vec(), timeout_ms: 0 });
        let database = String::new();
        match self.kind {
            Kind::Insert => {
                let rows = self.rows();
                let request = proto::InsertRequest { database, collection, rows, options };
                let answer = stub.insert(request).await?.into_inner();
                let (inserted, already_exists) = (answer.inserted, answer.already_exists);
                Ok(Outcome { inserted, already_exists, ..Outcome::default() })
            }
            Kind::Upsert => {
                let rows = self.rows();
                let request = proto::UpsertRequest {
                    database,
                    collection,
                    rows,
                    options,
                    ..Default::default()
                };
                let answer = stub.upsert(request).await?.into_inner();
                let (inserted, replaced) = (answer.inserted, answer.replaced);
                Ok(Outcome { inserted, replaced, ..Outcome::default() })
            }
            Kind::Delete => {
                let ids = ids(self.ids.iter().copied());
                let request =
                    proto::DeleteRequest { database, collection, ids, options, filter: None };
                let deleted = stub.delete(request).await?.into_inner().deleted;
                Ok(Outcome { deleted, ..Outcome::default() })
            }
        }
    }
}

impl Writer {
    pub(super) fn new(collection: &'static str, ids: Range<i64>, random: SmallRng) -> Self {
        Self {
            collection,
            ids,
            pause: Duration::ZERO,
            random,
            model: Model::new(),
            pending: None,
            acknowledged: 0,
            put_off: 0,
            forms: 0,
        }
    }

    fn draw(&mut self) -> Write {
        let kind = match self.random.random_range(0..10) {
            0..3 => Kind::Insert,
            3..8 => Kind::Upsert,
            _ => Kind::Delete,
        };
        let count = self.random.random_range(WRITE_ROWS);
        let all = usize::try_from(self.ids.end - self.ids.start).expect("few ids");
        let places = sample(&mut self.random, all, count).into_iter();
        let ids = places.map(|place| self.ids.start + place as i64).collect();
        let mut request_id = [0; 16];
        self.random.fill_bytes(&mut request_id);
        self.forms += 1;
        Write { kind, ids, form: self.forms, request_id }
    }

    /// Writes until the connection breaks.
    pub(super) async fn run(mut self, to: Channel) -> Self {
        let mut write = self.draw();
        loop {
            match write.send(&to, self.collection).await {
                Ok(outcome) => {
                    self.acknowledge(&write, &outcome);
                    write = self.draw();
                }
                // Only a status that tonic made up has a cause: the connection's.
                Err(status) if status.source().is_some() => {
                    self.pending = Some(write);
                    return self;
                }
                Err(status) if status.code() == Code::ResourceExhausted => {
                    self.put_off += 1;
                    tokio::time::sleep(PUT_OFF).await;
                }
                Err(status) => panic!("{write:?} was refused: {status}"),
            }
            if !self.pause.is_zero() {
                tokio::time::sleep(self.pause).await;
            }
        }
    }

    /// Takes an answer, which must be what is known about the rows.
    pub(super) fn acknowledge(&mut self, write: &Write, outcome: &Outcome) {
        let expected = write.expected(&self.model);
        assert_eq!(*outcome, expected, "{write:?} into {:?}", self.collection);
        write.apply(&mut self.model);
        self.acknowledged += 1;
    }
}
