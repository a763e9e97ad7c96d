//! Who holds memory: every component of a node, and of one collection.

use super::{MemoryBudget, Pressure};
use crate::catalogue::{Catalogue, LiveCollection};
use crate::command::CommandClock;
use crate::filtering::FilterCache;
use crate::machine::Machine;
use crate::maintenance::Maintenance;
use crate::quotas::Holding;
use crate::scratches::Scratches;
use crate::shard::{SegmentView, Shard, View};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vicinal_cluster::Node;

/// Growing segments below this are not sealed early: their files would be many.
const SEALED_EARLY_MIN: u64 = 1 << 20;

/// Everybody who holds memory, and whom jobs ask for more.
pub(crate) struct Account {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) node: Node<Machine>,
    pub(crate) scratches: Arc<Scratches>,
    pub(crate) maintenance: Arc<Maintenance>,
    pub(crate) filter_cache: Arc<FilterCache>,
    pub(crate) times: CommandClock,
    /// Bytes of texts of groups, of searches and aggregations that run.
    pub(crate) group_texts: Arc<AtomicU64>,
}

impl Account {
    /// Bytes by component.
    pub(crate) fn components(&self) -> Vec<(&'static str, u64)> {
        let log = self.node.log_stats();
        let (_, waiting) = self.node.waiting();
        let mut sums = [0_u64; 4];
        for shard in self.catalogue.shards() {
            let (id_maps, history) = shard.map_bytes();
            let of_shard =
                [growing_bytes(&shard.view()), id_maps as u64, history as u64, shard.build_bytes()];
            sums.iter_mut().zip(of_shard).for_each(|(sum, bytes)| *sum += bytes);
        }
        let [growing, id_maps, history, builds] = sums;
        let log_memory = log.cache_bytes + log.index_bytes + log.gathered_bytes;
        let mut components = vec![
            ("growing segments", growing),
            ("id maps", id_maps),
            ("tombstones and request ids", history),
            ("index builds", builds),
            ("index copies in large pages", self.maintenance.hot_memory().used()),
            ("filter cache", self.filter_cache.bytes()),
            ("free search buffers", self.scratches.stats().free_bytes),
            ("texts of groups", self.group_texts.load(Ordering::Relaxed)),
            ("log cache and index", log_memory as u64),
            ("writes on their way", waiting as u64),
        ];
        components.extend(self.budget().others());
        components
    }

    /// Counts everything anew, and lets go of what can be spared if it is too much.
    pub(crate) fn round(&self) {
        let used = self.components().into_iter().map(|(_, bytes)| bytes).sum();
        self.budget().set_counted(used);
        if self.budget().pressure() == Pressure::Calm {
            return;
        }
        self.filter_cache.clear();
        let shards = self.catalogue.shards();
        if !shards.iter().any(|shard| shard.give_back_copy()) {
            metrics::counter!("vicinal_memory_pressure_rounds_total").increment(1);
        }
        let growing = |shard: &Arc<Shard>| shard.growing_bytes();
        let largest = shards.iter().max_by_key(|shard| growing(shard));
        if let Some(shard) = largest.filter(|shard| growing(shard) >= SEALED_EARLY_MIN)
            && !shard.has_frozen()
        {
            shard.freeze();
            shard.request_flush();
        }
    }

    /// The account's sum and marks.
    pub(crate) fn budget(&self) -> &MemoryBudget {
        self.maintenance.budget()
    }
}

/// What a collection holds.
pub(crate) fn holding(live: &LiveCollection) -> Holding {
    let Ok(shard) = &live.shard else { return Holding::default() };
    let view = shard.view();
    let (id_maps, history) = shard.map_bytes();
    let sealed = view.segments.iter().filter_map(|segment| match segment {
        SegmentView::Sealed(sealed) => Some((sealed.file_bytes(), sealed.copied_bytes())),
        SegmentView::Memory(_) => None,
    });
    let (disk_bytes, copies) =
        sealed.fold((0, 0), |(disk, copies), (file, copy)| (disk + file, copies + copy));
    let read_whole = if shard.reads_files_whole() { disk_bytes } else { 0 };
    let maps = (id_maps + history) as u64;
    let memory_bytes = growing_bytes(&view) + maps + shard.build_bytes() + copies + read_whole;
    Holding { rows: view.live_count(), memory_bytes, disk_bytes }
}

/// Bytes of rows and graphs of segments in memory, and of sealed ones that stay there
/// until they have their index.
fn growing_bytes(view: &View) -> u64 {
    let of_segment = |segment: &SegmentView| match segment {
        SegmentView::Memory(memory) => memory.bytes() as u64,
        SegmentView::Sealed(sealed) => {
            sealed.interim.as_ref().map_or(0, |interim| interim.bytes() as u64)
        }
    };
    view.segments.iter().map(of_segment).sum()
}
