//! Columns of every type through a real server: declared in a file, written, read
//! while they grow, from their file and after a kill; columns that come and go.

use crate::process::{Server, Setup, write_file};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use vicinal_client::{ColumnSpec, Ids, Rows, ScalarType, ScalarValue, Scalars, Value};

const DECLARED: &str = "\
collection: things
vectors:
  - { name: v, dimension: 2, metric: l2 }
columns:
  - { name: bool, type: bool, nullable: true }
  - { name: int8, type: int8, default: -3 }
  - { name: int16, type: int16, nullable: true }
  - { name: int32, type: int32, nullable: true }
  - { name: int64, type: int64 }
  - { name: float32, type: float32, nullable: true }
  - { name: float64, type: float64, default: 0.1 }
  - { name: string, type: string, nullable: true, default: none, index: trigram }
  - { name: timestamp, type: timestamp, nullable: true }
  - { name: json, type: json, nullable: true }
  - { name: bools, type: array<bool>, nullable: true }
  - { name: shorts, type: array<int16>, default: [1, -2] }
  - { name: longs, type: array<int64>, nullable: true }
  - { name: floats, type: array<float32>, nullable: true }
  - { name: doubles, type: array<float64>, nullable: true }
  - { name: tags, type: array<string>, default: [] }
  - { name: times, type: array<timestamp>, nullable: true }
";

