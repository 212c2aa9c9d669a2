//! Where progress is drawn: redrawn in place on a terminal, one line per change elsewhere.
//!
//! Progress is talk, so it goes to stderr. What is drawn is made by [`crate::tree`]; nothing here knows releases.

pub mod line;

use line::Style;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd;

/// Columns when the terminal does not say.
const DEFAULT_COLUMNS: usize = 100;
/// Fewest columns that are drawn for.
const MIN_COLUMNS: usize = 40;
/// Rows when the terminal does not say.
const DEFAULT_ROWS: usize = 24;

/// Draws frames on stderr.
#[derive(Debug)]
pub struct Terminal {
    interactive: bool,
    style: Style,
    canvas: Canvas,
}

impl Terminal {
    /// Stderr as it is: redrawn when it is a terminal that can move its cursor.
    #[must_use]
    pub fn stderr() -> Terminal {
        let interactive = io::stderr().is_terminal() && !is_dumb();
        Terminal { interactive, style: style(interactive), canvas: Canvas::default() }
    }

    /// Whether frames are redrawn in place; otherwise only changes are to be printed.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// How text looks here.
    #[must_use]
    pub fn style(&self) -> Style {
        self.style
    }

    /// Columns of the terminal now.
    #[must_use]
    pub fn columns(&self) -> usize {
        size(io::stderr()).0
    }

    /// Replaces the last frame by this one. Terminals that went away are no failure.
    pub fn draw(&mut self, frame: &str) {
        let (_, rows) = size(io::stderr());
        let text = self.canvas.replace(frame, rows);
        print(&text);
    }

    /// A line that stays.
    pub fn line(&mut self, text: &str) {
        let text = self.canvas.above(text);
        print(&text);
    }

    /// Leaves the last frame where it is; what is printed next stands below it.
    pub fn finish(&mut self) {
        self.canvas = Canvas::default();
    }
}

/// Columns and style for data that is printed once, on stdout.
#[must_use]
pub fn of_stdout() -> (usize, Style) {
    let interactive = io::stdout().is_terminal() && !is_dumb();
    (size(io::stdout()).0, style(interactive))
}

/// Columns and rows.
fn size(terminal: impl AsFd) -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(terminal).ok();
    let given = |value: Option<u16>| value.filter(|value| *value > 0).map(usize::from);
    let columns = given(size.map(|size| size.ws_col)).unwrap_or(DEFAULT_COLUMNS);
    let rows = given(size.map(|size| size.ws_row)).unwrap_or(DEFAULT_ROWS);
    (columns.max(MIN_COLUMNS), rows.max(2))
}

fn is_dumb() -> bool {
    variable("TERM") == "dumb"
}

/// Icons where the locale is UTF-8; colours on terminals, unless `NO_COLOR` is set (no-color.org).
fn style(interactive: bool) -> Style {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().map(variable).find(|value| !value.is_empty());
    let icons = locale.is_some_and(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"));
    Style { colours: interactive && variable("NO_COLOR").is_empty(), icons }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn print(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// What stands on the terminal, and the bytes that change it.
#[derive(Debug, Default)]
struct Canvas {
    lines: Vec<String>,
}

impl Canvas {
    /// The bytes that put this frame in the place of the last one. Only lines that differ are written.
    fn replace(&mut self, frame: &str, rows: usize) -> String {
        let mut lines: Vec<String> = frame.lines().map(str::to_owned).collect();
        let most = rows.saturating_sub(1).max(1);
        if lines.len() > most {
            lines.drain(..lines.len() - most);
        }
        let mut text = self.up();
        for (number, line) in lines.iter().enumerate() {
            if self.lines.get(number) != Some(line) {
                text.push_str("\r\x1b[2K");
                text.push_str(line);
            }
            text.push_str("\r\n");
        }
        if lines.len() < self.lines.len() {
            text.push_str("\x1b[J");
        }
        self.lines = lines;
        text
    }

    /// The bytes that put a line above the frame and the frame below it again.
    fn above(&mut self, line: &str) -> String {
        let lines = std::mem::take(&mut self.lines);
        if lines.is_empty() {
            return format!("{line}\n");
        }
        self.lines = lines;
        let mut text = self.up();
        text.push_str("\x1b[J");
        text.push_str(line);
        text.push_str("\r\n");
        for line in &self.lines {
            text.push_str(line);
            text.push_str("\r\n");
        }
        text
    }

    fn up(&self) -> String {
        if self.lines.is_empty() { String::new() } else { format!("\x1b[{}A", self.lines.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_written_again() {
        let mut canvas = Canvas::default();
        assert_eq!(canvas.replace("a\nb", 24), "\r\x1b[2Ka\r\n\r\x1b[2Kb\r\n");
        assert_eq!(canvas.replace("a\nc", 24), "\x1b[2A\r\n\r\x1b[2Kc\r\n");
        assert_eq!(canvas.replace("a", 24), "\x1b[2A\r\n\x1b[J");
    }

    #[test]
    fn a_frame_never_has_more_lines_than_the_terminal() {
        let mut canvas = Canvas::default();
        canvas.replace("1\n2\n3\n4\n5", 4);
        assert_eq!(canvas.lines, ["3", "4", "5"]);
    }

    #[test]
    fn a_line_that_stays_goes_above_the_frame() {
        let mut canvas = Canvas::default();
        canvas.replace("frame", 24);
        assert_eq!(canvas.above("note"), "\x1b[1A\x1b[Jnote\r\nframe\r\n");
    }
}
