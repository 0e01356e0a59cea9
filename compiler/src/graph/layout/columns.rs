//! Which box stands in which column.

use std::collections::{BTreeMap, BTreeSet};

use super::{Item, Wire, at};

/// The column of every box. Most callers stand left of whom they call: which lines have to run back is
/// found as Eades, Lin and Smyth do (1993).
pub(super) fn columns(items: &[Item], wires: &[Wire]) -> Vec<usize> {
    let mut arcs: BTreeMap<(usize, usize), i64> = BTreeMap::new();
    for wire in wires.iter().filter(|wire| wire.from.0 != wire.to.0) {
        let weight = arcs.entry((wire.from.0, wire.to.0)).or_default();
        *weight = weight.saturating_add(1);
    }
    let places = sequence(items.len(), &arcs);
    let mut forward: Vec<(usize, usize)> =
        arcs.keys().filter(|(from, to)| at(&places, *from) < at(&places, *to)).copied().collect();
    forward.sort_by_key(|(from, to)| (at(&places, *from), at(&places, *to)));
    let mut layers = vec![0_usize; items.len()];
    for (from, to) in &forward {
        let least = at(&layers, *from).saturating_add(1);
        if let Some(layer) = layers.get_mut(*to) {
            *layer = least.max(*layer);
        }
    }
    // Who is not called stands close to whom it calls.
    let called: BTreeSet<usize> = forward.iter().map(|(_, to)| *to).collect();
    let mut nearest: BTreeMap<usize, usize> = BTreeMap::new();
    for (from, to) in forward.iter().filter(|(from, _)| !called.contains(from)) {
        let layer = at(&layers, *to).saturating_sub(1);
        nearest.entry(*from).and_modify(|least| *least = layer.min(*least)).or_insert(layer);
    }
    for (item, layer) in nearest {
        if let Some(own) = layers.get_mut(item) {
            *own = layer;
        }
    }
    squeeze(&mut layers, items.len());
    let lone: BTreeSet<usize> =
        (0..items.len()).filter(|item| !arcs.keys().any(|(from, to)| from == item || to == item)).collect();
    split(items, &layers, &lone)
}

/// A place in a line for each box, such that few arcs lead back.
fn sequence(count: usize, arcs: &BTreeMap<(usize, usize), i64>) -> Vec<usize> {
    let mut balance = vec![(0_i64, 0_i64); count];
    let mut outs: Vec<Vec<(usize, i64)>> = vec![Vec::new(); count];
    let mut ins: Vec<Vec<(usize, i64)>> = vec![Vec::new(); count];
    for ((from, to), weight) in arcs {
        if let (Some(list), Some(own)) = (outs.get_mut(*from), balance.get_mut(*from)) {
            list.push((*to, *weight));
            own.0 = own.0.saturating_add(*weight);
        }
        if let (Some(list), Some(own)) = (ins.get_mut(*to), balance.get_mut(*to)) {
            list.push((*from, *weight));
            own.1 = own.1.saturating_add(*weight);
        }
    }
    let mut left: BTreeSet<usize> = (0..count).collect();
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    while !left.is_empty() {
        let of = |item: &usize| at(&balance, *item);
        let source = left.iter().find(|item| of(item).1 == 0);
        let sink = || left.iter().find(|item| of(item).0 == 0);
        let most =
            || left.iter().max_by_key(|item| (of(item).0.saturating_sub(of(item).1), usize::MAX - **item));
        let Some((item, is_head)) = source
            .map(|item| (*item, true))
            .or_else(|| sink().map(|item| (*item, false)))
            .or_else(|| most().map(|item| (*item, true)))
        else {
            break;
        };
        left.remove(&item);
        for (to, weight) in outs.get(item).into_iter().flatten() {
            if let Some(own) = balance.get_mut(*to) {
                own.1 = own.1.saturating_sub(*weight);
            }
        }
        for (from, weight) in ins.get(item).into_iter().flatten() {
            if let Some(own) = balance.get_mut(*from) {
                own.0 = own.0.saturating_sub(*weight);
            }
        }
        if is_head { head.push(item) } else { tail.push(item) }
    }
    let mut places = vec![0; count];
    for (item, place) in head.into_iter().chain(tail.into_iter().rev()).zip(0..) {
        if let Some(own) = places.get_mut(item) {
            *own = place;
        }
    }
    places
}

/// A long chain of callers would be a picture nobody can hold: then neighbours share a column.
fn squeeze(layers: &mut [usize], count: usize) {
    let most = count.isqrt().saturating_mul(2).max(6);
    let used = layers.iter().max().map_or(0, |last| last.saturating_add(1));
    if used > most {
        for layer in layers {
            *layer = layer.saturating_mul(most) / used;
        }
    }
}

/// Columns that are much higher than the whole is wide become several; boxes without lines fill them up.
fn split(items: &[Item], layers: &[usize], lone: &BTreeSet<usize>) -> Vec<usize> {
    let height = |item: usize| items.get(item).map(|item| item.height + super::GAP).unwrap_or_default();
    let width = |item: usize| items.get(item).map(|item| item.width + 120.0).unwrap_or_default();
    let area: f64 = (0..items.len()).map(|item| height(item) * width(item)).sum();
    let most = (area * 0.8).sqrt().max((0..items.len()).map(height).fold(0.0, f64::max)).max(500.0);

    let mut by_layer: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (layer, item) in layers.iter().zip(0..).filter(|(_, item)| !lone.contains(item)) {
        by_layer.entry(*layer).or_default().push(item);
    }
    let mut filled: Vec<(f64, Vec<usize>)> = Vec::new();
    for members in by_layer.into_values() {
        let total: f64 = members.iter().map(|item| height(*item)).sum();
        // Even parts: a last column of one box looks like an accident.
        let parts = (total / most).ceil().max(1.0);
        let mut own: Vec<(f64, Vec<usize>)> = vec![(0.0, Vec::new())];
        for item in members {
            let is_full = own
                .last()
                .is_some_and(|(used, list)| !list.is_empty() && used + height(item) / 2.0 > total / parts);
            if is_full {
                own.push((0.0, Vec::new()));
            }
            if let Some((used, list)) = own.last_mut() {
                *used += height(item);
                list.push(item);
            }
        }
        filled.append(&mut own);
    }
    for item in lone {
        let place = filled
            .iter()
            .enumerate()
            .filter(|(_, (used, _))| used + height(*item) <= most)
            .min_by(|a, b| a.1.0.total_cmp(&b.1.0))
            .map(|(place, _)| place);
        match place.and_then(|place| filled.get_mut(place)) {
            Some((used, list)) => {
                *used += height(*item);
                list.push(*item);
            }
            None => filled.push((height(*item), vec![*item])),
        }
    }
    let mut columns = vec![0; items.len()];
    for ((_, list), column) in filled.iter().zip(0..) {
        for item in list {
            if let Some(own) = columns.get_mut(*item) {
                *own = column;
            }
        }
    }
    columns
}
