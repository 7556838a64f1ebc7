//! Incidents: known trouble at known times, and the ticks that each of them covers. Times count
//! from the origin, in whole milliseconds. What an incident does to values is in `timeline`.

use std::ops::{Deref, Range};
use std::sync::Arc;

use super::modular::least_factor;

/// What an incident does, with its finite value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Adds the value.
    Shift(f64),
    /// Adds a part of the value that grows from nothing at the start to all of it at the end.
    Ramp(f64),
    /// Adds a part of the value that grows to all of it in the middle and back to nothing.
    Spike(f64),
    /// Multiplies by the value.
    Scale(f64),
    /// Multiplies the noise's standard deviation by the value, before any other kind.
    Noise(f64),
    /// Holds a value: this one, or the one that the plain series has at the first tick covered.
    Flat(Option<f64>),
    /// Leaves the datapoints out, also when other incidents cover them.
    Gap,
    /// Starts a counter from 0 again; it covers one tick.
    Reset,
}

impl Kind {
    /// Returns its name, as a flag has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shift(_) => "shift",
            Self::Ramp(_) => "ramp",
            Self::Spike(_) => "spike",
            Self::Scale(_) => "scale",
            Self::Noise(_) => "noise",
            Self::Flat(_) => "flat",
            Self::Gap => "gap",
            Self::Reset => "reset",
        }
    }

    fn value(self) -> Option<f64> {
        match self {
            Self::Shift(value)
            | Self::Ramp(value)
            | Self::Spike(value)
            | Self::Scale(value)
            | Self::Noise(value) => Some(value),
            Self::Flat(value) => value,
            Self::Gap | Self::Reset => None,
        }
    }
}

/// Trouble at a known time, once or repeated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Incident {
    /// Which one it is of those that a command has, from 1.
    pub number: u16,
    /// What it does.
    pub kind: Kind,
    /// When it starts for the first time, in milliseconds after the origin.
    pub start_ms: u64,
    /// How long it lasts, in milliseconds, at least 1.
    pub length_ms: u64,
    /// The time from one start to the next, in milliseconds, at least the length; `None` for once.
    pub every_ms: Option<u64>,
}

/// The ticks that one occurrence of an incident covers, of which there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Coverage {
    /// When the occurrence starts, in milliseconds after the origin.
    pub(super) start_ms: u64,
    pub(super) ticks: Range<u64>,
}

impl Incident {
    /// Returns what the first occurrence covers that covers the tick at `index` or a later one,
    /// on a grid of this step. Times past 2^64 milliseconds have none.
    pub(super) fn coverage_from(&self, index: u64, step_ms: u64) -> Option<Coverage> {
        let end_ms = self.start_ms.checked_add(self.length_ms)?;
        let over_ms = index.checked_mul(step_ms)?.checked_sub(end_ms);
        let Some(every_ms) = self.every_ms else {
            let coverage = self.coverage(self.start_ms, step_ms);
            return coverage.filter(|coverage| coverage.ticks.end > index);
        };
        // The first one whose end is after the tick, then the first of these that covers a tick.
        let number = over_ms.map_or(0, |over_ms| over_ms / every_ms + 1);
        let start_ms = self.start_ms.checked_add(number.checked_mul(every_ms)?)?;
        let skipped = self.skipped_from(start_ms, every_ms, step_ms)?;
        self.coverage(start_ms.checked_add(skipped.checked_mul(every_ms)?)?, step_ms)
    }

    /// Returns the first tick of the last occurrence that has begun by the tick at `index`, on a
    /// grid of this step. It may be one that covers no tick, unless its length is the step.
    pub(super) fn begun_by(&self, index: u64, step_ms: u64) -> Option<u64> {
        let since_ms = index.checked_mul(step_ms)?.checked_sub(self.start_ms)?;
        let repeated_ms = self.every_ms.map_or(0, |every_ms| since_ms / every_ms * every_ms);
        Some((self.start_ms + repeated_ms).div_ceil(step_ms))
    }

    /// Returns how many occurrences, from the one at `start_ms` on, cover no tick; `None` when
    /// none ever does.
    fn skipped_from(&self, start_ms: u64, every_ms: u64, step_ms: u64) -> Option<u64> {
        // The time from a start to the next tick is `left_ms`, and shrinks by every_ms, modulo
        // the step, from one start to the next. It has to be less than the length.
        let left_ms = left_ms(start_ms, step_ms);
        if left_ms < self.length_ms {
            return Some(0);
        }
        let stride = (step_ms - every_ms % step_ms) % step_ms;
        let low = step_ms - left_ms;
        least_factor(stride, step_ms, low..=low + self.length_ms - 1)
    }

