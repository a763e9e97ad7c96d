//! Probing lists, nearest first.

use super::{Ivf, IvfScratch};
use crate::flat::exact;
use crate::neighbors::Ranked;
use crate::quantise::coded::{BLOCKS_AHEAD, Certainty, Codec, CodedScratch, Part, Wanted};
use crate::quantise::floats;
use crate::{Found, Scratch, Search, Vectors, Work};
use vicinal_distance::prefetch_far;
use vicinal_types::{Bitmap, Cancel, Metric, Stopped};

/// Lists probed between two looks at the clock.
const LISTS_PER_CHECK: u64 = 16;

/// What probing a list costs beside its rows, in rows compared.
const LIST_COST: f32 = 8.0;

struct Probing<'a> {
    ivf: &'a Ivf,
    wanted: Wanted<'a>,
    /// The query as floats.
    values: &'a [f32],
    query_square: f32,
    /// Lists with allowed rows to probe.
    lists: usize,
    /// Allowed rows to see at least.
    rows: usize,
    cancel: &'a Cancel,
    listed: usize,
    seen: usize,
}

pub(super) fn search(
    ivf: &Ivf,
    vectors: &Vectors,
    query: &[u8],
    search: &Search<'_>,
    Scratch { ivf: scratch, pools, .. }: &mut Scratch,
    cancel: &Cancel,
) -> Result<Found, Stopped> {
    assert_eq!(vectors.len(), ivf.rows, "an index is searched with the vectors it was built for");
    let passing = search.allowed.map_or(ivf.rows as usize, Bitmap::count);
    let allowed = search.allowed.filter(|_| passing < ivf.rows as usize);
    let k = search.k.min(passing);
    let search = Search { k, allowed, ..*search };
    let mut work = Work::default();
    if k == 0 {
        return Ok(Found { neighbors: Vec::new(), work });
    }
    let lists = ivf.lists_to_probe(search.effort, passing);
    if !ivf.probing_pays(lists, passing) {
        return exact(vectors, query, &search, pools, work, cancel);
    }
    let kind = vectors.vector_type();
    let mut values = pools.vector(kind.dim());
    floats::decode(kind.element(), query, &mut values);
    ivf.coded.codec.prepare(&values, &ivf.origin, &mut scratch.coded);
    scratch.coded.begin(k);
    scratch.probed.clear();
    let certainty = ivf.certainty();
    let wanted = Wanted { vectors, query, allowed, within: search.within, certainty };
    let query_square = values.iter().map(|value| value * value).sum();
    let rows = if allowed.is_some() { ivf.rows_to_see(search.effort, passing).max(k) } else { k };
    let (listed, seen) = (0, 0);
    let mut probing =
        Probing { ivf, wanted, values: &values, query_square, lists, rows, cancel, listed, seen };
    let probed = probing.nearest_lists(scratch, &mut work);
    pools.put_vector(values);
    probed?;
    scratch.coded.compare(&wanted, &mut work);
    if scratch.coded.top.len() < k && search.within == f32::INFINITY {
        // Keys that are not finite, as sums of huge values are not.
        return exact(vectors, query, &search, pools, work, cancel);
    }
    let mut neighbors = pools.results(k);
    scratch.coded.top.drain_into(&mut neighbors);
    Ok(Found { neighbors, work })
}

impl Ivf {
    /// Lists with allowed rows to probe: the `effort`, and more where few rows
    /// pass, because the nearest of these are farther.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most all lists"
    )]
    fn lists_to_probe(&self, effort: usize, passing: usize) -> usize {
        let rarity = (f64::from(self.rows) / passing as f64).cbrt();
        let lists = (effort.max(1) as f64 * rarity).ceil();
        lists.min(self.list_count() as f64) as usize
    }

    /// Allowed rows to see at least: as many as there are in lists where the mask is as
    /// dense as anywhere. Near a query that is far from what is allowed, lists have few.
    fn rows_to_see(&self, effort: usize, passing: usize) -> usize {
        passing * effort.min(self.list_count()) / self.list_count().max(1)
    }

    /// Whether probing is likely to be cheaper than comparing with every passing
    /// row.
    fn probing_pays(&self, lists: usize, passing: usize) -> bool {
        let rows_per_list = self.rows as f32 / self.list_count().max(1) as f32;
        lists as f32 * (LIST_COST + rows_per_list * self.row_cost()) < passing as f32
    }

    /// What looking at a row of a list costs, in rows compared by a scan.
    fn row_cost(&self) -> f32 {
        match &self.coded.codec {
            Codec::Rows => 0.9,
            Codec::Scalar(_) => 0.4,
            Codec::Product(product) if product.shape().bits == 8 => 0.5,
            Codec::Product(_) => 0.15,
            Codec::Rabitq(rabitq) => 0.1 + 0.03 * rabitq.bits() as f32,
        }
    }

    /// Within how many deviations of its estimate a row is compared: fewer miss
    /// some, more compare many in vain. Measured.
    fn certainty(&self) -> Certainty {
        Certainty::Deviations(match &self.coded.codec {
            Codec::Rows => 0.0,
            Codec::Scalar(_) => 3.0,
            // One more bit halves the deviation: more of them are still few rows.
            Codec::Rabitq(rabitq) if rabitq.bits() == 1 => 2.0,
            Codec::Rabitq(_) => 2.5,
            Codec::Product(_) => 2.0,
        })
    }
}

