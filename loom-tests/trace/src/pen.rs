//! What a picture is drawn with: its letters, its colours, and the shapes.
//!
//! Colours are of the picture's own light background, so that it looks the same on a dark page.

use svg::{
    Document, Node,
    node::element::{Line, Path, Rectangle, Text},
};

const FONT: &str = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace";
/// Of a letter at 12 pixels; wide enough for the fonts above.
pub(crate) const LETTER: f64 = 7.3;
pub(crate) const INK: &str = "#1f2328";
pub(crate) const PALE: &str = "#6e7781";
pub(crate) const RULE: &str = "#d0d7de";
pub(crate) const RED: &str = "#cf222e";
pub(crate) const GREEN: &str = "#1a7f37";
pub(crate) const ORANGE: &str = "#bc4c00";

/// Draws on one sheet.
pub(crate) struct Pen(Document);

impl Pen {
    pub(crate) fn on(width: f64, height: f64) -> Self {
        let sheet = Document::new()
            .set("xmlns", "http://www.w3.org/2000/svg")
            .set("viewBox", (0, 0, width, height))
            .set("width", width)
            .set("height", height)
            .set("font-family", FONT)
            .set("font-size", 12);
        Self(sheet)
    }

    pub(crate) fn rectangle(
        &mut self,
        (x, y, width, height): (f64, f64, f64, f64),
        fill: &str,
        edge: &str,
    ) {
        let rectangle = Rectangle::new()
            .set("x", x)
            .set("y", y)
            .set("width", width)
            .set("height", height)
            .set("rx", 4)
            .set("fill", fill)
            .set("stroke", edge);
        self.add(rectangle);
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        let line = Line::new()
            .set("x1", from.0)
            .set("y1", from.1)
            .set("x2", to.0)
            .set("y2", to.1)
            .set("stroke", colour)
            .set("stroke-width", width);
        self.add(line);
    }

    pub(crate) fn arrow(&mut self, from: f64, to: f64, y: f64, colour: &'static str) {
        let back = if to > from { -7.0 } else { 7.0 };
        let end = to + if to > from { -5.0 } else { 5.0 };
        self.line((from, y), (end, y), colour, 1.4);
        let head = format!("M{end},{y} l{back},-4 l0,8 z");
        self.add(Path::new().set("d", head).set("fill", colour));
    }

    pub(crate) fn text(
        &mut self,
        (x, y): (f64, f64),
        words: &str,
        colour: &str,
        with: impl FnOnce(Text) -> Text,
    ) {
        let text = Text::new(words).set("x", x).set("y", y).set("fill", colour);
        self.add(with(text));
    }

    pub(crate) fn add(&mut self, node: impl Into<Box<dyn Node>>) {
        self.0.append(node);
    }

    pub(crate) fn finish(self) -> String {
        format!("{}\n", self.0)
    }
}

/// How many letters there is room for.
pub(crate) fn letters(width: f64) -> usize {
    (width / LETTER) as usize
}
