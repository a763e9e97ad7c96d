//! Words that must not stand somewhere, or nowhere.

use std::path::Path;

use crate::offence::Offence;
use crate::source::{closing, mask, tokens};

/// Where `async` may stand: the edge of the process.
const ASYNC_HOMES: [&str; 5] =
    ["crates/api/", "crates/client/", "crates/server/", "crates/vicinal/", "tests/"];

/// Where `unsafe` may stand; ARCHITECTURE.md's invariant 10.
const UNSAFE_HOMES: [&str; 5] = [
    "crates/distance/",
    "crates/gpu/",
    "crates/index/",
    "crates/storage/src/disk/mmap.rs",
    "tests/kernels/",
];

/// Folders that many machines have: a checkout in one of them is no secret.
const PUBLIC_FOLDERS: [&str; 9] =
    ["/", "/builds", "/home", "/mnt", "/opt", "/srv", "/tmp", "/usr/src", "/var/tmp"];

/// Statements that begin with `matches!(`: the answer is thrown away.
pub(crate) fn idle_matches(path: &str, text: &str) -> Vec<Offence> {
    let masked = mask(text);
    let tokens = tokens(&masked);
    let mut found = Vec::new();
    for (place, window) in tokens.windows(3).enumerate() {
        if window.iter().map(|token| token.text).ne(["matches", "!", "("]) {
            continue;
        }
        let begins = place == 0 || ["{", "}", ";"].contains(&tokens[place - 1].text);
        let end = closing(&tokens, place + 2).and_then(|close| tokens.get(close + 1));
        if begins && end.is_some_and(|token| token.text == ";") {
            found.push(Offence::new(
                path,
                window[0].line,
                "asserts nothing: wrap it in `assert!(…)`",
            ));
        }
    }
    found
}

/// Tests that do not run and code that is not written.
pub(crate) fn unfinished(path: &str, text: &str) -> Vec<Offence> {
    let masked = mask(text);
    let tokens = tokens(&masked);
    let mut found = Vec::new();
    for window in tokens.windows(3) {
        let what = match [window[0].text, window[1].text, window[2].text] {
            ["#", "[", "ignore"] => "an ignored test proves nothing: mend or delete it",
            ["todo" | "unimplemented", "!", "(" | "[" | "{"] => "write it, or leave the way out",
            _ => continue,
        };
        found.push(Offence::new(path, window[0].line, what));
    }
    found
}

/// Notes to oneself that no issue stands behind.
pub(crate) fn notes_without_issue(path: &str, text: &str) -> Vec<Offence> {
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let is_note = |line: &str| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|word| notes.contains(&word))
    };
    let has_number = |line: &str| {
        line.split('#').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    each_line(path, text, |line| {
        (is_note(line) && !has_number(line))
            .then(|| "name the issue (#123) or do it now".to_owned())
    })
}

/// `async` below the edge of the process.
pub(crate) fn async_elsewhere(path: &str, text: &str) -> Vec<Offence> {
    word_elsewhere(
        path,
        text,
        "async",
        &ASYNC_HOMES,
        "code below server and client runs to completion",
    )
}

/// `unsafe` where it is not allowed.
pub(crate) fn unsafe_elsewhere(path: &str, text: &str) -> Vec<Offence> {
    word_elsewhere(
        path,
        text,
        "unsafe",
        &UNSAFE_HOMES,
        "unsafe code lives in the places of ARCHITECTURE.md",
    )
}

fn word_elsewhere(path: &str, text: &str, word: &str, homes: &[&str], why: &str) -> Vec<Offence> {
    if homes.iter().any(|home| path.starts_with(home)) {
        return Vec::new();
    }
    let masked = mask(text);
    let places = tokens(&masked).into_iter().filter(|token| token.text == word);
    places.map(|token| Offence::new(path, token.line, format!("`{word}` here: {why}"))).collect()
}

/// Folders that only the machine of a developer has.
pub(crate) fn private_folders(root: &Path) -> Vec<String> {
    let mut folders: Vec<String> =
        ["home", "root", "Users"].iter().map(|name| format!("/{name}/")).collect();
    let checkout = root.parent().and_then(Path::to_str).unwrap_or("/");
    if !PUBLIC_FOLDERS.contains(&checkout) {
        folders.push(format!("{checkout}/"));
    }
    folders
}

/// Paths below a private folder.
pub(crate) fn machine_paths(path: &str, text: &str, private: &[String]) -> Vec<Offence> {
    let is_path = |line: &str, folder: &str| {
        line.match_indices(folder).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || ".-_}/*".contains(c))
        })
    };
    each_line(path, text, |line| {
        let folder = private.iter().find(|folder| is_path(line, folder))?;
        Some(format!("`{folder}` is a path of one machine: make it relative or a parameter"))
    })
}

fn each_line(path: &str, text: &str, rule: impl Fn(&str) -> Option<String>) -> Vec<Offence> {
    let numbered = text.lines().enumerate();
    numbered.filter_map(|(at, line)| Some(Offence::new(path, at + 1, rule(line)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offence::lines;

    #[test]
    fn idle_matches_is_found_and_a_value_is_not() {
        let idle = "fn f() {\n    matches!(a, Some(_));\n}\n";
        assert_eq!(lines(&idle_matches("a.rs", idle)), [2]);
        let used = "fn f() -> bool {\n    matches!(a, B)\n}\nfn g() { let a = matches!(a, B); }";
        assert!(idle_matches("a.rs", used).is_empty());
    }

    #[test]
    fn unfinished_code_is_found() {
        let text = "#[test]\n#[ignore = \"slow\"]\nfn f() {\n    todo!()\n}\n// todo!()";
        assert_eq!(lines(&unfinished("a.rs", text)), [2, 4]);
        assert_eq!(lines(&unfinished("a.rs", "unimplemented!(\"x\")")), [1]);
    }

    #[test]
    fn note_needs_an_issue() {
        let bad = concat!("a\n// TO", "DO: b\n# FIX", "ME\n");
        assert_eq!(lines(&notes_without_issue("a.sh", bad)), [2, 3]);
        let good = concat!("// TO", "DO #12: b\nmktemp a.XXX", "XXX\n");
        assert!(notes_without_issue("a.sh", good).is_empty());
    }

    #[test]
    fn async_and_unsafe_have_their_homes() {
        let text = "//! No async, no unsafe.\nasync fn f() {}\nunsafe { }\n";
        assert_eq!(lines(&async_elsewhere("crates/engine/src/a.rs", text)), [2]);
        assert!(async_elsewhere("crates/server/src/a.rs", text).is_empty());
        assert_eq!(lines(&unsafe_elsewhere("crates/storage/src/log.rs", text)), [3]);
        assert!(unsafe_elsewhere("crates/distance/src/a.rs", text).is_empty());
    }

    #[test]
    fn machine_path_is_found() {
        let private = private_folders(Path::new("/checkout/of/me/tree"));
        let text = concat!("see /checkout/of/me/x\n/home/", "you/x\na/home/", "page\n/homes/x");
        assert_eq!(lines(&machine_paths("a.md", text, &private)), [1, 2]);
        assert_eq!(private_folders(Path::new("/tmp/tree")).len(), 3);
    }
}
