//! A card for every namespace: its services, and who may call each. What lines cannot show of hundreds of
//! services, a list can.

use std::collections::BTreeMap;

use super::model::{Graph, Kind, Limit};
use super::scene::{INSET, SMALL_LETTER, count, number};

/// Width of a card.
pub(super) const CARD: f64 = 380.0;
const GAP: f64 = 20.0;
pub(super) const TITLE: f64 = 34.0;
pub(super) const NAME: f64 = 22.0;
pub(super) const LINE: f64 = 16.0;
const FOOT: f64 = 12.0;

pub(super) struct Card {
    pub(super) namespace: String,
    pub(super) colour: usize,
    pub(super) entries: Vec<Entry>,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) height: f64,
}

pub(super) struct Entry {
    pub(super) name: String,
    /// Who may call it, in lines that fit.
    pub(super) lines: Vec<String>,
}

/// The cards, side by side below `top`, and the height and width that they need.
pub(super) fn cards(graph: &Graph, top: f64, width: f64) -> (Vec<Card>, f64, f64) {
    let mut callers: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for edge in &graph.edges {
        let mark = match edge.limit {
            Limit::Nothing => "",
            Limit::Some => "*",
            Limit::All => " (denied)",
        };
        let own = graph.kind(edge.to).and_then(Kind::namespace);
        let name = match graph.kind(edge.from) {
            // Of one's own namespace, the name is enough.
            Some(Kind::Service { namespace, name }) if own == Some(namespace) => name.clone(),
            _ => graph.label(edge.from),
        };
        callers.entry(edge.to).or_default().push(format!("{name}{mark}"));
    }
    let mut cards: Vec<Card> = Vec::new();
    for (node, at) in graph.nodes.iter().zip(0..) {
        let Kind::Service { namespace, name } = &node.kind else { continue };
        let mut list = callers.remove(&at).unwrap_or_default();
        if graph.services.get(&at).is_some_and(|service| service.is_partial) {
            list.push("others left out here".to_owned());
        }
        if list.is_empty() {
            list.push("nobody".to_owned());
        }
        let entry = Entry { name: name.clone(), lines: wrap(&list) };
        match cards.last_mut() {
            Some(card) if card.namespace == *namespace => card.entries.push(entry),
            _ => cards.push(Card {
                namespace: namespace.clone(),
                colour: cards.len(),
                entries: vec![entry],
                x: 0.0,
                y: 0.0,
                height: 0.0,
            }),
        }
    }
    for card in &mut cards {
        let entries = card.entries.iter().map(|entry| NAME + LINE * number(entry.lines.len()) + 6.0);
        card.height = TITLE + entries.sum::<f64>() + FOOT;
    }
    let total: f64 = cards.iter().map(|card| card.height + GAP).sum();
    // As many columns as fit below the map, or as make a page of it.
    let fitting = ((width + GAP - 2.0 * super::layout::MARGIN) / (CARD + GAP)).floor();
    let columns = (total * 1.5 / (CARD + GAP)).sqrt().round().max(fitting).max(1.0).min(number(cards.len()));
    let mut column = 0.0;
    let mut y = top;
    let (mut bottom, mut right) = (top, 0.0_f64);
    let mut left = total;
    for card in &mut cards {
        // Namespaces stay in the order of the alphabet, from above and then to the right.
        let is_full = y > top && (y - top) + card.height / 2.0 > left / (columns - column);
        if is_full && column + 1.0 < columns {
            left -= y - top;
            column += 1.0;
            y = top;
        }
        card.x = super::layout::MARGIN + column * (CARD + GAP);
        card.y = y;
        y += card.height + GAP;
        bottom = bottom.max(y);
        right = right.max(card.x + CARD);
    }
    (cards, bottom, right + super::layout::MARGIN)
}

/// A list, separated by commas, in lines as wide as a card. What is too long for a line is parted.
fn wrap(list: &[String]) -> Vec<String> {
    let most = (CARD - 2.0 * INSET) / SMALL_LETTER;
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for (item, at) in list.iter().zip(1..) {
        let word = if at == list.len() { item.clone() } else { format!("{item},") };
        if !line.is_empty() && count(&line) + 1.0 + count(&word) > most {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if count(&line) >= most.floor() {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_fits_and_nothing_is_lost() {
        let list = ["a".repeat(130), "b/c".to_owned(), "d/e".to_owned()];
        let lines = wrap(&list);
        assert!(lines.iter().all(|line| count(line) * SMALL_LETTER <= CARD - 2.0 * INSET), "{lines:?}");
        let letters = lines.concat().replace([',', ' '], "");
        assert_eq!(letters, list.concat());
    }
}
