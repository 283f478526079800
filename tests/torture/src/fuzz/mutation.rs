//! Damage to a request where a parser is most easily deceived.

use support::random::Random;

use crate::fuzz::requests::Made;

/// Lengths that lie about what follows.
const LIES: [i64; 9] = [-1, -2, 0, 1, 127, 32_767, 65_536, 2_147_483_647, -2_147_483_648];
/// The largest varint of 32 bits, one that is too large, and one without end.
const VARINTS: [&[u8]; 5] = [
    &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
    &[0xFF, 0xFF, 0xFF, 0xFF, 0x1F],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
    &[0x80, 0x80, 0x04],
    &[0x00],
];

/// The request with one or two kinds of damage, once in a while with none.
pub(crate) fn mutate(made: &Made, random: &mut Random) -> Vec<u8> {
    let mut frame = made.frame.clone();
    for _ in 0..random.below(3) {
        damage(&mut frame, made, random);
    }
    frame
}

fn damage(frame: &mut Vec<u8>, made: &Made, random: &mut Random) {
    match random.below(7) {
        0 => flip_bits(frame, random),
        1 | 2 => lie_about_a_length(frame, made, random),
        3 => frame.truncate(random.index(frame.len())),
        4 => bring_tagged_fields(frame, made, random),
        5 => repeat_a_piece(frame, random),
        _ => {
            let (at, count) = (random.index(frame.len()), random.below(9));
            frame.splice(at..at, random.bytes(count));
        }
    }
}

fn flip_bits(frame: &mut [u8], random: &mut Random) {
    for _ in 0..1 + random.below(8) {
        // The first 4 bytes are the API and its version, which the other damage leaves alone.
        let at = if random.below(20) == 0 { 0 } else { 4 } + random.index(frame.len());
        if let Some(byte) = frame.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
    }
}

fn lie_about_a_length(frame: &mut Vec<u8>, made: &Made, random: &mut Random) {
    let Some(&(at, width)) = made.lengths.get(random.index(made.lengths.len())) else { return };
    if at + width > frame.len() {
        return;
    }
    if made.is_flexible {
        let lie = VARINTS[random.index(VARINTS.len())];
        frame.splice(at..=at, lie.iter().copied());
    } else {
        let lie = LIES[random.index(LIES.len())].to_be_bytes();
        frame[at..at + width].copy_from_slice(&lie[8 - width..]);
    }
}

/// Two tagged fields, right or wrong about their size, in place of none.
fn bring_tagged_fields(frame: &mut Vec<u8>, made: &Made, random: &mut Random) {
    let Some(&at) = made.tags.get(random.index(made.tags.len())) else { return };
    if at < frame.len() {
        let wrong = if random.below(2) == 0 { 0 } else { 200 };
        frame.splice(at..=at, [2, 0, 3, 1, 2, 3, 9, wrong]);
    }
}

fn repeat_a_piece(frame: &mut Vec<u8>, random: &mut Random) {
    let start = random.index(frame.len());
    let end = (start + random.index(40)).min(frame.len());
    let (piece, at) = (frame[start..end].to_vec(), random.index(frame.len()));
    frame.splice(at..at, piece);
}
