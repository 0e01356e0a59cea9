//! Median and quartiles.

/// The middle of some numbers and how far the middle half of them spreads.
pub(crate) struct Summary {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Summary {
    pub(crate) fn of(numbers: &[f64]) -> Self {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self { low: at(&sorted, 1), median: at(&sorted, 2), high: at(&sorted, 3) }
    }
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

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn quartiles() {
        let summary = Summary::of(&[5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!([summary.low, summary.median, summary.high], [2.0, 3.0, 4.0]);
        assert_eq!(Summary::of(&[1.0, 2.0]).median, 1.5);
    }
}
