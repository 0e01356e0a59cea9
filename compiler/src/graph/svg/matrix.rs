//! A table of namespaces, for meshes where nearly everyone calls everyone: lines would be a thicket there. Callers
//! are rows, called are columns; a mark says that somebody there may call somebody here.

use std::fmt::Write;

use super::super::escape::xml;
use super::super::layout::MARGIN;
use super::super::model::Limit;
use super::super::scene::{SMALL_LETTER, Scene, count, number};
use super::{Picture, class};

/// Width and height of a cell.
const CELL: f64 = 16.0;
/// Every so many rows and columns have a stronger line before them.
const STEP: usize = 5;

impl Picture<'_> {
    /// Draws the table, with its upper edge at `top`.
    pub(super) fn matrix(&mut self, scene: &Scene, top: f64) {
        let mut places: Vec<usize> = scene.lines.iter().flat_map(|line| [line.from, line.to]).collect();
        places.sort_unstable();
        places.dedup();
        let title =
            |place: &usize| scene.boxes.get(*place).map(|block| block.title.as_str()).unwrap_or_default();
        let longest = places.iter().map(title).map(count).fold(0.0, f64::max) * SMALL_LETTER;
        let (left, high) = (MARGIN + longest + 12.0, top + longest + 46.0);
        let size = CELL * number(places.len());
        self.width = (left + size + longest + 12.0 + MARGIN).max(760.0);
        self.height = high + size + longest + 20.0;

        for (place, step) in places.iter().zip(0..) {
            let (x, y) = (left + CELL * number(step), high + CELL * number(step));
            let strong = if step % STEP == 0 { " strong" } else { "" };
            let _ = writeln!(
                self.body,
                "<path class=\"grid{strong}\" d=\"M{left:.1} {y:.1}h{size:.1}M{x:.1} {high:.1}v{size:.1}\"/>\n\
                 <rect class=\"own\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{CELL}\" height=\"{CELL}\"/>"
            );
            self.names(scene, *place, (x, y), (left, high, size));
        }
        let _ = writeln!(
            self.body,
            "<path class=\"grid strong\" d=\"M{left:.1} {:.1}h{size:.1}M{:.1} {high:.1}v{size:.1}\"/>",
            high + size,
            left + size
        );
        let found = |wanted: usize| number(places.binary_search(&wanted).unwrap_or_default());
        for line in &scene.lines {
            let (x, y) = (left + CELL * found(line.to), high + CELL * found(line.from));
            let words = self.bundle(scene, line.from, line.to, &line.edges);
            let _ = writeln!(
                self.body,
                "<g class=\"line cell{}\" data-from=\"{}\" data-to=\"{}\"><title>{}</title>",
                class(line.limit),
                line.from,
                line.to,
                xml(&words)
            );
            self.mark(x, y, line.edges.len(), line.limit);
            self.body.push_str("</g>\n");
        }
        self.text("small", left, top + 14.0, "Rows may call columns. The larger a mark, the more calls.");
        self.text("small", left, top + 30.0, "Hollow: some of it is denied. Cross: all of it.");
    }

    /// A box's name at all four sides, so that no row is followed far.
    fn names(
        &mut self,
        scene: &Scene,
        place: usize,
        (x, y): (f64, f64),
        (left, high, size): (f64, f64, f64),
    ) {
        let Some(block) = scene.boxes.get(place) else { return };
        let (middle, base) = (x + CELL / 2.0 + 4.0, y + CELL / 2.0 + 4.0);
        let title = xml(&block.title);
        let named =
            if block.colour.is_some() { format!(" data-namespace=\"{title}\"") } else { String::new() };
        let heads: Vec<String> = block.heads.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            self.body,
            "<g class=\"block\" data-block=\"{place}\"{named}><g class=\"head\" data-nodes=\"{}\">\
             <text class=\"small\" text-anchor=\"end\" x=\"{:.1}\" y=\"{base:.1}\">{title}</text></g></g>",
            heads.join(" "),
            left - 6.0
        );
        let _ = writeln!(
            self.body,
            "<g aria-hidden=\"true\"><text class=\"small\" x=\"{:.1}\" y=\"{base:.1}\">{title}</text>\
             <text class=\"small\" transform=\"translate({middle:.1} {:.1}) rotate(-90)\">{title}</text>\
             <text class=\"small\" text-anchor=\"end\" transform=\"translate({middle:.1} {:.1}) rotate(-90)\">{title}</text></g>",
            left + size + 6.0,
            high - 6.0,
            high + size + 6.0
        );
    }

    fn mark(&mut self, x: f64, y: f64, edges: usize, limit: Limit) {
        let inset = match edges {
            0..=1 => 5.0,
            2..=4 => 4.0,
            5..=14 => 3.0,
            _ => 2.0,
        };
        let side = CELL - 2.0 * inset;
        let _ = match limit {
            Limit::All => writeln!(self.body, "<path d=\"M{:.1} {:.1}l6 6m0 -6l-6 6\"/>", x + 5.0, y + 5.0),
            Limit::Nothing | Limit::Some => writeln!(
                self.body,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{side}\" height=\"{side}\" rx=\"1\"/>",
                x + inset,
                y + inset
            ),
        };
    }
}
