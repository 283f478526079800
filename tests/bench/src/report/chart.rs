//! A picture of some rows as SVG: a bar for each contestant up to its median, and a whisker from its
//! least round to its greatest. It has a ground of its own, light or dark as its reader likes it.

use crate::figure::{Chart, Figure, Findings, number};
use crate::report::svg::Svg;

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 16.0;
const LABELS_WIDTH: f64 = 230.0;
/// For the number beside the longest whisker.
const NUMBERS_WIDTH: f64 = 64.0;
const TITLE_HEIGHT: f64 = 40.0;
const ROW_TITLE_HEIGHT: f64 = 26.0;
const BAR_PITCH: f64 = 20.0;
const BAR_HEIGHT: f64 = 13.0;
const ROW_GAP: f64 = 8.0;
const AXIS_HEIGHT: f64 = 34.0;
const TICKS_MAX: f64 = 6.0;

const STYLE: &str = "
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 14px; font-weight: 600; }
.row { font-weight: 600; }
.faint { fill: #59636e; }
.ground { fill: #ffffff; }
.grid { stroke: #d1d9e0; }
.whisker { stroke: #1f2328; stroke-width: 1.5; }
.ours { fill: #e8590c; }
.theirs { fill: #8fa3b8; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; }
.faint { fill: #9198a1; }
.ground { fill: #0d1117; }
.grid { stroke: #3d444d; }
.whisker { stroke: #f0f6fc; }
.theirs { fill: #5a6f85; }
}
";

/// The picture; nothing if none of its rows was measured.
pub fn svg(chart: &Chart, findings: &Findings) -> Option<String> {
    let rows: Vec<(&str, Vec<&Figure>)> = chart
        .rows
        .iter()
        .map(|row| {
            let of_row = |it: &&Figure| it.row == *row && it.unit == chart.unit;
            (row.as_str(), findings.figures.iter().filter(of_row).collect())
        })
        .filter(|(_, figures): &(_, Vec<_>)| !figures.is_empty())
        .collect();
    let greatest = rows.iter().flat_map(|it| &it.1).map(|it| it.spread().1).reduce(f64::max)?;
    let canvas = Canvas::new(&rows, greatest);
    Some(canvas.draw(chart, &rows))
}

struct Canvas {
    height: f64,
    /// What the axis ends with.
    end: f64,
    tick: f64,
    drawn: Svg,
}

impl Canvas {
    fn new(rows: &[(&str, Vec<&Figure>)], greatest: f64) -> Self {
        let row_height = |row: &(&str, Vec<&Figure>)| {
            ROW_TITLE_HEIGHT + BAR_PITCH * row.1.len() as f64 + ROW_GAP
        };
        let height = TITLE_HEIGHT + rows.iter().map(row_height).sum::<f64>() + AXIS_HEIGHT;
        let tick = round_tick(greatest / TICKS_MAX);
        let end = (greatest / tick).ceil().max(1.0) * tick;
        Self { height, end, tick, drawn: Svg::default() }
    }

    fn draw(mut self, chart: &Chart, rows: &[(&str, Vec<&Figure>)]) -> String {
        let (title, symbol) = (escaped(&chart.title), chart.unit.symbol());
        self.drawn.add(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {0}\" width=\"{WIDTH}\" \
             height=\"{0}\" role=\"img\"><title>{title}</title><style>{STYLE}</style>\n\
             <rect class=\"ground\" width=\"{WIDTH}\" height=\"{0}\" rx=\"6\"/>",
            self.height
        ));
        self.drawn.text(MARGIN, 25.0, "title", "start", &format!("{title}, {symbol}"));
        self.axis(symbol);
        let mut top = TITLE_HEIGHT;
        for (row, figures) in rows {
            self.drawn.text(MARGIN, top + 17.0, "row", "start", &escaped(row));
            top += ROW_TITLE_HEIGHT;
            for figure in figures {
                self.bar(top, figure);
                top += BAR_PITCH;
            }
            top += ROW_GAP;
        }
        self.drawn.end()
    }

    fn axis(&mut self, symbol: &str) {
        let bottom = self.height - AXIS_HEIGHT;
        let ticks = (self.end / self.tick).round() as usize;
        for tick in 0..=ticks {
            let value = tick as f64 * self.tick;
            let x = self.x(value);
            self.drawn.line("grid", (x, TITLE_HEIGHT), (x, bottom));
            let label = axis_number(value, self.tick);
            let label = if tick == ticks { format!("{label} {symbol}") } else { label };
            self.drawn.text(x, bottom + 18.0, "faint", "middle", &label);
        }
    }

    fn bar(&mut self, top: f64, figure: &Figure) {
        let (middle, base) = (top + BAR_PITCH / 2.0, top + BAR_PITCH / 2.0 + 4.0);
        let (start, end) = (self.x(0.0), self.x(figure.median()));
        let (least, greatest) = figure.spread();
        let (least, greatest) = (self.x(least), self.x(greatest));
        // The broker, and in the lab the way that it takes.
        let is_ours = figure.peer.starts_with("transferto") || figure.peer == "sendfile";
        let class = if is_ours { "ours" } else { "theirs" };
        self.drawn.text(start - 8.0, base, "faint", "end", &escaped(&figure.peer));
        self.drawn.add(&format!(
            "<rect class=\"{class}\" x=\"{start:.1}\" y=\"{:.1}\" width=\"{:.1}\" \
             height=\"{BAR_HEIGHT}\"/>",
            middle - BAR_HEIGHT / 2.0,
            end - start
        ));
        self.drawn.line("whisker", (least, middle), (greatest, middle));
        for x in [least, greatest] {
            self.drawn.line("whisker", (x, middle - 3.5), (x, middle + 3.5));
        }
        self.drawn.text(greatest.max(end) + 7.0, base, "", "start", &number(figure.median()));
    }

    fn x(&self, value: f64) -> f64 {
        let start = MARGIN + LABELS_WIDTH;
        start + (WIDTH - start - NUMBERS_WIDTH) * value / self.end
    }
}

/// 1, 2 or 5 times a power of ten, and not less.
fn round_tick(least: f64) -> f64 {
    if least <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    power * steps.into_iter().find(|it| power * it >= least).unwrap_or(10.0)
}

/// With the decimals that tell two ticks apart.
fn axis_number(value: f64, tick: f64) -> String {
    let decimals = (-tick.log10().floor()).max(0.0) as usize;
    format!("{value:.decimals$}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
