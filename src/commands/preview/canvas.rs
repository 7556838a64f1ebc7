//! The dots of a chart, and the characters that they make.

use std::mem;
use std::ops::RangeInclusive;

use super::axis::{TimeAxis, ValueAxis};
use crate::series::Tick;

/// The characters of a chart.
pub(super) struct Glyphs {
    /// Columns and rows of dots in a cell.
    pub(super) dots: [usize; 2],
    /// The axis left of the plot: without and with a label.
    pub(super) border: [char; 2],
    /// Where the axes meet.
    pub(super) corner: char,
    /// The axis below the plot: without and with a label.
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

/// A summary of some samples.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) sum: f64,
    pub(super) count: u64,
}

impl Extent {
    /// Of no samples.
    pub(super) const EMPTY: Self =
        Self { min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0, count: 0 };

    pub(super) fn add(&mut self, value: f64) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value;
        self.count += 1;
    }

    /// Returns the mean of at least one sample.
    pub(super) fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }
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
        // For each column of dots: its samples, and whether a tick is in a gap.
        let mut columns = vec![(Extent::EMPTY, false); self.width];
        for Tick { timestamp, value, .. } in ticks {
            let (extent, has_gap) = &mut columns[times.position(timestamp, self.width)];
            match value {
                Some(value) => extent.add(value),
                None => *has_gap = true,
            }
        }
        let dot = |value| values.dot(value, self.glyphs.dots[1]);
        let mut corners = Vec::new();
        for (x, (extent, has_gap)) in columns.into_iter().enumerate() {
            if extent.count > 0 {
                self.shade(x, dot(extent.max)..=dot(extent.min));
                corners.push((x, dot(extent.mean())));
            } else if has_gap {
                self.line(&mem::take(&mut corners));
            }
        }
        self.line(&corners);
    }

    fn shade(&mut self, x: usize, dots: RangeInclusive<usize>) {
        for y in dots {
            // With braille only every other dot, so that the line stands out.
            let at = &mut self.dots[y * self.width + x];
            if *at == Dot::Blank && (self.glyphs.dots[1] == 1 || (x + y).is_multiple_of(2)) {
                *at = Dot::Shade;
            }
        }
    }

    /// Draws a line through its corners, from left to right; a single one as all of its cell, for
    /// a dot of braille is hardly seen.
    fn line(&mut self, corners: &[(usize, usize)]) {
        if let [(x, y)] = corners {
            let [across, down] = self.glyphs.dots;
            let (left, top) = (x / across * across, y / down * down);
            (top..top + down).for_each(|y| self.straight((left, y), (left + across - 1, y)));
        }
        corners.windows(2).for_each(|ends| self.straight(ends[0], ends[1]));
    }

    fn straight(&mut self, (left, from): (usize, usize), (right, to): (usize, usize)) {
        let steps = (right - left).max(from.abs_diff(to)).max(1);
        // A whole number of half steps, rounded.
        let between =
            |a: usize, b: usize, k: usize| (2 * (a * (steps - k) + b * k) + steps) / (2 * steps);
        for k in 0..=steps {
            self.dots[between(from, to, k) * self.width + between(left, right, k)] = Dot::Line;
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