    fn coverage(&self, start_ms: u64, step_ms: u64) -> Option<Coverage> {
        let end_ms = start_ms.checked_add(self.length_ms)?;
        let ticks = start_ms.div_ceil(step_ms)..end_ms.div_ceil(step_ms);
        (!ticks.is_empty()).then_some(Coverage { start_ms, ticks })
    }

    /// Tells at which occurrences it does something, on a grid of this step: not where one
    /// covers no tick, nor where a ramp or spike covers only the tick at its start.
    pub fn effect(&self, step_ms: u64) -> Effect {
        let is_nothing_at_start =
            matches!(self.kind, Kind::Ramp(_) | Kind::Spike(_)) && self.length_ms <= step_ms;
        // What the time from a start to the next tick may be.
        let effective = u64::from(is_nothing_at_start)..self.length_ms;
        let left_ms = left_ms(self.start_ms, step_ms);
        let Some(every_ms) = self.every_ms else {
            return if effective.contains(&left_ms) { Effect::Always } else { Effect::Never };
        };
        // From start to start it takes every value below the step that is congruent to this one.
        let apart_ms = greatest_common_divisor(every_ms, step_ms);
        let least_ms = left_ms % apart_ms;
        let greatest_ms = step_ms - apart_ms + least_ms;
        if effective.contains(&least_ms) && effective.contains(&greatest_ms) {
            return Effect::Always;
        }
        let mut first = [least_ms, least_ms + apart_ms].into_iter();
        if first.any(|ms| ms <= greatest_ms && effective.contains(&ms)) {
            Effect::Sometimes
        } else {
            Effect::Never
        }
    }
}

/// At which of its occurrences an incident does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// At every one.
    Always,
    /// At some.
    Sometimes,
    /// At none.
    Never,
}

