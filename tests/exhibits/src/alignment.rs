//! Two lists beside each other: what both have stands in one row.

/// Each row: what the left has, what the right has. Keeps both orders, and pairs as many equal
/// entries as that allows.
pub(crate) fn align<T: PartialEq>(left: &[T], right: &[T]) -> Vec<(Option<usize>, Option<usize>)> {
    let lengths = common_lengths(left, right);
    let (mut i, mut k, mut rows) = (0, 0, Vec::new());
    while i < left.len() || k < right.len() {
        if i < left.len() && k < right.len() && left[i] == right[k] {
            rows.push((Some(i), Some(k)));
            (i, k) = (i + 1, k + 1);
        } else if k == right.len() || i < left.len() && lengths[i + 1][k] >= lengths[i][k + 1] {
            rows.push((Some(i), None));
            i += 1;
        } else {
            rows.push((None, Some(k)));
            k += 1;
        }
    }
    rows
}

/// How long the longest common subsequence is of what follows each pair of places.
fn common_lengths<T: PartialEq>(left: &[T], right: &[T]) -> Vec<Vec<usize>> {
    let mut lengths = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in (0..left.len()).rev() {
        for k in (0..right.len()).rev() {
            lengths[i][k] = if left[i] == right[k] {
                lengths[i + 1][k + 1] + 1
            } else {
                lengths[i + 1][k].max(lengths[i][k + 1])
            };
        }
    }
    lengths
}
