//! Where things go: boxes in columns, callers left of whom they call where that can be, and lines that run
//! between the columns, or along lanes past them.
//!
//! Layers, then orders by barycentres, then heights, as Sugiyama, Tagawa and Toda have it (1981). What leads to
//! the same place shares its lane. Only additions, divisions and square roots are made of numbers, so that
//! every machine draws the same.

mod columns;
mod heights;
mod order;

use std::collections::BTreeMap;

/// Space between boxes of a column.
const GAP: f64 = 26.0;
/// Space around a lane.
const LANE_GAP: f64 = 9.0;
/// Space around the whole.
pub(super) const MARGIN: f64 = 24.0;

/// A box, with places where lines begin and end.
#[derive(Clone, Debug, Default)]
pub(super) struct Item {
    pub(super) width: f64,
    pub(super) height: f64,
    /// How far below its upper edge each place is.
    pub(super) ports: Vec<f64>,
}

/// A box and one of its places.
pub(super) type End = (usize, usize);

/// A line from one place to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire {
    pub(super) from: End,
    pub(super) to: End,
}

/// A point.
pub(super) type Point = (f64, f64);

/// How a line runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Route {
    /// Bows between points 0 and 1, 2 and 3, …, and straight lines between these.
    Across(Vec<Point>),
    /// A bow to the right, back to the same column.
    Loop(Point, Point),
}

/// A finished layout.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Left upper corners; all boxes of a column are as wide as the widest of them.
    pub(super) corners: Vec<Point>,
    pub(super) widths: Vec<f64>,
    /// By the order of the wires.
    pub(super) routes: Vec<Route>,
}

/// What takes up height in a column: a box, or a lane past it.
#[derive(Clone, Debug)]
struct Cell {
    column: usize,
    height: f64,
    ports: Vec<f64>,
    is_lane: bool,
}

/// A line between two neighbouring columns: left and right cell, each with the place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Segment {
    left: End,
    right: End,
}

/// Everything between the columns, and which way each wire takes.
struct Net {
    cells: Vec<Cell>,
    segments: Vec<Segment>,
    /// The cells that each wire visits, in its direction.
    ways: Vec<Vec<End>>,
}

/// A number of a list, or nothing.
fn at<T: Copy + Default>(list: &[T], place: usize) -> T {
    list.get(place).copied().unwrap_or_default()
}

impl Cell {
    fn port(&self, place: usize) -> f64 {
        self.ports.get(place).copied().unwrap_or(self.height / 2.0)
    }
}

impl Net {
    fn new(items: &[Item], wires: &[Wire], columns: &[usize]) -> Self {
        let cells = items.iter().zip(columns).map(|(item, column)| Cell {
            column: *column,
            height: item.height,
            ports: item.ports.clone(),
            is_lane: false,
        });
        let mut net = Self { cells: cells.collect(), segments: Vec::new(), ways: Vec::new() };
        // Lanes by where they lead, which way, and the column that they pass.
        let mut lanes: BTreeMap<(End, bool, usize), usize> = BTreeMap::new();
        for wire in wires {
            let (from, to) = (at(columns, wire.from.0), at(columns, wire.to.0));
            let is_back = to < from;
            let passed: Vec<usize> = match is_back {
                true => (to.saturating_add(1)..from).rev().collect(),
                false => (from.saturating_add(1)..to).collect(),
            };
            let mut way = vec![wire.from];
            for column in passed {
                let next = net.cells.len();
                let cell = *lanes.entry((wire.to, is_back, column)).or_insert(next);
                if cell == next {
                    net.cells.push(Cell { column, height: 4.0, ports: Vec::new(), is_lane: true });
                }
                way.push((cell, 0));
            }
            way.push(wire.to);
            if from != to {
                net.segments.extend(way.iter().zip(way.iter().skip(1)).map(|(a, b)| match is_back {
                    true => Segment { left: *b, right: *a },
                    false => Segment { left: *a, right: *b },
                }));
            }
            net.ways.push(way);
        }
        net.segments.sort_unstable();
        net.segments.dedup();
        net
    }

    fn column(&self, cell: usize) -> usize {
        self.cells.get(cell).map(|cell| cell.column).unwrap_or_default()
    }

    fn height(&self, cell: usize) -> f64 {
        self.cells.get(cell).map(|cell| cell.height).unwrap_or_default()
    }

    /// How far a place is below its cell's upper edge.
    fn offset(&self, (cell, port): End) -> f64 {
        self.cells.get(cell).map(|cell| cell.port(port)).unwrap_or_default()
    }

    fn is_lane(&self, cell: usize) -> bool {
        self.cells.get(cell).is_some_and(|cell| cell.is_lane)
    }

    /// The space between two cells of a column.
    fn gap(&self, above: usize, below: usize) -> f64 {
        match (self.is_lane(above), self.is_lane(below)) {
            (false, false) => GAP,
            (true, true) => LANE_GAP,
            _ => 1.5 * LANE_GAP,
        }
    }
}

