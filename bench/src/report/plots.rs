//! Plots as SVG.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use serde_json::Value;

use super::super::run::results::Results;
use super::{median, rows};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(40, 40, 40);
const OURS: RGBColor = RGBColor(0, 110, 180);
const OTHERS: RGBColor = RGBColor(150, 150, 150);
const COLOURS: [RGBColor; 6] = [
    OURS,
    RGBColor(220, 120, 0),
    RGBColor(90, 90, 90),
    RGBColor(0, 150, 90),
    RGBColor(170, 60, 140),
    RGBColor(120, 170, 220),
];

/// A bar: its name and numbers, the first one thick.
struct Bar {
    name: String,
    numbers: Vec<f64>,
    is_ours: bool,
}

/// A line through points, by its name.
type Line = (String, Vec<(f64, f64)>);

/// What is there to plot.
pub(crate) fn write(results: &Results, folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    let over: Vec<Bar> = rows(results, "table")
        .skip(1)
        .filter_map(|row| bar(row, &[median(&row["over_none_us"])?.max(0.1)]))
        .collect();
    bars(&folder.join("cpu.svg"), "CPU of a request over no filter, µs (logarithmic)", &over)?;
    let latency: Vec<Bar> = rows(results, "latency")
        .filter_map(|row| bar(row, &[median(&row["fixed"]["p99_us"])?, median(&row["fixed"]["p50_us"])?]))
        .collect();
    bars(
        &folder.join("latency.svg"),
        "Latency at a fixed rate, p50 (dark) and p99, µs (logarithmic)",
        &latency,
    )?;
    let mut growth = lines(results, "rules", |name| format!("{name}: policies"));
    growth.extend(lines(results, "callers", |name| format!("{name}: callers")));
    plot(
        &folder.join("growth.svg"),
        "CPU over no filter, µs, by number of policies, rules or callers",
        &growth,
        true,
    )?;
    let headers = lines(results, "headers", str::to_owned);
    let headers: Vec<Line> = headers.into_iter().filter(|(name, _)| name != "no filter").collect();
    plot(&folder.join("headers.svg"), "CPU over no filter, µs, by number of headers", &headers, false)
}

fn bar(row: &Value, numbers: &[f64]) -> Option<Bar> {
    let name = row["name"].as_str()?.to_owned();
    let is_ours = name.starts_with("Sidegate");
    Some(Bar { name, numbers: numbers.to_vec(), is_ours })
}

fn lines(results: &Results, section: &str, shown: impl Fn(&str) -> String) -> Vec<Line> {
    let mut all: Vec<Line> = Vec::new();
    let points = results.sections.get(section).and_then(|section| section["points"].as_array());
    for point in points.into_iter().flatten() {
        let (Some(name), Some(at), Some(cost)) =
            (point["line"].as_str(), point["at"].as_f64(), median(&point["over_none_us"]))
        else {
            continue;
        };
        let name = shown(name);
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push((at, cost)),
            None => all.push((name, vec![(at, cost)])),
        }
    }
    all
}

/// A plot of this size; one that has nothing to show is not written.
fn draw(
    path: &Path,
    size: (u32, u32),
    work: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn std::error::Error>>,
) -> Result<(), String> {
    let at = |e: Box<dyn std::error::Error>| format!("could not plot {}: {e}", path.display());
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE).map_err(|e| at(e.into()))?;
    work(&area).map_err(at)?;
    area.present().map_err(|e| at(e.into()))
}

