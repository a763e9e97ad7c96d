//! `vicinal explain`.

use super::search::Asked;
use crate::connection::block_on;
use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use serde_json::{Value, json};
use vicinal_client::Explain;
use vicinal_client::proto::{
    ExplainResponse, Placement, PlanCandidate, PlanCost, PlanWay, SearchAnalysis, SegmentAnalysis,
    SegmentPlan, SegmentState,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal explain -c words --id 42
  vicinal explain -c words --id 42 -k 100 --min-recall 0.99 --analyze
  vicinal explain -c words --id 42 --filter 'relations >= 5' --analyze --json

For each segment every way to its nearest rows with what it is predicted to cost, in the
order in which they were weighed; `>` marks the cheapest, which is taken. A filter is
evaluated even without --analyze: what ways cost depends on how many rows pass.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    asked: Asked,

    /// Run the search, too, and say what each part took.
    #[arg(long)]
    analyze: bool,

    /// Print JSON: one object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let collection = args.asked.target.connect().await?;
        let search = args.asked.search(&collection).await?;
        let explain = if args.analyze { Explain::Analyze } else { Explain::Plan };
        let said = search.explain(explain).await?;
        if args.json { output::json(&json_of(&said)) } else { print(&said) }
    })
}

fn print(said: &ExplainResponse) -> Result<(), Failure> {
    output::line(headline(said))?;
    if let Some(analysis) = &said.analysis {
        output::line(phases(analysis))?;
    }
    for missing in &said.missing_rows {
        output::line(format_args!("without {missing}"))?;
    }
    for segment in &said.segments {
        output::line("")?;
        output::line(segment_line(segment))?;
        print_ways(segment)?;
        if let Some(analysis) = &segment.analysis {
            output::line(format_args!("  took {}", work(analysis)))?;
        }
    }
    Ok(())
}

fn headline(said: &ExplainResponse) -> String {
    if said.in_result_cache {
        return format!("the result cache has the answer for column `{}`", said.vector_column);
    }
    let cost = said.predicted.unwrap_or_default();
    let mut line = format!(
        "{} of each segment by column `{}`, {}: predicted {}, {} of CPU, {} read",
        output::count(said.k.into()),
        said.vector_column,
        placed(said),
        micros(said.predicted_latency_us),
        micros(cost.cpu_us),
        output::bytes(cost.memory_bytes),
    );
    if cost.pages > 0 {
        line.push_str(&format!(", {} pages", output::count(cost.pages)));
    }
    if said.predicted_filter_us > 0.0 {
        line.push_str(&format!("; the filter {} of it", micros(said.predicted_filter_us)));
    }
    line
}

fn placed(said: &ExplainResponse) -> String {
    match said.placement() {
        Placement::Unspecified => "somewhere".to_owned(),
        Placement::Inline => "on the thread that receives it".to_owned(),
        Placement::Pool => "on a thread of the search pool".to_owned(),
        Placement::Spread => format!("on {} threads of the search pool", said.threads),
    }
}

fn phases(analysis: &SearchAnalysis) -> String {
    let phases = [
        ("filter", analysis.filter_us),
        ("plan", analysis.plan_us),
        ("search", analysis.search_us),
        ("merge", analysis.merge_us),
        ("columns", analysis.columns_us),
    ];
    let phases = phases.map(|(name, us)| format!("{name} {}", micros(us))).join(", ");
    format!(
        "took {}: {phases}; {} rows found by {} distances",
        micros(analysis.total_us),
        output::count(analysis.hits),
        output::count(analysis.distances),
    )
}

fn segment_line(segment: &SegmentPlan) -> String {
    let mut line = format!(
        "segment {} of shard {}, {}, {}: {} rows",
        segment.segment,
        segment.shard,
        state(segment.state()),
        segment.index,
        output::count(segment.rows),
    );
    if segment.passing_rows != segment.rows {
        line.push_str(&format!(", {} pass", output::count(segment.passing_rows)));
    }
    if segment.filter_remembered {
        line.push_str(" (remembered)");
    }
    line
}

fn print_ways(segment: &SegmentPlan) -> Result<(), Failure> {
    let mut grid = Grid::new(&[
        ("  way", Align::Left),
        ("effort", Align::Right),
        ("recall", Align::Right),
        ("predicted", Align::Right),
        ("read", Align::Right),
        ("pages", Align::Right),
        ("why", Align::Left),
    ]);
    for candidate in &segment.ways {
        grid.row(way_cells(candidate));
    }
    grid.print()
}

fn way_cells(candidate: &PlanCandidate) -> [String; 7] {
    let mark = if candidate.chosen { ">" } else { " " };
    let or_none = |is_there: bool, text: String| if is_there { text } else { String::new() };
    let cost = candidate.predicted.unwrap_or_default();
    let is_way = candidate.predicted.is_some();
    let recall = candidate.expected_recall.map(|recall| format!("{recall:.4}"));
    [
        format!("{mark} {}", way(candidate.way())),
        or_none(candidate.effort > 0, output::count(candidate.effort.into())),
        recall.unwrap_or_default(),
        or_none(is_way, micros(cost.latency_us)),
        or_none(is_way, output::bytes(cost.memory_bytes)),
        or_none(cost.pages > 0, output::count(cost.pages)),
        candidate.reason.clone(),
    ]
}

