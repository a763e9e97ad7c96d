//! Section files serve what was written, or nothing.

use crate::golden::{check_golden, golden_path};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use vicinal_storage::{
    Disk as _, FileDisk, SECTIONS_MAX, SectionFile, SectionWriter, SegmentError, SimDisk,
};

const FILE: &str = "segments/7.rows";
const NUMBER: u64 = 7;

fn sections() -> Vec<(u32, u16, Vec<u8>)> {
    let ramp = |bytes: usize| (0..=255).cycle().take(bytes).collect();
    vec![(1, 1, ramp(5000)), (2, 3, Vec::new()), (0x0103, 1, ramp(4096)), (9, 2, ramp(10))]
}

fn new_disk() -> SimDisk {
    let disk = SimDisk::new(0);
    disk.create_dir_all(Path::new("segments")).unwrap();
    disk
}

fn write(disk: &SimDisk) -> Result<u64, SegmentError> {
    let mut writer = SectionWriter::create(Arc::new(disk.clone()), Path::new(FILE), NUMBER)?;
    for (kind, version, bytes) in sections() {
        writer.begin(kind, version)?;
        for piece in bytes.chunks(999) {
            writer.write(piece)?;
        }
    }
    writer.finish()
}

fn open(disk: &SimDisk) -> Result<SectionFile, SegmentError> {
    SectionFile::open(disk, Path::new(FILE), NUMBER)
}

fn check_whole(file: &SectionFile) {
    for (kind, version, bytes) in sections() {
        let section = file.section(kind).unwrap();
        assert_eq!((section.version, &section.bytes[..]), (version, &bytes[..]));
        if !bytes.is_empty() {
            assert_eq!(section.bytes.as_ptr().align_offset(4096), 0);
        }
    }
    file.verify_all().unwrap();
}

/// The first thing that is refused: the file, or one of its sections.
fn read_all(disk: &SimDisk) -> Result<(), SegmentError> {
    let file = open(disk)?;
    for info in file.sections() {
        file.section(info.kind)?;
    }
    Ok(())
}

#[test]
fn sections_come_back_aligned_and_unchanged() {
    let disk = new_disk();
    let bytes = write(&disk).unwrap();
    let file = open(&disk).unwrap();
    check_whole(&file);
    assert_eq!(file.bytes_len(), bytes);
    let lengths: Vec<u64> = file.sections().iter().map(|info| info.bytes).collect();
    assert_eq!(lengths, [5000, 0, 4096, 10]);
    assert!(file.has_section(9) && !file.has_section(8));
    let missing = file.section(8).unwrap_err().to_string();
    assert!(missing.contains(FILE) && missing.contains("no section 0x8"), "{missing}");
}

#[test]
fn real_disk_maps_what_was_written() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("1.rows");
    let mut writer = SectionWriter::create(Arc::new(FileDisk), &path, 1).unwrap();
    let big = vec![42; 3 * 1024 * 1024 + 17];
    writer.section(5, 1, &big).unwrap();
    writer.section(6, 1, b"small").unwrap();
    writer.finish().unwrap();
    let file = SectionFile::open(&FileDisk, &path, 1).unwrap();
    let section = file.section(5).unwrap();
    drop(file);
    assert_eq!(section.bytes, big, "a section keeps the map alive");
    assert_eq!(FileDisk.list(home.path()).unwrap(), ["1.rows"]);
}

#[test]
fn file_without_sections_is_a_file() {
    let disk = new_disk();
    let writer = SectionWriter::create(Arc::new(disk.clone()), Path::new(FILE), NUMBER).unwrap();
    writer.finish().unwrap();
    assert!(open(&disk).unwrap().sections().is_empty());
}

#[test]
fn every_flipped_byte_is_refused() {
    let disk = new_disk();
    let bytes = write(&disk).unwrap();
    for at in 0..bytes {
        let mask = 1 << (at % 8);
        disk.flip(Path::new(FILE), at, mask).unwrap();
        let error = read_all(&disk).unwrap_err();
        assert!(error.to_string().contains(FILE), "byte {at}: {error}");
        disk.flip(Path::new(FILE), at, mask).unwrap();
    }
    read_all(&disk).unwrap();
}

#[test]
fn intact_sections_are_served_beside_a_damaged_one() {
    let disk = new_disk();
    write(&disk).unwrap();
    disk.flip(Path::new(FILE), 4096 + 100, 1).unwrap();
    let file = open(&disk).unwrap();
    let error = file.section(1).unwrap_err().to_string();
    assert!(error.contains("section 0x1") && error.contains("restore"), "{error}");
    file.section(1).unwrap_err();
    file.section(9).unwrap();
    file.verify_all().unwrap_err();
}

