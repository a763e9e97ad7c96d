//! That documents are true where a program can tell: paths, the API's hash, the
//! reasons of dependencies.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::Xxh3;

use crate::offence::Offence;

/// What begins a path of this tree when a document names it.
const TOP_FOLDERS: [&str; 8] =
    [".ci/", "benches/", "configs/", "crates/", "deploy/", "docs/", "proto/", "tests/"];

/// The words in front of the hash in the changelog.
const HASH_LABEL: &str = "proto hash `";

/// Paths in a document that lead nowhere: links, names below the top folders, and
/// documents of the top folder.
pub(crate) fn missing_paths(path: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Offence> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let links = link_targets(line).filter(|target| is_local_link(target));
        for target in links.chain(named_paths(line)).collect::<BTreeSet<_>>() {
            if !exists(target) && !exists(&format!("{folder}/{target}")) {
                let what = format!("`{target}` is not there: mend the path or the sentence");
                found.push(Offence::new(path, at + 1, what));
            }
        }
    }
    found
}

fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter_map(|target| target.split('#').next())
}

fn is_local_link(target: &str) -> bool {
    !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")
}

/// Words that look like paths of this tree, patterns left out.
fn named_paths(line: &str) -> impl Iterator<Item = &str> {
    let is_edge = |c: char| c.is_whitespace() || "()[]`\"'|,;:=".contains(c);
    let words = line.split(is_edge).map(|word| word.trim_end_matches(['.', '!', '?']));
    let named = words.filter(|word| !word.contains(['*', '<', '{', '…', '$']));
    named.filter(|word| TOP_FOLDERS.iter().any(|top| word.starts_with(top)) || is_document(word))
}

fn is_document(word: &str) -> bool {
    let stem = word.strip_suffix(".md").unwrap_or_default();
    !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// A short hash of the API's definition, over paths and texts in order of path.
pub(crate) fn proto_hash<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut hasher = Xxh3::new();
    for (path, text) in files {
        for part in [path, text] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    format!("{:016x}", hasher.digest())
}

/// The span of the recorded hash: the first in the changelog is the latest section's.
fn hash_span(changelog: &str) -> Option<std::ops::Range<usize>> {
    let start = changelog.find(HASH_LABEL)? + HASH_LABEL.len();
    let length = changelog[start..].find('`')?;
    Some(start..start + length)
}

/// A changelog that does not know the API as it is.
pub(crate) fn stale_hash(path: &str, changelog: &str, hash: &str) -> Vec<Offence> {
    let recorded = hash_span(changelog).map_or("", |span| &changelog[span]);
    if recorded == hash {
        return Vec::new();
    }
    let line = changelog.split(HASH_LABEL).next().map_or(1, |before| before.lines().count().max(1));
    let what = format!(
        "proto/ changed (hash {hash}, here `{recorded}`): say in Unreleased what changed, then \
         UPDATE=1 cargo test -p vicinal-tests --release --test tidy changelog"
    );
    vec![Offence::new(path, line, what)]
}

/// The changelog with the hash in its place.
pub(crate) fn with_hash(changelog: &str, hash: &str) -> String {
    let span = hash_span(changelog).expect("the changelog has a `proto hash` in backticks");
    format!("{}{hash}{}", &changelog[..span.start], &changelog[span.end..])
}

/// Rust examples of a document that are not, line for line, examples of a crate's
/// doc: those are compiled as tests.
pub(crate) fn foreign_examples(path: &str, text: &str, crate_root: &str) -> Vec<Offence> {
    let doc: Vec<&str> = crate_root
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let compiled = examples(doc.iter().copied(), |fence| !fence.starts_with("```sh"));
    let shown = examples(text.lines(), |fence| fence.starts_with("```rust"));
    let foreign =
        shown.into_iter().filter(|(_, code)| !compiled.iter().any(|(_, ours)| ours == code));
    foreign
        .map(|(line, _)| {
            Offence::new(path, line, "differs from the example in the crate's doc: copy it")
        })
        .collect()
}

/// Fenced blocks whose opening line is chosen, with the number of that line.
fn examples<'a>(
    lines: impl Iterator<Item = &'a str>,
    chosen: impl Fn(&str) -> bool,
) -> Vec<(usize, Vec<&'a str>)> {
    let mut found: Vec<(usize, Vec<&str>)> = Vec::new();
    let (mut is_inside, mut is_chosen) = (false, false);
    for (at, line) in lines.enumerate() {
        if line.starts_with("```") {
            is_chosen = !is_inside && chosen(line);
            is_inside = !is_inside;
            if is_chosen {
                found.push((at + 1, Vec::new()));
            }
        } else if let (true, Some((_, code))) = (is_chosen, found.last_mut()) {
            code.push(line);
        }
    }
    found
}

