//! Who may depend on whom, by what cargo says about the manifests.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::offence::Offence;
use crate::tree;

/// Arrows between our crates. An arrow that is not here does not exist.
const LAYERS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("api", &[]),
    ("distance", &["types"]),
    ("storage", &["types"]),
    ("exec", &["types"]),
    ("filter", &["types"]),
    ("index", &["types", "distance"]),
    ("scalar", &["types", "filter"]),
    ("planner", &["types"]),
    ("machine", &["types", "distance", "storage", "exec", "planner"]),
    ("cluster", &["types", "storage"]),
    (
        "engine",
        &[
            "types", "distance", "storage", "exec", "filter", "index", "scalar", "planner",
            "machine", "cluster",
        ],
    ),
    (
        "server",
        &[
            "types", "api", "distance", "storage", "exec", "filter", "index", "scalar", "planner",
            "machine", "cluster", "engine",
        ],
    ),
    ("gpu", &["types", "distance", "index"]),
    ("client", &["api", "types"]),
    ("vicinal", &["types", "distance", "storage", "index", "gpu", "planner", "server", "client"]),
    // Tests of several crates, in folders of tests/.
    ("fuzz", &["types", "storage", "filter", "index", "scalar", "engine"]),
    ("kernels", &["types", "distance", "index", "gpu"]),
    ("recall", &["types", "index"]),
];

/// Arrows that only tests have, besides those above.
const TEST_LAYERS: &[(&str, &[&str])] =
    &[("server", &["client"]), ("vicinal", &["api", "engine", "exec", "machine", "cluster"])];

/// The package in tests/, which may use everything.
const TESTS: &str = "vicinal-tests";

/// Crates that speak protobuf; raft's own is not a dependency of ours.
const WIRE: [&str; 4] = ["prost", "protobuf", "protox", "tonic"];

/// Our crates that may use those.
const WIRE_HOMES: [&str; 3] = ["api", "client", "server"];

/// One entry of a manifest's dependencies.
struct Arrow<'a> {
    /// The folder's name: `engine` for `vicinal-engine`.
    from: &'a str,
    to: &'a str,
    is_for_tests: bool,
}

/// What `cargo metadata` says about the workspace's own packages.
pub(crate) fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(tree::root())
        .output()
        .expect("cargo can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {said}");
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The folder's name of one of our packages.
fn folder(package: &str) -> &str {
    package.strip_prefix("vicinal-").unwrap_or(package)
}

fn arrows(metadata: &Value) -> Vec<Arrow<'_>> {
    let mut found = Vec::new();
    for package in packages(metadata).filter(|package| package["name"] != TESTS) {
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            found.push(Arrow {
                from: folder(text(&package["name"])),
                to: text(&dependency["name"]),
                is_for_tests: dependency["kind"] == "dev",
            });
        }
    }
    found
}

