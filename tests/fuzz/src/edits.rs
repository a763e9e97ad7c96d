//! Changes of bytes, as bytes.

/// Bytes of an edit: part and kind (4 bits each), place (24 bits), value (32 bits).
const EDIT_BYTES: usize = 8;

/// Edits of one input: more of them hide from each other.
const EDITS_MAX: usize = 12;

/// Numbers that arithmetic on lengths and floats stumbles over.
const AWKWARD: [u64; 12] = [
    0,
    1,
    u64::MAX,
    1 << 63,
    u32::MAX as u64,
    1 << 31,
    (1 << 31) - 1,
    0x7fc0_0000_7fc0_0000, // NaN, twice
    0x7f80_0000_7f80_0000, // infinity
    0xff80_0000_ff80_0000,
    0x7f7f_ffff_7f7f_ffff, // the largest float
    0x8000_0000_0000_0001,
];

/// A change to one part of what is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edit {
    part: usize,
    kind: u8,
    place: usize,
    value: u32,
}

/// The edits that an input stands for.
pub(crate) fn edits(data: &[u8]) -> impl Iterator<Item = Edit> {
    data.as_chunks::<EDIT_BYTES>().0.iter().take(EDITS_MAX).map(|bytes| {
        let [head, place @ .., a, b, c, d] = *bytes;
        let place = place.iter().rev().fold(0, |place, &byte| place << 8 | usize::from(byte));
        let value = u32::from_le_bytes([a, b, c, d]);
        Edit { part: usize::from(head >> 4), kind: head & 15, place, value }
    })
}

impl Edit {
    /// Which of `count` parts it is about.
    pub(crate) fn part(self, count: usize) -> usize {
        self.part % count.max(1)
    }

    /// Changes the bytes of that part.
    pub(crate) fn apply(self, bytes: &mut Vec<u8>) {
        let (len, small) = (bytes.len(), self.value as usize % 64);
        let at = self.place % len.max(1);
        let word = at / 4 * 4;
        match self.kind {
            _ if len == 0 => bytes.resize(small, self.kind),
            0 | 1 => put(bytes, word, &self.value.to_le_bytes()),
            2 => put(bytes, word, &(self.value % 1_024).to_le_bytes()),
            3 => bytes[at] = self.value.to_le_bytes()[0],
            4 => bytes[at] ^= 1 << (self.value % 8),
            5 => put(bytes, word, &AWKWARD[small % AWKWARD.len()].to_le_bytes()[..4]),
            6 => put(bytes, at / 8 * 8, &AWKWARD[small % AWKWARD.len()].to_le_bytes()),
            7 => put(bytes, at / 8 * 8, &(u64::MAX >> small).to_le_bytes()),
            8 => {
                let from = self.value as usize % len / 4 * 4;
                let copied = bytes[from..len.min(from + 4)].to_vec();
                put(bytes, word, &copied);
            }
            9 => {
                let old = bytes.get(word..word + 4).and_then(|word| word.first_chunk());
                let old = old.map_or(0, |word| u32::from_le_bytes(*word));
                let step = u32::from(self.value.to_le_bytes()[0]).wrapping_sub(128);
                put(bytes, word, &old.wrapping_add(step).to_le_bytes());
            }
            10 => bytes.truncate(at),
            11 => bytes.extend(std::iter::repeat_n(self.value.to_le_bytes()[1], small)),
            12 => _ = bytes.drain(at..len.min(at + 1 + small)),
            13 => _ = bytes.splice(at..at, self.value.to_le_bytes()),
            14 => bytes[at..len.min(at + 1 + small)].fill(self.value.to_le_bytes()[3]),
            _ => {
                let from = self.value as usize % len;
                let copied = bytes[from..len.min(from + 64)].to_vec();
                put(bytes, at, &copied);
            }
        }
    }
}

/// Overwrites what there is room for.
fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..].iter_mut().zip(new).for_each(|(place, &byte)| *place = byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind, on no bytes and on some, changes something and never panics.
    #[test]
    fn every_kind_changes_bytes_of_any_length() {
        for kind in 0..16 {
            for len in [0_usize, 8, 65] {
                let before: Vec<u8> = (0_u8..).take(len).collect();
                let changes = (0_u8..=255).any(|place| {
                    let mut after = before.clone();
                    let data = [kind, place, 0, 0, place ^ 175, 205, place, 18];
                    edits(&data).for_each(|edit| edit.apply(&mut after));
                    after != before
                });
                assert!(changes, "kind {kind} on {len} bytes");
            }
        }
    }

    #[test]
    fn an_input_is_as_many_edits_as_it_has_room_for() {
        assert_eq!(edits(&[1; 7]).count(), 0);
        assert_eq!(edits(&[1; 17]).count(), 2);
        assert_eq!(edits(&[1; 1_000]).count(), EDITS_MAX);
    }
}
