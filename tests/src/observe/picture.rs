//! The dashboard as a picture: what Grafana would draw from the same queries.

use std::path::Path;

use super::{Dashboard, Panel, Prometheus, Series};
use crate::plots::{Anchor, FAINT, INK, Scale, Svg};

const COLUMN: f64 = 60.0;
const ROW: f64 = 27.0;
const TOP: f64 = 44.0;
const COLOURS: [&str; 7] = ["#2f7d32", "#c0392b", "#b45000", "#006eb4", "#7d3c98", "#505050", "#7a6a00"];
/// Most series of a panel that are named.
const MOST_NAMES: usize = 6;
/// Width of a letter, about.
const LETTER: f64 = 7.0;

/// What is drawn from when to when (seconds since 1970), a point every `step_s`.
#[derive(Clone, Copy, Debug)]
pub struct Period {
    /// From.
    pub start: u64,
    /// To.
    pub end: u64,
    /// Between two points.
    pub step_s: u64,
}

/// Draws all panels.
///
/// # Errors
/// A query cannot be answered, or the file not be written.
pub fn draw(prometheus: &Prometheus, period: Period, title: &str, path: &Path) -> Result<(), String> {
    let dashboard = Dashboard::shipped();
    let rows = dashboard.panels.iter().map(|panel| panel.place.1 + panel.place.3).max().unwrap_or(0);
    let mut svg = Svg::new(24.0 * COLUMN + 20.0, TOP + f64::from(rows) * ROW + 10.0, title);
    for panel in &dashboard.panels {
        let mut series = Vec::new();
        for target in &panel.targets {
            let query = target.query("10s");
            let range = (period.start, period.end);
            let found = match panel.kind.as_str() {
                "stat" => prometheus.query(&query)?,
                _ => prometheus.query_range(&query, range, period.step_s)?,
            };
            series.extend(found.into_iter().map(|found| (target.name(&found.labels), found)));
        }
        let (x, y, w, h) = panel.place;
        let place = (10.0 + f64::from(x) * COLUMN, TOP + f64::from(y) * ROW);
        let size = (f64::from(w) * COLUMN - 8.0, f64::from(h) * ROW - 8.0);
        frame(&mut svg, place, size, &panel.title);
        match panel.kind.as_str() {
            "stat" => number(&mut svg, place, size, panel, &series),
            _ => lines(&mut svg, place, size, panel, &series, period),
        }
    }
    svg.write(path)
}

fn frame(svg: &mut Svg, (x, y): (f64, f64), (w, h): (f64, f64), title: &str) {
    for (from, to) in [
        ((x, y), (x + w, y)),
        ((x, y + h), (x + w, y + h)),
        ((x, y), (x, y + h)),
        ((x + w, y), (x + w, y + h)),
    ] {
        svg.line(from, to, "#bbbbbb", 1.0);
    }
    svg.text((x + 8.0, y + 14.0), Anchor::Start, INK, title);
}

fn number(svg: &mut Svg, (x, y): (f64, f64), (w, h): (f64, f64), panel: &Panel, series: &[(String, Series)]) {
    let value = series.first().and_then(|(_, series)| series.points.last());
    let text = value.map_or_else(|| "no data".to_owned(), |(_, value)| shown(*value, &panel.unit));
    let at = value.map_or(0.0, |(_, value)| *value);
    let step = panel.steps.iter().rev().find(|(from, _)| from.is_none_or(|from| at >= from));
    let colour = match step.map(|(_, colour)| colour.as_str()) {
        Some("red") => "#c0392b",
        Some("orange") => "#b45000",
        Some("green") => "#2f7d32",
        _ => INK,
    };
    svg.large_text((x + w / 2.0, y + h / 2.0 + 10.0), 30.0, colour, &text);
}

fn lines(
    svg: &mut Svg,
    (x, y): (f64, f64),
    (w, h): (f64, f64),
    panel: &Panel,
    series: &[(String, Series)],
    period: Period,
) {
    let (left, right, top, bottom) = (x + 62.0, x + w - 12.0, y + 32.0, y + h - 44.0);
    if series.is_empty() {
        svg.text((x + w / 2.0, (top + bottom) / 2.0), Anchor::Middle, "#888888", "no data");
        return;
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds of some minutes")]
    let length = (period.end - period.start) as f64;
    let values = series.iter().flat_map(|(_, series)| &series.points).map(|(_, value)| *value);
    let up = Scale::linear(values.filter(|value| value.is_finite()).chain([0.001]), (bottom, top));
    let ticks = up.ticks();
    for tick in ticks.iter().step_by(if ticks.len() > 5 { 2 } else { 1 }) {
        let at = up.at(*tick);
        svg.line((left, at), (right, at), FAINT, 1.0);
        svg.text((left - 6.0, at), Anchor::End, INK, &shown(*tick, &panel.unit));
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let begin = period.start as f64;
    let across = |time: f64| left + (right - left) * ((time - begin) / length).clamp(0.0, 1.0);
    for minute in 0..=(period.end - period.start) / 60 {
        #[expect(clippy::cast_precision_loss, reason = "some minutes")]
        let at = across(begin + minute as f64 * 60.0);
        svg.text((at, bottom + 12.0), Anchor::Middle, INK, &format!("{minute} min"));
    }
    let mut name_at = (x + 12.0, y + h - 14.0);
    for (at, (name, series)) in series.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let points: Vec<(f64, f64)> = series
            .points
            .iter()
            .filter(|(_, value)| value.is_finite())
            .map(|(time, value)| (across(*time), up.at(*value)))
            .collect();
        svg.polyline(&points, colour, 1.8);
        if at < MOST_NAMES {
            svg.line(name_at, (name_at.0 + 14.0, name_at.1), colour, 3.0);
            svg.text((name_at.0 + 19.0, name_at.1), Anchor::Start, INK, name);
            #[expect(clippy::cast_precision_loss, reason = "a short name")]
            let width = name.chars().count() as f64 * LETTER;
            name_at.0 += width + 36.0;
        }
    }
}

/// A number with its unit, as Grafana would have it.
fn shown(value: f64, unit: &str) -> String {
    let plain = |value: f64| {
        let text = if value.abs() < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") };
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    };
    match unit {
        "s" if value >= 172_800.0 => format!("{} d", plain(value / 86_400.0)),
        "s" if value >= 7_200.0 => format!("{} h", plain(value / 3_600.0)),
        "s" if value >= 120.0 => format!("{} min", plain(value / 60.0)),
        "s" => format!("{} s", plain(value)),
        "µs" => format!("{} µs", plain(value)),
        "percentunit" => format!("{} %", plain(value * 100.0)),
        "reqps" | "ops" => format!("{}/s", plain(value)),
        _ => plain(value),
    }
}
