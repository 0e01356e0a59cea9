//! As much of SVG as plots need, and scales.

use std::fmt::Write as _;
use std::path::Path;

use super::thousands;

/// The colour of texts and axes.
pub const INK: &str = "#282828";
/// The colour of what stands behind.
pub const FAINT: &str = "#dddddd";

/// Where a text stands relative to its point.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// A drawing on white.
pub struct Svg {
    body: String,
}

impl Svg {
    /// An empty one with a title.
    pub fn new(width: f64, height: f64, title: &str) -> Self {
        let mut body = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"Helvetica, Arial, DejaVu Sans, sans-serif\" font-size=\"13\">\n<title>{0}</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
            escaped(title)
        );
        let _ = writeln!(
            body,
            "<text x=\"14\" y=\"24\" font-size=\"15\" font-weight=\"bold\" fill=\"{INK}\">{}</text>",
            escaped(title)
        );
        Self { body }
    }

    /// A text.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, colour: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" dy=\"0.35em\" text-anchor=\"{anchor}\" fill=\"{colour}\">{}</text>",
            escaped(text)
        );
    }

    /// A text of this size around its point.
    pub fn large_text(&mut self, (x, y): (f64, f64), size: f64, colour: &str, text: &str) {
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" dy=\"0.35em\" text-anchor=\"middle\" font-size=\"{size}\" fill=\"{colour}\">{}</text>",
            escaped(text)
        );
    }

    /// A line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.body,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        );
    }

    /// A line through all points.
    pub fn polyline(&mut self, points: &[(f64, f64)], colour: &str, width: f64) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            self.body,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>",
            points.join(" ")
        );
    }

    /// A point: a disc, or a ring.
    pub fn point(&mut self, (x, y): (f64, f64), colour: &str, is_ring: bool) {
        let fill = if is_ring { "#ffffff" } else { colour };
        let _ = writeln!(
            self.body,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        );
    }

    /// Writes it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(mut self, path: &Path) -> Result<(), String> {
        self.body.push_str("</svg>\n");
        std::fs::write(path, self.body).map_err(|e| format!("could not write {}: {e}", path.display()))
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// From numbers to places on an axis.
#[derive(Clone, Copy)]
pub struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    is_log: bool,
}

impl Scale {
    /// A logarithmic one that begins and ends at a 1, 2 or 5 of some power of ten, and has all `numbers` that are not
    /// below `least`.
    pub fn log(numbers: impl Iterator<Item = f64>, least: f64, (from, to): (f64, f64)) -> Self {
        let (low, high) = bounds(numbers.map(|number| number.max(least)));
        let low = steps().take_while(|step| *step <= low).last().unwrap_or(low);
        let high = steps().find(|step| *step >= high).unwrap_or(high);
        // Of one number alone there is a scale, too.
        let high = if high > low { high } else { low * 10.0 };
        Self { low, high, from, to, is_log: true }
    }

    /// One that begins at 0.
    pub fn linear(numbers: impl Iterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let (_, high) = bounds(numbers);
        let step = step_of(high);
        Self { low: 0.0, high: (high / step).ceil() * step, from, to, is_log: false }
    }

    /// Where a number is; at the axis' end, where it is beyond.
    pub fn at(&self, number: f64) -> f64 {
        let Self { low, high, from, to, is_log } = *self;
        let number = number.clamp(low, high);
        let part =
            if is_log { (number / low).ln() / (high / low).ln() } else { (number - low) / (high - low) };
        from + (to - from) * part
    }

    /// Whether it is below the axis' begin.
    pub fn is_below(&self, number: f64) -> bool {
        number < self.low
    }

    /// The numbers that have labels.
    pub fn ticks(&self) -> Vec<f64> {
        let Self { low, high, is_log, .. } = *self;
        if is_log {
            // Of many decades only their begins have a label.
            let is_long = high / low > 5000.0;
            return steps()
                .filter(|step| !is_long || step.log10().fract().abs() < 1e-9)
                .skip_while(|step| *step < low * 0.999)
                .take_while(|step| *step <= high * 1.001)
                .collect();
        }
        let step = step_of(high);
        std::iter::successors(Some(0.0), |at| Some(at + step)).take_while(|at| *at <= high * 1.001).collect()
    }
}

fn bounds(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    numbers.fold((f64::MAX, f64::MIN), |(low, high), number| (low.min(number), high.max(number)))
}

/// 0.1, 0.2, 0.5, 1, 2, 5, … 500,000.
fn steps() -> impl Iterator<Item = f64> {
    (-1..6).flat_map(|power| [1.0, 2.0, 5.0].map(|first| first * 10_f64.powi(power)))
}

/// The distance of ticks, so that there are some eight of them.
fn step_of(high: f64) -> f64 {
    steps().find(|step| high / step <= 8.0).unwrap_or(high)
}

/// A number in as many digits as say something.
pub fn short(number: f64) -> String {
    let size = number.abs();
    if size < 10.0 {
        let text = format!("{number:.1}");
        return text.strip_suffix(".0").map_or(text.clone(), str::to_owned);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number")]
    let whole = size.round() as usize;
    format!("{}{}", if number < 0.0 { "-" } else { "" }, thousands(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_round_numbers() {
        let scale = Scale::log([124.0, 7228.0].into_iter(), 0.1, (0.0, 100.0));
        assert_eq!(scale.ticks(), [100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0]);
        assert_eq!((scale.at(100.0), scale.at(1000.0), scale.at(10_000.0)), (0.0, 50.0, 100.0));
        assert!(scale.is_below(99.0) && scale.at(1.0) == 0.0);
        let scale = Scale::linear([3.0, 36.0].into_iter(), (100.0, 0.0));
        assert_eq!(scale.ticks(), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0]);
        assert_eq!((scale.at(0.0), scale.at(40.0)), (100.0, 0.0));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([short(0.44), short(5.0), short(13.2), short(7227.7)], ["0.4", "5", "13", "7,228"]);
    }
}
