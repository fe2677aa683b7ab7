//! A line on its way through the pipeline, and where each of its bytes came from.

use std::borrow::Cow;

use crate::tree::Span;

/// A line of text with its place. Most lines go through the pipeline unchanged and own nothing.
#[derive(Debug, Clone)]
pub(crate) struct Line<'text> {
    /// The text, as far as it is worked out.
    pub text: Cow<'text, str>,
    /// Index of the file.
    pub file: u32,
    /// Number of the physical line, from 1.
    pub number: u32,
    /// Written behind `@mainstay`.
    pub ours: bool,
    /// Column of the first byte, from 1, while `pieces` is empty.
    column: u32,
    /// Where the parts came from, by rising `at`; empty while the text is a verbatim part of the physical line.
    pieces: Vec<Piece>,
}

/// From here to the next piece, the text came from this place.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Offset in the text.
    at: u32,
    /// Column in the physical line.
    column: u32,
    /// `None`: copied byte by byte. Else the whole piece stands for this many bytes of the line, a parameter reference.
    replaced: Option<u32>,
}

impl<'text> Line<'text> {
    /// A physical line as it was read.
    pub fn physical(text: &'text str, file: u32, number: u32) -> Self {
        Self { text: Cow::Borrowed(text), file, number, ours: false, column: 1, pieces: Vec::new() }
    }

    /// The same line with the same places, independent of the file's text.
    pub fn into_owned(self) -> Line<'static> {
        let Self { text, file, number, ours, column, pieces } = self;
        Line { text: Cow::Owned(text.into_owned()), file, number, ours, column, pieces }
    }

    /// The same line without a copy of its text.
    pub fn borrowed(&self) -> Line<'_> {
        Line { text: Cow::Borrowed(&self.text), pieces: self.pieces.clone(), ..*self }
    }

    /// Where a part of the text stands in the file. An empty part is one column wide.
    pub fn span(&self, from: usize, to: usize) -> Span {
        let (column, start_end) = self.place(from);
        let end = if to > from { self.place(to - 1).1 } else { start_end };
        Span { file: self.file, line: self.number, column, length: end.saturating_sub(column).max(1) }
    }

    /// Where the whole text stands.
    pub fn whole(&self) -> Span {
        self.span(0, self.text.len())
    }

    /// First column of the byte at `offset`, and the column after it.
    fn place(&self, offset: usize) -> (u32, u32) {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        let index = self.pieces.partition_point(|piece| piece.at <= offset);
        match index.checked_sub(1).map(|index| self.pieces[index]) {
            None => (self.column + offset, self.column + offset + 1),
            Some(Piece { at, column, replaced: None }) => {
                (column + (offset - at), column + (offset - at) + 1)
            }
            Some(Piece { column, replaced: Some(length), .. }) => (column, column + length),
        }
    }

    /// Whether the byte at `offset` came out of a parameter.
    pub fn is_replaced(&self, offset: usize) -> bool {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        let index = self.pieces.partition_point(|piece| piece.at <= offset);
        index.checked_sub(1).is_some_and(|index| self.pieces[index].replaced.is_some())
    }

    /// A part of the line as a line of its own.
    pub fn part(&self, from: usize, to: usize) -> Line<'text> {
        let text = match &self.text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[from..to]),
            Cow::Owned(text) => Cow::Owned(text[from..to].to_owned()),
        };
        let mut part = Line { text, pieces: Vec::new(), ..*self };
        if self.pieces.is_empty() {
            part.column = self.column + u32::try_from(from).unwrap_or(u32::MAX);
        } else {
            part.pieces = self.pieces_between(from, to).collect();
        }
        part
    }

    /// The pieces of a part, with offsets from its start.
    fn pieces_between(&self, from: usize, to: usize) -> impl Iterator<Item = Piece> + '_ {
        let from = u32::try_from(from).unwrap_or(u32::MAX);
        let to = u32::try_from(to).unwrap_or(u32::MAX);
        let first = self.pieces.partition_point(|piece| piece.at <= from).saturating_sub(1);
        self.pieces[first..].iter().take_while(move |piece| piece.at < to.max(from + 1)).map(move |piece| {
            if piece.at >= from {
                Piece { at: piece.at - from, ..*piece }
            } else {
                let column = match piece.replaced {
                    None => piece.column + (from - piece.at),
                    Some(_) => piece.column,
                };
                Piece { at: 0, column, ..*piece }
            }
        })
    }

    /// The line without white space at its ends.
    pub fn trimmed(self) -> Line<'text> {
        let text: &str = &self.text;
        let from = text.len() - text.trim_ascii_start().len();
        let to = from + text.trim_ascii().len();
        if from == 0 && to == text.len() { self } else { self.part(from, to) }
    }
}

/// Puts a line together from parts of another one and from replacement texts.
#[derive(Debug)]
pub(crate) struct Composer {
    text: String,
    pieces: Vec<Piece>,
}

impl Composer {
    /// An empty line, with room for about as much as the old one had.
    pub fn new(old: &Line<'_>) -> Self {
        Self { text: String::with_capacity(old.text.len() + 16), pieces: Vec::with_capacity(4) }
    }

    /// How long it is by now.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    fn at(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    /// Copies a part of the old line.
    pub fn copy(&mut self, line: &Line<'_>, from: usize, to: usize) {
        if from == to {
            return;
        }
        let at = self.at();
        if line.pieces.is_empty() {
            self.pieces.push(Piece { at, column: line.place(from).0, replaced: None });
        } else {
            self.pieces
                .extend(line.pieces_between(from, to).map(|piece| Piece { at: at + piece.at, ..piece }));
        }
        self.text.push_str(&line.text[from..to]);
    }

    /// Puts `text` in the place of a part of the old line.
    pub fn replace(&mut self, line: &Line<'_>, from: usize, to: usize, text: &str) {
        if text.is_empty() {
            return;
        }
        let span = line.span(from, to);
        self.pieces.push(Piece { at: self.at(), column: span.column, replaced: Some(span.length) });
        self.text.push_str(text);
    }

    /// The line that came out.
    pub fn finish<'new>(self, old: &Line<'_>) -> Line<'new> {
        Line {
            text: Cow::Owned(self.text),
            file: old.file,
            number: old.number,
            ours: old.ours,
            column: old.column,
            pieces: self.pieces,
        }
    }
}