/// Returns the time from `time_ms` to the next tick.
fn left_ms(time_ms: u64, step_ms: u64) -> u64 {
    (step_ms - time_ms % step_ms) % step_ms
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The incidents of one series, in the order given. A clone shares them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incidents(Arc<[Incident]>);

impl Incidents {
    /// Returns these incidents.
    ///
    /// # Panics
    /// When there are more than 65,536, a length is 0, one begins again before it is over, or a
    /// value is not finite.
    pub fn new(incidents: Vec<Incident>) -> Self {
        assert!(incidents.len() <= 1 << 16, "positions have 16 bits");
        for Incident { kind, length_ms, every_ms, .. } in &incidents {
            assert!(*length_ms > 0, "an incident has a length");
            assert!(every_ms.is_none_or(|every| every >= *length_ms), "no occurrences overlap");
            assert!(kind.value().is_none_or(f64::is_finite), "values are finite");
        }
        Self(incidents.into())
    }

    /// Returns the gaps among them.
    pub(super) fn gaps(&self) -> Self {
        Self(self.iter().filter(|incident| incident.kind == Kind::Gap).copied().collect())
    }
}

impl Deref for Incidents {
    type Target = [Incident];

    fn deref(&self) -> &[Incident] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    /// Shows name and value, as in `shift=40`, `flat`.
    impl fmt::Display for Kind {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.name())?;
            self.value().map_or(Ok(()), |value| write!(f, "={value}"))
        }
    }

    fn incident(kind: Kind, start_ms: u64, length_ms: u64, every_ms: Option<u64>) -> Incident {
        Incident { number: 1, kind, start_ms, length_ms, every_ms }
    }

    /// Returns the occurrences that cover a tick below `end`, by trying each tick.
    fn tried(incident: &Incident, step_ms: u64, end: u64) -> Vec<Coverage> {
        let mut found: Vec<Coverage> = Vec::new();
        for index in 0..end {
            let Some(since_ms) = (index * step_ms).checked_sub(incident.start_ms) else { continue };
            let number = incident.every_ms.map_or(0, |every_ms| since_ms / every_ms);
            let start_ms = incident.start_ms + number * incident.every_ms.unwrap_or(0);
            if index * step_ms - start_ms >= incident.length_ms {
                continue;
            }
            match found.last_mut() {
                Some(last) if last.start_ms == start_ms => last.ticks.end = index + 1,
                _ => found.push(Coverage { start_ms, ticks: index..index + 1 }),
            }
        }
        found
    }

    #[test]
    fn occurrences_are_those_that_trying_each_tick_finds() {
        let mut random = crate::generated::Random::new(3);
        for _ in 0..20_000 {
            let step_ms = 1 + random.below(30) as u64;
            let length_ms = 1 + random.below(40) as u64;
            let every_ms = length_ms + random.below(60) as u64;
            let every_ms = Some(every_ms).filter(|_| random.below(4) > 0);
            let incident = incident(Kind::Gap, random.below(100) as u64, length_ms, every_ms);
            let expected = tried(&incident, step_ms, 100);
            // The last one may go on past the ticks that were tried.
            let mut whole = expected.iter().take_while(|o| o.ticks.end < 100);
            let mut index = 0;
            while let Some(occurrence) = incident.coverage_from(index, step_ms)
                && occurrence.ticks.end < 100
            {
                assert_eq!(Some(&occurrence), whole.next(), "{incident:?} every {step_ms} ms");
                let inside = occurrence.ticks.end - 1;
                assert_eq!(incident.coverage_from(inside, step_ms), Some(occurrence.clone()));
                index = occurrence.ticks.end;
            }
            assert_eq!(whole.next(), None, "{incident:?} every {step_ms} ms");
        }
    }

    /// By what its first thousand occurrences do.
    fn tried_effect(incident: &Incident, step_ms: u64) -> Effect {
        let does = |number: u64| {
            let start_ms = incident.start_ms + number * incident.every_ms.unwrap_or(0);
            let ticks: Vec<u64> =
                (start_ms..start_ms + incident.length_ms).filter(|ms| ms % step_ms == 0).collect();
            match incident.kind {
                Kind::Ramp(_) | Kind::Spike(_) => !(ticks.is_empty() || ticks == [start_ms]),
                _ => !ticks.is_empty(),
            }
        };
        let count = if incident.every_ms.is_some() { 1_000 } else { 1 };
        match (0..count).filter(|number| does(*number)).count() as u64 {
            0 => Effect::Never,
            all if all == count => Effect::Always,
            _ => Effect::Sometimes,
        }
    }

    #[test]
    fn effects_are_those_that_trying_finds() {
        let mut random = crate::generated::Random::new(4);
        let mut counts = [0; 3];
        for _ in 0..2_000 {
            let step_ms = 1 + random.below(30) as u64;
            let length_ms = 1 + random.below(30) as u64;
            let every_ms = length_ms + random.below(30) as u64;
            let every_ms = Some(every_ms).filter(|_| random.below(4) > 0);
            let kind = [Kind::Gap, Kind::Ramp(1.0), Kind::Spike(1.0)][random.below(3)];
            let incident = incident(kind, random.below(60) as u64, length_ms, every_ms);
            let expected = tried_effect(&incident, step_ms);
            assert_eq!(incident.effect(step_ms), expected, "{incident:?} every {step_ms} ms");
            counts[expected as usize] += 1;
        }
        assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
    }

    #[test]
    fn times_without_end_have_no_occurrence() {
        let occurrence = |start_ms, length_ms, every_ms, index, step_ms| {
            incident(Kind::Gap, start_ms, length_ms, every_ms).coverage_from(index, step_ms)
        };
        assert_eq!(occurrence(u64::MAX, 1, None, 0, 1), None);
        assert_eq!(occurrence(1, 1, Some(u64::MAX), 5, 1), None);
        assert_eq!(occurrence(0, 1, Some(2), u64::MAX, 2), None);
        // Half a minute beside each tick, for ever.
        assert_eq!(occurrence(30_000, 1_000, Some(60_000), 0, 60_000), None);
        // Far apart, and on the grid once in a long time.
        let far = occurrence(1, 1, Some(86_400_001), 0, 86_400_000).unwrap();
        assert_eq!(far.start_ms, 1 + 86_399_999 * 86_400_001);
        assert_eq!(far.ticks, 86_400_000..86_400_001);
    }

    #[test]
    fn kinds_are_shown_as_a_flag_has_them() {
        assert_eq!(Kind::Shift(40.0).to_string(), "shift=40");
        assert_eq!(Kind::Flat(None).to_string(), "flat");
        assert_eq!(Kind::Flat(Some(-0.5)).to_string(), "flat=-0.5");
        assert_eq!(Kind::Gap.to_string(), "gap");
    }
}
