//! The relations.

use super::{
    Answers, IDS, QUERY_FORM, Questions, Rows, ask, compact, condition, count, filter, fresh,
    groups, kind, metric, nearest, passing, put, questions, sealed, search, settled, some_rows,
};
use crate::fixture::{DIM, NAME, delete, flush, insert, open, rows, upsert, vector};
use crate::snapshot::{named, restore, take};
use proptest::prelude::*;
use vicinal_engine::{ApplyMode, Engine, RestoreAs, Search, Write};
use vicinal_storage::SimDisk;
use vicinal_types::{ColumnId, Ids, IndexKind, IndexSpec, Metric, VectorInput};

/// What is done to the files of a collection, not to its rows.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Flush,
    Compact,
    Reindex(IndexKind),
    Restart,
    Crash,
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Flush),
        Just(Act::Compact),
        kind().prop_map(Act::Reindex),
        Just(Act::Restart),
        Just(Act::Crash),
    ]
}

impl Act {
    pub(super) fn run(&self, disk: &SimDisk, engine: Engine) -> Engine {
        match self {
            Self::Flush => drop(flush(&engine)),
            Self::Compact => compact(&engine),
            Self::Reindex(kind) => {
                let mut spec = engine.collection("", NAME).expect("there").spec.clone();
                spec.indexes.insert("v".into(), IndexSpec { kind: *kind, ..IndexSpec::default() });
                engine.apply_collection("", spec, ApplyMode::default(), None).expect("right");
            }
            Self::Restart | Self::Crash => {
                if matches!(self, Self::Crash) {
                    disk.power_off();
                }
                engine.close();
                drop(engine);
                if matches!(self, Self::Crash) {
                    disk.crash();
                }
                return open(disk).expect("a restart");
            }
        }
        engine
    }
}

