//! The file, the variables and the limits.

use super::Config;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vicinal_types::Quota;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/vicinal.yaml")
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Every `section.key` of a tree of settings.
fn keys(tree: &Value) -> BTreeSet<String> {
    let sections = tree.as_object().expect("sections");
    sections
        .iter()
        .flat_map(|(section, fields)| {
            let fields = fields.as_object().expect("a section holds settings");
            fields.keys().map(move |key| format!("{section}.{key}"))
        })
        .collect()
}

#[test]
fn the_shipped_file_says_the_defaults() {
    let config = Config::load(Some(&shipped()), []).expect("a right file");
    assert_eq!(config, Config::default());
}

#[test]
fn the_shipped_file_lists_every_setting_with_a_comment() {
    let text = std::fs::read_to_string(shipped()).expect("a file");
    let listed: Value = serde_saphyr::from_str(&text).expect("YAML");
    let known = serde_json::to_value(Config::default()).expect("a tree");
    assert_eq!(keys(&listed), keys(&known));
    let lines: Vec<_> = text.lines().collect();
    for pair in lines.windows(2) {
        let is_setting = pair[1].starts_with("  ") && !pair[1].trim_start().starts_with('#');
        let has_comment = pair[0].trim_start().starts_with('#');
        assert!(!is_setting || has_comment, "no comment above {:?}", pair[1]);
    }
}

#[test]
fn an_empty_file_is_all_defaults() {
    assert_eq!(Config::parse("").expect("nothing"), Config::default());
    assert_eq!(Config::parse("# only this\n").expect("nothing"), Config::default());
}

#[test]
fn wrong_files_are_refused_with_line_and_key() {
    let check = |text: &str, expected: &[&str]| {
        let error = Config::parse(text).expect_err("a wrong file");
        for part in expected {
            assert!(error.contains(part), "{error:?} does not say {part:?}");
        }
        assert!(!error.contains('\n'), "{error:?} is more than one line");
    };
    check("server:\n  adress: 127.0.0.1:1\n", &["adress", "line 2"]);
    check("server:\n  insecure: false\nsaerch: {}\n", &["saerch", "line 3"]);
    check("segments:\n  max_rowz: 3\n", &["max_rowz", "line 2"]);
    check("server:\n  worker_threads: many\n", &["line 2"]);
    check("server:\n  address: nowhere\n", &["line 2"]);
    check("index:\n  kind: IVF\n", &["IVF", "line 2"]);
    check("server: [\n", &["line"]);
    check("server:\n  insecure: true\n  insecure: false\n", &["insecure", "line 3"]);
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/vicinal.yaml")), []).expect_err("no file");
    assert!(error.to_string().contains("/nowhere/vicinal.yaml"), "{error}");
}

#[test]
fn variables_override_the_file() {
    let env = variables(&[
        ("VICINAL_SERVER__ADDRESS", "127.0.0.1:9000"),
        ("VICINAL_STORAGE__DIRECTORY", "/var/lib/vicinal"),
        ("VICINAL_SEARCH__PIN_THREADS", "false"),
        ("VICINAL_SEGMENTS__MAX_ROWS", "1000"),
        ("VICINAL_LOG__FORMAT", "json"),
        ("VICINAL_ADDRESS", "not a setting: the command line's"),
        ("PATH", "/bin"),
    ]);
    let config = Config::load(Some(&shipped()), env).expect("right variables");
    assert_eq!(config.server.address.port(), 9000);
    assert_eq!(config.storage.directory, Path::new("/var/lib/vicinal"));
    assert!(!config.search.pin_threads);
    assert_eq!(config.segments.max_rows, 1000);
    assert_eq!(config.log.format, super::LogFormat::Json);
}

#[test]
fn wrong_variables_are_refused_by_name() {
    let check = |name: &str, value: &str, expected: &str| {
        let error = Config::load(None, variables(&[(name, value)])).expect_err("a wrong variable");
        let error = error.to_string();
        assert!(error.contains(name) && error.contains(expected), "{error}");
    };
    check("VICINAL_SERVER__ADRESS", "127.0.0.1:1", "has no `adress`");
    check("VICINAL_SEARCHES__THREADS", "1", "no section `searches`");
    check("VICINAL_SERVER__WORKER_THREADS", "many", "type of 0");
    check("VICINAL_SERVER__WORKER_THREADS", "-1", "expected usize");
    check("VICINAL_SERVER__INSECURE", "yes", "type of false");
    check("VICINAL_SERVER__ADDRESS", "nowhere", "socket address");
    check("VICINAL_LOG__FORMAT", "xml", "unknown variant `xml`");
}

