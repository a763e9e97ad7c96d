//! How searches go, in their messages.

use super::collections::state_out;
use vicinal_api::v1;
use vicinal_engine::{
    Analysis, Candidate, Cost, ExplainedSegment, Explanation, Placement, SearchPlan,
    SegmentAnalysis, Way,
};

/// Turns an explanation into its message, without what the server knows.
pub(crate) fn explanation_out(explanation: Explanation) -> v1::ExplainResponse {
    let Explanation {
        vector_column,
        k,
        effort: _,
        segments,
        predicted,
        latency_nanos,
        filter_nanos,
        placement,
        analysis,
    } = explanation;
    let (placement, threads) = match placement {
        Placement::Inline => (v1::Placement::Inline, 1),
        Placement::Pool => (v1::Placement::Pool, 1),
        Placement::Spread(threads) => (v1::Placement::Spread, threads),
    };
    v1::ExplainResponse {
        segments: segments.into_iter().map(segment_out).collect(),
        vector_column,
        k: small(k),
        predicted: Some(cost_out(predicted)),
        predicted_latency_us: micros(latency_nanos),
        predicted_filter_us: micros(filter_nanos),
        placement: placement.into(),
        threads: small(threads),
        in_result_cache: false,
        analysis: analysis.map(analysis_out),
        missing_rows: Vec::new(),
    }
}

fn segment_out(segment: ExplainedSegment) -> v1::SegmentPlan {
    let chosen = segment.chosen;
    let ways = segment.ways.iter().enumerate().map(|(at, way)| way_out(way, at == chosen));
    v1::SegmentPlan {
        shard: segment.shard.0,
        segment: segment.segment.0,
        state: state_out(segment.state).into(),
        rows: segment.rows,
        passing_rows: segment.passing,
        filter_remembered: segment.filter_remembered,
        index: segment.index,
        ways: ways.collect(),
        analysis: segment.analysis.map(segment_analysis_out),
    }
}

fn way_out(candidate: &Candidate, chosen: bool) -> v1::PlanCandidate {
    let way = match candidate.way {
        Way::Skip => v1::PlanWay::Skip,
        Way::Index => v1::PlanWay::Index,
        Way::Codes => v1::PlanWay::Codes,
        Way::Survivors => v1::PlanWay::Survivors,
        Way::Scan => v1::PlanWay::Scan,
    };
    let effort = candidate.predicted.map_or(0, |predicted| match predicted.plan {
        SearchPlan::Index { effort } => small(effort),
        SearchPlan::Skip | SearchPlan::Scan => 0,
    });
    v1::PlanCandidate {
        way: way.into(),
        chosen,
        effort,
        predicted: candidate.predicted.map(|predicted| cost_out(predicted.cost)),
        expected_recall: candidate.predicted.and_then(|predicted| predicted.recall),
        reason: candidate.reason.to_owned(),
    }
}

fn cost_out(cost: Cost) -> v1::PlanCost {
    let Cost { nanos, latency_nanos, memory_bytes, pages } = cost;
    let (cpu_us, latency_us) = (micros(nanos), micros(latency_nanos));
    v1::PlanCost { cpu_us, latency_us, memory_bytes, pages }
}

fn segment_analysis_out(analysis: SegmentAnalysis) -> v1::SegmentAnalysis {
    let SegmentAnalysis { nanos, work, found, thread } = analysis;
    v1::SegmentAnalysis {
        us: micros(nanos),
        distances: work.distances,
        estimates: work.estimates,
        expanded: work.expanded,
        lists: work.lists,
        pages: work.pages,
        found,
        thread,
    }
}

fn analysis_out(analysis: Analysis) -> v1::SearchAnalysis {
    let Analysis {
        filter_nanos,
        plan_nanos,
        search_nanos,
        merge_nanos,
        columns_nanos,
        total_nanos,
        hits,
        distances,
    } = analysis;
    v1::SearchAnalysis {
        filter_us: micros(filter_nanos),
        plan_us: micros(plan_nanos),
        search_us: micros(search_nanos),
        merge_us: micros(merge_nanos),
        columns_us: micros(columns_nanos),
        total_us: micros(total_nanos),
        hits,
        distances,
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
