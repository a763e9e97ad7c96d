//! The sections of a graph by `hnsw_rs`, and the files that the crate loads it
//! from. Integers are little-endian.
//!
//! [`section::HEADER`]:
//!
//! | offset | bytes | field                                       |
//! |-------:|------:|---------------------------------------------|
//! |      0 |     4 | index kind, 6: `hnsw_rs`                    |
//! |      4 |     4 | rows                                        |
//! |      8 |     4 | `m`                                         |
//! |     12 |     4 | `ef_construction`                           |
//! |     16 |     4 | the row where searches begin, 0 if no rows  |
//!
//! [`section::HNSW_RS_LINKS`]: words, for every row that has a vertex of its own,
//! ascending:
//!
//! | words | field                                                          |
//! |------:|----------------------------------------------------------------|
//! |     1 | its level, 0 to 15, and 256 times the number of lists, 0 to 16 |
//!
//! and for each list, those of layer 0, 1, …, the number of links and their rows,
//! nearest first. A vertex can have links above its level: they lead into the
//! graph, none leads back.
//!
//! [`section::HNSW_DUPLICATES`]: as in our own graph.
//!
//! The crate's own files name every link by row, layer and rank, repeat the
//! vectors and are many times as large; they are made anew when a graph is
//! opened, the vectors from the segment's.

use super::graph::{BASENAME, Graph, LAYERS, Vertex};
use super::private_files::PrivateFolder;
use super::{ENGINE, HnswRs, files};
use crate::engines::floats::Floats;
use crate::engines::{check_graph, damaged, read_duplicates, whole_words, word};
use crate::hnsw::{Duplicates, Words};
use crate::index::{HNSW_RS, VERSION, section};
use crate::{IndexError, Section, Vectors};
use bytes::Bytes;
use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::sync::Arc;
use vicinal_types::ForeignGraph;

const KIND: Range<usize> = 0..4;
const ROWS: Range<usize> = KIND.end..KIND.end + 4;
const M: Range<usize> = ROWS.end..ROWS.end + 4;
const EF_CONSTRUCTION: Range<usize> = M.end..M.end + 4;
const ENTRY: Range<usize> = EF_CONSTRUCTION.end..EF_CONSTRUCTION.end + 4;
const HEADER_BYTES: usize = ENTRY.end;
const _: () = assert!(HEADER_BYTES == 20, "the table above says so");

pub(super) fn encode(index: &HnswRs) -> Vec<Section> {
    let (vertices, entry) =
        index.graph.as_ref().map_or_else(|| (Vec::new(), 0), |graph| graph.vertices());
    let mut header = vec![0; HEADER_BYTES];
    header[KIND].copy_from_slice(&HNSW_RS.to_le_bytes());
    header[ROWS].copy_from_slice(&index.rows.to_le_bytes());
    header[M].copy_from_slice(&index.params.m.to_le_bytes());
    header[EF_CONSTRUCTION].copy_from_slice(&index.params.ef_construction.to_le_bytes());
    header[ENTRY].copy_from_slice(&entry.to_le_bytes());
    let words: Vec<u32> = vertices.iter().flat_map(words).collect();
    let parts = [
        (section::HEADER, Bytes::from(header)),
        (section::HNSW_RS_LINKS, Words::aligned(words.len(), words.into_iter()).bytes().clone()),
        (section::HNSW_DUPLICATES, index.duplicates.words().bytes().clone()),
    ];
    parts.into_iter().map(|(kind, bytes)| (kind, VERSION, bytes)).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "lists of links are few and short")]
fn words(vertex: &Vertex) -> Vec<u32> {
    let mut words = vec![u32::from(vertex.level) | (vertex.links.len() as u32) << 8];
    for links in &vertex.links {
        words.push(links.len() as u32);
        words.extend_from_slice(links);
    }
    words
}

pub(super) fn decode(
    header: &[u8],
    read: &mut dyn FnMut(u32) -> Result<Bytes, IndexError>,
    vectors: &Vectors,
) -> Result<HnswRs, IndexError> {
    if header.len() != HEADER_BYTES {
        let reason = format!("it has {} bytes, not {HEADER_BYTES}", header.len());
        return Err(damaged(section::HEADER, reason));
    }
    let (rows, entry) = (word(header, ROWS), word(header, ENTRY));
    if rows != vectors.len() {
        let reason = format!("it is about {rows} rows, the segment has {}", vectors.len());
        return Err(damaged(section::HEADER, reason));
    }
    let params =
        ForeignGraph { m: word(header, M), ef_construction: word(header, EF_CONSTRUCTION) };
    check_graph(params).map_err(|error| damaged(section::HEADER, error.to_string()))?;
    let floats = Floats::euclidean(ENGINE, vectors)
        .map_err(|error| damaged(section::HEADER, error.to_string()))?;
    let duplicates = read_duplicates(read, rows)?;
    let links = whole_words(section::HNSW_RS_LINKS, read)?;
    let stored = Stored::check(links.get(), entry, rows, &duplicates)?;
    let graph =
        if rows == 0 { None } else { Some(Arc::new(stored.load(params, &floats, vectors)?)) };
    Ok(HnswRs { params, rows, floats, graph, duplicates })
}

