//! A line of styled text that knows how wide it is.

/// How text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub colours: bool,
    /// Icons and box drawing; without them plain ASCII.
    pub icons: bool,
}

impl Style {
    /// The icon, or the text that stands for it.
    #[must_use]
    pub fn icon(self, icon: &'static str, text: &'static str) -> &'static str {
        if self.icons { icon } else { text }
    }
}

/// The colour of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Paint {
    Plain,
    Dim,
    Bold,
    Blue,
    Green,
    Red,
    Yellow,
    Teal,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Paint::Plain => "",
            Paint::Dim => "2",
            Paint::Bold => "1",
            Paint::Blue => "34",
            Paint::Green => "32",
            Paint::Red => "31",
            Paint::Yellow => "33",
            Paint::Teal => "36",
        }
    }
}

/// A line made of pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pieces: Vec<(String, Paint)>,
}

impl Line {
    /// An empty line.
    #[must_use]
    pub fn new() -> Line {
        Line::default()
    }

    /// With a piece of text at its end.
    #[must_use]
    pub fn with(mut self, text: impl Into<String>, paint: Paint) -> Line {
        self.pieces.push((text.into(), paint));
        self
    }

    /// With plain text at its end.
    #[must_use]
    pub fn plain(self, text: impl Into<String>) -> Line {
        self.with(text, Paint::Plain)
    }

    /// With a piece, filled with blanks on its right up to a width.
    #[must_use]
    pub fn left(self, text: &str, width: usize, paint: Paint) -> Line {
        self.with(format!("{text:<width$}"), paint)
    }

    /// With a piece, filled with blanks on its left up to a width.
    #[must_use]
    pub fn right(self, text: &str, width: usize, paint: Paint) -> Line {
        self.with(format!("{text:>width$}"), paint)
    }

    /// How many columns it takes. Every character that is drawn here takes one.
    #[must_use]
    pub fn width(&self) -> usize {
        self.pieces.iter().map(|(text, _)| text.chars().count()).sum()
    }

    /// As text, cut to a width, without blanks at its end. Control characters become `?`: they could come from a
    /// version's name or a gate's output.
    #[must_use]
    pub fn render(&self, width: usize, style: Style) -> String {
        let too_wide = self.width() > width;
        let ellipsis = if style.icons { "…" } else { "~" };
        let mut room = if too_wide { width.saturating_sub(1) } else { width };
        let mut text = String::new();
        for (piece, paint) in &self.pieces {
            let piece: String =
                piece.chars().take(room).map(|c| if c.is_control() { '?' } else { c }).collect();
            room -= piece.chars().count();
            let blank = piece.trim().is_empty();
            if style.colours && *paint != Paint::Plain && !blank {
                text.push_str(&format!("\x1b[{}m{piece}\x1b[0m", paint.code()));
            } else {
                text.push_str(&piece);
            }
        }
        if too_wide {
            text.push_str(ellipsis);
        }
        text.truncate(text.trim_end().len());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { colours: false, icons: true };

    #[test]
    fn a_line_is_cut_by_what_is_seen_not_by_its_codes() {
        let line = Line::new().with("blue", Paint::Blue).plain(" and ").with("green", Paint::Green);
        let style = Style { colours: true, icons: true };
        assert_eq!(line.render(80, style), "\x1b[34mblue\x1b[0m and \x1b[32mgreen\x1b[0m");
        assert_eq!(line.render(7, style), "\x1b[34mblue\x1b[0m a…");
        assert_eq!(line.render(6, PLAIN), "blue …");
    }

    #[test]
    fn control_characters_from_outside_do_not_reach_the_terminal() {
        assert_eq!(Line::new().plain("a\x1b[31mb\n").render(80, PLAIN), "a?[31mb?");
    }

    #[test]
    fn columns_are_filled() {
        assert_eq!(
            Line::new().left("a", 3, Paint::Plain).right("1", 3, Paint::Plain).render(80, PLAIN),
            "a    1"
        );
    }
}