/// Foreign dependencies declared in the root manifest, with their lines.
pub(crate) fn workspace_dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut is_inside = false;
    for (at, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            is_inside = line == "[workspace.dependencies]";
            continue;
        }
        let Some((name, _)) = line.split_once(" = ").filter(|_| is_inside) else {
            continue;
        };
        if !name.starts_with(['#', ' ']) && !name.starts_with("vicinal-") {
            found.push((at + 1, name.to_owned()));
        }
    }
    found
}

/// Dependencies that the decisions do not name.
pub(crate) fn unreasoned(declared: &[(usize, String)], decisions: &str) -> Vec<Offence> {
    let unnamed = declared.iter().filter(|(_, name)| !decisions.contains(&format!("`{name}`")));
    unnamed
        .map(|(line, name)| {
            let what = format!("`{name}` has no line in DECISIONS.md: why this one, what it costs");
            Offence::new("Cargo.toml", *line, what)
        })
        .collect()
}

/// Dependencies that no crate takes.
pub(crate) fn unused(declared: &[(usize, String)], used: &BTreeSet<String>) -> Vec<Offence> {
    let idle = declared.iter().filter(|(_, name)| !used.contains(name));
    idle.map(|(line, name)| Offence::new("Cargo.toml", *line, format!("no crate uses `{name}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offence::lines;

    #[test]
    fn path_that_leads_nowhere_is_found() {
        let there = ["README.md", "crates/engine", "docs/a/b.md"];
        let exists = |path: &str| there.contains(&path.trim_end_matches('/'));
        let good = "see `crates/engine`, [b](b.md#c), crates/*/src, tests/<name>, README.md.\n\
                    [out](https://example.org/crates/x)";
        assert!(missing_paths("docs/a/c.md", good, &exists).is_empty());
        let bad = "a\n`crates/gone/src`\n[b](gone.md)\nsee GONE.md, proto/gone.proto.";
        assert_eq!(lines(&missing_paths("README.md", bad, &exists)), [2, 3, 4, 4]);
    }

    #[test]
    fn changed_api_needs_a_new_hash() {
        let old = proto_hash([("proto/a.proto", "message A {}")].into_iter());
        let new = proto_hash([("proto/a.proto", "message B {}")].into_iter());
        assert_ne!(old, new);
        let changelog = format!("# Changelog\n\n## Unreleased\n- API, proto hash `{old}`.\n");
        assert!(stale_hash("CHANGELOG.md", &changelog, &old).is_empty());
        assert_eq!(lines(&stale_hash("CHANGELOG.md", &changelog, &new)), [4]);
        assert!(stale_hash("CHANGELOG.md", &with_hash(&changelog, &new), &new).is_empty());
        assert_eq!(lines(&stale_hash("CHANGELOG.md", "# Changelog\n", &new)), [1]);
    }

    #[test]
    fn moving_bytes_between_files_changes_the_hash() {
        let one = proto_hash([("a", "bc"), ("d", "e")].into_iter());
        let other = proto_hash([("a", "b"), ("cd", "e")].into_iter());
        assert_ne!(one, other);
    }

    #[test]
    fn example_that_nobody_compiles_is_found() {
        let doc = "//! Says.\n//! ```no_run\n//! let a = 1;\n//!\n//! a;\n//! ```\n";
        let same = "# A\n```sh\nls\n```\n```rust,no_run\nlet a = 1;\n\na;\n```\n";
        assert!(foreign_examples("README.md", same, doc).is_empty());
        let other = "# A\n```rust\nlet a = 2;\n```\n";
        assert_eq!(lines(&foreign_examples("README.md", other, doc)), [2]);
    }

    #[test]
    fn dependency_needs_a_reason_and_a_user() {
        let manifest = "[workspace]\na = 1\n[workspace.dependencies]\n# c = 2\nvicinal-b = { }\n\
                        bytes = \"1\"\nserde = { }\n[profile.dev]\nd = 1\n";
        let declared = workspace_dependencies(manifest);
        assert_eq!(declared, [(6, "bytes".to_owned()), (7, "serde".to_owned())]);
        assert_eq!(lines(&unreasoned(&declared, "`bytes`: why")), [7]);
        assert_eq!(lines(&unused(&declared, &BTreeSet::from(["serde".to_owned()]))), [6]);
    }
}
