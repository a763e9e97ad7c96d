//! Cutting rows into overlapping leaves of near ones.
//!
//! Random rows are leaders; every row joins the groups of its nearest few
//! leaders; groups that are still large are cut again. A row and its true
//! neighbours end up in one leaf often enough, and leaves are small enough to
//! compare all their rows with each other, which costs no random access at all
//! (the partitioning of PiPNN, Rubel et al., 2026).

use super::compact::Compact;
use crate::hnsw::mix;
use rayon::prelude::*;
use vicinal_types::{Cancel, Stopped};

/// Rows of a leaf at most.
pub(super) const LEAF_ROWS_MAX: usize = 1_024;

/// Leaders of the first cut at most: every row is compared with each.
const LEADERS_MAX: usize = 1_000;

/// Groups that a row joins at the first cut, the second and all others.
const FANOUT: [usize; 3] = [3, 2, 1];

/// Rows assigned by a thread at once.
const BLOCK_ROWS: usize = 512;

struct Group {
    rows: Vec<u32>,
    depth: usize,
    seed: u64,
}

/// The leaves; every row is in at least one.
pub(super) fn leaves(
    compact: &Compact,
    rows: Vec<u32>,
    seed: u64,
    cancel: &Cancel,
) -> Result<Vec<Vec<u32>>, Stopped> {
    let mut leaves = Vec::new();
    let mut open = vec![Group { rows, depth: 0, seed }];
    while !open.is_empty() {
        cancel.check()?;
        let (small, large): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|group| group.rows.len() <= LEAF_ROWS_MAX);
        leaves.extend(small.into_iter().map(|group| group.rows));
        let cut = large.into_par_iter().map(|group| cut(compact, &group));
        open = cut.flatten_iter().collect();
    }
    Ok(leaves)
}

/// Cuts a group around random leaders.
fn cut(compact: &Compact, group: &Group) -> Vec<Group> {
    let fanout = FANOUT[group.depth.min(FANOUT.len() - 1)];
    let wanted = (group.rows.len() * fanout).div_ceil(LEAF_ROWS_MAX / 2);
    let leaders = leaders(group, wanted.clamp(2, LEADERS_MAX));
    let fanout = fanout.min(leaders.len() / 2).max(1);
    let mut codes = Vec::new();
    compact.gather(leaders.iter().copied(), &mut codes);
    let nearest: Vec<u32> = group
        .rows
        .par_chunks(BLOCK_ROWS)
        .flat_map_iter(|rows| nearest_leaders(compact, &codes, leaders.len(), rows, fanout))
        .collect();
    let mut groups: Vec<Vec<u32>> = vec![Vec::new(); leaders.len()];
    for (row, nearest) in group.rows.iter().zip(nearest.chunks_exact(fanout)) {
        nearest.iter().for_each(|&leader| groups[leader as usize].push(*row));
    }
    join_small(groups, group)
}

/// Different rows of the group, chosen at random.
fn leaders(group: &Group, count: usize) -> Vec<u32> {
    let mut leaders: Vec<u32> = (0..count as u64)
        .map(|at| {
            let number = mix(mix(group.seed).wrapping_add(at)) % group.rows.len() as u64;
            #[expect(clippy::cast_possible_truncation, reason = "below the number of rows")]
            group.rows[number as usize]
        })
        .collect();
    leaders.sort_unstable();
    leaders.dedup();
    leaders
}

/// The numbers of the `fanout` nearest leaders of every row.
fn nearest_leaders(
    compact: &Compact,
    leaders: &[u8],
    count: usize,
    rows: &[u32],
    fanout: usize,
) -> Vec<u32> {
    let mut codes = Vec::new();
    compact.gather(rows.iter().copied(), &mut codes);
    let mut keys = vec![0.0; rows.len() * count];
    compact.keys_many(&codes, leaders, &mut keys);
    let mut chosen = Vec::with_capacity(rows.len() * fanout);
    let mut ranked: Vec<(f32, u32)> = Vec::new();
    for keys in keys.chunks_exact(count) {
        ranked.clear();
        ranked.extend(keys.iter().copied().zip(0..));
        ranked.select_nth_unstable_by(fanout - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        chosen.extend(ranked[..fanout].iter().map(|ranked| ranked.1));
    }
    chosen
}

/// Groups to cut further or to keep as leaves. Small ones join their successor.
fn join_small(groups: Vec<Vec<u32>>, parent: &Group) -> Vec<Group> {
    let mut joined: Vec<Group> = Vec::new();
    let mut waiting: Vec<u32> = Vec::new();
    let mut next = |rows: Vec<u32>| {
        // Rows that no leader tells apart would be cut for ever.
        let is_stuck = rows.len() * 8 > parent.rows.len() * 7;
        let seed = mix(parent.seed.wrapping_add(joined.len() as u64 + 1));
        if is_stuck {
            let chunks = rows.chunks(LEAF_ROWS_MAX);
            joined.extend(chunks.map(|rows| Group { rows: rows.to_vec(), depth: 0, seed }));
        } else {
            joined.push(Group { rows, depth: parent.depth + 1, seed });
        }
    };
    for mut rows in groups {
        waiting.append(&mut rows);
        if waiting.len() >= LEAF_ROWS_MAX / 8 {
            waiting.sort_unstable();
            waiting.dedup();
            next(std::mem::take(&mut waiting));
        }
    }
    if !waiting.is_empty() {
        waiting.sort_unstable();
        waiting.dedup();
        next(waiting);
    }
    joined
}
