//! Manifests as they are written and read, the golden one and hostile ones.

use super::*;
use vicinal_types::ErrorKind;

const ID: &str = "20261121T140000Z-0000002a";
const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The body of version 1; a change of it is a new version.
const GOLDEN: &str = r#"{"id":"20261121T140000Z-0000002a","created_us":1795269600000000,"label":"before the move","server_version":"0.1.0","collections":[{"collection":{"database":"default","spec":{"name":"points","schema":{"id_type":"int64","columns":[{"id":1,"name":"v","kind":{"vector":{"dim":4,"element":"f32","metric":"l2"}}}]},"segments":{"max_rows":9,"max_bytes":8,"max_interval_s":7},"indexes":{}},"aliases":["p"],"rows":3,"schema_version":1,"next_column":2,"state":{"version":1}},"files":[{"name":"00000001.rows","bytes":0,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}]}"#;

fn id() -> SnapshotId {
    SnapshotId::parse(ID).expect("an id")
}

fn signed(body: &str) -> Vec<u8> {
    format!("{MAGIC} {VERSION} {}\n{body}", hash_of(body.as_bytes())).into_bytes()
}

#[test]
fn version_1_is_read_and_written_as_ever() {
    let manifest = Manifest::decode(&signed(GOLDEN), &id()).expect("version 1");
    assert_eq!(String::from_utf8(manifest.encode()), String::from_utf8(signed(GOLDEN)));
    assert_eq!(SnapshotId::new(manifest.created_us, 42), id());
    assert_eq!(manifest.files().next().expect("a file").sha256.key(), format!("files/e3/{HASH}"));
    assert_eq!(id().key(), format!("snapshots/{ID}"));
}

#[test]
fn ids_tell_their_time() {
    let check = |micros, expected: &str| {
        assert_eq!(SnapshotId::new(micros, 0).to_string(), format!("{expected}-00000000"));
    };
    check(0, "19700101T000000Z");
    check(951_782_400_000_000, "20000229T000000Z");
    check(1_709_251_199_999_999, "20240229T235959Z");
    check(4_107_542_400_000_000, "21000301T000000Z");
}

#[test]
fn what_could_lead_elsewhere_is_no_id_and_no_hash() {
    let other = |from: &str, to: &str| ID.replace(from, to);
    let mut wrong = vec![String::new(), "..".to_owned(), "../../etc/passwd".to_owned()];
    wrong.extend([other("2a", "2A"), other("2a", "/."), other("-", "/"), format!("{ID}/..")]);
    wrong.extend([other("2026", "..//"), other("T", "t"), format!("{ID}\0"), other("1", "１")]);
    for text in wrong {
        assert_eq!(SnapshotId::parse(&text), None, "{text:?}");
    }
    for text in ["", "..", &HASH[1..], &HASH.to_uppercase(), &HASH.replace("e3", "..")] {
        assert_eq!(FileHash::parse(text), None, "{text:?}");
    }
    assert_eq!(FileHash::parse(HASH), Some(hash_of(b"")));
}

#[test]
fn a_manifest_with_another_byte_or_a_hostile_name_is_refused() {
    let good = signed(GOLDEN);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(Manifest::decode(&bad, &id()).is_err(), "byte {at}");
    }
    for len in 0..good.len() {
        assert!(Manifest::decode(&good[..len], &id()).is_err(), "{len} bytes");
    }
    let refused = |from: &str, to: &str, words: &str| {
        let body = GOLDEN.replacen(from, to, 1);
        let error = Manifest::decode(&signed(&body), &id()).expect_err(to);
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(words), "`{error}` does not say `{words}`");
    };
    refused(ID, "../../../../../etc/passwd", "is no snapshot's id");
    refused("0000002a", "0000002b", "it is that of snapshot");
    refused(HASH, "../../../../etc/passwd", "is no SHA-256");
    refused("\"bytes\":0", "\"bytes\":-1", "damaged");
    let newer = String::from_utf8(good).expect("text").replacen(" 1 ", " 2 ", 1);
    let error = Manifest::decode(newer.as_bytes(), &id()).expect_err("a newer version");
    assert!(error.to_string().contains("\"2\", this program reads version 1"), "{error}");
}
