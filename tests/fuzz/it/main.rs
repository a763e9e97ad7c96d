//! The fuzz targets on random inputs, and on those that once found something.

use std::path::Path;

/// A target and how many random inputs it takes in about a second.
type Target = (&'static str, fn(&[u8]), u64);

const TARGETS: [Target; 4] = [
    ("index", vicinal_fuzz::index, 4_000),
    ("files", vicinal_fuzz::files, 4_000),
    ("scalar", vicinal_fuzz::scalar, 4_000),
    ("engine", vicinal_fuzz::engine, 100),
];

fn target(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.0 == name).expect("there is such a target")
}

/// Edits, each of which may go anywhere.
fn check_random(name: &str) {
    let (_, run, inputs) = target(name);
    run(&[]);
    for seed in 0..inputs {
        let mut bits = seed;
        let input = (0..9 + seed % 4 * 8).map(|_| {
            // splitmix64
            bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb).to_le_bytes()[7]
        });
        run(&input.collect::<Vec<_>>());
    }
}

#[test]
fn hostile_indexes_are_an_error_or_can_be_searched() {
    check_random("index");
}

#[test]
fn hostile_files_are_an_error_or_can_be_used() {
    check_random("files");
}

#[test]
fn hostile_scalar_indexes_are_an_error_or_can_be_asked() {
    check_random("scalar");
}

#[test]
fn hostile_directories_are_an_error_or_can_be_served() {
    check_random("engine");
}

/// `found/<target>/` holds inputs that a target once failed on.
#[test]
fn what_was_found_once_stays_mended() {
    for (name, run, _) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("found").join(name);
        let inputs = std::fs::read_dir(&folder).into_iter().flatten();
        for input in inputs {
            run(&std::fs::read(input.expect("an entry").path()).expect("a file"));
        }
    }
}
