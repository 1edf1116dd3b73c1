//! Growth as pictures: the processor time of `pam_open_session`, both axes logarithmic.

use crate::login::Login;
use crate::results::Row;
use crate::tables::logins;
use plotters::coord::combinators::WithKeyPoints;
use plotters::prelude::*;
use std::collections::BTreeSet;
use std::error::Error;
use std::ops::Range;
use std::path::Path;

const WIDTH: u32 = 760;
const HEIGHT: u32 = 440;

/// Draws how the cost grows along the rows, and writes it as SVG.
///
/// # Errors
///
/// The file cannot be written.
pub fn draw(path: &Path, axis: &str, rows: &[Row]) -> Result<(), Box<dyn Error>> {
    let rows: Vec<Row> = rows.iter().filter(|row| is_drawn(row)).copied().collect();
    if rows.is_empty() {
        return Ok(());
    }
    let area = SVGBackend::new(path, (WIDTH, HEIGHT)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(sizes(&rows), costs(&rows).log_scale())?;
    chart
        .configure_mesh()
        .x_desc(axis)
        .y_desc("microseconds of a processor")
        .x_label_formatter(&|size| format!("{size:.0}"))
        .y_label_formatter(&|cost| format!("{cost:.0}"))
        .light_line_style(WHITE)
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 15))
        .draw()?;
    for login in logins(&rows) {
        let style = color(login).stroke_width(2);
        let points = points(&rows, login);
        let line = chart.draw_series(LineSeries::new(points.clone(), style).point_size(4))?;
        line.label(login.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .label_font(("sans-serif", 13))
        .draw()?;
    area.present()?;
    Ok(())
}

fn is_drawn(row: &Row) -> bool {
    row.login != Login::Base && row.open.cpu > 0.0
}

fn points(rows: &[Row], login: Login) -> Vec<(f64, f64)> {
    let of_login = rows.iter().filter(|row| row.login == login);
    of_login
        .map(|row| (row.size as f64, row.open.cpu))
        .collect()
}

/// The axis of sizes, with a mark for each of those that were measured.
fn sizes(rows: &[Row]) -> WithKeyPoints<LogCoord<f64>> {
    let sizes: BTreeSet<usize> = rows.iter().map(|row| row.size).collect();
    let sizes = sizes.iter().map(|size| *size as f64);
    let axis = LogCoord::from(range(sizes.clone(), 1.0).log_scale());
    axis.with_key_points(sizes.collect())
}

/// With room for the legend above.
fn costs(rows: &[Row]) -> Range<f64> {
    range(rows.iter().map(|row| row.open.cpu), 8.0)
}

fn range(values: impl Iterator<Item = f64> + Clone, room: f64) -> Range<f64> {
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let most = values.fold(0.0, f64::max);
    least * 0.8..most * 1.2 * room
}

fn color(login: Login) -> RGBColor {
    match login {
        Login::Base | Login::Limit => RGBColor(120, 120, 120),
        Login::VeryFirst => RGBColor(150, 190, 230),
        Login::First | Login::Changed => RGBColor(30, 100, 200),
        Login::Later => RGBColor(0, 140, 80),
        Login::Peer => RGBColor(210, 60, 40),
        Login::PeerWithInit => RGBColor(240, 160, 40),
    }
}
