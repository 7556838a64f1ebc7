//! A chart of samples as lines of text: braille dots or plain ASCII, with both axes.
//!
//! Pure; the only escape codes are those of colours, where they are asked for. Two passes over the
//! samples, and one column of dots is all that is kept of any number of them: memory is flat in
//! the window's length.

use super::axis::{TimeAxis, ValueAxis};
use super::canvas::{ASCII, BRAILLE, Canvas, Extent, Glyphs};
use crate::report::words::wrapped;
use crate::series::{Tick, TimestampMs};

/// No chart is narrower: the longest label of a value has 13 characters.
pub(super) const COLUMNS_MIN: usize = 20;

/// How a chart is to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// No line is longer, in characters; less than `COLUMNS_MIN` counts as that.
    pub columns: usize,
    /// Approximate number of lines for the values.
    pub rows: usize,
    /// Plain ASCII in place of braille.
    pub is_ascii: bool,
    /// The line is coloured, and its shade is not.
    pub is_coloured: bool,
    /// What is added to UTC for the times shown.
    pub utc_offset_ms: i64,
}

/// Where incident number ... is, from its first tick to its last one.
pub(super) type Mark = (u16, [TimestampMs; 2]);

/// Returns the chart of `ticks`, which come in ascending time: the plot, its axes, the marks of
/// incidents below the axis, and a line with minimum, mean, maximum and count. Empty if no tick
/// has a value.
///
/// The line is the mean of all samples in a dot's column; the shade behind it reaches from
/// their minimum to their maximum.
pub(super) fn chart(
    ticks: impl Iterator<Item = Tick> + Clone,
    marks: impl Iterator<Item = Mark>,
    style: Style,
) -> Vec<String> {
    let (mut extent, mut window) = (Extent::EMPTY, None);
    for Tick { timestamp, value, .. } in ticks.clone() {
        window = Some((window.map_or(timestamp, |(first, _)| first), timestamp));
        value.into_iter().for_each(|value| extent.add(value));
    }
    let Some((first, last)) = window.filter(|_| extent.count > 0) else { return Vec::new() };
    let columns = style.columns.max(COLUMNS_MIN);
    let values = ValueAxis::new(extent.min, extent.max, style.rows);
    let labels: Vec<String> = (0..values.rows()).map(|row| values.label(row)).collect();
    let gutter = labels.iter().map(String::len).max().unwrap_or(0);
    let local = |time: TimestampMs| TimestampMs(time.0 + style.utc_offset_ms);
    let times = TimeAxis { first: local(first), last: local(last) };
    let glyphs = if style.is_ascii { &ASCII } else { &BRAILLE };
    let mut canvas = Canvas::new(columns - gutter - 1, values.rows(), glyphs);
    canvas.plot(
        ticks.map(|tick| Tick { timestamp: local(tick.timestamp), ..tick }),
        &values,
        times,
    );
    let mut lines: Vec<String> = labels
        .iter()
        .enumerate()
        .map(|(row, label)| {
            let border = glyphs.border[usize::from(!label.is_empty())];
            format!("{label:>gutter$}{border}{}", canvas.row(row, style.is_coloured))
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.extend(time_lines(times, gutter, columns, glyphs));
    let marks = marks.map(|(number, ends)| (number, ends.map(local)));
    lines.extend(mark_line(times, gutter, columns, marks));
    let [min, mean, max] =
        [extent.min, extent.mean(), extent.max].map(|value| values.number(value, 2));
    let words = format!("min {min}, mean {mean}, max {max}, count {}", extent.count);
    lines.extend(wrapped(&words, columns));
    lines
}

/// Returns the time axis and its labels.
fn time_lines(times: TimeAxis, gutter: usize, columns: usize, glyphs: &Glyphs) -> [String; 2] {
    let plot_columns = columns - gutter - 1;
    let mut axis = vec![glyphs.baseline[0]; plot_columns];
    let mut labels = String::new();
    for (column, label) in times.marks(plot_columns) {
        axis[column] = glyphs.baseline[1];
        let centred = (gutter + 1 + column).saturating_sub(label.len() / 2);
        let start = centred.min(columns - label.len());
        if labels.is_empty() || labels.len() < start {
            labels = format!("{labels:<start$}{label}");
        }
    }
    [format!("{:gutter$}{}{}", "", glyphs.corner, axis.iter().collect::<String>()), labels]
}

/// Returns a line with the number of the incident in each column that one covers: + above 9, and
/// * for several; `None` without incidents.
fn mark_line(
    times: TimeAxis,
    gutter: usize,
    columns: usize,
    marks: impl Iterator<Item = Mark>,
) -> Option<String> {
    let plot_columns = columns - gutter - 1;
    let mut cells = vec![' '; plot_columns];
    for (number, ends) in marks {
        let mark = char::from_digit(number.into(), 10).unwrap_or('+');
        let [first, last] = ends.map(|time| times.position(time, plot_columns));
        for cell in &mut cells[first..=last] {
            *cell = if [' ', mark].contains(cell) { mark } else { '*' };
        }
    }
    let line = format!("{:gutter$} {}", "", cells.iter().collect::<String>());
    Some(line.trim_end().to_owned()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style =
        Style { columns: 40, rows: 4, is_ascii: true, is_coloured: false, utc_offset_ms: 0 };
    /// 2025-12-17T11:00:00Z.
    const START_MS: i64 = 1_765_969_200_000;

    fn lines(values: &[f64], step_ms: i64, style: Style) -> Vec<String> {
        let ticks = (0..).zip(values).map(|(k, value)| Tick {
            timestamp: TimestampMs(START_MS + k * step_ms),
            value: Some(*value),
            is_anomaly: false,
        });
        chart(ticks, std::iter::empty(), style)
    }

    /// Draws a datapoint a minute.
    #[track_caller]
    fn check(values: &[f64], style: Style, expected: &str) {
        let lines = lines(values, 60_000, style);
        assert_eq!(lines.join("\n"), expected.trim_start_matches('\n'));
    }

    #[test]
    fn no_samples_have_no_chart() {
        check(&[], PLAIN, "");
    }

    #[test]
    fn one_sample_is_a_dot() {
        let expected = "
24+
23+
22+
21+*
20+
19+
  ++------------------------------------
11:00:00
min 21.40, mean 21.40, max 21.40, count
1";
        check(&[21.4], PLAIN, expected);
    }

    #[test]
    fn one_sample_is_seen_in_braille() {
        let lines = lines(&[21.4], 60_000, Style { is_ascii: false, ..PLAIN });
        assert!(lines.contains(&"21┤⣿".to_owned()), "{lines:#?}");
    }

    #[test]
    fn the_line_is_coloured_and_its_shade_is_not() {
        let values: Vec<f64> = (0..4000).map(|k| f64::from(k % 2 * 4)).collect();
        let lines = lines(&values, 60_000, Style { is_coloured: true, ..PLAIN });
        assert_eq!(lines[1], format!("3+{}", ":".repeat(38)));
        assert_eq!(lines[2], format!("2+\x1b[36m{}\x1b[0m", "*".repeat(38)));
    }

    #[test]
    fn a_constant_has_room_above_and_below() {
        let expected = "
 1.0+
 0.5+
   0+***********************************
-0.5+
-1.0+
    ++----------------+----------------+
   11:00            11:01          11:02
min 0, mean 0, max 0, count 3";
        check(&[0.0, 0.0, 0.0], PLAIN, expected);
        // A spread too small for different labels is drawn as a flat line.
        assert!(lines(&[1e15, 1e15 + 1.0], 60_000, PLAIN)[3].contains("+****"));
        assert!(lines(&[5e-324, 1e-310], 60_000, PLAIN)[2].contains("0+****"));
    }

    #[test]
    fn negative_values_hang_below_zero() {
        let expected = "
 0+       ***********
-2+*******           ********
-4+                          ****
-6+                              ****
-8+                                  ***
  ++-----------+-----------+-----------+
 11:00       11:01       11:02     11:03
min -7.50, mean -3.38, max -1.00, count
4";
        check(&[-3.0, -1.0, -2.0, -7.5], PLAIN, expected);
    }

    #[test]
    fn huge_and_tiny_values_have_exponents() {
        let expected = "
5.000e-9+                            ***
4.000e-9+                       *****
3.000e-9+                  *****
2.000e-9+        **********
1.000e-9+********
        ++--------------+--------------+
       11:00          11:01        11:02
min 1.000e-9, mean 2.667e-9, max
5.000e-9, count 3";
        check(&[1e-9, 2e-9, 5e-9], PLAIN, expected);
        let huge = lines(&[f64::MAX, f64::MIN, 0.0], 60_000, PLAIN);
        assert!(huge[0].starts_with(" 1.000e300+**"), "{huge:#?}");
    }

    #[test]
    fn a_sample_between_two_gaps_is_seen() {
        let values = [Some(1.0), None, Some(4.0), None, Some(1.0), Some(1.0)];
        let ticks = (0..).zip(values).map(|(k, value)| Tick {
            timestamp: TimestampMs(START_MS + k * 60_000),
            value,
            is_anomaly: value.is_none(),
        });
        let lines = chart(ticks, std::iter::empty(), Style { is_ascii: false, ..PLAIN });
        assert!(lines[0].ends_with("4┤               ⣿"), "{lines:#?}");
        assert!(lines[3].starts_with("1┤⣿ ") && lines[3].ends_with(" ⠒⠒⠒⠒⠒⠒⠒⠒"), "{lines:#?}");
    }

    #[test]
    fn a_narrow_chart_is_twenty_columns_wide() {
        let expected = "
4+               ***
3+         ******
2+    *****
1+****
 ++----------+------
11:00      11:02
min 1.00, mean 2.50,
max 4.00, count 4";
        check(&[1.0, 2.0, 3.0, 4.0], Style { columns: 20, ..PLAIN }, expected);
        check(&[1.0, 2.0, 3.0, 4.0], Style { columns: 1, ..PLAIN }, expected);
        let close = [-1e6, -1e6 + 0.001, -1e6 + 0.002];
        let first = &lines(&close, 60_000, Style { columns: 20, ..PLAIN })[0];
        assert_eq!(first, " -999999.9980+     *");
    }

    #[test]
    fn braille_has_eight_dots_a_cell() {
        let expected = "
4┤                      ⢀⣀⣀⠤⠤⠒⠢⢄
3┤             ⢀⣀⡠⠤⠤⠒⠒⠊⠉⠁       ⠉⠒⢄⡀
2┤    ⣀⣀⠤⠤⠔⠒⠒⠉⠉⠁                   ⠈⠒⠤⡀
1┤⠒⠊⠉⠉                                ⠈⠑
 └┬────────┬─────────┬────────┬────────┬
11:00    11:01     11:02    11:03  11:04
min 1.00, mean 2.20, max 4.00, count 5";
        check(&[1.0, 2.0, 3.0, 4.0, 1.0], Style { is_ascii: false, ..PLAIN }, expected);
    }

    #[test]
    fn a_column_of_many_samples_shows_their_mean_before_their_range() {
        let values: Vec<f64> = (0..4000).map(|k| f64::from(k % 2 * 4)).collect();
        let expected = "
4+::::::::::::::::::::::::::::::::::::::
3+::::::::::::::::::::::::::::::::::::::
2+**************************************
1+::::::::::::::::::::::::::::::::::::::
0+::::::::::::::::::::::::::::::::::::::";
        assert_eq!(lines(&values, 60_000, PLAIN)[..5].join("\n"), expected[1..]);
    }

    #[test]
    fn times_are_marked_in_steps_of_the_clock_and_the_calendar() {
        #[track_caller]
        fn check(step_ms: i64, utc_offset_ms: i64, expected: &str) {
            let style = Style { utc_offset_ms, ..PLAIN };
            assert_eq!(lines(&[1.0, 2.0, 3.0, 4.0, 1.0], step_ms, style)[5], expected);
        }
        check(20, 0, "11:00:00           11:00:00.050");
        check(1000, 0, "11:00:00         11:00:02       11:00:04");
        check(3_600_000, 0, "11:00    12:00     13:00    14:00  15:00");
        check(3_600_000, 19_800_000, "     17:00    18:00    19:00    20:00");
        check(86_400_000, 0, "     12-18    12-19     12-20    12-21");
        check(200 * 86_400_000, 0, "2026-02-16             2027-07-01");
    }
}
