//! The two files that the crate loads a graph from, in its format 4.
//!
//! It writes and reads native integers, a `usize` as 8 bytes: all machines that we
//! build for are little-endian and have 64 bits.

use super::format::{Place, Stored};
use super::graph::{CountedL2, LAYERS};
use crate::Vectors;
use crate::engines::floats::Floats;
use std::any::type_name;
use std::io::{Result, Write};
use vicinal_types::ForeignGraph;
use zerocopy::IntoBytes;

const DESCRIPTION: u32 = 0x002a_6779;
const LAYER: u32 = 0x000a_676f;
const POINT: u32 = 0x000a_678f;
const DATA: u32 = 0xa67f_0000;

/// Points and links by layer and rank beside their rows.
const FULL: u8 = 1;

/// The graph: a description, the points of each level with all their links, the
/// point where searches begin.
pub(super) fn graph(
    file: &mut impl Write,
    params: ForeignGraph,
    dim: usize,
    stored: &Stored<'_>,
) -> Result<()> {
    let places = stored.by_level();
    description(file, params, places.len(), dim)?;
    byte(file, LAYERS)?;
    let mut rest = &places[..];
    for count in stored.counts {
        let points;
        (points, rest) = rest.split_at(count as usize);
        magic(file, LAYER)?;
        size(file, points.len())?;
        points.iter().try_for_each(|place| point(file, place, stored))?;
    }
    identity(file, &stored.entry())
}

fn description(
    file: &mut impl Write,
    params: ForeignGraph,
    points: usize,
    dim: usize,
) -> Result<()> {
    magic(file, DESCRIPTION)?;
    byte(file, FULL)?;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be at most 255")]
    byte(file, params.m as u8)?;
    let level_scale = 1.0 / f64::from(params.m).ln();
    file.write_all(&level_scale.to_le_bytes())?;
    byte(file, LAYERS)?;
    size(file, params.ef_construction as usize)?;
    size(file, points)?;
    size(file, dim)?;
    for name in [type_name::<CountedL2>(), type_name::<f32>()] {
        size(file, name.len())?;
        file.write_all(name.as_bytes())?;
    }
    Ok(())
}

fn point(file: &mut impl Write, place: &Place, stored: &Stored<'_>) -> Result<()> {
    magic(file, POINT)?;
    identity(file, place)?;
    let mut lists = stored.lists(place);
    for _ in 0..LAYERS {
        let links = lists.next().unwrap_or_default();
        size(file, links.len())?;
        for (rank, &link) in (0u16..).zip(links) {
            identity(file, &stored.place_of(link))?;
            // Searches use the order of the links only; the crate sorts them again.
            file.write_all(&f32::from(rank).to_le_bytes())?;
        }
    }
    Ok(())
}

/// The vectors, in the order of the points.
pub(super) fn data(
    file: &mut impl Write,
    floats: &Floats,
    vectors: &Vectors,
    stored: &Stored<'_>,
) -> Result<()> {
    magic(file, DATA)?;
    size(file, floats.dim())?;
    let mut values = Vec::new();
    for place in stored.by_level() {
        magic(file, DATA)?;
        size(file, place.row as usize)?;
        floats.row(vectors.row(place.row), &mut values);
        size(file, size_of_val(&values[..]))?;
        file.write_all(values.as_bytes())?;
    }
    Ok(())
}

fn identity(file: &mut impl Write, place: &Place) -> Result<()> {
    size(file, place.row as usize)?;
    byte(file, place.level)?;
    file.write_all(&place.rank.to_le_bytes())
}

fn magic(file: &mut impl Write, magic: u32) -> Result<()> {
    file.write_all(&magic.to_le_bytes())
}

fn size(file: &mut impl Write, size: usize) -> Result<()> {
    file.write_all(&(size as u64).to_le_bytes())
}

fn byte(file: &mut impl Write, byte: u8) -> Result<()> {
    file.write_all(&[byte])
}
