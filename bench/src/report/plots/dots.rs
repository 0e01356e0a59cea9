//! Rows of dots along one logarithmic axis.

use std::path::Path;

use sidegate_tests::plots::{Anchor, FAINT, INK, Mark, Scale, Svg, short};

const OURS: &str = "#006eb4";
const OTHERS: &str = "#707070";
const WIDTH: f64 = 900.0;
const LEFT: f64 = 330.0;
const RIGHT: f64 = 800.0;
const TOP: f64 = 44.0;
const ROW: f64 = 22.0;
/// What is less is drawn at the axis' begin, as a ring.
const LEAST: f64 = 0.5;

/// A row: a name, and one dot or two.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) is_ours: bool,
    pub(super) marks: Vec<Mark>,
}

pub(super) struct Dots {
    pub(super) title: &'static str,
    pub(super) axis: &'static str,
    /// A line shows the quartiles; else it joins the dots.
    pub(super) is_spread: bool,
    pub(super) rows: Vec<Row>,
}

impl Dots {
    /// Writes it; nothing where there are no rows.
    pub(super) fn write(&self, path: &Path) -> Result<(), String> {
        if self.rows.is_empty() {
            return Ok(());
        }
        #[expect(clippy::cast_precision_loss, reason = "some tens of rows")]
        let place = |at: usize| TOP + ROW * (at as f64 + 0.5);
        let bottom = place(self.rows.len()) - ROW / 2.0;
        let mut svg = Svg::new(WIDTH, bottom + 52.0, self.title);
        let numbers = self.rows.iter().flat_map(|row| &row.marks).map(|mark| mark.median);
        let scale = Scale::log(numbers, LEAST, (LEFT, RIGHT));
        for tick in scale.ticks() {
            let x = scale.at(tick);
            svg.line((x, TOP), (x, bottom), FAINT, 1.0);
            svg.text((x, bottom + 14.0), Anchor::Middle, INK, &short(tick));
        }
        svg.text(((LEFT + RIGHT) / 2.0, bottom + 36.0), Anchor::Middle, INK, self.axis);
        for (at, row) in self.rows.iter().enumerate() {
            let y = place(at);
            let colour = if row.is_ours { OURS } else { OTHERS };
            svg.text((LEFT - 10.0, y), Anchor::End, INK, &row.name);
            self.line(&mut svg, row, &scale, y, colour);
            for (which, mark) in row.marks.iter().enumerate() {
                svg.point((scale.at(mark.median), y), colour, which > 0 || scale.is_below(mark.median));
            }
            let ends =
                row.marks.iter().map(|mark| scale.at(if self.is_spread { mark.high } else { mark.median }));
            let end = ends.fold(LEFT, f64::max);
            let label: Vec<String> = row.marks.iter().map(|mark| short(mark.median)).collect();
            svg.text((end + 10.0, y), Anchor::Start, INK, &label.join(" / "));
        }
        svg.write(path)
    }

    fn line(&self, svg: &mut Svg, row: &Row, scale: &Scale, y: f64, colour: &str) {
        let (Some(first), Some(last)) = (row.marks.first(), row.marks.last()) else { return };
        let (from, to) = if self.is_spread { (first.low, last.high) } else { (first.median, last.median) };
        svg.line((scale.at(from), y), (scale.at(to), y), colour, 2.0);
    }
}