fn bars(path: &Path, title: &str, all: &[Bar]) -> Result<(), String> {
    let most = all.iter().flat_map(|bar| &bar.numbers).copied().fold(f64::MIN, f64::max);
    let least = all.iter().flat_map(|bar| &bar.numbers).copied().fold(f64::MAX, f64::min);
    if all.is_empty() {
        return Ok(());
    }
    let count = all.len();
    let height = u32::try_from(80 + 22 * count).map_err(|e| e.to_string())?;
    draw(path, (900, height), |area| {
        #[expect(clippy::cast_precision_loss, reason = "some tens")]
        let places = |at: usize| (count - at) as f64;
        let mut chart = ChartBuilder::on(area)
            .caption(title, (FONT, 16, &INK))
            .margin(10)
            .margin_right(60)
            .x_label_area_size(26)
            .y_label_area_size(310)
            .build_cartesian_2d((least * 0.7..most * 1.2).log_scale(), 0.0..places(0))?;
        let name = |at: &f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some tens")]
            let from_below = at.floor() as usize;
            let is_middle = (at - at.floor() - 0.5).abs() < 0.01;
            let found = count.checked_sub(from_below + 1).and_then(|at| all.get(at)).filter(|_| is_middle);
            found.map_or_else(String::new, |bar| bar.name.clone())
        };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .light_line_style(WHITE)
            .y_labels(0)
            .x_label_formatter(&|x| format!("{x}"))
            .label_style((FONT, 13, &INK))
            .draw()?;
        for (at, bar) in all.iter().enumerate() {
            let top = places(at);
            for (number, part) in bar.numbers.iter().zip([false, true]) {
                let colour = if bar.is_ours { OURS } else { OTHERS };
                let style =
                    if bar.numbers.len() > 1 && !part { colour.mix(0.4).filled() } else { colour.filled() };
                let corners = [(least * 0.7, top - 0.15), (*number, top - 0.85)];
                chart.draw_series(std::iter::once(Rectangle::new(corners, style)))?;
            }
            // The axis puts its own labels where it likes; names belong beside their bars.
            let (x, y) = chart.backend_coord(&(least * 0.7, top - 0.5));
            let right = TextStyle::from((FONT, 13).into_font()).color(&INK).pos(
                plotters::style::text_anchor::Pos::new(
                    plotters::style::text_anchor::HPos::Right,
                    plotters::style::text_anchor::VPos::Center,
                ),
            );
            area.draw(&Text::new(name(&(top - 0.5)), (x - 6, y), right.clone()))?;
            let first = bar.numbers.first().copied().unwrap_or_default();
            let (x, y) = chart.backend_coord(&(first, top - 0.5));
            let left = right.pos(plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Left,
                plotters::style::text_anchor::VPos::Center,
            ));
            area.draw(&Text::new(format!("{first:.1}"), (x + 5, y), left))?;
        }
        Ok(())
    })
}

fn plot(path: &Path, title: &str, all: &[Line], is_log: bool) -> Result<(), String> {
    let points = || all.iter().flat_map(|(_, points)| points);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MIN, f64::max);
    let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MAX, f64::min);
    if all.is_empty() {
        return Ok(());
    }
    let (right, top, left) = (most(|p| p.0), most(|p| p.1), least(|p| p.0));
    let bottom = least(|p| p.1).max(0.1);
    draw(path, (900, 460), |area| {
        let mut builder = ChartBuilder::on(area);
        builder.caption(title, (FONT, 16, &INK)).margin(12).x_label_area_size(30).y_label_area_size(50);
        // The two kinds of axes are two types; what is drawn on them is the same.
        macro_rules! on {
            ($chart:expr) => {{
                let mut chart = $chart;
                chart
                    .configure_mesh()
                    .light_line_style(WHITE)
                    .x_label_formatter(&|x| format!("{x}"))
                    .y_label_formatter(&|y| format!("{y}"))
                    .label_style((FONT, 13, &INK))
                    .draw()?;
                for ((name, points), colour) in all.iter().zip(COLOURS.iter().cycle()) {
                    let kept = || points.iter().map(|(x, y)| (*x, y.max(bottom)));
                    chart
                        .draw_series(LineSeries::new(kept(), colour.stroke_width(2)))?
                        .label(name.clone())
                        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
                    chart.draw_series(kept().map(|point| Circle::new(point, 3, colour.filled())))?;
                }
                chart
                    .configure_series_labels()
                    .position(SeriesLabelPosition::UpperLeft)
                    .background_style(WHITE.mix(0.9))
                    .border_style(OTHERS)
                    .label_font((FONT, 13, &INK))
                    .draw()?;
            }};
        }
        if is_log {
            on!(builder.build_cartesian_2d(
                (left..right * 1.1).log_scale(),
                (bottom * 0.8..top * 1.3).log_scale()
            )?);
        } else {
            on!(builder.build_cartesian_2d(0.0..right * 1.05, 0.0..top * 1.4)?);
        }
        Ok(())
    })
}
