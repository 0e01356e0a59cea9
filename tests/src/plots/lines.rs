//! Lines through points, each named at its end.

use std::path::Path;

use super::Mark;
use super::svg::{Anchor, FAINT, INK, Scale, Svg, short};

const COLOURS: [&str; 6] = ["#006eb4", "#b45000", "#505050", "#00875a", "#a03c8c", "#7a6a00"];
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 400.0;
/// What is less is drawn at the axis' begin, as a ring.
const LEAST: f64 = 0.5;
/// Between two names.
const APART: f64 = 17.0;

/// A line.
pub struct Line {
    /// What it shows.
    pub name: String,
    /// Places and numbers, in order.
    pub points: Vec<(f64, Mark)>,
}

/// Lines in one plot.
pub struct Lines {
    /// Its title.
    pub title: &'static str,
    /// What the places are.
    pub across: &'static str,
    /// What the numbers are.
    pub up: &'static str,
    /// Whether both axes are logarithmic.
    pub is_log: bool,
    /// Whether each number has a point.
    pub has_points: bool,
    /// The lines.
    pub lines: Vec<Line>,
}

impl Lines {
    /// Writes it; nothing where there are no lines.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let mut svg = Svg::new(WIDTH, HEIGHT, self.title);
        let [across, up] = self.scales();
        for tick in up.ticks() {
            let y = up.at(tick);
            svg.line((LEFT, y), (RIGHT, y), FAINT, 1.0);
            svg.text((LEFT - 8.0, y), Anchor::End, INK, &short(tick));
        }
        for tick in across.ticks() {
            let x = across.at(tick);
            svg.line((x, BOTTOM), (x, BOTTOM + 5.0), INK, 1.0);
            svg.text((x, BOTTOM + 16.0), Anchor::Middle, INK, &short(tick));
        }
        svg.line((LEFT, BOTTOM), (RIGHT, BOTTOM), INK, 1.0);
        svg.text(((LEFT + RIGHT) / 2.0, BOTTOM + 40.0), Anchor::Middle, INK, self.across);
        svg.text((14.0, TOP - 16.0), Anchor::Start, INK, self.up);
        let mut names = Vec::new();
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let at = |(x, mark): &(f64, Mark)| (across.at(*x), up.at(mark.median));
            for pair in line.points.windows(2) {
                svg.line(at(&pair[0]), at(&pair[1]), colour, 2.0);
            }
            for point in line.points.iter().filter(|_| self.has_points) {
                let (x, y) = at(point);
                svg.line((x, up.at(point.1.low)), (x, up.at(point.1.high)), colour, 1.0);
                svg.point((x, y), colour, up.is_below(point.1.median));
            }
            if let Some(last) = line.points.last() {
                names.push((at(last), *colour, line.name.as_str()));
            }
        }
        named(&mut svg, names);
        svg.write(path)
    }

    fn scales(&self) -> [Scale; 2] {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let (places, costs) = (points().map(|(x, _)| *x), points().map(|(_, mark)| mark.median));
        if self.is_log {
            [Scale::log(places, 1.0, (LEFT, RIGHT)), Scale::log(costs, LEAST, (BOTTOM, TOP))]
        } else {
            [Scale::linear(places, (LEFT, RIGHT)), Scale::linear(costs, (BOTTOM, TOP))]
        }
    }
}

/// Names beside the ends of their lines, none over another.
fn named(svg: &mut Svg, mut names: Vec<((f64, f64), &str, &str)>) {
    names.sort_by(|((_, one), ..), ((_, other), ..)| one.total_cmp(other));
    let mut free = f64::MIN;
    for ((x, y), colour, name) in names {
        let y = y.max(free);
        free = y + APART;
        svg.text((x + 10.0, y), Anchor::Start, colour, name);
    }
}