/// What was done, as far as anything was.
fn work(analysis: &SegmentAnalysis) -> String {
    let counts = [
        ("distances", analysis.distances),
        ("estimates", analysis.estimates),
        ("vertices", analysis.expanded),
        ("lists", analysis.lists),
        ("pages", analysis.pages),
    ];
    let done = counts.into_iter().filter(|(_, count)| *count > 0);
    let done = done.map(|(name, count)| format!("{} {name}, ", output::count(count)));
    format!(
        "{}: {}{} found, on {}",
        micros(analysis.us),
        done.collect::<String>(),
        output::count(analysis.found),
        analysis.thread,
    )
}

fn way(way: PlanWay) -> &'static str {
    match way {
        PlanWay::Unspecified => "unknown",
        PlanWay::Skip => "skip",
        PlanWay::Index => "index",
        PlanWay::Codes => "codes",
        PlanWay::Survivors => "survivors",
        PlanWay::Scan => "scan",
    }
}

fn state(state: SegmentState) -> &'static str {
    match state {
        SegmentState::Unspecified => "unknown",
        SegmentState::Growing => "growing",
        SegmentState::Frozen => "frozen",
        SegmentState::Sealed => "sealed",
    }
}

/// A time in the unit that fits it.
fn micros(us: f64) -> String {
    if us < 1_000.0 { format!("{us:.1} µs") } else { format!("{:.1} ms", us / 1e3) }
}

fn json_of(said: &ExplainResponse) -> Value {
    let placement = said.placement().as_str_name().trim_start_matches("PLACEMENT_");
    json!({
        "vector_column": said.vector_column,
        "k": said.k,
        "predicted": cost_json(said.predicted.as_ref()),
        "predicted_latency_us": said.predicted_latency_us,
        "predicted_filter_us": said.predicted_filter_us,
        "placement": placement.to_lowercase(),
        "threads": said.threads,
        "in_result_cache": said.in_result_cache,
        "missing_rows": said.missing_rows,
        "segments": said.segments.iter().map(segment_json).collect::<Vec<_>>(),
        "analysis": said.analysis.as_ref().map(|analysis| json!({
            "filter_us": analysis.filter_us,
            "plan_us": analysis.plan_us,
            "search_us": analysis.search_us,
            "merge_us": analysis.merge_us,
            "columns_us": analysis.columns_us,
            "total_us": analysis.total_us,
            "hits": analysis.hits,
            "distances": analysis.distances,
        })),
    })
}

fn cost_json(cost: Option<&PlanCost>) -> Value {
    let Some(cost) = cost else { return Value::Null };
    json!({
        "cpu_us": cost.cpu_us,
        "latency_us": cost.latency_us,
        "memory_bytes": cost.memory_bytes,
        "pages": cost.pages,
    })
}

fn segment_json(segment: &SegmentPlan) -> Value {
    let ways = segment.ways.iter().map(|candidate| {
        json!({
            "way": way(candidate.way()),
            "chosen": candidate.chosen,
            "effort": candidate.effort,
            "predicted": cost_json(candidate.predicted.as_ref()),
            "expected_recall": candidate.expected_recall,
            "reason": candidate.reason,
        })
    });
    json!({
        "shard": segment.shard,
        "segment": segment.segment,
        "state": state(segment.state()),
        "rows": segment.rows,
        "passing_rows": segment.passing_rows,
        "filter_remembered": segment.filter_remembered,
        "index": segment.index,
        "ways": ways.collect::<Vec<_>>(),
        "analysis": segment.analysis.as_ref().map(|analysis| json!({
            "us": analysis.us,
            "distances": analysis.distances,
            "estimates": analysis.estimates,
            "expanded": analysis.expanded,
            "lists": analysis.lists,
            "pages": analysis.pages,
            "found": analysis.found,
            "thread": analysis.thread,
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_way_is_marked_and_a_way_without_cost_says_why() {
        let cost = PlanCost { latency_us: 1_500.0, memory_bytes: 2_048, ..PlanCost::default() };
        let chosen = PlanCandidate {
            way: PlanWay::Index.into(),
            chosen: true,
            effort: 1_200,
            predicted: Some(cost),
            expected_recall: Some(0.98),
            reason: "so".into(),
        };
        let cells = ["> index", "1,200", "0.9800", "1.5 ms", "2.00 KiB", "", "so"];
        assert_eq!(way_cells(&chosen), cells);
        let none = PlanCandidate {
            way: PlanWay::Scan.into(),
            reason: "why not".into(),
            ..PlanCandidate::default()
        };
        assert_eq!(way_cells(&none), ["  scan", "", "", "", "", "", "why not"]);
    }

    #[test]
    fn what_was_not_done_is_not_told() {
        let analysis =
            SegmentAnalysis { us: 12.34, distances: 7, found: 3, ..SegmentAnalysis::default() };
        assert_eq!(work(&analysis), "12.3 µs: 7 distances, 3 found, on ");
    }
}
