//! Median, quartiles, and where two lines cross.

use serde_json::{Value, json};

/// The middle of some numbers and how far the middle half of them spreads.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// The lower quartile.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// The upper quartile.
    pub high: f64,
}

impl Summary {
    /// Of no numbers everything is NaN.
    pub fn of(numbers: &[f64]) -> Self {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self { low: at(&sorted, 1), median: at(&sorted, 2), high: at(&sorted, 3) }
    }

    /// Of two rows, number by number: a slow round counts against both.
    pub fn paired(these: &[f64], those: &[f64], with: impl Fn(f64, f64) -> f64) -> Self {
        Self::of(&these.iter().zip(those).map(|(this, that)| with(*this, *that)).collect::<Vec<_>>())
    }

    /// As JSON, to three digits after the point.
    pub fn to_json(self) -> Value {
        json!({"median": rounded(self.median), "quartiles": [rounded(self.low), rounded(self.high)]})
    }
}

/// The least of some numbers: what something takes when nothing else is in its way. Where a machine's cores are shared it
/// is far steadier than the median.
pub fn least(numbers: &[f64]) -> f64 {
    numbers.iter().copied().fold(f64::NAN, f64::min)
}

/// To three digits after the point.
pub fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// The number at `quarters` quarters of the way, between neighbours in proportion.
fn at(sorted: &[f64], quarters: usize) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let (whole, rest) = (last * quarters / 4, last * quarters % 4);
    let next = sorted[(whole + 1).min(last)];
    #[expect(clippy::cast_precision_loss, reason = "0 to 3")]
    let part = rest as f64 / 4.0;
    sorted[whole] + (next - sorted[whole]) * part
}

/// The first place at which the line through `points` (by place) gets above `level`: between two points in
/// proportion, `None` where it never does. A line that begins above it crosses at its first point.
pub fn crosses(points: &[(f64, f64)], level: f64) -> Option<f64> {
    let (first, cost) = *points.first()?;
    if cost > level {
        return Some(first);
    }
    points.windows(2).find_map(|pair| {
        let ((from, low), (to, high)) = (pair[0], pair[1]);
        (low <= level && high > level).then(|| from + (to - from) * (level - low) / (high - low))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles() {
        let summary = Summary::of(&[5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!([summary.low, summary.median, summary.high], [2.0, 3.0, 4.0]);
        assert_eq!(Summary::of(&[1.0, 2.0]).median, 1.5);
        assert_eq!(least(&[2.0, 1.5, 3.0]), 1.5);
        assert!(least(&[]).is_nan());
        let over = Summary::paired(&[3.0, 14.0, 25.0], &[1.0, 10.0, 20.0], |this, that| this - that);
        assert_eq!(over.median, 4.0);
    }

    #[test]
    fn a_line_crosses_between_its_points() {
        let points = [(1.0, 1.0), (10.0, 4.0), (30.0, 10.0)];
        assert_eq!(crosses(&points, 7.0), Some(20.0));
        assert_eq!(crosses(&points, 0.5), Some(1.0));
        assert_eq!(crosses(&points, 10.0), None);
        assert_eq!(crosses(&[], 1.0), None);
    }
}
