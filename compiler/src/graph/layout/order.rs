//! In which order things stand in a column: such that few lines cross.

use super::{Net, Segment, at};

/// Passes over all columns, there and back.
const PASSES: usize = 24;
/// Passes over a net so large that each takes long.
const FEW_PASSES: usize = 6;
const LARGE: usize = 20_000;

/// The cells of every column, from above.
pub(super) fn order(net: &Net) -> Vec<Vec<usize>> {
    let count = net.cells.iter().map(|cell| cell.column.saturating_add(1)).max().unwrap_or(0);
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (cell, place) in net.cells.iter().zip(0..) {
        if let Some(column) = order.get_mut(cell.column) {
            column.push(place);
        }
    }
    let mut lefts: Vec<Vec<Segment>> = vec![Vec::new(); net.cells.len()];
    let mut rights = lefts.clone();
    for segment in &net.segments {
        if let Some(list) = lefts.get_mut(segment.right.0) {
            list.push(*segment);
        }
        if let Some(list) = rights.get_mut(segment.left.0) {
            list.push(*segment);
        }
    }
    let mut tops = vec![0.0; net.cells.len()];
    for column in &order {
        stack(net, column, &mut tops);
    }
    let mut best = (crossings(net, &tops), order.clone());
    let passes = if net.segments.len() > LARGE { FEW_PASSES } else { PASSES };
    for pass in 0..passes {
        let is_forward = pass % 2 == 0;
        let columns: Vec<usize> = if is_forward { (0..count).collect() } else { (0..count).rev().collect() };
        for column in columns {
            let Some(cells) = order.get_mut(column) else { continue };
            let mut wanted: Vec<(f64, usize)> = cells
                .iter()
                .map(|cell| {
                    let of = if is_forward { &lefts } else { &rights };
                    let segments = of.get(*cell).map(Vec::as_slice).unwrap_or_default();
                    (middle(net, *cell, segments, is_forward, &tops), *cell)
                })
                .collect();
            wanted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            *cells = wanted.into_iter().map(|(_, cell)| cell).collect();
            stack(net, cells, &mut tops);
        }
        let found = crossings(net, &tops);
        if found < best.0 {
            best = (found, order.clone());
        }
    }
    best.1
}

/// Where a cell would stand by the lines on one side, counted to its middle.
fn middle(net: &Net, cell: usize, segments: &[Segment], is_left: bool, tops: &[f64]) -> f64 {
    if segments.is_empty() {
        return at(tops, cell) + net.height(cell) / 2.0;
    }
    let sum: f64 = segments
        .iter()
        .map(|segment| {
            let (own, other) =
                if is_left { (segment.right, segment.left) } else { (segment.left, segment.right) };
            at(tops, other.0) + net.offset(other) - net.offset(own) + net.height(cell) / 2.0
        })
        .sum();
    sum / f64::from(u32::try_from(segments.len()).unwrap_or(u32::MAX))
}

/// Puts a column's cells below one another, around the height nought.
fn stack(net: &Net, cells: &[usize], tops: &mut [f64]) {
    let mut y = 0.0;
    let mut before = None;
    for cell in cells {
        if let Some(before) = before {
            y += net.gap(before, *cell);
        }
        before = Some(*cell);
        if let Some(top) = tops.get_mut(*cell) {
            *top = y;
        }
        y += net.height(*cell);
    }
    for cell in cells {
        if let Some(top) = tops.get_mut(*cell) {
            *top -= y / 2.0;
        }
    }
}

/// How often lines between neighbouring columns cross.
fn crossings(net: &Net, tops: &[f64]) -> usize {
    let mut ends: Vec<(usize, f64, f64)> = net
        .segments
        .iter()
        .map(|Segment { left, right }| {
            let y = |end: (usize, usize)| at(tops, end.0) + net.offset(end);
            (net.column(left.0), y(*left), y(*right))
        })
        .collect();
    ends.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.total_cmp(&b.2)));
    let groups = ends.chunk_by(|a, b| a.0 == b.0);
    groups.map(|group| inversions(&mut group.iter().map(|end| end.2).collect::<Vec<_>>())).sum()
}

/// How many pairs of a list are in the wrong order; the list is sorted by it.
fn inversions(list: &mut Vec<f64>) -> usize {
    if list.len() < 2 {
        return 0;
    }
    let mut right = list.split_off(list.len() / 2);
    let mut count = inversions(list).saturating_add(inversions(&mut right));
    let mut merged = Vec::with_capacity(list.len().saturating_add(right.len()));
    let (mut a, mut b) = (list.iter().peekable(), right.iter().peekable());
    loop {
        match (a.peek(), b.peek()) {
            (Some(left), Some(other)) if *other < *left => {
                count = count.saturating_add(a.len());
                merged.extend(b.next());
            }
            (Some(_), _) => merged.extend(a.next()),
            (None, Some(_)) => merged.extend(b.next()),
            (None, None) => break,
        }
    }
    *list = merged;
    count
}

#[cfg(test)]
mod tests {
    use super::inversions;

    #[test]
    fn pairs_in_the_wrong_order_are_counted() {
        for (list, count) in
            [(vec![], 0), (vec![1.0, 2.0], 0), (vec![3.0, 1.0, 2.0], 2), (vec![4.0, 3.0, 2.0, 1.0], 6)]
        {
            assert_eq!(inversions(&mut list.clone()), count, "{list:?}");
        }
    }
}
