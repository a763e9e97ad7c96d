//! What a walk relies on: everything can be reached, estimates are near.

use super::query::Query;
use super::records::LANES;
use super::*;
use vicinal_distance::Estimate;
use vicinal_types::ElementType;

const ROWS: usize = 3_000;
const DIM: usize = 48;

/// Rows of a few clusters that do not touch, far from the origin.
fn data(metric: Metric) -> Vectors {
    let value = |row: usize, at: usize| {
        let noise = crate::hnsw::mix((row * DIM + at) as u64) >> 40;
        let center = if (row % 7 * 5 + at) % 11 < 4 { 3.0 } else { 1.0 };
        center + noise as f32 / (1 << 24) as f32
    };
    let rows = (0..ROWS).flat_map(|row| (0..DIM).map(move |at| value(row, at)));
    let bytes: Vec<u8> = rows.flat_map(f32::to_le_bytes).collect();
    let dim = u32::try_from(DIM).expect("small");
    let kind = VectorType::new(dim, ElementType::F32, metric).expect("a right type");
    Vectors::new(kind, Bytes::from(bytes)).expect("whole rows")
}

fn build(vectors: &Vectors) -> Graph {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    let params = GraphParams { m: 16, ef_construction: 32, seed: 5 };
    Graph::build(params, vectors, &pool, &Progress::default(), &Cancel::never())
        .expect("right parameters")
}

fn record(graph: &Graph, vertex: u32) -> &[u8] {
    &graph.records[vertex as usize * graph.layout.bytes..][..graph.layout.bytes]
}

#[test]
fn every_vertex_can_be_reached_from_the_root() {
    let vectors = data(Metric::L2);
    let graph = build(&vectors);
    let mut reached = Bitmap::new(ROWS);
    let mut open = vec![0_u32];
    reached.insert(0);
    while let Some(vertex) = open.pop() {
        let block = graph.layout.block(record(&graph, vertex), 0);
        for lane in 0..LANES {
            if block.adds[lane] < f32::INFINITY && reached.insert(block.ids[lane]) {
                open.push(block.ids[lane]);
            }
        }
    }
    assert_eq!(reached.count(), ROWS);
}

#[test]
fn estimates_are_near_and_not_to_one_side() {
    for metric in [Metric::L2, Metric::InnerProduct] {
        let vectors = data(metric);
        let graph = build(&vectors);
        let mut scratch = GraphScratch::default();
        let (mut bias, mut error, mut spread, mut count) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
        for query in (0..vectors.len()).step_by(301) {
            let stored = vectors.row(query);
            scratch.query.prepare(
                vectors.vector_type(),
                stored,
                graph.mean.floats(),
                &graph.rotation,
            );
            for vertex in (0..vectors.len()).step_by(97) {
                let order = graph.order.get();
                let base = vectors.key(stored, order[vertex as usize]);
                let block = graph.layout.block(record(&graph, vertex), 0);
                let (mut sums, mut keys) = ([0; LANES], [0.0; LANES]);
                kernels().fastscan(block.codes, &scratch.query.tables, &mut sums);
                let Query { scale, shift, .. } = scratch.query;
                let estimate = Estimate { base, scale, shift, bound: f32::INFINITY };
                kernels().estimates(&sums, block.adds, block.factors, estimate, &mut keys);
                let taken = |lane: &usize| block.adds[*lane] < f32::INFINITY;
                for lane in (0..LANES).filter(taken) {
                    let exact = vectors.key(stored, order[block.ids[lane] as usize]);
                    bias += f64::from(keys[lane] - exact);
                    error += f64::from(keys[lane] - exact).powi(2);
                    spread += f64::from(base - exact).powi(2);
                    count += 1.0;
                }
            }
        }
        let (bias, error, spread) = (bias / count, (error / count).sqrt(), (spread / count).sqrt());
        assert!(error < 0.5 * spread, "{metric}: off by {error}, keys differ by {spread}");
        assert!(bias.abs() < 0.1 * error, "{metric}: {bias} to one side of {error}");
    }
}
