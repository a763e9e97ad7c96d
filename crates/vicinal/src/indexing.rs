//! Watching a collection until every segment has its index.

use crate::failure::Failure;
use crate::output;
use std::time::Duration;
use vicinal_client::{Collection, proto};

/// How often the server is asked.
const POLL: Duration = Duration::from_millis(200);

/// Waits, behind a bar, until nothing is left to be sealed or indexed.
pub(crate) async fn wait(collection: &Collection) -> Result<(), Failure> {
    let bar = output::bar(0, "indexing");
    loop {
        let described = collection.describe().await?;
        let (done, total) = progress(&described.segments);
        bar.set_length(total);
        bar.set_position(done);
        if described.fully_indexed {
            bar.finish_and_clear();
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Rows under their final index, and rows that shall be.
fn progress(segments: &[proto::SegmentDescription]) -> (u64, u64) {
    let mut done = 0.0;
    let mut total = 0;
    for segment in segments {
        let is_sealed = segment.state() == proto::SegmentState::Sealed;
        if segment.state() == proto::SegmentState::Growing {
            continue;
        }
        total += segment.rows;
        let built = |index: &proto::SegmentIndex| {
            if index.building.is_empty() { 1.0 } else { index.progress }
        };
        let slowest = segment.indexes.iter().map(built).fold(1.0, f64::min);
        if is_sealed {
            done += slowest * segment.rows as f64;
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most `total`")]
    let done = done as u64;
    (done, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(
        state: proto::SegmentState,
        rows: u64,
        building: &str,
        progress: f64,
    ) -> proto::SegmentDescription {
        let building = building.to_owned();
        let index = proto::SegmentIndex { building, progress, ..Default::default() };
        let state = state.into();
        proto::SegmentDescription { state, rows, indexes: vec![index], ..Default::default() }
    }

    #[test]
    fn progress_counts_rows_of_frozen_and_sealed_segments() {
        use proto::SegmentState::{Frozen, Growing, Sealed};
        let segments = [
            segment(Growing, 1_000, "", 0.0),
            segment(Frozen, 10, "", 0.0),
            segment(Sealed, 100, "HNSW", 0.25),
            segment(Sealed, 200, "", 0.0),
        ];
        assert_eq!(progress(&segments), (225, 310));
        assert_eq!(progress(&[]), (0, 0));
    }
}
