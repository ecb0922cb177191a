//! Charts as SVG: lines over time, the thresholds that they are judged by, and marks for what happened.
//!
//! Strings in, strings out. A picture is readable on a light and on a dark page: it brings colours for both and follows
//! what the reader prefers. What a colour says a label says too.

mod axis;

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::metric::{Range, Sample, Unit};
use axis::{Scale, TimeScale};

/// Colours of lines; a chart with more lines starts over.
const COLOURS: usize = 6;

/// Height of a line of small text, in pixels.
const TEXT_HEIGHT: f64 = 13.0;

/// About the width of a character of small text, in pixels.
const CHARACTER: f64 = 6.4;

/// What is drawn, and over which time.
#[derive(Clone, Debug)]
pub struct Chart<'a> {
    /// Stands above it.
    pub title: &'a str,
    /// Of every value.
    pub unit: Unit,
    /// The left edge.
    pub from: Timestamp,
    /// The right edge; after `from`.
    pub to: Timestamp,
    /// In the order of the legend, which is left out for a single one.
    pub lines: Vec<Line<'a>>,
    /// Drawn across, so that a reader sees how far away they are.
    pub thresholds: Vec<Threshold<'a>>,
    /// Drawn from top to bottom.
    pub marks: Vec<Mark<'a>>,
    /// What was expected of a single line, drawn behind it; ascending in time.
    pub expected: &'a [Reach],
}

/// What was expected of a period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reach {
    /// The period's beginning.
    pub at: Timestamp,
    /// In the chart's unit.
    pub range: Range,
}

/// A series.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// What the legend calls it.
    pub label: &'a str,
    /// Ascending in time. What is not finite or lies outside of the chart is left out.
    pub samples: &'a [Sample],
    /// Length of a period in seconds: samples that are farther apart are not joined, so that missing data is a gap.
    pub period_seconds: u32,
}

/// A value that a line is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Threshold<'a> {
    /// `warning above 5 %`.
    pub label: &'a str,
    /// In the chart's unit.
    pub value: f64,
    /// How bad it is to be beyond.
    pub tone: Tone,
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    /// When.
    pub at: Timestamp,
    /// A word or two: `detected`.
    pub label: &'a str,
    /// How bad it is.
    pub tone: Tone,
}

/// A time that something lasted, drawn behind the lines.
#[derive(Clone, Copy, Debug)]
pub struct Spell<'a> {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// What a reader who points at it is told.
    pub label: &'a str,
    /// How bad it is.
    pub tone: Tone,
}

/// What a colour means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Neither good nor bad.
    Neutral,
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Worth waking somebody.
    Critical,
}

impl Tone {
    /// The class that [`document`] gives a colour for.
    pub fn class(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Where something is drawn, in pixels from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
    /// To the right.
    pub width: f64,
    /// Downwards.
    pub height: f64,
}

impl Area {
    fn right(self) -> f64 {
        self.x + self.width
    }

    fn bottom(self) -> f64 {
        self.y + self.height
    }
}

/// A chart as a whole document, `width` times `height` pixels.
pub fn svg(chart: &Chart<'_>, width: f64, height: f64) -> String {
    document(width, height, chart.title, &panel(chart, Area { x: 0.0, y: 0.0, width, height }))
}

/// A document that holds what [`panel`] and [`text`] make, with the colours for light and dark.
pub fn document(width: f64, height: f64, title: &str, content: &str) -> String {
    let title = escape(title);
    let (light, dark) = (colours(&LIGHT), colours(&DARK));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" font-family=\"system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\">\n\
         <title>{title}</title>\n<style>\n{SHAPES}{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n</style>\n\
         <rect class=\"page\" width=\"100%\" height=\"100%\"/>\n{content}</svg>\n"
    )
}

/// A chart as a part of a [`document`].
pub fn panel(chart: &Chart<'_>, area: Area) -> String {
    panel_with_spells(chart, &[], area)
}

/// A chart as a part of a [`document`], with times that something lasted.
pub fn panel_with_spells(chart: &Chart<'_>, spells: &[Spell<'_>], area: Area) -> String {
    let mut out = frame(area);
    text(&mut out, "heading", area.x + 10.0, area.y + 19.0, chart.title);
    let legend_height = legend(&mut out, chart, area);
    let top = area.y + 34.0 + legend_height;
    let scale = value_scale(chart);
    let labels: Vec<(f64, String)> = scale.ticks().map(|tick| (tick, chart.unit.format(tick))).collect();
    let left = labels.iter().map(|(_, label)| characters(label)).fold(0.0, f64::max) * CHARACTER + 16.0;
    let plot = Area {
        x: area.x + left,
        y: top,
        width: (area.width - left - 12.0).max(1.0),
        height: (area.bottom() - top - 24.0).max(1.0),
    };
    let place = Place { plot, scale, time: TimeScale::new(chart.from, chart.to) };
    grid(&mut out, &place, &labels);
    draw_expected(&mut out, &place, chart);
    draw_spells(&mut out, &place, spells);
    if chart.lines.iter().all(|line| place.visible(line).next().is_none()) {
        text(&mut out, "faint", plot.x + 8.0, plot.y + plot.height / 2.0, "no data in this time");
    }
    for (index, line) in chart.lines.iter().enumerate() {
        let _ = writeln!(out, "<path class=\"line c{}\" d=\"{}\"/>", index % COLOURS, place.path(line));
    }
    thresholds(&mut out, &place, &chart.thresholds);
    marks(&mut out, &place, &chart.marks);
    out
}

