//! Lines of a terminal, on which a Chinese character is as wide as two Latin ones.

/// Of the texts that are wrapped.
const LINE_WIDTH: usize = 96;
/// Chinese marks with which no line begins, and with which none ends.
const CLOSING: &str = "，。、；：？！）》」”";
const OPENING: &str = "（《「“";

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|it| if is_wide(it) { 2 } else { 1 }).sum()
}

/// Chinese characters and marks, and the full forms of Latin ones.
fn is_wide(it: char) -> bool {
    matches!(it, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff60}')
}

/// Breaks a text between words and between Chinese characters, into lines that begin with `start`.
pub(crate) fn wrapped(text: &str, start: &str) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for piece in pieces(text) {
        if width(start) + width(&line) + width(&piece) > LINE_WIDTH {
            lines.push(format!("{start}{line}"));
            line = piece.trim_start().to_string();
        } else {
            line += &piece;
        }
    }
    lines.push(format!("{start}{line}"));
    lines.join("\n")
}

/// What stays on one line, each with the space before it.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut last = None;
    for it in text.chars() {
        match pieces.last_mut() {
            Some(piece) if last.is_some_and(|last| !is_break(last, it)) => piece.push(it),
            _ => pieces.push(it.to_string()),
        }
        last = Some(it);
    }
    pieces
}

/// Whether a line may end between the two.
fn is_break(last: char, next: char) -> bool {
    let is_between_wide = (is_wide(last) || is_wide(next)) && last != ' ';
    next == ' ' || is_between_wide && !CLOSING.contains(next) && !OPENING.contains(last)
}
