//! Plots as small SVG files, drawn by hand: axes, lines, labels. They follow the reader's light or dark theme.

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 620.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 270.0;

/// One axis: its label, its ends, and where it has marks, with their texts.
pub struct Axis<'a> {
    /// What it measures.
    pub label: &'a str,
    /// Its ends.
    pub from: f64,
    /// Its ends.
    pub to: f64,
    /// Marks.
    pub marks: &'a [(f64, &'a str)],
}

/// A plot in the making.
pub struct Plot<'a> {
    across: Axis<'a>,
    up: Axis<'a>,
    body: String,
    legend: usize,
}

impl<'a> Plot<'a> {
    /// An empty plot.
    pub fn new(title: &str, across: Axis<'a>, up: Axis<'a>) -> Plot<'a> {
        let mut plot = Plot { across, up, body: String::new(), legend: 0 };
        let _ = writeln!(plot.body, "<text x=\"{LEFT}\" y=\"20\" class=\"title\">{title}</text>");
        plot.axes();
        plot
    }

    fn axes(&mut self) {
        let mut body = String::new();
        for (value, text) in self.across.marks {
            let x = self.x(*value);
            let _ = writeln!(body, "<path d=\"M{x:.1} {TOP}V{BOTTOM}\" class=\"grid\"/>");
            let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"286\" text-anchor=\"middle\">{text}</text>");
        }
        for (value, text) in self.up.marks {
            let y = self.y(*value);
            let _ = writeln!(body, "<path d=\"M{LEFT} {y:.1}H{RIGHT}\" class=\"grid\"/>");
            let _ = writeln!(body, "<text x=\"58\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>", y + 4.0);
        }
        let middle = f64::midpoint(TOP, BOTTOM);
        let _ =
            writeln!(body, "<text x=\"{RIGHT}\" y=\"306\" text-anchor=\"end\">{}</text>", self.across.label);
        let turned = format!("transform=\"rotate(-90 14 {middle})\" text-anchor=\"middle\"");
        let _ = writeln!(body, "<text x=\"14\" y=\"{middle}\" {turned}>{}</text>", self.up.label);
        self.body.push_str(&body);
    }

    /// Adds a line of a class (`a`, `b`, `c`, or `limit`).
    pub fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let _ = write!(path, "{}{:.1} {:.1}", if index == 0 { 'M' } else { 'L' }, self.x(*x), self.y(*y));
        }
        let _ = writeln!(self.body, "<path d=\"{path}\" class=\"{class}\"/>");
    }

    /// Says what the lines of a class are.
    pub fn explain(&mut self, class: &str, text: &str) {
        let y = 56.0 + 16.0 * self.legend as f64;
        self.legend += 1;
        let _ = writeln!(self.body, "<path d=\"M300 {:.1}h20\" class=\"{class}\"/>", y - 4.0);
        let _ = writeln!(self.body, "<text x=\"326\" y=\"{y:.1}\">{text}</text>");
    }

    /// The file.
    pub fn finish(self) -> String {
        let style = "text{font:12px sans-serif;fill:#555}.title{font-size:14px;fill:#222}\
            path{fill:none;stroke-width:1.5}.grid{stroke:#888;stroke-opacity:.25;stroke-width:1}\
            .a{stroke:#0a8f7f}.b{stroke:#c2410c}.c{stroke:#888;stroke-opacity:.6}.limit{stroke:#b91c1c;stroke-dasharray:6 4}\
            @media(prefers-color-scheme:dark){text{fill:#aaa}.title{fill:#ddd}.a{stroke:#2dd4bf}.b{stroke:#fb923c}}";
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
             <style>{style}</style>\n{}</svg>\n",
            self.body
        )
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * part(&self.across, value)
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * part(&self.up, value)
    }
}

fn part(axis: &Axis<'_>, value: f64) -> f64 {
    ((value - axis.from) / (axis.to - axis.from)).clamp(0.0, 1.0)
}