/// The background of a part of a document.
pub fn frame(area: Area) -> String {
    let Area { x, y, width, height } = area;
    format!("<rect class=\"panel\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\n")
}

/// Adds a line of text. Classes: `heading`, `label`, `faint`, `number`, and those of [`Tone::class`].
pub fn text(out: &mut String, class: &str, x: f64, y: f64, text: &str) {
    anchored(out, class, x, y, "start", text);
}

fn anchored(out: &mut String, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
    let text = escape(text);
    let _ = writeln!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

/// A text as XML: what has a meaning there is escaped, and what XML 1.0 does not allow is left out.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// How a chart's values and times become pixels.
struct Place {
    plot: Area,
    scale: Scale,
    time: TimeScale,
}

impl Place {
    fn x(&self, at: Timestamp) -> f64 {
        self.plot.x + self.plot.width * self.time.share(at)
    }

    fn y(&self, value: f64) -> f64 {
        self.plot.bottom() - self.plot.height * self.scale.share(value)
    }

    fn visible<'a>(&self, line: &Line<'a>) -> impl Iterator<Item = &'a Sample> {
        let (from, to) = (self.time.from, self.time.to);
        line.samples.iter().filter(move |sample| sample.at >= from && sample.at <= to && sample.value.is_finite())
    }

    /// The line as a path. Of the samples that share a pixel only the first, the extremes and the last are drawn: a
    /// spike of a minute in a month is there, and the picture stays small.
    fn path(&self, line: &Line<'_>) -> String {
        let reach = i64::from(line.period_seconds.max(1)) * 3 / 2;
        let mut path = String::new();
        let mut before: Option<&Sample> = None;
        let mut column: Vec<&Sample> = Vec::new();
        for sample in self.visible(line) {
            let is_joined = before.is_some_and(|before| sample.at.as_second() - before.at.as_second() <= reach);
            let shares = column.first().is_some_and(|first| self.x(sample.at) - self.x(first.at) < 1.0);
            if !(is_joined && shares) {
                self.draw(&mut path, &column);
                column.clear();
                if !is_joined {
                    path.push_str(if path.is_empty() { "M" } else { " M" });
                }
            }
            column.push(sample);
            before = Some(sample);
        }
        self.draw(&mut path, &column);
        path
    }

    /// Adds the samples of one pixel: `M` has been written where they begin a stretch.
    fn draw(&self, path: &mut String, column: &[&Sample]) {
        let by_value = |a: &&&Sample, b: &&&Sample| a.value.total_cmp(&b.value);
        let extremes = [column.iter().min_by(by_value), column.iter().max_by(by_value)];
        let mut drawn: Vec<&&Sample> = [column.first(), column.last()].into_iter().chain(extremes).flatten().collect();
        drawn.sort_by_key(|sample| sample.at);
        drawn.dedup_by_key(|sample| sample.at);
        for sample in drawn {
            let begins = path.ends_with('M');
            let _ =
                write!(path, "{}{:.1},{:.1}", if begins { "" } else { " L" }, self.x(sample.at), self.y(sample.value));
            if begins {
                // A stretch of a single sample is a dot: a line without length has round ends.
                path.push_str(" h0");
            }
        }
    }
}

