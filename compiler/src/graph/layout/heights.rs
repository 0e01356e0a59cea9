//! How high each thing of a column stands: as level with its lines as its neighbours let it.

use super::{End, MARGIN, Net, Segment, at};

const PASSES: usize = 12;
/// A lane that is not level catches the eye more than a box that is not.
const LANE_WEIGHT: f64 = 4.0;

/// The upper edge of every cell.
pub(super) fn heights(net: &Net, order: &[Vec<usize>]) -> Vec<f64> {
    let mut lines: Vec<Vec<(End, End)>> = vec![Vec::new(); net.cells.len()];
    for Segment { left, right } in &net.segments {
        for (own, other) in [(left, right), (right, left)] {
            if let Some(list) = lines.get_mut(own.0) {
                list.push((*own, *other));
            }
        }
    }
    let mut tops = vec![0.0; net.cells.len()];
    for column in order {
        place(net, column, |_| 0.0, &mut tops);
    }
    for pass in 0..PASSES {
        let columns: Vec<&Vec<usize>> =
            if pass % 2 == 0 { order.iter().collect() } else { order.iter().rev().collect() };
        for column in columns {
            let before = tops.clone();
            let wanted = |cell: usize| {
                let own = lines.get(cell).map(Vec::as_slice).unwrap_or_default();
                if own.is_empty() {
                    return at(&before, cell);
                }
                let (mut sum, mut weights) = (0.0, 0.0);
                for (here, there) in own {
                    let weight = if net.is_lane(there.0) { LANE_WEIGHT } else { 1.0 };
                    sum += weight * (at(&before, there.0) + net.offset(*there) - net.offset(*here));
                    weights += weight;
                }
                sum / weights
            };
            place(net, column, wanted, &mut tops);
        }
    }
    let least = tops.iter().copied().fold(f64::INFINITY, f64::min);
    tops.iter().map(|top| top - least + MARGIN).collect()
}

/// Stands a column's cells as close to where they want to be as their order allows: the least squares, by
/// pooling neighbours that want to stand in each other's place.
fn place(net: &Net, column: &[usize], wanted: impl Fn(usize) -> f64, tops: &mut [f64]) {
    // How far below the first cell each would stand if they were packed.
    let mut packed = Vec::with_capacity(column.len());
    let mut y = 0.0;
    let mut before = None;
    for cell in column {
        if let Some(before) = before {
            y += net.gap(before, *cell);
        }
        before = Some(*cell);
        packed.push(y);
        y += net.height(*cell);
    }
    // Pools of cells that stand packed: sum of wishes, of weights, and how many.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (cell, offset) in column.iter().zip(&packed) {
        let weight = if net.is_lane(*cell) { LANE_WEIGHT } else { 1.0 };
        let mut pool = (weight * (wanted(*cell) - offset), weight, 1_usize);
        while let Some(last) = pools.last().filter(|last| last.0 / last.1 > pool.0 / pool.1) {
            pool = (pool.0 + last.0, pool.1 + last.1, pool.2.saturating_add(last.2));
            pools.pop();
        }
        pools.push(pool);
    }
    let starts = pools.iter().flat_map(|(sum, weight, count)| std::iter::repeat_n(sum / weight, *count));
    for ((cell, offset), start) in column.iter().zip(&packed).zip(starts) {
        if let Some(top) = tops.get_mut(*cell) {
            *top = start + offset;
        }
    }
}