/// Says why the value of one variable is refused: the setting and its limit.
fn check_refused(name: &str, value: &str, key: &str, reason: &str) {
    let name = format!("VICINAL_{name}");
    let error = Config::load(None, variables(&[(&name, value)])).expect_err("a wrong value");
    let error = error.to_string();
    assert!(error.contains(key) && error.contains(reason), "{error:?}: {key}, {reason}?");
}

#[test]
fn quotas_are_read_and_their_rates_checked() {
    let mut config = Config::default();
    let mut check = |quota: Quota, expected: &str| {
        config.quotas.databases.insert("tenant".to_owned(), quota);
        let error = config.check().expect_err("a wrong quota").to_string();
        assert!(error.contains("`tenant`") && error.contains(expected), "{error}");
    };
    let none = Quota::default();
    check(
        Quota { cpu_share: Some(1.5), ..none },
        "cpu_share 1.5, which must be above 0 and at most 1",
    );
    check(Quota { requests_per_s: Some(0.0), ..none }, "requests_per_s 0");
    check(Quota { bytes_per_s: Some(f64::NAN), ..none }, "bytes_per_s NaN");
    let yaml = "quotas:\n  collections:\n    tenant/words: { rows: 5, cpu_share: 0.5 }\n";
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file.as_file(), yaml.as_bytes()).expect("written");
    let config = Config::load(Some(file.path()), variables(&[])).expect("a right file");
    let quota = config.quotas.collections["tenant/words"];
    assert_eq!(quota, Quota { rows: Some(5), cpu_share: Some(0.5), ..none });
}

#[test]
fn addresses_are_checked() {
    let insecure = "server.insecure: true";
    check_refused("SERVER__ADDRESS", "0.0.0.0:7878", "server.address", insecure);
    check_refused("HTTP__ADDRESS", "[::]:7879", "http.address", insecure);
    check_refused("HTTP__ADDRESS", "127.0.0.1:7878", "http.address", "two ports");
}

#[test]
fn values_out_of_range_are_refused_with_the_limit() {
    let check = check_refused;
    check(
        "SERVER__WORKER_THREADS",
        "5000",
        "server.worker_threads",
        "5000, not between 0 and 4096",
    );
    check("SEARCH__MAX_WAITING_US", "10", "search.max_waiting_us", "between 1000");
    check("SEARCH__BATCH_QUERIES", "0", "search.batch_queries", "between 1 and 1024");
    check("RAFT__MAX_WAITING_BYTES", "1", "raft.max_waiting_bytes", "between");
    check("FLUSH__MAX_WAITING", "0", "flush.max_waiting", "between 1");
    check("HTTP__MAX_CONNECTIONS", "0", "http.max_connections", "between 1");
    check("STORAGE__LOG_FILE_BYTES", "1", "storage.log_file_bytes", "1048576");
    check("STORAGE__DIRECTORY", "", "storage.directory", "empty");
    check("LIMITS__MESSAGE_BYTES", "999999999", "limits.message_bytes", "67108864");
    check("LIMITS__REQUEST_BYTES", "1", "limits.request_bytes", "67108864");
    check("LIMITS__HEADER_BYTES", "1", "limits.header_bytes", "1024");
    check("LIMITS__RECEIVE_TIMEOUT_MS", "0", "limits.receive_timeout_ms", "between 1");
    check("SERVER__HANDSHAKE_TIMEOUT_MS", "0", "server.handshake_timeout_ms", "between 1");
    check("MEMORY__LIMIT_BYTES", "1000", "memory.limit_bytes", "67108864");
    check("MEMORY__SLOW_PERCENT", "95", "memory.slow_percent", "between 5 and 90");
    check("MEMORY__REFUSE_PERCENT", "101", "memory.refuse_percent", "between 10 and 100");
    check("SERVER__SHUTDOWN_GRACE_MS", "99999999", "server.shutdown_grace_ms", "86400000");
}

#[test]
fn defaults_of_collections_and_the_log_level_are_checked() {
    let check = check_refused;
    check("SEGMENTS__MAX_ROWS", "0", "segments.max_rows", "16777216");
    check("INDEX__M", "1", "m 1", "between 2 and 256");
    check("METRICS__MAX_COLLECTIONS", "5000", "metrics.max_collections", "4096");
    check("LOG__LEVEL", "a=b=c", "log.level", "no filter");
}

#[test]
fn insecure_allows_other_addresses() {
    let env = variables(&[
        ("VICINAL_SERVER__ADDRESS", "0.0.0.0:7878"),
        ("VICINAL_SERVER__INSECURE", "true"),
    ]);
    assert!(Config::load(None, env).expect("allowed").server.insecure);
}