/// Three rows with all columns: ends of ranges, empty values, and nulls.
fn rows() -> Rows {
    let text = |text: &str| Some(text.to_owned());
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    Rows::new([1, 2, 3])
        .vectors("v", &[0.0, 1.0, 0.0, 2.0, 0.0, 3.0])
        .column("bool", vec![Some(true), None, Some(false)])
        .column("int8", vec![i8::MIN, 0, i8::MAX])
        .column("int16", vec![Some(i16::MIN), None, Some(i16::MAX)])
        .column("int32", vec![Some(i32::MIN), None, Some(i32::MAX)])
        .column("int64", vec![i64::MIN, 0, i64::MAX])
        .column("float32", vec![Some(f32::MIN_POSITIVE), None, Some(0.1)])
        .column("float64", vec![f64::MAX, -0.0, 0.1])
        .column("string", vec![text(""), None, text("grün 日本 🦀")])
        .column("timestamp", Scalars::timestamps(vec![Some(i64::MIN), None, Some(1)]))
        .column("json", Scalars::json(vec![text("{}"), None, text(r#"{"a": [1.50]}"#)]))
        .column("bools", vec![Some(vec![true, false]), None, Some(vec![])])
        .column("shorts", vec![vec![i16::MAX], vec![], vec![3, 4]])
        .column("longs", vec![Some(vec![i64::MIN, i64::MAX]), None, Some(vec![])])
        .column("floats", vec![Some(vec![0.5_f32]), None, Some(vec![])])
        .column("doubles", vec![Some(vec![0.1, 0.2]), None, Some(vec![])])
        .column("tags", vec![texts(&["a", ""]), texts(&[]), texts(&["ü"])])
        .column("times", Scalars::timestamp_arrays(vec![Some(vec![7]), None, Some(vec![])]))
}

/// A server with the collection, and how to start it again.
struct Desk {
    setup: Setup,
    directory: TempDir,
}

impl Desk {
    fn new() -> (Self, Server) {
        let directory = tempfile::tempdir().expect("a directory");
        let desk = Self { setup: Setup::new(directory.path()), directory };
        let server = desk.setup.start();
        desk.apply(&server, DECLARED, &[]);
        (desk, server)
    }

    fn file(&self, text: &str) -> String {
        let file = self.directory.path().join("things.yaml");
        write_file(&file, text);
        file.display().to_string()
    }

    /// Applies a declaration; what it says has changed.
    #[track_caller]
    fn apply(&self, server: &Server, text: &str, flags: &[&str]) -> Vec<(String, String, String)> {
        let file = self.file(text);
        let printed = server.run(&[&["apply", "-f", &file, "--json"], flags].concat());
        let applied: Json = serde_json::from_str(&printed).expect("JSON");
        let text = |change: &Json, key: &str| change[key].as_str().expect("text").to_owned();
        let changes = applied["changes"].as_array().expect("a list").iter();
        changes.map(|of| (text(of, "field"), text(of, "from"), text(of, "to"))).collect()
    }
}

async fn read(server: &Server, ids: &[i64]) -> Rows {
    let things = server.client().await.collection("things");
    things.get(ids.to_vec(), &["**"]).await.expect("rows")
}

/// Asserts that rows hold what others do, column by column.
#[track_caller]
fn assert_same(found: &Rows, expected: &Rows) {
    assert_eq!(found.ids(), expected.ids());
    for name in expected.column_names() {
        for row in 0..expected.len() {
            let (found, expected) = (found.value(name, row), expected.value(name, row));
            assert_eq!(found, expected, "column {name}, row {row}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_is_the_same_growing_sealed_and_after_a_kill() {
    let (desk, server) = Desk::new();
    let things = server.client().await.collection("things");
    things.insert(rows()).await.expect("right rows");
    let bare = Rows::new([9]).vectors("v", &[0.5, 0.5]).column("int64", vec![5_i64]);
    things.insert(bare).await.expect("the rest is null or has its default");
    let check = async |server: &Server| {
        assert_same(&read(server, &[1, 2, 3]).await, &rows());
        let bare = read(server, &[9]).await;
        assert_eq!(bare.value("int8", 0), Some(Value::Int(-3)));
        assert_eq!(bare.value("float64", 0), Some(Value::Float(0.1)));
        assert_eq!(bare.value("string", 0), Some(Value::Text("none")));
        let pair = vec![Value::Int(1), Value::Int(-2)];
        assert_eq!(bare.value("shorts", 0), Some(Value::Array(pair)));
        assert_eq!(bare.value("tags", 0), Some(Value::Array(vec![])));
        assert_eq!(bare.value("times", 0), Some(Value::Null));
    };
    check(&server).await;
    server.kill();
    let server = desk.setup.start();
    check(&server).await;
    server.run(&["flush", "-c", "things"]);
    check(&server).await;
    let printed = server.run(&["get", "-c", "things", "3", "--json"]);
    let row: Json = serde_json::from_str(&printed).expect("JSON");
    assert_eq!((&row["json"], &row["shorts"]), (&json!({"a": [1.5]}), &json!([3, 4])));
    let by_item = ["aggregate", "-c", "things", "--by", "shorts", "--order", "key", "--json"];
    let printed = server.run(&by_item);
    let keys: Vec<Json> =
        printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(keys.iter().filter(|group| group["rows"] == 1).count(), 5, "{printed}");
    server.kill();
    let server = desk.setup.start();
    check(&server).await;
    let described = server.run(&["describe", "-c", "things"]);
    assert!(described.contains("array<int16>, default [1, -2]"), "{described}");
    // As declared, and in the segment that is there.
    assert_eq!(described.matches("trigram").count(), 2, "{described}");
    assert!(desk.apply(&server, DECLARED, &[]).is_empty(), "it is as declared");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_come_and_go_on_a_live_collection() {
    let (desk, server) = Desk::new();
    let things = server.client().await.collection("things");
    things.insert(rows()).await.expect("right rows");
    server.run(&["flush", "-c", "things"]);
    let stock = || ColumnSpec::new("stock", ScalarType::Int32);
    let refused = things.add_column(stock()).await.expect_err("rows have no value");
    assert!(refused.to_string().contains("nullable or give it a default"), "{refused}");
    things.add_column(stock().with_default(ScalarValue::Int(7))).await.expect("added");
    let again = things.add_column(stock().nullable()).await.expect_err("it is there");
    assert!(again.to_string().contains("a column `stock` already"), "{again}");
    let more = Rows::new([4])
        .vectors("v", &[0.0, 4.0])
        .column("int64", vec![4_i64])
        .column("stock", vec![1_000_000_i32]);
    things.insert(more).await.expect("with the new column");
    let stocks = async |server: &Server| {
        let rows = read(server, &[1, 4]).await;
        (
            rows.value("stock", 0).map(|v| v.to_string()),
            rows.value("stock", 1).map(|v| v.to_string()),
        )
    };
    let expected = (Some("7".to_owned()), Some("1000000".to_owned()));
    assert_eq!(stocks(&server).await, expected);
    server.kill();
    let server = desk.setup.start();
    assert_eq!(stocks(&server).await, expected);

    let things = server.client().await.collection("things");
    things.drop_column("tags").await.expect("dropped");
    let gone = things.drop_column("tags").await.expect_err("it is gone");
    assert!(gone.to_string().contains("there is no column `tags`"), "{gone}");
    let last = things.drop_column("v").await.expect_err("the last vectors");
    assert!(last.to_string().contains("the last vector column"), "{last}");
    assert_eq!(read(&server, &[1]).await.value("tags", 0), None);
    let error = things.get(vec![1], &["tags"]).await.expect_err("nobody knows it");
    assert!(error.to_string().contains("no column `tags`"), "{error}");

    // The file still has `tags` and lacks `stock`.
    let file = desk.file(DECLARED);
    let missing = server.fails(&["apply", "-f", &file]);
    assert!(missing.contains("column `stock` of collection `things` is missing"), "{missing}");
    assert!(missing.contains("--drop-columns"), "{missing}");
    let change = |field: &str, from: &str, to: &str| (field.into(), from.into(), to.into());
    let expected = vec![
        change("columns.stock", "int32, default 7", "none"),
        change("columns.tags", "none", "array<string>, default []"),
    ];
    assert_eq!(desk.apply(&server, DECLARED, &["--dry-run"]), expected);
    assert_eq!(stocks(&server).await.0, Some("7".into()), "a dry run");
    assert_eq!(desk.apply(&server, DECLARED, &["--drop-columns"]), expected);
    let rows = read(&server, &[1, 4]).await;
    assert_eq!(rows.value("stock", 0), None);
    // A new column of an old name: nothing of the old one shines through.
    assert_eq!(rows.value("tags", 0), Some(Value::Array(vec![])));
    assert_eq!(rows.ids(), &Ids::Int(vec![1, 4]));
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_beyond_their_type_are_refused_by_place_and_range() {
    let (_desk, server) = Desk::new();
    let things = server.client().await.collection("things");
    let refused = async |rows: Rows, expected: &str| {
        let error = things.insert(rows).await.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error} does not say {expected:?}");
    };
    let bare =
        || Rows::new([1, 2]).vectors("v", &[0.0, 1.0, 2.0, 3.0]).column("int64", vec![1_i64, 2]);
    let far = bare().column("int8", vec![1_i64, 300]);
    refused(far, "column `int8` holds int8 values, -128 to 127; row 1 has 300").await;
    let far = bare().column("shorts", vec![vec![1_i64], vec![2, -32_769]]);
    refused(far, "holds int16 values, -32768 to 32767; row 1, item 1 has -32769").await;
    let wrong = bare().column("float32", vec![0.5_f64, 0.5]);
    refused(wrong, "column `float32` holds float32 values, the request has doubles").await;
    let wrong = bare().column("tags", vec!["a", "b"]);
    refused(wrong, "column `tags` holds array<string> values, the request has strings").await;
    let wrong = bare().column("tags", vec![vec![1_i64], vec![]]);
    refused(wrong, "holds arrays of string, the request has ints items").await;
    let long = bare().column("bools", vec![vec![true; 4_097], vec![]]);
    refused(long, "takes at most 4096 items, row 0 has 4097").await;
    let wrong = bare().column("floats", vec![vec![0.5_f32], vec![1.0, f32::NAN]]);
    refused(wrong, "column `floats` holds NaN or an infinity in row 1, item 1").await;
    assert_eq!(server.run(&["count", "-c", "things"]).trim(), "0");
}
