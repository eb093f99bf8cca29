//! A day as curves: sessions on the fullest node, in the mean and on the emptiest node, chain by chain.

use std::fmt::Display;
use std::time::Duration;

use plotters::prelude::*;

use crate::cli::bench::plot::{COLOURS, FONT};
use crate::cli::exit::{self, CommandExit};
use crate::simulate::capacity::CapacitySample;

use super::Ran;

const SIZE: (u32, u32) = (1100, 620);

/// Renders `ran` as an SVG, with `about` below the title.
///
/// # Errors
/// An error of the drawing library.
pub(super) fn svg(ran: &[Ran], about: &str) -> Result<String, CommandExit> {
    let mut svg = String::new();
    draw(ran, about, &mut svg).map_err(|why| CommandExit::new(exit::OTHER, format!("the plot: {why}")))?;
    Ok(svg)
}

fn draw(ran: &[Ran], about: &str, svg: &mut String) -> Result<(), String> {
    let samples = || ran.iter().flat_map(|ran| &ran.outcome.samples);
    let hours = samples().map(hour).fold(1.0, f64::max);
    let most = samples().flat_map(|sample| sample.sessions.iter().flatten()).max().copied().unwrap_or_default();
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(words)?;
    let title = "Sessions on a node: the fullest, the mean (lighter), the emptiest (thin)";
    let root = root.titled(title, (FONT, 25)).map_err(words)?;
    let root = root.titled(about, (FONT, 16)).map_err(words)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..hours, 0.0..(most as f64 * 1.1).max(1.0))
        .map_err(words)?;
    chart
        .configure_mesh()
        .x_desc("hour of the day")
        .x_labels(13)
        .x_label_formatter(&|hour| format!("{hour:02.0}:00"))
        .y_label_formatter(&|sessions| format!("{sessions:.0}"))
        .y_desc("sessions")
        .label_style((FONT, 16))
        .light_line_style(BLACK.mix(0.04))
        .bold_line_style(BLACK.mix(0.14))
        .draw()
        .map_err(words)?;
    for (ran, colour) in ran.iter().zip(COLOURS.iter().cycle()) {
        let curve = |figure: fn(&[u64]) -> f64| {
            let points = ran.outcome.samples.iter().map(move |sample| (hour(sample), figure(&up(sample))));
            points.collect::<Vec<_>>()
        };
        let fullest = curve(|counts| counts.iter().max().copied().unwrap_or_default() as f64);
        let emptiest = curve(|counts| counts.iter().min().copied().unwrap_or_default() as f64);
        let mean = curve(|counts| counts.iter().sum::<u64>() as f64 / counts.len().max(1) as f64);
        chart.draw_series(LineSeries::new(mean, colour.mix(0.35).stroke_width(3))).map_err(words)?;
        chart.draw_series(LineSeries::new(emptiest, colour.stroke_width(1))).map_err(words)?;
        let key = move |(x, y): (i32, i32)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2));
        let line = LineSeries::new(fullest, colour.stroke_width(2));
        chart.draw_series(line).map_err(words)?.label(&ran.name).legend(key);
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

/// Returns the sessions of the nodes that are up.
fn up(sample: &CapacitySample) -> Vec<u64> {
    sample.sessions.iter().flatten().copied().collect()
}

fn hour(sample: &CapacitySample) -> f64 {
    sample.at.as_secs_f64() / Duration::from_secs(3600).as_secs_f64()
}

fn words(error: impl Display) -> String {
    error.to_string()
}
