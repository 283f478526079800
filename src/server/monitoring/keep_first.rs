//! The first of many, in an order, without a look at the order of all others.

use std::cmp::Ordering;

/// Keeps the first `max` of `items` in the order of `compare`, and sorts no others: there may be many
/// thousands.
pub(super) fn keep_first<T>(items: &mut Vec<T>, max: usize, compare: impl Fn(&T, &T) -> Ordering) {
    if items.len() > max {
        items.select_nth_unstable_by(max, &compare);
        items.truncate(max);
    }
    items.sort_by(compare);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_the_first_are_kept_in_their_order() {
        for count in [0, 1, 3, 4, 50] {
            // Each number below `count` once, in no order.
            let mut numbers: Vec<usize> = (0..count).map(|it| (it * 7 + 3) % count).collect();
            keep_first(&mut numbers, 3, Ord::cmp);
            assert_eq!(numbers, (0..count.min(3)).collect::<Vec<_>>(), "of {count}");
        }
    }
}
