//! Where something is written: a line and column of a file, or of an option of the command line.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::ConfigError;

/// Characters of a source line that are shown; a longer one is cut around the place.
const SHOWN: usize = 100;

/// A place in a configuration, with the line it is on, so that whoever finds something wrong later can still
/// point at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    source: Arc<str>,
    offset: usize,
    line: usize,
    column: usize,
    shown: String,
    caret: usize,
    width: usize,
}

impl Place {
    /// The file, or the option.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Column in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// An error at this place.
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        ConfigError { place: self.clone(), message: message.into() }
    }

    /// Sorts places in the order they are written: the file, then the options.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// The source line with a caret under the place, without a line end.
    pub(super) fn picture(&self) -> String {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(self.caret);
        format!("  {number} | {}\n  {margin} | {indent}{}", self.shown, "^".repeat(self.width))
    }

    fn new(source: Arc<str>, start: usize, text: &str, span: Range<usize>) -> Place {
        let at = floor(text, span.start);
        let end = floor(text, span.end.max(at));
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
        let before = text[line_start..at].chars().count();
        let marked = text[at..end.min(line_end)].chars().count();
        let line_text = text[line_start..line_end].trim_end_matches('\r');
        let (shown, caret) = window(line_text, before);
        let room = shown.chars().count().saturating_sub(caret).max(1);
        Place {
            source,
            offset: start + at,
            line: text[..line_start].matches('\n').count() + 1,
            column: before + 1,
            shown,
            caret,
            width: marked.clamp(1, room),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source, self.line, self.column)
    }
}

/// The last character boundary at or before an offset.
fn floor(text: &str, offset: usize) -> usize {
    text.floor_char_boundary(offset)
}

/// The part of a line around a column, printable, and the column in it.
fn window(line: &str, column: usize) -> (String, usize) {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let length = line.chars().count();
    if length <= SHOWN {
        return (line.chars().map(printable).collect(), column);
    }
    let first = column.saturating_sub(SHOWN / 2).min(length - SHOWN);
    let mut shown: String = line.chars().skip(first).take(SHOWN).map(printable).collect();
    let mut caret = column - first;
    if first > 0 {
        shown.insert(0, '…');
        caret += 1;
    }
    if first + SHOWN < length {
        shown.push('…');
    }
    (shown, caret)
}

/// The texts a configuration is read from, one after the other in one range of offsets: so that a span alone
/// tells which text it is in.
pub(super) struct Sources<'t> {
    parts: Vec<Part<'t>>,
}

struct Part<'t> {
    name: Arc<str>,
    text: &'t str,
    start: usize,
}

impl<'t> Sources<'t> {
    /// The texts by name.
    pub(super) fn new(texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Sources<'t> {
        let mut start = 0;
        let parts = texts.into_iter().map(|(name, text)| {
            let part = Part { name: name.into(), text, start };
            start += text.len() + 1;
            part
        });
        Sources { parts: parts.collect() }
    }

    /// Offset at which a text starts.
    pub(super) fn start(&self, index: usize) -> usize {
        self.parts.get(index).map_or(0, |part| part.start)
    }

    /// The place a span begins at.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        let index = self.parts.partition_point(|part| part.start <= span.start).saturating_sub(1);
        match self.parts.get(index) {
            Some(part) => {
                let local = span.start - part.start..span.end.max(span.start) - part.start;
                Place::new(part.name.clone(), part.start, part.text, local)
            }
            None => Place::new("".into(), 0, "", 0..0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_finds_its_text_line_and_column() {
        let sources = Sources::new([("a.toml", "one\nzwö = 3\n"), ("--set", "x.y=1")]);
        let place = sources.place(11..12);
        assert_eq!(place.to_string(), "a.toml:2:7");
        assert_eq!(place.picture(), "  2 | zwö = 3\n    |       ^");
        assert_eq!(sources.place(sources.start(1) + 2..sources.start(1) + 3).to_string(), "--set:1:3");
    }

    #[test]
    fn a_span_at_the_end_or_past_it_is_still_a_place() {
        let sources = Sources::new([("a", "ab\n")]);
        for span in [3..3, 4..9, 100..100] {
            assert_eq!(sources.place(span).to_string(), "a:2:1");
        }
        assert_eq!(Sources::new([("a", "")]).place(0..0).picture(), "  1 | \n    | ^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let picture = Sources::new([("a", &*text)]).place(500..501).picture();
        let lines: Vec<&str> = picture.lines().collect();
        let caret = lines[1].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[0].chars().nth(caret), Some('X'));
        assert_eq!(lines[0].chars().count(), 6 + SHOWN + 2);
    }
}
