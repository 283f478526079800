//! The elements of which the pictures are made.

use std::fmt::Write;

/// A picture as far as it is drawn.
#[derive(Debug, Default)]
pub struct Svg(String);

impl Svg {
    /// A line from here to there.
    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.add(&format!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// Text that begins, ends or has its middle at `x`, as `anchor` says.
    pub fn text(&mut self, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
        self.add(&format!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" \
             text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// Any other element.
    pub fn add(&mut self, element: &str) {
        // Into a String this cannot fail.
        let _ = writeln!(self.0, "{element}");
    }

    /// The picture with its last element.
    pub fn end(mut self) -> String {
        self.add("</svg>");
        self.0
    }
}