fn allowed(table: &[(&str, &[&'static str])], from: &str) -> Vec<&'static str> {
    let rows = table.iter().filter(|(name, _)| *name == from);
    rows.flat_map(|(_, allowed)| allowed.iter().copied()).collect()
}

fn manifest(from: &str) -> String {
    format!("crates/{from}/Cargo.toml")
}

/// Dependencies between our crates that are not in the tables, and crates that are not.
pub(crate) fn wrong_arrows(metadata: &Value) -> Vec<Offence> {
    let mut found = Vec::new();
    for package in packages(metadata).filter(|package| package["name"] != TESTS) {
        let name = folder(text(&package["name"]));
        if !LAYERS.iter().any(|(known, _)| *known == name) {
            let what =
                format!("`{name}` is not in LAYERS of tests/tidy/layers.rs: give it its place");
            found.push(Offence::new(&manifest(name), 1, what));
        }
    }
    for arrow in arrows(metadata).iter().filter(|arrow| arrow.to.starts_with("vicinal")) {
        let mut targets = allowed(LAYERS, arrow.from);
        if arrow.is_for_tests {
            targets.extend(allowed(TEST_LAYERS, arrow.from));
        }
        if !targets.contains(&folder(arrow.to)) {
            let what = format!("`{}` must not use `{}`: see ARCHITECTURE.md", arrow.from, arrow.to);
            found.push(Offence::new(&manifest(arrow.from), 1, what));
        }
    }
    found
}

/// Protobuf where it has no business.
pub(crate) fn wire_crates_elsewhere(metadata: &Value) -> Vec<Offence> {
    let is_wire = |name: &str| WIRE.iter().any(|wire| name.split('-').next() == Some(*wire));
    let arrows = arrows(metadata);
    let stray = arrows.iter().filter(|arrow| is_wire(arrow.to) && !arrow.is_for_tests);
    stray
        .filter(|arrow| !WIRE_HOMES.contains(&arrow.from))
        .map(|arrow| {
            let what = format!("`{}` is for api, client and server only", arrow.to);
            Offence::new(&manifest(arrow.from), 1, what)
        })
        .collect()
}

/// A manifest that does not take the workspace's lints.
pub(crate) fn own_lints(path: &str, text: &str) -> Vec<Offence> {
    if text.contains("\n[lints]\nworkspace = true\n") {
        return Vec::new();
    }
    vec![Offence::new(path, 1, "add `[lints]` with `workspace = true`")]
}

/// Names of everything that some crate of ours depends on.
pub(crate) fn used_dependencies(metadata: &Value) -> BTreeSet<String> {
    packages(metadata)
        .flat_map(|package| package["dependencies"].as_array().into_iter().flatten())
        .map(|dependency| text(&dependency["name"]).to_owned())
        .collect()
}

/// The first file of each target: libraries, binaries, tests, examples, build scripts.
pub(crate) fn target_roots(metadata: &Value) -> Vec<String> {
    let root = text(&metadata["workspace_root"]);
    packages(metadata)
        .flat_map(|package| package["targets"].as_array().into_iter().flatten())
        .filter_map(|target| text(&target["src_path"]).strip_prefix(root))
        .map(|path| path.trim_start_matches('/').to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workspace(package: &str, dependency: &str, kind: Option<&str>) -> Value {
        json!({
            "workspace_root": "/tree",
            "packages": [{
                "name": package,
                "dependencies": [{ "name": dependency, "kind": kind }],
                "targets": [{ "src_path": "/tree/crates/a/src/lib.rs" }],
            }],
        })
    }

    #[test]
    fn arrow_that_points_up_is_found() {
        let up = workspace("vicinal-storage", "vicinal-engine", None);
        assert_eq!(wrong_arrows(&up).len(), 1);
        assert!(wrong_arrows(&workspace("vicinal-engine", "vicinal-storage", None)).is_empty());
        assert_eq!(wrong_arrows(&workspace("vicinal-new", "bytes", None)).len(), 1);
    }

    #[test]
    fn tests_have_arrows_of_their_own() {
        assert!(
            wrong_arrows(&workspace("vicinal-server", "vicinal-client", Some("dev"))).is_empty()
        );
        assert_eq!(wrong_arrows(&workspace("vicinal-server", "vicinal-client", None)).len(), 1);
    }

    #[test]
    fn table_names_no_crate_that_is_not_in_it() {
        for (name, targets) in LAYERS.iter().chain(TEST_LAYERS) {
            for target in *targets {
                assert!(LAYERS.iter().any(|(known, _)| known == target), "{name} -> {target}");
            }
        }
    }

    #[test]
    fn protobuf_in_the_engine_is_found() {
        assert_eq!(
            wire_crates_elsewhere(&workspace("vicinal-engine", "tonic-prost", None)).len(),
            1
        );
        assert!(wire_crates_elsewhere(&workspace("vicinal-client", "tonic", None)).is_empty());
    }

    #[test]
    fn manifest_without_the_lints_is_found() {
        assert_eq!(own_lints("Cargo.toml", "[package]\n").len(), 1);
        assert!(own_lints("Cargo.toml", "[package]\n\n[lints]\nworkspace = true\n").is_empty());
    }

    #[test]
    fn roots_are_relative_to_the_tree() {
        assert_eq!(target_roots(&workspace("a", "b", None)), ["crates/a/src/lib.rs"]);
        assert!(used_dependencies(&workspace("a", "b", None)).contains("b"));
    }
}
