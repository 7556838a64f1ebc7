//! The dots of a chart, and the characters that they make.

use super::axis::{TimeAxis, ValueAxis};
use crate::series::Tick;

/// The characters of a chart.
pub(super) struct Glyphs {
    /// Dots side by side in a cell, and one below the other.
    pub(super) dots: [usize; 2],
    /// Left of the plot, and there beside a label.
    pub(super) border: [char; 2],
    /// Where the axes meet.
    pub(super) corner: char,
    /// Below the plot, and there above a label.
    pub(super) baseline: [char; 2],
}

/// Two by four dots a cell.
pub(super) const BRAILLE: Glyphs =
    Glyphs { dots: [2, 4], border: ['│', '┤'], corner: '└', baseline: ['─', '┬'] };

/// One dot a cell.
pub(super) const ASCII: Glyphs =
    Glyphs { dots: [1, 1], border: ['|', '+'], corner: '+', baseline: ['-', '+'] };

/// Cyan, and the colour of the terminal. Source: ECMA-48, section 8.3.117, "SGR".
const LINE_COLOUR: &str = "\x1b[36m";
const NO_COLOUR: &str = "\x1b[0m";

/// What a dot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dot {
    Blank,
    /// Between minimum and maximum.
    Shade,
    /// On the line through the means.
    Line,
}

/// A column of dots: what is kept of the samples in it.
#[derive(Clone, Copy)]
struct Column {
    min: f64,
    max: f64,
    sum: f64,
    count: u64,
    /// Whether a tick in it is in a gap.
    has_gap: bool,
}

/// The dots of a chart.
pub(super) struct Canvas<'a> {
    glyphs: &'a Glyphs,
    width: usize,
    dots: Vec<Dot>,
}

impl<'a> Canvas<'a> {
    /// Returns an empty canvas of so many cells.
    pub(super) fn new(columns: usize, rows: usize, glyphs: &'a Glyphs) -> Self {
        let (width, height) = (columns * glyphs.dots[0], rows * glyphs.dots[1]);
        Self { glyphs, width, dots: vec![Dot::Blank; width * height] }
    }

    /// Draws ticks: the line through the means of their columns, broken at gaps, and the shade
    /// behind it.
    pub(super) fn plot(
        &mut self,
        ticks: impl Iterator<Item = Tick>,
        values: &ValueAxis,
        times: TimeAxis,
    ) {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        let empty = Column { min, max, sum: 0.0, count: 0, has_gap: false };
        let mut columns = vec![empty; self.width];
        for Tick { timestamp, value, .. } in ticks {
            let column = &mut columns[times.position(timestamp, self.width)];
            let Some(value) = value else {
                column.has_gap = true;
                continue;
            };
            column.min = column.min.min(value);
            column.max = column.max.max(value);
            column.sum += value;
            column.count += 1;
        }
        let dot = |value| values.dot(value, self.glyphs.dots[1]);
        let is_alone = columns.iter().filter(|column| column.count > 0).count() == 1;
        let mut before = None;
        for (x, column) in columns.iter().enumerate() {
            if column.count == 0 {
                before = before.filter(|_| !column.has_gap);
                continue;
            }
            for y in dot(column.max)..=dot(column.min) {
                // Of braille every other dot, so that the line is seen in front of them.
                if self.glyphs.dots[1] == 1 || (x + y).is_multiple_of(2) {
                    self.set(x, y, Dot::Shade);
                }
            }
            let here = (x, dot(column.sum / column.count as f64));
            self.line(before.unwrap_or(here), here);
            if is_alone {
                // A single dot is hardly seen: all of its cell.
                let (across, down) = (self.glyphs.dots[0], self.glyphs.dots[1]);
                let (left, top) = (x / across * across, here.1 / down * down);
                (top..top + down).for_each(|y| self.line((left, y), (left + across - 1, y)));
            }
            before = Some(here);
        }
    }

    fn set(&mut self, x: usize, y: usize, dot: Dot) {
        let at = &mut self.dots[y * self.width + x];
        if *at != Dot::Line {
            *at = dot;
        }
    }

    /// Draws from the left end to the right one.
    fn line(&mut self, (left, from): (usize, usize), (right, to): (usize, usize)) {
        let steps = (right - left).max(from.abs_diff(to)).max(1);
        // A whole number of half steps, rounded.
        let between =
            |a: usize, b: usize, k: usize| (2 * (a * (steps - k) + b * k) + steps) / (2 * steps);
        for k in 0..=steps {
            self.set(between(left, right, k), between(from, to, k), Dot::Line);
        }
    }

    /// Returns the characters of a row, counted from the top; those of the line in colour, if
    /// `is_coloured`.
    pub(super) fn row(&self, row: usize, is_coloured: bool) -> String {
        let [dots_per_column, dots_per_row] = self.glyphs.dots;
        let (mut text, mut is_in_colour) = (String::new(), false);
        for column in 0..self.width / dots_per_column {
            let dots = (0..dots_per_row).flat_map(|y| (0..dots_per_column).map(move |x| (x, y)));
            let dots = dots.map(|(x, y)| {
                self.dots[(row * dots_per_row + y) * self.width + column * dots_per_column + x]
            });
            let is_line = dots.clone().any(|dot| dot == Dot::Line);
            if is_coloured && is_line != is_in_colour {
                text += if is_line { LINE_COLOUR } else { NO_COLOUR };
                is_in_colour = is_line;
            }
            text.push(if dots_per_row == 1 { ascii(dots) } else { braille(dots) });
        }
        text + if is_in_colour { NO_COLOUR } else { "" }
    }
}

fn ascii(mut dots: impl Iterator<Item = Dot>) -> char {
    match dots.next() {
        Some(Dot::Line) => '*',
        Some(Dot::Shade) => ':',
        _ => ' ',
    }
}

/// Returns the character with these dots, given row by row.
/// Source: The Unicode Standard, chapter 21.1, "Braille Patterns".
fn braille(dots: impl Iterator<Item = Dot>) -> char {
    const BITS: [u32; 8] = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];
    let set = BITS.iter().zip(dots).filter(|(_, dot)| *dot != Dot::Blank);
    match set.map(|(bit, _)| bit).sum::<u32>() {
        0 => ' ',
        bits => char::from_u32(0x2800 + bits).expect("256 characters are there"),
    }
}
