//! What holds for all filters and rows.

use crate::expressions::condition;
use crate::index::answer;
use crate::oracle::Oracle;
use crate::table::Table;
use proptest::prelude::*;
use vicinal_filter::{Expression, Filter, Node, Operator, Parameters};
use vicinal_types::Bitmap;

const NOW: i64 = 1_767_225_600_000_000;

fn filter(node: &Node, table: &Table) -> Filter {
    let expression = Expression::new(node.clone()).expect("within the limits");
    Filter::new(&expression, &table.schema, &Parameters::new(), NOW).expect("it fits the schema")
}

fn rows(filter: &Filter, table: &Table, offset: usize, within: Option<&Bitmap>) -> Bitmap {
    let columns = table.arrays(offset);
    filter.evaluate(&columns, within, &mut |_| None).expect("the columns are there")
}

/// The rows for which the oracle says that it is true.
fn expected(node: &Node, table: &Table) -> Bitmap {
    let mut set = Bitmap::new(table.row_count);
    for row in 0..table.row_count {
        let cell = |name: &str| table.columns[name][row].clone();
        let parameters = Parameters::new();
        let oracle =
            Oracle { schema: &table.schema, parameters: &parameters, now: NOW, cell: &cell };
        if oracle.condition(node) == Some(true) {
            set.insert(u32::try_from(row).expect("few"));
        }
    }
    set
}

fn not(node: Node) -> Node {
    Node::call(Operator::Not, vec![node])
}

fn shared(one: &Bitmap, other: &Bitmap) -> usize {
    one.iter().filter(|row| other.contains(*row)).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn evaluation_agrees_with_the_oracle(
        node in condition(), seed: u64, row_count in 0..150_usize, offset in 0..70_usize
    ) {
        let table = Table::random(seed, row_count);
        let found = rows(&filter(&node, &table), &table, offset, None);
        prop_assert_eq!(found, expected(&node, &table));
    }

    #[test]
    fn a_row_passes_a_filter_or_its_opposite_or_none(node in condition(), seed: u64) {
        let table = Table::random(seed, 100);
        let found = rows(&filter(&node, &table), &table, 0, None);
        let opposite = rows(&filter(&not(node.clone()), &table), &table, 0, None);
        prop_assert_eq!(shared(&found, &opposite), 0);
        prop_assert_eq!(&opposite, &expected(&not(node.clone()), &table));
        let twice = rows(&filter(&not(not(node)), &table), &table, 0, None);
        prop_assert_eq!(twice, found);
    }

    #[test]
    fn indexes_and_subsets_change_nothing(node in condition(), seed: u64, part: u64) {
        let table = Table::random(seed, 130);
        let filter = filter(&node, &table);
        let found = rows(&filter, &table, 3, None);
        let mut asked = part;
        let mut some = |leaf: &vicinal_filter::Leaf| {
            asked = asked.rotate_right(1);
            (asked & 1 == 1).then(|| answer(leaf, &table))
        };
        let columns = table.arrays(0);
        let by_index = filter.evaluate(&columns, None, &mut some).expect("as before");
        prop_assert_eq!(&by_index, &found);
        let within = Bitmap::from_words(vec![part, !part, part ^ 0x5555], 130);
        let inside = rows(&filter, &table, 0, Some(&within));
        prop_assert_eq!(inside.count(), shared(&found, &within));
        prop_assert!(inside.iter().all(|row| found.contains(row) && within.contains(row)));
    }

    #[test]
    fn what_is_printed_reads_as_the_same_tree(node in condition()) {
        let expression = Expression::new(node.clone()).expect("within the limits");
        prop_assert_eq!(expression.root(), &node, "{}", expression);
        let again = Expression::parse(&expression.to_string()).expect("it was printed");
        prop_assert_eq!(again.root(), &node);
        prop_assert_eq!(again.to_string(), expression.to_string());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn blocks_join_without_a_seam(node in condition(), seed: u64, row_count in 4_000..13_000_usize) {
        let table = Table::random(seed, row_count);
        let found = rows(&filter(&node, &table), &table, 5, None);
        prop_assert_eq!(found, expected(&node, &table));
    }
}
