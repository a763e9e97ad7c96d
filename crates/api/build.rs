//! Compiles proto/ with protox, so that no protoc is needed.

use prost::Message as _;
use std::path::Path;

const PROTOS: [&str; 6] = [
    "vicinal/v1/admin.proto",
    "vicinal/v1/collections.proto",
    "vicinal/v1/filter.proto",
    "vicinal/v1/rows.proto",
    "vicinal/v1/search.proto",
    "vicinal/v1/snapshots.proto",
];

#[expect(clippy::disallowed_methods, reason = "a build script writes generated files")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let descriptors = protox::compile(PROTOS, [&root])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("vicinal.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".vicinal.v1.Vectors.packed").compile_fds(descriptors)?;
    Ok(())
}
