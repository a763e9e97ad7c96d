//! The one checksum of this crate's formats: CRC-32C with its place mixed in.

/// The checksum of bytes that belong at `offset` of the file with that number,
/// so that intact bytes in the wrong place do not pass.
pub(crate) fn checksum(file_number: u64, offset: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(checksum_start(file_number, offset), bytes)
}

/// The checksum before the first byte; `crc32c_append` goes on from it.
pub(crate) fn checksum_start(file_number: u64, offset: u64) -> u32 {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&file_number.to_le_bytes());
    place[8..].copy_from_slice(&offset.to_le_bytes());
    crc32c::crc32c(&place)
}
