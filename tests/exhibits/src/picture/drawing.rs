//! A story as SVG. Time flows down, a row for each event: how uneven the times are, the numbers say.
//! It has a ground of its own, light or dark as its reader likes it.

use bench::report::svg::Svg;

use crate::picture::story::{LANES, Lane, Row, Story};

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 16.0;
const TITLE_HEIGHT: f64 = 34.0;
const HEAD_HEIGHT: f64 = 28.0;
const ROW_HEIGHT: f64 = 17.0;
/// More room where nothing happens for so long.
const LONG_US: i64 = 1000;
const LONG_HEIGHT: f64 = 26.0;
const BOTTOM: f64 = 14.0;
/// The right end of the times.
const TIMES_X: f64 = 76.0;
const FIRST_LANE_X: f64 = 116.0;
const LANE_PITCH: f64 = 74.0;
/// Whom a row is about.
const SUBJECTS_X: f64 = 520.0;
const LABELS_X: f64 = 572.0;
const INDENTATION: f64 = 7.0;

const STYLE: &str = "
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 14px; font-weight: 600; }
.head { font-weight: 600; }
.faint { fill: #59636e; }
.time { font: 11px ui-monospace, monospace; fill: #59636e; }
.call { font: 11px ui-monospace, monospace; fill: #0969da; }
.ground { fill: #ffffff; }
.grid { stroke: #d1d9e0; }
.stripe { fill: #f6f8fa; }
.step { fill: #e8590c; }
.kernel { fill: #0969da; }
.to-kernel { stroke: #0969da; stroke-width: 1; }
.over { stroke: #e8590c; stroke-width: 1.3; fill: none; }
.head-of-arrow { fill: #e8590c; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; }
.faint, .time { fill: #9198a1; }
.call { fill: #4493f8; }
.ground { fill: #0d1117; }
.grid { stroke: #3d444d; }
.stripe { fill: #151b23; }
.kernel { fill: #4493f8; }
.to-kernel { stroke: #4493f8; }
}
";

pub(crate) fn svg(story: &Story) -> String {
    Canvas { story, tops: tops(&story.rows), drawn: Svg::default() }.draw()
}

/// Where the middle of each row is.
fn tops(rows: &[Row]) -> Vec<f64> {
    let mut y = TITLE_HEIGHT + HEAD_HEIGHT + ROW_HEIGHT / 2.0;
    let mut before_us = 0;
    let mut tops = Vec::with_capacity(rows.len());
    for row in rows {
        if row.at_us - before_us > LONG_US {
            y += LONG_HEIGHT;
        }
        before_us = row.at_us;
        tops.push(y);
        y += ROW_HEIGHT;
    }
    tops
}

struct Canvas<'a> {
    story: &'a Story,
    tops: Vec<f64>,
    drawn: Svg,
}

impl Canvas<'_> {
    fn draw(mut self) -> String {
        let bottom = self.tops.last().map_or(0.0, |y| y + ROW_HEIGHT / 2.0);
        let (title, height) = (self.story.title, bottom + BOTTOM);
        self.drawn.add(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\"><title>{title}</title>\
             <style>{STYLE}</style>\n<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" \
             refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path \
             class=\"head-of-arrow\" d=\"M0 0.5 L8 4 L0 7.5 z\"/></marker></defs>\n\
             <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>"
        ));
        self.drawn.text(MARGIN, 23.0, "title", "start", title);
        self.stripes();
        self.lanes(bottom);
        for &(from, to) in &self.story.hand_overs {
            self.hand_over(from, to);
        }
        for place in 0..self.story.rows.len() {
            self.row(place);
        }
        self.drawn.end()
    }

    /// Every other row, so that the eye finds from the time to the name.
    fn stripes(&mut self) {
        for y in self.tops.iter().skip(1).step_by(2).copied().collect::<Vec<_>>() {
            self.drawn.add(&format!(
                "<rect class=\"stripe\" x=\"{MARGIN}\" y=\"{:.1}\" width=\"{:.1}\" \
                 height=\"{ROW_HEIGHT}\"/>",
                y - ROW_HEIGHT / 2.0,
                WIDTH - 2.0 * MARGIN
            ));
        }
    }

    fn lanes(&mut self, bottom: f64) {
        let base = TITLE_HEIGHT + HEAD_HEIGHT - 10.0;
        self.drawn.text(TIMES_X, base, "faint", "end", "\u{b5}s");
        self.drawn.text(SUBJECTS_X, base, "faint", "start", "request");
        let heads = LANES.iter().map(|lane| lane.1).chain(["kernel"]);
        for (place, name) in heads.enumerate() {
            let x = FIRST_LANE_X + LANE_PITCH * place as f64;
            self.drawn.text(x, base, "head", "middle", name);
            self.drawn.line("grid", (x, base + 6.0), (x, bottom));
        }
    }

    fn row(&mut self, place: usize) {
        let (row, y) = (&self.story.rows[place], self.tops[place]);
        let (x, base) = (x_of(row.lane), y + 4.0);
        self.drawn.text(TIMES_X, base, "time", "end", &row.at_us.to_string());
        self.drawn.text(SUBJECTS_X, base, "time", "start", &row.subject);
        let label_x = LABELS_X + INDENTATION * row.depth as f64;
        if row.system_call.is_some() {
            let kernel_x = kernel_x();
            self.drawn.line("to-kernel", (x, y), (kernel_x, y));
            self.drawn
                .add(&format!("<circle class=\"kernel\" cx=\"{kernel_x}\" cy=\"{y}\" r=\"3.5\"/>"));
        }
        self.drawn.add(&format!("<circle class=\"step\" cx=\"{x}\" cy=\"{y}\" r=\"3.5\"/>"));
        let label = row.label();
        let call = row
            .system_call
            .map_or(String::new(), |call| format!("<tspan class=\"call\" dx=\"8\">{call}</tspan>"));
        self.drawn.text(label_x, base, "", "start", &format!("{label}{call}"));
    }

    /// A line from dot to dot that leaves and arrives at an angle, so that it is none of the lanes.
    fn hand_over(&mut self, from: usize, to: usize) {
        let rows = &self.story.rows;
        let (x1, x2) = (x_of(rows[from].lane), x_of(rows[to].lane));
        let (y1, y2) = (self.tops[from], self.tops[to]);
        let reach = if x2 > x1 { -5.0 } else { 5.0 };
        self.drawn.add(&format!(
            "<path class=\"over\" marker-end=\"url(#arrow)\" d=\"M{x1:.1} {y1:.1} C{:.1} {y1:.1} \
             {:.1} {y2:.1} {:.1} {y2:.1}\"/>",
            (x1 + x2) / 2.0,
            (x1 + x2) / 2.0,
            x2 + reach
        ));
    }
}

fn x_of(lane: Lane) -> f64 {
    let place = LANES.iter().position(|it| it.0 == lane).unwrap_or(0);
    FIRST_LANE_X + LANE_PITCH * place as f64
}

fn kernel_x() -> f64 {
    FIRST_LANE_X + LANE_PITCH * LANES.len() as f64
}
