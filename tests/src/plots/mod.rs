//! Plots as SVG, for benchmarks and long runs.

mod lines;
mod svg;

pub use self::lines::{Line, Lines};
pub use self::svg::{Anchor, FAINT, INK, Scale, Svg, short};

/// A number with its quartiles.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The lower quartile.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// The upper quartile.
    pub high: f64,
}

impl Mark {
    /// A number that was measured once.
    pub fn once(number: f64) -> Self {
        Self { low: number, median: number, high: number }
    }
}

/// 10000 as 10,000.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
