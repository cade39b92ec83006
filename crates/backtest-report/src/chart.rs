//! The parts that all charts share: a frame with axes, marks in an SVG that stretches with the page, and a table of the values.
//!
//! The n-th mark has its values in the n-th row of the table. The script reads from there what it shows on hover, so that no value
//! is in the page twice. Texts are HTML, not SVG, so that they keep their size on a phone. Strokes keep their width for the same
//! reason, and dots are strokes of zero length.

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};

use super::scale::Scale;

/// The SVG's own width and height; it is stretched to its frame.
const SPAN: f64 = 1_000.0;

/// How the script finds the mark at the pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pointing {
    /// The nearest one horizontally.
    Column,
    /// The nearest one in both directions.
    Dot,
}

/// A line of the legend.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// CSS class of the swatch.
    pub(super) class: String,
    pub(super) text: String,
}

/// One chart.
#[derive(Debug)]
pub(super) struct Chart {
    /// Unique on the page.
    pub(super) id: String,
    pub(super) title: Markup,
    /// A sentence under the title.
    pub(super) note: Markup,
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) x_title: String,
    pub(super) y_title: String,
    pub(super) legend: Vec<Key>,
    pub(super) pointing: Pointing,
    /// Lines and bands behind the marks.
    pub(super) backdrop: Markup,
    /// SVG elements of class `mark`, one for each row, in the same order.
    pub(super) marks: Vec<Markup>,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// A key of the legend.
pub(super) fn key(class: impl Into<String>, text: impl Into<String>) -> Key {
    Key { class: class.into(), text: text.into() }
}

impl Chart {
    pub(super) fn render(&self) -> Markup {
        html! {
            figure.chart id=(self.id) data-pointing=(match self.pointing { Pointing::Column => "column", Pointing::Dot => "dot" }) {
                figcaption { h3 { (self.title) } p { (self.note) } }
                (self.legend())
                p.axis { (self.y_title) }
                (self.frame())
                p.axis.below { (self.x_title) }
                (self.table())
            }
        }
    }

    fn legend(&self) -> Markup {
        html! {
            @if !self.legend.is_empty() {
                ul.legend { @for key in &self.legend { li { span class=(format!("swatch {}", key.class)) {} (key.text) } } }
            }
        }
    }

    fn frame(&self) -> Markup {
        let (x, y) = (self.x.ticks(), self.y.ticks());
        html! {
            div.frame {
                div.ticks-y aria-hidden="true" {
                    @for (place, text) in &y { span style=(format!("bottom:{:.2}%", place * 100.0)) { (text) } }
                }
                svg.plot role="img" tabindex="0" preserveAspectRatio="none" viewBox="0 0 1000 1000"
                    aria-label="Chart. Arrow keys step through its values; the table below has all of them." {
                    g.gridlines {
                        @for (place, _) in &y { path d=(format!("M0 {0:.1}H1000", (1.0 - place) * SPAN)) {} }
                    }
                    (self.backdrop)
                    g.marks { @for mark in &self.marks { (mark) } }
                }
                div.ticks-x aria-hidden="true" {
                    @for (place, text) in &x { span style=(format!("left:{:.2}%", place * 100.0)) { (text) } }
                }
            }
        }
    }

    fn table(&self) -> Markup {
        html! {
            details {
                summary { "Values (" (self.rows.len()) ")" }
                div.scroll tabindex="0" {
                    table {
                        thead { tr { @for column in &self.columns { th scope="col" { (column) } } } }
                        tbody { @for row in &self.rows { tr { @for cell in row { td { (cell) } } } } }
                    }
                }
            }
        }
    }

    /// Coordinates of a value in the SVG.
    pub(super) fn at(x: &Scale, y: &Scale, value: (f64, f64)) -> (f64, f64) {
        (x.place(value.0) * SPAN, (1.0 - y.place(value.1)) * SPAN)
    }
}

/// A column from `from` to `to` on the x axis, from the bottom up to `value`. Draws nothing for 0.
pub(super) fn bar(class: &str, x: &Scale, y: &Scale, (from, to): (f64, f64), value: f64) -> Markup {
    let (left, top) = Chart::at(x, y, (from, value));
    let (right, _) = Chart::at(x, y, (to, value));
    let (width, height) = (right - left, SPAN - top);
    html! {
        @if height > 0.0 {
            rect class=(class) x=(format!("{:.1}", left + width * 0.06)) y=(format!("{top:.1}"))
                width=(format!("{:.1}", width * 0.88)) height=(format!("{height:.1}")) {}
        }
    }
}

/// A column as a mark: its bars, and its whole height to point at.
pub(super) fn column(x: &Scale, (from, to): (f64, f64), bars: &Markup) -> Markup {
    let (left, right) = (x.place(from) * SPAN, x.place(to) * SPAN);
    html! {
        g.mark {
            rect.reach x=(format!("{left:.1}")) y="0" width=(format!("{:.1}", right - left)) height="1000" {}
            (bars)
        }
    }
}

/// A line across a column at the height of `value`, to lie over its bars. Draws nothing for 0.
pub(super) fn cap(class: &str, x: &Scale, y: &Scale, (from, to): (f64, f64), value: f64) -> Markup {
    let (left, top) = Chart::at(x, y, (from, value));
    let (right, _) = Chart::at(x, y, (to, value));
    html! { @if value > 0.0 { path class=(class) d=(format!("M{left:.1} {top:.1}H{right:.1}")) {} } }
}

/// A dot: a stroke of zero length.
pub(super) fn dot(class: &str, (x, y): (f64, f64)) -> Markup {
    html! { path class=(class) d=(format!("M{x:.1} {y:.1}h0")) {} }
}

/// A line through points; `None` interrupts it.
pub(super) fn line(class: &str, points: impl IntoIterator<Item = Option<(f64, f64)>>) -> Markup {
    let mut d = String::new();
    let mut is_begun = false;
    for point in points {
        if let Some((x, y)) = point {
            // Writing to a string cannot fail.
            let _ = write!(d, "{}{x:.1} {y:.1}", if is_begun { 'L' } else { 'M' });
        }
        is_begun = point.is_some();
    }
    html! { @if !d.is_empty() { path class=(class) d=(PreEscaped(d)) {} } }
}

/// A vertical line at `value` on the x axis.
pub(super) fn rule_line(class: &str, x: &Scale, value: f64) -> Markup {
    let x = x.place(value) * SPAN;
    html! { path class=(class) d=(format!("M{x:.1} 0V1000")) {} }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_interrupted_where_a_point_is_missing() {
        let points = [Some((0.0, 0.0)), Some((1.0, 2.0)), None, Some((3.0, 4.0))];
        assert_eq!(line("a", points).into_string(), r#"<path class="a" d="M0.0 0.0L1.0 2.0M3.0 4.0"></path>"#);
        assert_eq!(line("a", [None]).into_string(), "");
    }

    #[test]
    fn no_bar_is_drawn_for_zero() {
        let scale = Scale::linear(0.0, 10.0);
        assert_eq!(bar("a", &scale, &scale, (0.0, 1.0), 0.0).into_string(), "");
        assert!(bar("a", &scale, &scale, (0.0, 1.0), 10.0).into_string().contains(r#"height="1000.0""#));
    }
}