impl Probing<'_> {
    /// Probes as many lists as are asked for, and further ones while too few
    /// rows were seen.
    fn nearest_lists(&mut self, scratch: &mut IvfScratch, work: &mut Work) -> Result<(), Stopped> {
        let all = self.ivf.list_count();
        // A mask may leave lists empty.
        let ask = if self.wanted.allowed.is_some() { 2 * self.lists } else { self.lists };
        scratch.order.clear();
        scratch.order.extend(self.ivf.coarse.nearest(self.values, ask, &mut scratch.coarse));
        self.probe(&scratch.order, &[], &mut scratch.coded, work)?;
        if self.is_done() || scratch.order.len() >= all {
            return Ok(());
        }
        scratch.probed.resize(all, false);
        for list in &scratch.order {
            scratch.probed[list.id() as usize] = true;
        }
        scratch.order.clear();
        scratch.order.extend(self.ivf.coarse.nearest(self.values, all, &mut scratch.coarse));
        self.probe(&scratch.order, &scratch.probed, &mut scratch.coded, work)
    }

    fn is_done(&self) -> bool {
        self.listed >= self.lists && self.seen >= self.rows
    }

    fn probe(
        &mut self,
        order: &[Ranked],
        probed: &[bool],
        scratch: &mut CodedScratch,
        work: &mut Work,
    ) -> Result<(), Stopped> {
        for (at, nearest) in order.iter().enumerate() {
            let list = nearest.id();
            if self.is_done() {
                break;
            }
            if probed.get(list as usize).is_some_and(|probed| *probed) {
                continue;
            }
            let rows = self.ivf.list_rows(list);
            let bound = scratch.bound(&self.wanted);
            if bound < f32::INFINITY && self.least(list, nearest.key()) > bound {
                // None of its rows can be near enough: as good as probed.
                self.listed += 1;
                self.seen += if self.wanted.allowed.is_none() { rows } else { 0 };
                continue;
            }
            if work.lists.is_multiple_of(LISTS_PER_CHECK) {
                self.cancel.check()?;
            }
            work.lists += 1;
            if let Some(next) = order.get(at + 1) {
                self.ask_for(next.id());
            }
            let part = self.part(list, nearest.key());
            let seen = self.ivf.coded.scan(&part, &self.wanted, scratch, work);
            self.seen += seen;
            self.listed += usize::from(seen > 0);
        }
        Ok(())
    }

    /// Asks for the first blocks of a list.
    #[inline]
    fn ask_for(&self, list: u32) {
        let (start, end) = (self.ivf.starts[list as usize], self.ivf.starts[list as usize + 1]);
        for block in start..end.min(start + BLOCKS_AHEAD) {
            prefetch_far(self.ivf.coded.blocks.words_of(block));
        }
    }

    fn metric(&self) -> Metric {
        self.wanted.vectors.vector_type().metric()
    }

    /// The blocks of a list; `key` is that of its centroid.
    fn part(&self, list: u32, key: f32) -> Part {
        let at = list as usize;
        let (base, reach) = match self.metric() {
            Metric::L2 | Metric::Hamming | Metric::Jaccard => (key, key.sqrt()),
            Metric::Cosine => ((key - self.query_square - self.ivf.norms[at]) / 2.0, key.sqrt()),
            Metric::InnerProduct => (key, self.query_square.sqrt()),
        };
        let blocks = self.ivf.starts[at]..self.ivf.starts[at + 1];
        Part { blocks, rows: self.ivf.list_rows(list), base, reach }
    }

    /// The least key that a row of a list can have.
    fn least(&self, list: u32, key: f32) -> f32 {
        let radius = self.ivf.radius(list);
        let least_square = || {
            let distance = (key.sqrt() - radius).max(0.0);
            distance * distance
        };
        match self.metric() {
            Metric::L2 | Metric::Hamming | Metric::Jaccard => least_square(),
            // Rows are of unit length, but for rounding.
            Metric::Cosine => (least_square() - self.query_square - 1.01) / 2.0,
            Metric::InnerProduct => key - self.query_square.sqrt() * radius,
        }
    }
}
