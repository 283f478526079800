//! Whose turn it is.

/// All of them, every second round in the reverse order: what one leaves behind, such as a cache
/// that is warm or a clock that has slowed down, is not always left to the same one.
pub fn turns<'a, T>(round: usize, all: impl Iterator<Item = &'a T>) -> Vec<&'a T> {
    let mut turns: Vec<_> = all.collect();
    if round.is_multiple_of(2) {
        turns.reverse();
    }
    turns
}
