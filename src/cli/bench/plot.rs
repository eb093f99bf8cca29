//! The rows as curves: the time of a decision over the number of nodes, both axes logarithmic.
//!
//! A straight line that rises by a decade each decade is a chain with a cost proportional to the number of nodes.

use std::fmt::Display;
use std::ops::Range;

use plotters::prelude::*;

use crate::cli::exit::{self, CommandExit};

use super::row::Row;
use super::units;

const SIZE: (u32, u32) = (960, 600);
pub(in crate::cli) const FONT: &str = "sans-serif";
/// Colours that differ in lightness too.
pub(in crate::cli) const COLOURS: [RGBColor; 8] = [
    RGBColor(0x00, 0x45, 0x8b),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x33, 0x7a),
    RGBColor(0xb0, 0x8a, 0x00),
    RGBColor(0x56, 0xa4, 0xe0),
    RGBColor(0x7a, 0x3b, 0x9a),
    RGBColor(0x50, 0x50, 0x50),
];

/// The rows of a label: the number of nodes, the p50 and perhaps the p99 in nanoseconds.
struct Curve<'a> {
    label: &'a str,
    points: Vec<(f64, f64, Option<f64>)>,
}

/// Renders `rows` as an SVG, with `machine` below the title.
///
/// # Errors
/// An error of the drawing library.
pub(super) fn svg(rows: &[Row], machine: &str) -> Result<String, CommandExit> {
    let mut svg = String::new();
    draw(&curves(rows), machine, &mut svg).map_err(|why| CommandExit::new(exit::OTHER, format!("the plot: {why}")))?;
    Ok(svg)
}

fn curves(rows: &[Row]) -> Vec<Curve<'_>> {
    let mut curves: Vec<Curve<'_>> = Vec::new();
    for row in rows {
        let point = (row.nodes.max(1) as f64, row.p50_ns as f64, row.p99_ns.map(|ns| ns as f64));
        match curves.iter_mut().find(|curve| curve.label == row.label) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve { label: &row.label, points: vec![point] }),
        }
    }
    curves
}

fn draw(curves: &[Curve<'_>], machine: &str, svg: &mut String) -> Result<(), String> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(words)?;
    let root = root.titled("Time of one decision: p50, and p99 lighter", (FONT, 25)).map_err(words)?;
    let root = root.titled(machine, (FONT, 16)).map_err(words)?;
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let nodes = around(points().map(|point| point.0));
    let times = around(points().flat_map(|point| [point.1, point.2.unwrap_or(point.1)]));
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(76)
        .build_cartesian_2d(nodes.log_scale(), times.log_scale())
        .map_err(words)?;
    chart
        .configure_mesh()
        .x_desc("nodes")
        .x_label_formatter(&|nodes| units::count(nodes.round() as u64))
        .y_label_formatter(&|ns| units::duration(ns.round() as u64))
        .label_style((FONT, 16))
        .light_line_style(BLACK.mix(0.04))
        .bold_line_style(BLACK.mix(0.14))
        .draw()
        .map_err(words)?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let p50 = curve.points.iter().map(|(nodes, p50, _)| (*nodes, *p50));
        let p99 = curve.points.iter().filter_map(|(nodes, _, p99)| p99.map(|p99| (*nodes, p99)));
        chart.draw_series(LineSeries::new(p99, colour.mix(0.35).stroke_width(1))).map_err(words)?;
        let line = LineSeries::new(p50.clone(), colour.stroke_width(2));
        let key = move |(x, y): (i32, i32)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2));
        chart.draw_series(line).map_err(words)?.label(curve.label).legend(key);
        chart.draw_series(p50.map(|point| Circle::new(point, 3, colour.filled()))).map_err(words)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .label_font((FONT, 16))
        .draw()
        .map_err(words)?;
    root.present().map_err(words)
}

fn words(error: impl Display) -> String {
    error.to_string()
}

/// Returns a range that contains all of `values`, with room beside them: a single value alone is no range.
fn around(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, 1.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    if low.is_finite() { (low / 1.5).max(0.1)..high * 1.5 } else { 1.0..10.0 }
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::row;
    use super::*;

    #[test]
    fn the_plot_names_what_it_shows() {
        let rows = [row("a<b>.js", 10, 17), row("builtin:weighted", 10, 1), row("a<b>.js", 1000, 900)];
        let svg = svg(&rows, "whither 1, AMD").unwrap();
        for words in ["<svg", "</svg>", "a&lt;b&gt;.js", "builtin:weighted", "whither 1, AMD", "nodes", "100 µs"] {
            assert!(svg.contains(words), "{words}: {svg}");
        }
        assert_eq!(curves(&rows).len(), 2);
    }

    #[test]
    fn one_row_and_none_can_be_drawn() {
        assert!(svg(&[row("a", 10, 17)], "m").unwrap().contains("</svg>"));
        assert!(svg(&[], "m").unwrap().contains("</svg>"));
    }
}
