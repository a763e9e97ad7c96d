//! That every file belongs to a crate, and that modules have a subject.

use std::collections::{BTreeMap, BTreeSet};

use crate::offence::Offence;
use crate::source::{Token, mask, tokens};

/// Names that say nothing about what is inside.
const GRAB_BAGS: [&str; 9] =
    ["common", "helper", "helpers", "misc", "prelude", "shared_code", "stuff", "util", "utils"];

/// Files that no `mod` leads to from the roots of the crates.
pub(crate) fn unreferenced(roots: &[String], files: &[(&str, &str)]) -> Vec<Offence> {
    let texts: BTreeMap<&str, &str> = files.iter().copied().collect();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut waiting: Vec<(String, bool)> = roots.iter().map(|root| (root.clone(), true)).collect();
    while let Some((path, is_root)) = waiting.pop() {
        let Some(text) = texts.get(path.as_str()) else {
            continue;
        };
        if seen.insert(path.clone()) {
            waiting.extend(children(&path, text, is_root).into_iter().map(|child| (child, false)));
        }
    }
    let lost = files.iter().filter(|(path, _)| !seen.contains(*path));
    lost.map(|(path, _)| Offence::new(path, 1, "no `mod` leads here: reference or delete it"))
        .collect()
}

/// The files that the `mod` items of a file may mean.
fn children(path: &str, text: &str, is_root: bool) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.trim_end_matches(".rs");
    let own = if is_root || stem == "mod" { folder.to_owned() } else { format!("{folder}/{stem}") };
    let masked = mask(text);
    let tokens = tokens(&masked);
    let mut found = Vec::new();
    let mut inline: Vec<(&str, usize)> = Vec::new();
    let mut depth = 0;
    for (place, token) in tokens.iter().enumerate() {
        match token.text {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.retain(|(_, opened)| *opened < depth + 1);
            }
            "mod" => match (tokens.get(place + 1), tokens.get(place + 2).map(|next| next.text)) {
                (Some(name), Some("{")) => inline.push((name.text, depth + 1)),
                (Some(name), Some(";")) => {
                    let mut base = own.clone();
                    for (outer, _) in &inline {
                        base = format!("{base}/{outer}");
                    }
                    found.extend(candidates(&base, folder, name.text, given(text, &tokens, place)));
                }
                _ => {}
            },
            _ => {}
        }
    }
    found
}

fn candidates(base: &str, folder: &str, name: &str, given: Option<&str>) -> Vec<String> {
    given.map_or_else(
        || vec![format!("{base}/{name}.rs"), format!("{base}/{name}/mod.rs")],
        |path| vec![format!("{folder}/{path}")],
    )
}

/// The value of a `#[path = "…"]` in front of the `mod` at `place`.
fn given<'a>(text: &'a str, tokens: &[Token<'_>], place: usize) -> Option<&'a str> {
    let back = |steps: usize| place.checked_sub(steps).and_then(|at| tokens.get(at));
    let visible = back(1).is_some_and(|token| token.text == "pub");
    let skip = usize::from(visible);
    let (end, equals, word) = (back(1 + skip)?, back(2 + skip)?, back(3 + skip)?);
    if (end.text, equals.text, word.text) != ("]", "=", "path") {
        return None;
    }
    Some(text[equals.offset + 1..end.offset].trim().trim_matches('"'))
}

/// Modules whose name says nothing.
pub(crate) fn grab_bags(path: &str, text: &str) -> Vec<Offence> {
    let what =
        |name: &str| format!("`{name}` says nothing: name the noun, or move it to its caller");
    let mut found: Vec<Offence> = path
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| GRAB_BAGS.contains(part))
        .map(|part| Offence::new(path, 1, what(part)))
        .collect();
    let masked = mask(text);
    for pair in tokens(&masked).windows(2) {
        if pair[0].text == "mod" && GRAB_BAGS.contains(&pair[1].text) {
            found.push(Offence::new(path, pair[1].line, what(pair[1].text)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offence::lines;

    #[test]
    fn file_without_a_mod_is_found() {
        let roots = ["a/src/lib.rs".to_owned()];
        let files = [
            ("a/src/b.rs", "mod c { mod d; }\nmod tests;"),
            ("a/src/b/c/d.rs", "//! Nested in an inline module."),
            ("a/src/b/tests.rs", ""),
            ("a/src/e/mod.rs", "mod f;"),
            ("a/src/e/f.rs", ""),
            ("a/src/given.rs", ""),
            (
                "a/src/lib.rs",
                "mod b;\npub(crate) mod e;\n#[path = \"given.rs\"]\nmod g;\n// mod lost;",
            ),
            ("a/src/lost.rs", "mod lost_too;"),
            ("a/src/lost_too.rs", ""),
        ];
        let found = unreferenced(&roots, &files);
        let paths: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(paths.len(), 2, "{paths:?}");
        assert!(paths[0].starts_with("a/src/lost.rs:1"), "{paths:?}");
        assert!(paths[1].starts_with("a/src/lost_too.rs:1"), "{paths:?}");
    }

    #[test]
    fn inline_module_ends_at_its_brace() {
        let text = "mod a { fn f() { if x { } } }\nmod b;";
        assert_eq!(children("s/lib.rs", text, true)[0], "s/b.rs");
    }

    #[test]
    fn grab_bag_is_found_by_file_and_by_mod() {
        assert_eq!(lines(&grab_bags("crates/a/src/utils.rs", "")), [1]);
        assert_eq!(lines(&grab_bags("crates/a/src/helpers/b.rs", "")), [1]);
        assert_eq!(lines(&grab_bags("crates/a/src/lib.rs", "mod a;\nmod common;")), [2]);
        assert!(grab_bags("crates/a/src/lib.rs", "mod scan; // mod common;").is_empty());
    }
}