/// From zero, or what lies below, to the greatest value or threshold.
fn value_scale(chart: &Chart<'_>) -> Scale {
    let inside = |sample: &&Sample| sample.at >= chart.from && sample.at <= chart.to;
    let values = chart.lines.iter().flat_map(|line| line.samples.iter().filter(inside)).map(|sample| sample.value);
    let within = |reach: &&Reach| reach.at >= chart.from && reach.at <= chart.to;
    let expected = chart.expected.iter().filter(within).flat_map(|reach| [reach.range.low, reach.range.high]);
    let all = values
        .chain(expected)
        .chain(chart.thresholds.iter().map(|threshold| threshold.value))
        .filter(|value| value.is_finite());
    let (least, most) = all.fold((0.0_f64, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    Scale::new(least, most)
}

/// Writes the legend and gives its height: none for a single line, which the title names.
fn legend(out: &mut String, chart: &Chart<'_>, area: Area) -> f64 {
    if chart.lines.len() < 2 {
        return 0.0;
    }
    let (mut x, mut row) = (area.x + 10.0, 0.0);
    for (index, line) in chart.lines.iter().enumerate() {
        let width = characters(line.label) * CHARACTER + 26.0;
        if x + width > area.right() && x > area.x + 10.0 {
            (x, row) = (area.x + 10.0, row + 1.0);
        }
        let y = area.y + 36.0 + row * TEXT_HEIGHT;
        let _ = writeln!(out, "<path class=\"line c{}\" d=\"M{:.1},{:.1} h12\"/>", index % COLOURS, x, y - 4.0);
        text(out, "label", x + 16.0, y, line.label);
        x += width;
    }
    (row + 1.0) * TEXT_HEIGHT
}

fn grid(out: &mut String, place: &Place, labels: &[(f64, String)]) {
    let plot = place.plot;
    for (value, label) in labels {
        let y = place.y(*value);
        let _ = writeln!(out, "<path class=\"grid\" d=\"M{:.1},{y:.1} H{:.1}\"/>", plot.x, plot.right());
        anchored(out, "label", plot.x - 5.0, y + 4.0, "end", label);
    }
    // A time takes some sixty pixels.
    let most = (plot.width / 60.0).max(1.0);
    for (at, label) in place.time.ticks(most) {
        let x = place.x(at);
        let _ = writeln!(out, "<path class=\"grid\" d=\"M{x:.1},{:.1} v4\"/>", plot.bottom());
        // At the edges a label stays within the panel.
        let half = characters(&label) * CHARACTER / 2.0;
        let x = x.min(plot.right() + 8.0 - half);
        anchored(out, "label", x, plot.bottom() + 16.0, "middle", &label);
    }
}

/// A grey area for each stretch without a gap. Of the periods that share a pixel the widest reach is drawn.
fn draw_expected(out: &mut String, place: &Place, chart: &Chart<'_>) {
    let reach = i64::from(chart.lines.first().map_or(1, |line| line.period_seconds.max(1))) * 3 / 2;
    let is_drawn = |one: &&Reach| {
        let inside = one.at >= place.time.from && one.at <= place.time.to;
        inside && one.range.low.is_finite() && one.range.high.is_finite()
    };
    let drawn: Vec<&Reach> = chart.expected.iter().filter(is_drawn).collect();
    for stretch in drawn.chunk_by(|a, b| b.at.as_second() - a.at.as_second() <= reach) {
        let columns = stretch.chunk_by(|a, b| place.x(a.at).floor().total_cmp(&place.x(b.at).floor()).is_eq());
        let (mut above, mut below) = (Vec::new(), Vec::new());
        for column in columns {
            let Some(first) = column.first() else { continue };
            let x = place.x(first.at);
            let high = column.iter().map(|one| one.range.high).fold(f64::NEG_INFINITY, f64::max);
            let low = column.iter().map(|one| one.range.low).fold(f64::INFINITY, f64::min);
            above.push(format!("{x:.1},{:.1}", place.y(high)));
            below.push(format!("{x:.1},{:.1}", place.y(low)));
        }
        below.reverse();
        let points = [above, below].concat().join(" ");
        let _ = writeln!(out, "<polygon class=\"expected\" points=\"{points}\"><title>expected</title></polygon>");
    }
}

/// Each is a broad upright line, at least a pixel and a half wide, so that a minute in a month is seen.
fn draw_spells(out: &mut String, place: &Place, spells: &[Spell<'_>]) {
    let (from, to, plot) = (place.time.from, place.time.to, place.plot);
    for spell in spells.iter().filter(|spell| spell.from <= to && spell.until >= from) {
        let (left, right) = (place.x(spell.from.max(from)), place.x(spell.until.min(to)));
        let _ = writeln!(
            out,
            "<path class=\"{}\" stroke-width=\"{:.1}\" stroke-opacity=\"0.25\" d=\"M{:.1},{:.1} V{:.1}\"><title>{}</title></path>",
            spell.tone.class(),
            (right - left).max(1.5),
            f64::midpoint(left, right),
            plot.y,
            plot.bottom(),
            escape(spell.label)
        );
    }
}

fn thresholds(out: &mut String, place: &Place, thresholds: &[Threshold<'_>]) {
    let mut sorted: Vec<&Threshold<'_>> = thresholds.iter().filter(|threshold| threshold.value.is_finite()).collect();
    sorted.sort_by(|a, b| b.value.total_cmp(&a.value));
    // From the top down; a label that would cover the one above, or leave the plot, moves below its own line. They stand on the
    // left, for what is looked at first is on the right.
    let mut lowest = place.plot.y - 3.0;
    for threshold in sorted {
        let (y, class) = (place.y(threshold.value), threshold.tone.class());
        let _ = writeln!(
            out,
            "<path class=\"threshold {class}\" d=\"M{:.1},{y:.1} H{:.1}\"/>",
            place.plot.x,
            place.plot.right()
        );
        let label = (y - 3.0).max(lowest + TEXT_HEIGHT);
        text(out, &format!("label {class}"), place.plot.x + 4.0, label, threshold.label);
        lowest = label;
    }
}

fn marks(out: &mut String, place: &Place, marks: &[Mark<'_>]) {
    let plot = place.plot;
    let visible = marks.iter().filter(|mark| mark.at >= place.time.from && mark.at <= place.time.to);
    for (index, mark) in visible.enumerate() {
        let (x, class) = (place.x(mark.at), mark.tone.class());
        let _ = writeln!(out, "<path class=\"mark {class}\" d=\"M{x:.1},{:.1} V{:.1}\"/>", plot.y, plot.bottom());
        let fits = x + characters(mark.label) * CHARACTER + 6.0 < plot.right();
        let (x, anchor) = if fits { (x + 3.0, "start") } else { (x - 3.0, "end") };
        // In four rows, so that what follows closely stays readable.
        let row = f64::from(u8::try_from(index % 4).unwrap_or_default());
        anchored(out, &format!("label {class}"), x, plot.y + 10.0 + row * TEXT_HEIGHT, anchor, mark.label);
    }
}

fn characters(text: &str) -> f64 {
    f64::from(u32::try_from(text.chars().count()).unwrap_or(u32::MAX))
}

const SHAPES: &str = "\
text { font-size: 11px; }\n\
.heading { font-size: 13px; font-weight: 600; }\n\
.number { font-size: 30px; font-weight: 600; }\n\
path { fill: none; }\n\
.expected { opacity: 0.18; }\n\
.grid { stroke-width: 1; }\n\
.line { stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round; }\n\
.threshold { stroke-width: 1.2; stroke-dasharray: 5 3; }\n\
.mark { stroke-width: 1.2; stroke-dasharray: 2 2; }\n\
.label { paint-order: stroke; stroke-width: 3px; stroke-linejoin: round; }\n";

/// Colours of a page: the page, a part of it, its border, text, faint text, the tones, the lines.
struct Palette {
    page: &'static str,
    panel: &'static str,
    border: &'static str,
    text: &'static str,
    faint: &'static str,
    tones: [(Tone, &'static str); 4],
    lines: [&'static str; COLOURS],
}

const LIGHT: Palette = Palette {
    page: "#f6f8fa",
    panel: "#ffffff",
    border: "#d0d7de",
    text: "#1f2328",
    faint: "#59636e",
    tones: [
        (Tone::Neutral, "#59636e"),
        (Tone::Good, "#1a7f37"),
        (Tone::Warning, "#9a6700"),
        (Tone::Critical, "#cf222e"),
    ],
    lines: ["#0969da", "#bc4c00", "#1a7f37", "#8250df", "#0b7285", "#bf3989"],
};

const DARK: Palette = Palette {
    page: "#010409",
    panel: "#0d1117",
    border: "#3d444d",
    text: "#f0f6fc",
    faint: "#9198a1",
    tones: [
        (Tone::Neutral, "#9198a1"),
        (Tone::Good, "#3fb950"),
        (Tone::Warning, "#d29922"),
        (Tone::Critical, "#ff7b72"),
    ],
    lines: ["#58a6ff", "#f0883e", "#56d364", "#bc8cff", "#39c5cf", "#f778ba"],
};

fn colours(palette: &Palette) -> String {
    let Palette { page, panel, border, text, faint, tones, lines } = palette;
    let mut css = format!(
        ".page {{ fill: {page}; }}\n.panel {{ fill: {panel}; stroke: {border}; }}\n.grid {{ stroke: {border}; }}\n\
         text {{ fill: {text}; }}\n.expected {{ fill: {faint}; }}\n.label, .faint {{ fill: {faint}; }}\n"
    );
    // A rim of the panel's colour around a label, so that it is read on top of a line, too.
    let _ = writeln!(css, ".label {{ stroke: {panel}; }}");
    for (tone, colour) in tones {
        let class = tone.class();
        let _ = writeln!(css, "text.{class} {{ fill: {colour}; }} path.{class} {{ stroke: {colour}; }}");
    }
    for (index, colour) in lines.iter().enumerate() {
        let _ = writeln!(css, ".c{index} {{ stroke: {colour}; }}");
    }
    css
}

#[cfg(test)]
mod tests;
