//! What a restarted server holds, against what was acknowledged.

use super::writer::{DIM, Model, Writer, text, vector};
use crate::message::{floats, ints, packed, rows_stub, search_stub};
use std::collections::BTreeSet;
use tonic::transport::Channel;
use vicinal_client::proto;
use vicinal_client::proto::column_values::Values;

/// Rows of a page: more than one, so that paging is part of the check.
const PAGE_ROWS: u32 = 1_000;

/// Every row of a collection, its content checked: id and form.
pub(super) async fn contents(channel: &Channel, collection: &str) -> Model {
    let mut found = Model::new();
    let mut cursor = Vec::new();
    loop {
        let request = proto::ScrollRequest {
            collection: collection.to_owned(),
            limit: PAGE_ROWS,
            cursor,
            columns: vec!["**".to_owned()],
            ..Default::default()
        };
        let page = rows_stub(channel).scroll(request).await.expect("a page").into_inner();
        for (id, form) in page.rows.map(checked).unwrap_or_default() {
            let other = found.insert(id, form);
            assert_eq!(other, None, "row {id} of {collection} came twice");
        }
        cursor = page.next;
        if cursor.is_empty() {
            break;
        }
    }
    let request = proto::CountRequest { collection: collection.to_owned(), ..Default::default() };
    let counted = rows_stub(channel).count(request).await.expect("a count").into_inner().rows;
    assert_eq!(counted, found.len() as u64, "count and scroll of {collection} differ");
    found
}

/// Rows whose columns all belong to the form that they say they have.
fn checked(rows: proto::RowBatch) -> Vec<(i64, i64)> {
    let values = |name: &str| {
        let column = rows.columns.iter().find(|column| column.name == name);
        column.and_then(|column| column.values.clone())
    };
    let ids = ints(rows.ids.clone());
    let (Some(Values::Ints(forms)), Some(Values::Strings(texts)), Some(Values::Vectors(vectors))) =
        (values("form"), values("text"), values("v"))
    else {
        panic!("columns are missing: {rows:?}");
    };
    let vectors = floats(&vectors);
    let rows = ids.into_iter().zip(forms.values).enumerate();
    let rows = rows.inspect(|(row, (id, form))| {
        assert_eq!(texts.values[*row], text(*id, *form), "the text of row {id}");
        let stored = &vectors[row * DIM..(row + 1) * DIM];
        assert_eq!(stored, vector(*id, *form), "the vector of row {id}");
    });
    rows.map(|(_, row)| row).collect()
}

/// An exact search for everything finds the rows there are and no others; one by
/// index finds rows there are, each with its own score.
pub(super) async fn searches(channel: &Channel, collection: &str, rows: &Model) {
    use proto::search_params::EffortKind;
    let at = vector(1, 1);
    let search = async |k: usize, effort: EffortKind| {
        let request = proto::SearchRequest {
            collection: collection.to_owned(),
            vector: Some(packed(&at)),
            k: u32::try_from(k).expect("few rows"),
            params: Some(proto::SearchParams { effort_kind: Some(effort), allow_cached: false }),
            ..Default::default()
        };
        let answer = search_stub(channel).search(request).await.expect("hits").into_inner();
        let hits = answer.hits.expect("hits");
        (ints(hits.ids), hits.scores)
    };
    let (found, _) = search(rows.len() + 100, EffortKind::Exact(true)).await;
    assert_eq!(found.len(), rows.len(), "an exact search of {collection} for all rows");
    let found: BTreeSet<i64> = found.into_iter().collect();
    assert!(rows.keys().eq(&found), "an exact search of {collection} finds other rows");
    let (found, scores) = search(10, EffortKind::Effort(32)).await;
    assert_eq!(found.len(), rows.len().min(10));
    for (id, score) in found.iter().zip(scores) {
        let form = rows.get(id).unwrap_or_else(|| panic!("a search found row {id}, which is not"));
        let pairs = vector(*id, *form).into_iter().zip(at);
        let expected: f32 = pairs.map(|(a, b)| (a - b) * (a - b)).sum();
        assert!((score - expected).abs() <= expected * 1e-4, "row {id}: {score}, not {expected}");
    }
}

/// Compares a writer's rows with what is acknowledged, and settles the write of
/// which nobody knows: by asking again with its request id, or by what is there.
pub(super) async fn settle(channel: &Channel, writer: &mut Writer, found: &Model, asks: bool) {
    let found: Model = found.range(writer.ids.clone()).map(|(id, form)| (*id, *form)).collect();
    let collection = writer.collection;
    let Some(write) = writer.pending.take() else {
        assert!(found == writer.model, "{collection}: {}", difference(&found, &writer.model));
        return;
    };
    let mut with = writer.model.clone();
    write.apply(&mut with);
    assert!(
        found == writer.model || found == with,
        "{collection}: {write:?} is neither undone nor done: {} or {}",
        difference(&found, &writer.model),
        difference(&found, &with),
    );
    if asks {
        // Done before the kill or now: the answer is that of the first attempt.
        let outcome = write.send(channel, collection).await.expect("a repeated write");
        writer.acknowledge(&write, &outcome);
    } else if found == with {
        writer.model = with;
    }
}

/// The ids that differ, as found and as expected.
fn difference(found: &Model, expected: &Model) -> String {
    let ids: BTreeSet<&i64> = found.keys().chain(expected.keys()).collect();
    let differs = ids.into_iter().filter(|id| found.get(id) != expected.get(id));
    let line = |id: &i64| format!("{id}: {:?}, not {:?}", found.get(id), expected.get(id));
    let lines: Vec<_> = differs.map(line).collect();
    format!("{} rows differ: {}", lines.len(), lines.join("; "))
}
