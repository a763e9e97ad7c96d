//! The rules of the tree that a program can check; CONTRIBUTING.md says why.
//!
//! A rule is a pure function over a path and a text, tested with a bad example;
//! the tests here run the rules over the tree and list all offenders with a word
//! on how to mend them.

mod documents;
mod layers;
mod modules;
mod offence;
mod scripts;
mod shape;
mod source;
mod tree;
mod words;

use offence::{Offence, assert_none};
use tree::Tree;

/// Runs a rule over every Rust file of the tree.
fn check_rust(rule: impl Fn(&str, &str) -> Vec<Offence>) {
    check_files(|path| path.ends_with(".rs"), rule);
}

/// Runs a rule over the text files of the tree that are chosen.
fn check_files(chosen: impl Fn(&str) -> bool, rule: impl Fn(&str, &str) -> Vec<Offence>) {
    let tree = Tree::read();
    let files = tree.files().filter(|(path, _)| chosen(path));
    assert_none(files.flat_map(|(path, text)| rule(path, text)).collect());
}

#[test]
fn every_dependency_is_an_arrow_of_the_table() {
    assert_none(layers::wrong_arrows(&layers::metadata()));
}

#[test]
fn protobuf_is_known_to_api_client_and_server_only() {
    assert_none(layers::wire_crates_elsewhere(&layers::metadata()));
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    check_files(|path| path.ends_with("/Cargo.toml"), layers::own_lints);
}

#[test]
fn every_dependency_is_used_and_has_its_reason() {
    let tree = Tree::read();
    let declared = documents::workspace_dependencies(tree.text("Cargo.toml"));
    let used = layers::used_dependencies(&layers::metadata());
    let mut offences = documents::unreasoned(&declared, tree.text("DECISIONS.md"));
    offences.extend(documents::unused(&declared, &used));
    assert_none(offences);
}

#[test]
fn files_are_at_most_600_lines() {
    check_rust(shape::long_file);
}

#[test]
fn functions_are_at_most_60_lines() {
    check_rust(shape::long_functions);
}

#[test]
fn every_file_begins_with_its_doc() {
    check_rust(shape::no_doc);
}

#[test]
fn every_file_is_referenced_by_a_mod() {
    let tree = Tree::read();
    let roots = layers::target_roots(&layers::metadata());
    let files: Vec<_> = tree.files().filter(|(path, _)| path.ends_with(".rs")).collect();
    assert_none(modules::unreferenced(&roots, &files));
}

#[test]
fn no_module_is_a_grab_bag() {
    check_rust(modules::grab_bags);
}

#[test]
fn no_statement_asserts_nothing() {
    check_rust(words::idle_matches);
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() {
    check_rust(words::unfinished);
    check_files(|path| !path.ends_with(".md"), words::notes_without_issue);
}

#[test]
fn async_is_in_server_client_and_the_binary_only() {
    check_rust(words::async_elsewhere);
}

#[test]
fn unsafe_is_where_architecture_allows_it() {
    check_rust(words::unsafe_elsewhere);
}

#[test]
fn no_path_of_somebodys_machine_is_in_the_tree() {
    let private = words::private_folders(&tree::root());
    check_files(|_| true, |path, text| words::machine_paths(path, text, &private));
}

#[test]
fn paths_in_documents_exist() {
    let root = tree::root();
    check_files(
        |path| path.ends_with(".md"),
        |path, text| documents::missing_paths(path, text, &|path| root.join(path).exists()),
    );
}

#[test]
fn examples_of_the_readme_are_compiled() {
    let tree = Tree::read();
    let client = tree.text("crates/client/src/lib.rs");
    assert_none(documents::foreign_examples("README.md", tree.text("README.md"), client));
}

/// `UPDATE=1` writes the new hash; what changed is then to be said in words there.
#[test]
fn changelog_knows_the_api() {
    let tree = Tree::read();
    let hash = documents::proto_hash(tree.files().filter(|(path, _)| path.ends_with(".proto")));
    let changelog = tree.text("CHANGELOG.md");
    if std::env::var_os("UPDATE").is_some() {
        tree::write("CHANGELOG.md", &documents::with_hash(changelog, &hash));
    } else {
        assert_none(documents::stale_hash("CHANGELOG.md", changelog, &hash));
    }
}

#[test]
fn scripts_are_valid_bash() {
    let tree = Tree::read();
    let scripts = tree.files().filter(|(path, _)| scripts::is_script(path));
    assert_none(scripts.flat_map(|(path, text)| scripts::invalid(path, text)).collect());
}
