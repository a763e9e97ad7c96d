//! Tests of the file: what was stored comes back, and nothing else does.

use super::*;
use vicinal_storage::SimDisk;

/// A file of version 1; see `the_first_version_is_read_for_ever`.
const GOLDEN: &[u8] = include_bytes!("golden/MACHINE-1");

fn measured() -> Measured {
    let mut profile = MachineProfile::TYPICAL;
    profile.disk.read_page_nanos = None;
    profile.hand_off_nanos = 12_345.678;
    Measured {
        machine: Machine {
            cpu: "A CPU".into(),
            isa: "scalar".into(),
            cores: 3,
            last_cache_bytes: 32 << 20,
        },
        unix_micros: 1_767_225_600_000_000,
        took_millis: 432,
        spread: 0.1,
        notes: vec!["a note".into()],
        profile,
    }
}

fn write(disk: &dyn Disk, bytes: &[u8]) {
    replace_file(disk, Path::new(MACHINE_FILE), bytes).expect("a simulated disk");
}

fn load_from(disk: &dyn Disk, machine: &Machine) -> Loaded {
    load(disk, Path::new(""), machine).expect("a simulated disk")
}

#[test]
fn what_was_stored_comes_back() {
    let (disk, measured) = (SimDisk::new(1), measured());
    assert_eq!(load_from(&disk, &measured.machine), Loaded::Missing);
    for took_millis in [1, 2] {
        let measured = Measured { took_millis, ..measured.clone() };
        store(&disk, Path::new(""), &measured).expect("a simulated disk");
        disk.crash();
        let found = load_from(&disk, &measured.machine);
        assert_eq!(found, Loaded::Measured(Box::new(measured)));
    }
}

#[test]
fn figures_of_another_machine_are_of_no_use() {
    let (disk, measured) = (SimDisk::new(1), measured());
    store(&disk, Path::new(""), &measured).expect("a simulated disk");
    let check = |change: fn(&mut Machine)| {
        let mut machine = measured.machine.clone();
        change(&mut machine);
        match load_from(&disk, &machine) {
            Loaded::Unusable(reason) => assert!(reason.contains("another machine"), "{reason}"),
            found @ (Loaded::Measured(_) | Loaded::Missing) => panic!("{found:?}"),
        }
    };
    check(|machine| machine.cpu.push('!'));
    check(|machine| machine.isa = "avx2".into());
    check(|machine| machine.cores = 4);
    check(|machine| machine.last_cache_bytes = 0);
}

#[test]
fn the_first_version_is_read_for_ever() {
    let encoded = format::encode(&measured()).expect("finite numbers");
    assert_eq!(format::decode(GOLDEN), Seen::Measured(Box::new(measured())));
    assert_eq!(String::from_utf8_lossy(&encoded), String::from_utf8_lossy(GOLDEN));
}

#[test]
fn no_changed_bit_and_no_cut_gets_through() {
    let good = Seen::Measured(Box::new(measured()));
    for at in 0..GOLDEN.len() * 8 {
        let mut bytes = GOLDEN.to_vec();
        bytes[at / 8] ^= 1 << (at % 8);
        // An upper-case digit of the checksum is the same number.
        let is_case = bytes.eq_ignore_ascii_case(GOLDEN) && at / 8 < 40;
        assert!(is_case || format::decode(&bytes) != good, "bit {at}");
    }
    for len in 0..GOLDEN.len() {
        assert!(matches!(format::decode(&GOLDEN[..len]), Seen::Bad(_)), "{len} bytes");
    }
}

#[test]
fn what_is_no_file_of_figures_says_why() {
    let disk = SimDisk::new(1);
    let check = |bytes: &[u8], expected: &str| {
        write(&disk, bytes);
        match load_from(&disk, &measured().machine) {
            Loaded::Unusable(reason) => assert!(reason.contains(expected), "{reason}"),
            found @ (Loaded::Measured(_) | Loaded::Missing) => panic!("{found:?}"),
        }
    };
    let text = String::from_utf8(GOLDEN.to_vec()).expect("text");
    check(b"", "no end");
    check(b"hello\n", "first line");
    check(text.replacen("machine 1", "machine 2", 1).as_bytes(), "version 2");
    check(text.replacen("A CPU", "B CPU", 1).as_bytes(), "checksum");
    let resealed = |body: &str| {
        let checksum = crc32c::crc32c(body.as_bytes());
        format!("vicinal machine 1 crc32c {checksum:08x}\n{body}")
    };
    let (_, body) = text.split_once('\n').expect("lines");
    check(resealed(&body.replacen("12345.678", "-1.0", 1)).as_bytes(), "no time");
    check(resealed(&body.replacen("jaccard", "l2", 1)).as_bytes(), "no time");
    check(resealed(&body.replacen("hand_off_nanos", "other", 1)).as_bytes(), "this program");
}

#[test]
fn a_wide_spread_is_a_disturbance() {
    let at = |spread| Measured { spread, ..measured() }.is_disturbed();
    assert_eq!([0.0, 0.2, 0.3].map(at), [false, false, true]);
}