/// Whether two collections, made by two ways, answer the same; they are closed.
fn agree(ways: [(SimDisk, Engine); 2], questions: &Questions) -> Result<(), TestCaseError> {
    let answers: [Answers; 2] = ways.map(|(_disk, engine)| {
        let answers = ask(&engine, NAME, questions);
        engine.close();
        answers
    });
    prop_assert_eq!(&answers[0], &answers[1]);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sealing_merging_indexing_and_restarting_change_no_answer(
        rows in some_rows(),
        (metric, kind) in (metric(), kind()),
        part in 5..60_usize,
        acts in prop::collection::vec(act(), 1..8),
        questions in questions(),
    ) {
        let (disk, mut engine) = fresh(metric, kind);
        for (at, part) in rows.chunks(part).enumerate() {
            put(&engine, part);
            delete(&engine, &[part[0].0]).expect("a delete");
            if at % 2 == 0 {
                flush(&engine);
            }
        }
        let before = ask(&engine, NAME, &questions);
        for act in acts {
            engine = act.run(&disk, engine);
            prop_assert_eq!(&ask(&engine, NAME, &questions), &before, "after {:?}", act);
        }
        engine.close();
    }

    #[test]
    fn many_segments_answer_as_one_and_as_one_in_memory(
        rows in some_rows(), metric in metric(), part in 3..20_usize, questions in questions(),
    ) {
        let one = sealed(metric, &rows, rows.len());
        let growing = fresh(metric, IndexKind::Flat);
        put(&growing.1, &rows);
        let expected = ask(&growing.1, NAME, &questions);
        growing.1.close();
        prop_assert_eq!(ask(&one.1, NAME, &questions), expected);
        agree([one, sealed(metric, &rows, part)], &questions)?;
    }

    #[test]
    fn the_order_of_writes_does_not_matter(
        (rows, shuffled) in some_rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        metric in metric(),
        parts in (3..60_usize, 3..60_usize),
        questions in questions(),
    ) {
        agree([sealed(metric, &rows, parts.0), sealed(metric, &shuffled, parts.1)], &questions)?;
    }

    #[test]
    fn deleting_and_inserting_again_is_an_upsert(
        all in some_rows(), part in 3..60_usize, questions in questions(),
    ) {
        let ways = [true, false].map(|is_upsert| {
            let (disk, engine) = sealed(Metric::L2, &all, part);
            let ids: Vec<_> = all.iter().step_by(2).map(|row| row.0).collect();
            if is_upsert {
                upsert(&engine, &ids, 4).expect("an upsert");
            } else {
                delete(&engine, &ids).expect("a delete");
                insert(&engine, &ids, 4).expect("an insert");
            }
            (disk, engine)
        });
        agree(ways, &questions)?;
    }

    #[test]
    fn a_filter_searches_as_if_only_its_rows_were_there(
        rows in some_rows(), metric in metric(), part in 3..60_usize, questions in questions(),
    ) {
        let Questions { queries, k, condition } = &questions;
        let (_disk, engine) = sealed(metric, &rows, part);
        let some = passing(&engine, NAME, Some(condition));
        prop_assert_eq!(count(&engine, condition), some.len() as u64);
        prop_assert_eq!(groups(&engine, NAME, condition).rows, some.len() as u64);
        let (_disk, only) = sealed(metric, &some, part);
        for query in queries {
            let asked = nearest(*query, *k);
            let bare = search(&only, NAME, asked.clone());
            let filtered = Search { filter: Some(filter(condition)), ..asked };
            let found = search(&engine, NAME, filtered);
            prop_assert_eq!(settled(&found, *k), settled(&bare, *k));
            prop_assert_eq!(found.len(), some.len().min(*k));
        }
        engine.close();
        only.close();
    }

    #[test]
    fn conditions_and_their_opposites_share_out_the_rows(
        rows in some_rows(), part in 3..60_usize, a in condition(), b in condition(),
    ) {
        let (_disk, engine) = sealed(Metric::L2, &rows, part);
        let of = |condition: String| passing(&engine, NAME, Some(&condition));
        let (is_a, is_b) = (of(a.clone()), of(b.clone()));
        // Where no column is null every condition is true or false, else it may be neither.
        let known = count(&engine, "word is not null");
        let sides = [format!("word is not null and ({a})"), format!("word is not null and not ({a})")];
        prop_assert_eq!(sides.map(|side| count(&engine, &side)).iter().sum::<u64>(), known);
        let opposite = of(format!("not ({a})"));
        prop_assert!(is_a.iter().all(|row| !opposite.contains(row)));
        prop_assert_eq!(of(format!("not (not ({a}))")), is_a.clone());
        let both: Rows = is_a.iter().filter(|row| is_b.contains(row)).copied().collect();
        prop_assert_eq!(of(format!("({a}) and ({b})")), both);
        let mut either = is_a;
        either.extend(is_b);
        either.sort_unstable();
        either.dedup();
        prop_assert_eq!(of(format!("({a}) or ({b})")), either);
        prop_assert_eq!(of(format!("not (not ({a}) and not ({b}))")), of(format!("({a}) or ({b})")));
        engine.close();
    }

    #[test]
    fn fewer_are_the_first_of_more_and_pages_make_a_whole(
        rows in some_rows(),
        metric in metric(),
        part in 3..60_usize,
        (query, k, more) in (0..IDS, 1..30_usize, 1..30_usize),
    ) {
        let (_disk, engine) = sealed(metric, &rows, part);
        let all = search(&engine, NAME, nearest(query, k + more));
        prop_assert_eq!(all.len(), rows.len().min(k + more));
        prop_assert_eq!(&search(&engine, NAME, nearest(query, k))[..], &all[..k.min(all.len())]);
        let mut pages = Vec::new();
        for offset in (0..k + more).step_by(k) {
            let page = Search { offset, ..nearest(query, k.min(k + more - offset)) };
            pages.extend(search(&engine, NAME, page));
        }
        prop_assert_eq!(pages, all);
        engine.close();
    }

    #[test]
    fn what_is_not_found_does_not_matter(
        all in some_rows(), part in 3..60_usize, (query, k) in (0..IDS, 1..20_usize),
    ) {
        let (_disk, engine) = sealed(Metric::L2, &all, part);
        let asked = || search(&engine, NAME, nearest(query, k));
        let found = asked();
        let others: Vec<_> =
            all.iter().map(|row| row.0).filter(|id| found.iter().all(|hit| hit.0 != *id)).collect();
        if !others.is_empty() {
            delete(&engine, &others).expect("a delete");
        }
        prop_assert_eq!(asked(), found.clone(), "others were deleted");
        let mut far = rows(&[IDS + 1], 0);
        far.vectors = vec![(ColumnId(1), VectorInput::Floats(vec![1e6; DIM]))];
        engine.write_blocking("", NAME, Write::Upsert(far), None).expect("an upsert");
        let with_far = asked();
        prop_assert_eq!(&with_far[..found.len()], &found[..], "a row came that is far");
        delete(&engine, &[found[0].0]).expect("a delete");
        prop_assert_eq!(&asked()[..found.len() - 1], &found[1..], "the first was deleted");
        engine.close();
    }

    #[test]
    fn scaled_vectors_have_the_same_cosines(
        all in some_rows(), part in 3..60_usize, power in -8..8_i32, questions in questions(),
    ) {
        let (disk, engine) = sealed(Metric::Cosine, &all, part);
        let expected = ask(&engine, NAME, &questions).hits;
        // Powers of two scale every rounding on the way, too.
        let factor = 2.0_f32.powi(power);
        for part in all.chunks(part) {
            let ids: Vec<_> = part.iter().map(|row| row.0).collect();
            let floats = part.iter().flat_map(|(id, form)| vector(*id, *form).map(|x| x * factor));
            let update = vicinal_engine::Update {
                rows: vicinal_engine::Selection::Ids(Ids::Int(ids)),
                vectors: vec![(ColumnId(1), VectorInput::Floats(floats.collect()))],
                scalars: Vec::new(),
            };
            engine.write_blocking("", NAME, Write::Update(update), None).expect("an update");
        }
        let queries = questions.queries.iter().enumerate();
        for (at, query) in queries {
            let floats = vector(*query, QUERY_FORM).map(|x| x / factor).to_vec();
            let asked = Search::new(VectorInput::Floats(floats), questions.k);
            let found = search(&engine, NAME, asked);
            prop_assert_eq!(&settled(&found, questions.k), &expected[at][0]);
        }
        engine.close();
        drop(disk);
    }

    #[test]
    fn what_was_restored_answers_as_its_original(
        rows in some_rows(),
        (metric, kind) in (metric(), kind()),
        part in 3..60_usize,
        questions in questions(),
    ) {
        let (_disk, engine) = fresh(metric, kind);
        for part in rows.chunks(part) {
            put(&engine, part);
            flush(&engine);
        }
        delete(&engine, &[rows[0].0]).expect("a delete");
        let expected = ask(&engine, NAME, &questions);
        let kept = take(&engine);
        upsert(&engine, &[rows[0].0, IDS + 5], 6).expect("what comes later is not in it");
        restore(&engine, &kept, &named("copy")).expect("a restore beside it");
        prop_assert_eq!(&ask(&engine, "copy", &questions), &expected);
        let disk = SimDisk::new(2);
        let other = open(&disk).expect("an empty disk");
        restore(&other, &kept, &RestoreAs::default()).expect("a restore elsewhere");
        prop_assert_eq!(&ask(&other, NAME, &questions), &expected);
        other.close();
        drop(other);
        let other = open(&disk).expect("a restart");
        prop_assert_eq!(&ask(&other, NAME, &questions), &expected);
        other.close();
        engine.close();
    }
}