#[test]
fn every_cut_file_is_refused() {
    let disk = new_disk();
    write(&disk).unwrap();
    let whole = disk.contents(Path::new(FILE)).unwrap();
    let ends = (0..whole.len()).filter(|end| end % 512 == 0 || whole.len() - end < 200);
    for end in ends {
        disk.set_contents(Path::new(FILE), &whole[..end]);
        open(&disk).unwrap_err();
    }
    let longer = [&whole[..], &[0; 512]].concat();
    disk.set_contents(Path::new(FILE), &longer);
    open(&disk).unwrap_err();
}

#[test]
fn file_of_another_number_is_refused() {
    let disk = new_disk();
    write(&disk).unwrap();
    let error = SectionFile::open(&disk, Path::new(FILE), 8).unwrap_err();
    assert!(error.to_string().contains("it is file number 7"), "{error}");
}

#[test]
fn section_of_another_place_is_refused() {
    let disk = new_disk();
    let mut writer =
        SectionWriter::create(Arc::new(disk.clone()), Path::new(FILE), NUMBER).unwrap();
    writer.section(1, 1, &[1; 4096]).unwrap();
    writer.section(2, 1, &[2; 4096]).unwrap();
    writer.finish().unwrap();
    let mut bytes = disk.contents(Path::new(FILE)).unwrap();
    bytes.copy_within(4096..8192, 8192); // a misdirected write
    disk.set_contents(Path::new(FILE), &bytes);
    open(&disk).unwrap().section(2).unwrap_err();
}

#[test]
fn writer_refuses_twins_and_too_many() {
    let disk = new_disk();
    let mut writer =
        SectionWriter::create(Arc::new(disk.clone()), Path::new(FILE), NUMBER).unwrap();
    writer.section(3, 1, b"x").unwrap();
    let error = writer.section(3, 1, b"y").unwrap_err().to_string();
    assert!(error.contains("section 0x3") && error.contains("already"), "{error}");
    for kind in 4.. {
        if let Err(error) = writer.section(kind, 1, b"") {
            assert!(error.to_string().contains(&SECTIONS_MAX.to_string()), "{error}");
            break;
        }
    }
    writer.finish().unwrap();
    assert_eq!(open(&disk).unwrap().sections().len(), SECTIONS_MAX);
}

#[test]
fn crash_at_any_call_leaves_no_file_or_the_whole_file() {
    for seed in 0..20 {
        for n in 1.. {
            let disk = SimDisk::new(seed);
            disk.create_dir_all(Path::new("segments")).unwrap();
            disk.crash_at(n);
            let outcome = write(&disk);
            let went = disk.restart();
            if outcome.is_ok() || disk.exists(Path::new(FILE)).unwrap() {
                check_whole(&open(&disk).unwrap());
            }
            write(&disk).unwrap(); // a leftover is in nobody's way
            disk.crash();
            check_whole(&open(&disk).unwrap());
            if !went {
                break;
            }
        }
    }
}

#[test]
fn full_disk_is_an_error_and_gives_no_file() {
    let disk = new_disk();
    disk.set_capacity(Some(9000));
    let error = write(&disk).unwrap_err();
    assert_eq!(error.kind(), vicinal_types::ErrorKind::Exhausted);
    assert!(!disk.exists(Path::new(FILE)).unwrap());
}

#[test]
fn golden_segment_of_version_1_is_read_and_written() {
    let disk = new_disk();
    write(&disk).unwrap();
    check_golden("segment-v1.bin", &disk.contents(Path::new(FILE)).unwrap());
    let file = SectionFile::open(&FileDisk, &golden_path("segment-v1.bin"), NUMBER).unwrap();
    check_whole(&file);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        let disk = new_disk();
        disk.set_contents(Path::new(FILE), &bytes);
        prop_assert!(read_all(&disk).is_err());
    }

    #[test]
    fn damaged_files_never_panic_nor_pass(
        damage in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..8),
    ) {
        let disk = new_disk();
        write(&disk).unwrap();
        let good = disk.contents(Path::new(FILE)).unwrap();
        let mut bytes = good.clone();
        for (at, mask) in damage {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        disk.set_contents(Path::new(FILE), &bytes);
        prop_assert_eq!(read_all(&disk).is_ok(), bytes == good);
    }
}