/// Finds a place for every box, and a way for every wire.
pub(super) fn plan(items: &[Item], wires: &[Wire]) -> Plan {
    let columns = columns::columns(items, wires);
    let net = Net::new(items, wires, &columns);
    let order = order::order(&net);
    let tops = heights::heights(&net, &order);

    let count = order.len();
    let mut widths = vec![0.0_f64; count];
    for (item, column) in items.iter().zip(&columns) {
        if let Some(width) = widths.get_mut(*column) {
            *width = width.max(item.width);
        }
    }
    let mut between = vec![0_usize; count];
    for segment in &net.segments {
        if let Some(count) = between.get_mut(net.column(segment.left.0)) {
            *count = count.saturating_add(1);
        }
    }
    let mut lefts = Vec::new();
    let mut x = MARGIN;
    for (width, lines) in widths.iter().zip(&between) {
        lefts.push(x);
        let lines = f64::from(u32::try_from(*lines).unwrap_or(u32::MAX));
        x += width + (64.0 + 4.0 * lines).min(200.0);
    }
    let right = lefts.last().copied().unwrap_or_default() + widths.last().copied().unwrap_or_default();
    let bottom =
        tops.iter().zip(&net.cells).map(|(top, cell)| top + cell.height).fold(0.0_f64, f64::max) + MARGIN;

    let edge = |(cell, port): End, is_right: bool| -> Point {
        let column = net.column(cell);
        let x = at(&lefts, column) + if is_right { at(&widths, column) } else { 0.0 };
        (x, at(&tops, cell) + net.offset((cell, port)))
    };
    let mut widest_loop = 0.0_f64;
    let routes = net.ways.iter().map(|way| route(&net, way, edge)).collect::<Vec<_>>();
    for route in &routes {
        if let Route::Loop(from, to) = route {
            widest_loop = widest_loop.max(from.0 + bow(*from, *to) - right);
        }
    }
    Plan {
        width: right + widest_loop.max(0.0) + MARGIN,
        height: bottom,
        corners: columns.iter().zip(&tops).map(|(column, top)| (at(&lefts, *column), *top)).collect(),
        widths: columns.iter().map(|column| at(&widths, *column)).collect(),
        routes,
    }
}

/// How far a loop reaches.
pub(super) fn bow(from: Point, to: Point) -> f64 {
    18.0 + ((to.1 - from.1).abs() / 8.0).min(38.0)
}

fn route(net: &Net, way: &[End], edge: impl Fn(End, bool) -> Point) -> Route {
    let (Some(first), Some(last)) = (way.first(), way.last()) else { return Route::Across(Vec::new()) };
    let (from, to) = (net.column(first.0), net.column(last.0));
    if from == to {
        return Route::Loop(edge(*first, true), edge(*last, true));
    }
    let is_forward = from < to;
    let mut points = vec![edge(*first, is_forward)];
    for lane in way.iter().skip(1).take(way.len().saturating_sub(2)) {
        points.extend([edge(*lane, !is_forward), edge(*lane, is_forward)]);
    }
    points.push(edge(*last, !is_forward));
    Route::Across(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(ports: usize) -> Item {
        let ports: Vec<f64> =
            (0..ports).map(|port| 13.0 + 26.0 * f64::from(u32::try_from(port).unwrap_or(0))).collect();
        Item { width: 100.0, height: 26.0 * f64::from(u32::try_from(ports.len()).unwrap_or(0)), ports }
    }

    #[test]
    fn callers_stand_left_of_whom_they_call_and_nothing_overlaps() {
        let items: Vec<Item> = [2, 1, 3, 1, 1].into_iter().map(item).collect();
        let wire = |from, to| Wire { from, to };
        let wires = [
            wire((0, 0), (1, 0)),
            wire((1, 0), (2, 2)),
            wire((0, 1), (2, 0)),
            wire((2, 1), (0, 0)),
            wire((2, 0), (2, 2)),
            wire((3, 0), (2, 1)),
        ];
        let plan = plan(&items, &wires);
        let x = |item: usize| at(&plan.corners, item).0;
        assert!(x(0) < x(1) && x(1) < x(2), "{plan:?}");
        let boxes: Vec<(Point, f64, f64)> = plan
            .corners
            .iter()
            .zip(&items)
            .zip(&plan.widths)
            .map(|((corner, item), width)| (*corner, *width, item.height))
            .collect();
        for (place, (a, w, h)) in boxes.iter().enumerate() {
            for (b, v, g) in boxes.iter().skip(place + 1) {
                let apart = a.0 + w <= b.0 || b.0 + v <= a.0 || a.1 + h <= b.1 || b.1 + g <= a.1;
                assert!(apart, "{boxes:?}");
            }
            assert!(a.0 >= 0.0 && a.1 >= 0.0 && a.0 + w <= plan.width && a.1 + h <= plan.height);
        }
        assert!(matches!(plan.routes.get(4), Some(Route::Loop(..))));
    }
}