/// More links than any vertex gets on one layer.
const LINKS_MAX: usize = u16::MAX as usize;

/// Where a vertex is: its level, its rank among those of this level, and its
/// lists among the words.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) row: u32,
    pub(super) level: u8,
    pub(super) rank: u32,
    lists: u32,
    start: usize,
}

/// Checked links.
pub(super) struct Stored<'a> {
    words: &'a [u32],
    entry: u32,
    /// By row.
    places: Vec<Option<Place>>,
    /// How many vertices have each level.
    pub(super) counts: [u32; LAYERS as usize],
}

impl<'a> Stored<'a> {
    fn check(
        words: &'a [u32],
        entry: u32,
        rows: u32,
        duplicates: &Duplicates,
    ) -> Result<Self, IndexError> {
        let mut stored = Self { words, entry, places: Vec::new(), counts: [0; LAYERS as usize] };
        stored.places.reserve_exact(rows as usize);
        let mut at = 0;
        for row in 0..rows {
            let place = if duplicates.is_duplicate(row) {
                None
            } else {
                Some(stored.next_place(row, &mut at)?)
            };
            stored.places.push(place);
        }
        if at != words.len() {
            return Err(wrong(format!("{} words follow the last vertex", words.len() - at)));
        }
        for place in stored.places.iter().flatten() {
            for link in stored.lists(place).flatten() {
                if stored.places.get(*link as usize).copied().flatten().is_none() {
                    return Err(wrong(format!("row {} links to {link}, no vertex", place.row)));
                }
            }
        }
        let top = stored.counts.iter().rposition(|&count| count > 0);
        let entry = stored.places.get(entry as usize).copied().flatten();
        if rows > 0 && entry.map(|entry| usize::from(entry.level)) != top {
            let reason = format!("row {} is not a vertex of the top layer", stored.entry);
            return Err(damaged(section::HEADER, reason));
        }
        Ok(stored)
    }

    /// Reads over one vertex and counts it.
    fn next_place(&mut self, row: u32, at: &mut usize) -> Result<Place, IndexError> {
        let ends = || wrong(format!("it ends within row {row}"));
        let first = *self.words.get(*at).ok_or_else(ends)?;
        let ([level, ..], lists) = (first.to_le_bytes(), first >> 8);
        if level >= LAYERS || lists > LAYERS.into() {
            return Err(wrong(format!("row {row} has level {level} and {lists} lists")));
        }
        let (start, mut end) = (*at + 1, *at + 1);
        for _ in 0..lists {
            let count = self.words.get(end).map(|&count| count as usize);
            let past = count.filter(|&count| count <= LINKS_MAX).map(|count| end + 1 + count);
            end = past.filter(|&past| past <= self.words.len()).ok_or_else(ends)?;
        }
        *at = end;
        let rank = self.counts[usize::from(level)];
        self.counts[usize::from(level)] += 1;
        Ok(Place { row, level, rank, lists, start })
    }

    /// The links of a vertex, layer by layer.
    pub(super) fn lists(&self, place: &Place) -> impl Iterator<Item = &'a [u32]> {
        let mut rest = &self.words[place.start..];
        (0..place.lists).map_while(move |_| {
            let (count, links) = rest.split_first()?;
            let (links, after) = links.split_at_checked(*count as usize)?;
            rest = after;
            Some(links)
        })
    }

    /// Lets the crate load the graph.
    fn load(
        &self,
        params: ForeignGraph,
        floats: &Floats,
        vectors: &Vectors,
    ) -> Result<Graph, IndexError> {
        let folder = PrivateFolder::new()?;
        let graph = |file: &mut BufWriter<File>| files::graph(file, params, floats.dim(), self);
        folder.write(&format!("{BASENAME}.hnsw.graph"), graph)?;
        let data = |file: &mut BufWriter<File>| files::data(file, floats, vectors, self);
        folder.write(&format!("{BASENAME}.hnsw.data"), data)?;
        let graph = Graph::load(&folder)?;
        folder.remove()?;
        Ok(graph)
    }

    /// The place of a checked row.
    pub(super) fn place_of(&self, row: u32) -> Place {
        self.places[row as usize].expect("rows that are linked to are checked to be vertices")
    }

    /// The vertex where searches begin.
    pub(super) fn entry(&self) -> Place {
        self.place_of(self.entry)
    }

    /// All vertices, those of level 0 first, by rank.
    pub(super) fn by_level(&self) -> Vec<Place> {
        let mut places: Vec<_> = self.places.iter().flatten().copied().collect();
        places.sort_by_key(|place| place.level);
        places
    }
}

fn wrong(reason: String) -> IndexError {
    damaged(section::HNSW_RS_LINKS, reason)
}
