//! The SVG writer for all pictures.
//!
//! A picture is a tree of [`Element`]s. Values and texts are escaped when they are added, so that no name in the data of a user can break
//! a picture. Colours are attributes, so that pictures also work where style sheets are not allowed.

use std::fmt::{self, Display};

/// A position in a picture, in pixels from the top left.
pub(crate) type Point = (f64, f64);

/// A colour: red, green and blue, one byte each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) u32);

/// The background of all pictures.
pub(crate) const PAPER: Colour = Colour(0xff_ff_ff);
/// The colour of titles and names.
pub(crate) const INK: Colour = Colour(0x26_2a_30);
/// The colour of notes, axes and their labels.
pub(crate) const MUTED: Colour = Colour(0x70_76_7e);
/// The colour of grid lines.
pub(crate) const GRID: Colour = Colour(0xdf_e2_e6);

impl Colour {
    /// Interpolates between this colour (`share` 0) and another (`share` 1).
    pub(crate) fn mix(self, other: Self, share: f64) -> Self {
        let (from, to) = (self.0.to_be_bytes().map(f64::from), other.0.to_be_bytes().map(f64::from));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
        let bytes = std::array::from_fn(|i| (from[i] + share * (to[i] - from[i])).round() as u8);
        Self(u32::from_be_bytes(bytes))
    }
}

impl Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:06x}", self.0)
    }
}

/// Horizontal alignment of a text at its position.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Vertical alignment of a text at its position. The value is the distance from the position down to the baseline, in hundredths of the
/// font size. The height of capitals and digits is 72 hundredths.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Top = 76,
    Centre = 36,
    Base = 0,
}

/// Font size in pixels, colour, and alignment of a text.
#[derive(Clone, Copy)]
pub(crate) struct Font(pub(crate) f64, pub(crate) Colour, pub(crate) Anchor, pub(crate) Level);

/// Estimated width of a text in pixels, rather too large. SVG text cannot be measured here.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    0.6 * size * text.chars().count() as f64
}

/// An element with its content.
pub(crate) struct Element {
    name: &'static str,
    attributes: String,
    content: String,
}

impl Element {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, attributes: String::new(), content: String::new() }
    }

    /// The root element of a picture of this size with a background. Screen readers read `name`.
    pub(crate) fn picture((width, height): Point, name: &str) -> Self {
        let (width, height) = (px(width), px(height));
        let root = Self::new("svg").with("xmlns", "http://www.w3.org/2000/svg").with("width", width).with("height", height);
        let root = root.with("viewBox", format_args!("0 0 {width} {height}")).with("font-family", "system-ui, sans-serif");
        let mut root = root.with("role", "img").with("aria-label", name);
        root.content.push('\n');
        root.push(Self::rectangle((0.0, 0.0), (width, height)).with("fill", PAPER));
        root
    }

    /// A group whose content is translated by `origin`.
    pub(crate) fn moved(origin: Point) -> Self {
        Self::new("g").with("transform", format_args!("translate({} {})", px(origin.0), px(origin.1)))
    }

    /// A rectangle between two corners.
    pub(crate) fn rectangle((left, top): Point, (right, foot): Point) -> Self {
        Self::new("rect").pixels([("x", left), ("y", top), ("width", right - left), ("height", foot - top)])
    }

    pub(crate) fn circle(centre: Point, radius: f64) -> Self {
        Self::new("circle").pixels([("cx", centre.0), ("cy", centre.1), ("r", radius)])
    }

    /// A line through the points.
    pub(crate) fn line(points: &[Point], colour: Colour) -> Self {
        Self::new("polyline").with("points", places(points)).with("fill", "none").with("stroke", colour)
    }

    /// The area enclosed by the points.
    pub(crate) fn area(points: &[Point], colour: Colour) -> Self {
        Self::new("polygon").with("points", places(points)).with("fill", colour)
    }

    /// A text at a position.
    pub(crate) fn text((x, y): Point, Font(size, colour, anchor, level): Font, content: &str) -> Self {
        let below = size * f64::from(level as u8) / 100.0;
        let text = Self::new("text").pixels([("x", x), ("y", y + below), ("font-size", size)]).with("fill", colour).holding(content);
        match anchor {
            Anchor::Start => text,
            Anchor::Middle => text.with("text-anchor", "middle"),
            Anchor::End => text.with("text-anchor", "end"),
        }
    }

    /// Rotates the element by 90 degrees anticlockwise about a point.
    pub(crate) fn upright(self, about: Point) -> Self {
        self.with("transform", format_args!("rotate(-90 {} {})", px(about.0), px(about.1)))
    }

    /// Adds an attribute.
    pub(crate) fn with(mut self, key: &'static str, value: impl Display) -> Self {
        self.attributes += &format!(" {key}=\"{}\"", escape(&value.to_string()));
        self
    }

    /// Adds attributes in pixels.
    fn pixels<const N: usize>(self, all: [(&'static str, f64); N]) -> Self {
        all.into_iter().fold(self, |element, (key, value)| element.with(key, px(value)))
    }

    /// Adds text.
    pub(crate) fn holding(mut self, text: &str) -> Self {
        self.content += &escape(text);
        self
    }

    /// Adds a tooltip.
    pub(crate) fn titled(mut self, title: &str) -> Self {
        self.content += &Self::new("title").holding(title).to_string();
        self
    }

    /// Adds an element.
    pub(crate) fn push(&mut self, element: Self) {
        self.content += &format!("{element}\n");
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, attributes, content } = self;
        if content.is_empty() { write!(f, "<{name}{attributes}/>") } else { write!(f, "<{name}{attributes}>{content}</{name}>") }
    }
}

/// Escapes text for XML attributes and content. Characters that XML 1.0 does not allow become replacement characters.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'.. => escaped.push(c),
            _ => escaped.push('\u{fffd}'),
        }
    }
    escaped
}

/// Rounds a number of pixels to hundredths.
pub(crate) fn px(v: f64) -> f64 {
    let rounded = (100.0 * v).round() / 100.0;
    if rounded == 0.0 { 0.0 } else { rounded }
}

/// Formats points as x,y.
fn places(points: &[Point]) -> String {
    let places: Vec<String> = points.iter().map(|(x, y)| format!("{},{}", px(*x), px(*y))).collect();
    places.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_breaks_a_picture() {
        let mut root = Element::picture((10.0, 20.0), "\"a\" & <b>\u{0}");
        root.push(
            Element::text((1.0, 2.0), Font(10.0, INK, Anchor::End, Level::Centre), "x\u{1}</text>\u{ffff}é\u{1f600}").titled("<&\n>"),
        );
        let svg = root.to_string();
        assert!(svg.contains("aria-label=\"&quot;a&quot; &amp; &lt;b&gt;\u{fffd}\""), "{svg}");
        let text = "<text x=\"1\" y=\"5.6\" font-size=\"10\" fill=\"#262a30\" text-anchor=\"end\">\
                    x\u{fffd}&lt;/text&gt;\u{fffd}é\u{1f600}<title>&lt;&amp;\n&gt;</title></text>\n</svg>";
        assert!(svg.ends_with(text), "{svg}");
    }

    #[test]
    fn colours_mix() {
        let (black, blue) = (Colour(0), Colour(0x00_10_ff));
        assert_eq!([0.0, 0.5, 1.0].map(|share| black.mix(blue, share).to_string()), ["#000000", "#000880", "#0010ff"]);
    }
}
