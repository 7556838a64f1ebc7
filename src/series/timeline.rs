//! Which incidents are active at a tick, and what they make of its value. Goes from tick to tick:
//! what a value costs depends on the active incidents, not on how many there are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::NoiseParams;
use super::incidents::{Coverage, Incident, Incidents, Kind};

/// The incidents of a series at a tick.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    incidents: Incidents,
    step_ms: u64,
    /// The first tick at which an incident begins or is over, with the incident's position.
    changes: BinaryHeap<Reverse<(u64, u16)>>,
    /// In the order given.
    active: Vec<Active>,
    is_gap: bool,
    /// Whether its values tell if incidents cover the tick.
    is_truth: bool,
    /// Of a counter, the value at the last tick.
    sum: Option<f64>,
    /// What the noise's standard deviation is multiplied by.
    noise_factor: Option<f64>,
}

/// An incident that covers the tick.
#[derive(Clone, Debug)]
struct Active {
    position: u16,
    incident: Incident,
    coverage: Coverage,
    /// What a flat incident without a value of its own holds, from its first tick on.
    held: Option<f64>,
}

impl Timeline {
    /// Returns the timeline at the tick `index`.
    pub(super) fn new(incidents: Incidents, step_ms: u64, index: u64) -> Self {
        let changes = (0..).zip(&*incidents).map(|(position, _)| Reverse((index, position)));
        let mut timeline = Self {
            changes: changes.collect(),
            incidents,
            step_ms,
            active: Vec::new(),
            is_gap: false,
            is_truth: false,
            sum: None,
            noise_factor: None,
        };
        timeline.advance(index);
        timeline
    }

    /// The same one, whose values are 1 where incidents cover the tick and 0 elsewhere.
    pub(super) fn of_truth(self) -> Self {
        Self { is_truth: true, ..self }
    }

    /// The same one, whose values are those of a counter that starts at its tick.
    pub(super) fn of_counter(self) -> Self {
        Self { sum: Some(0.0), ..self }
    }

    /// Returns the next tick at which an incident begins or is over.
    pub(super) fn next_change(&self) -> Option<u64> {
        self.changes.peek().map(|Reverse((index, _))| *index)
    }

    /// Goes on to the tick `index`, which must not be before the last one.
    pub(super) fn advance(&mut self, index: u64) {
        if self.next_change().is_none_or(|change| index < change) {
            return;
        }
        while let Some(&Reverse((change, position))) = self.changes.peek()
            && change <= index
        {
            self.changes.pop();
            self.update(position, index);
        }
        self.is_gap = self.active.iter().any(|active| active.incident.kind == Kind::Gap);
        let factors = self.active.iter().filter_map(|active| match active.incident.kind {
            Kind::Noise(factor) => Some(factor),
            _ => None,
        });
        self.noise_factor = factors.reduce(|product, factor| bounded(product * factor));
    }

    /// Makes the incident active or not at the tick `index`, and notes its next change.
    fn update(&mut self, position: u16, index: u64) {
        let place = self.active.binary_search_by_key(&position, |active| active.position);
        if let Ok(place) = place {
            self.active.remove(place);
        }
        let incident = self.incidents[usize::from(position)];
        let Some(coverage) = incident.coverage_from(index, self.step_ms) else { return };
        let Range { start, end } = coverage.ticks;
        if start > index {
            self.changes.push(Reverse((start, position)));
            return;
        }
        self.changes.push(Reverse((end, position)));
        let active = Active { position, incident, coverage, held: None };
        self.active.insert(place.unwrap_or_else(|place| place), active);
    }

    /// Returns the incidents that cover the tick, in the order given.
    pub(super) fn active(&self) -> impl ExactSizeIterator<Item = &Incident> {
        self.active.iter().map(|active| &active.incident)
    }

    /// Returns whether the tick has no datapoint.
    pub(super) fn is_gap(&self) -> bool {
        self.is_gap
    }

    /// Returns what has to be found for flat incidents that began before the tick `index`: the
    /// plain series' value at their first tick. In the order of these ticks.
    pub(super) fn held_since_before(&mut self, index: u64) -> Vec<(u64, &mut Option<f64>)> {
        let is_held = |active: &&mut Active| {
            active.incident.kind == Kind::Flat(None) && active.coverage.ticks.start < index
        };
        let held = self.active.iter_mut().filter(is_held);
        let mut held: Vec<_> =
            held.map(|active| (active.coverage.ticks.start, &mut active.held)).collect();
        held.sort_unstable_by_key(|(first, _)| *first);
        held
    }

    /// Goes on to the tick `index` and returns the value there, made of the plain series' curves
    /// and its deviate; none in a gap. A counter goes on from tick to tick.
    // Kept out of the loop of a series without incidents, which it would slow.
    #[inline(never)]
    pub(super) fn value(
        &mut self,
        index: u64,
        curves: f64,
        noise: NoiseParams,
        deviate: f64,
    ) -> Option<f64> {
        self.advance(index);
        if self.is_truth {
            return Some(f64::from(u8::from(!self.active.is_empty())));
        }
        let mut value = self.curve(index, curves, noise, deviate);
        if let Some(sum) = &mut self.sum {
            let is_reset = |active: &Active| active.incident.kind == Kind::Reset;
            let is_start = index == 0 || self.active.iter().any(is_reset);
            let growth = value.max(0.0) * (self.step_ms as f64 / 1000.0);
            *sum = if is_start { 0.0 } else { bounded(*sum + growth) };
            value = *sum;
        }
        (!self.is_gap).then_some(value)
    }

    /// Returns what the incidents make of the plain series at the tick `index`, gaps apart.
    fn curve(&mut self, index: u64, curves: f64, noise: NoiseParams, deviate: f64) -> f64 {
        let plain = curves + noise.value(deviate);
        if self.active.is_empty() {
            return plain;
        }
        let mut value = match self.noise_factor {
            Some(factor) => {
                let std = bounded(noise.std * factor);
                bounded(curves + NoiseParams { std, ..noise }.value(deviate))
            }
            None => plain,
        };
        let time_ms = index * self.step_ms;
        for active in &mut self.active {
            value = active.applied(time_ms, value, plain);
        }
        // No value is -0.0.
        0.0 + value
    }
}

impl Active {
    /// Returns what the incident makes of `value` at a time after the origin. `plain` is what the
    /// series has there without incidents.
    fn applied(&mut self, time_ms: u64, value: f64, plain: f64) -> f64 {
        let Incident { kind, length_ms, .. } = self.incident;
        let part = || (time_ms - self.coverage.start_ms) as f64 / length_ms as f64;
        bounded(match kind {
            Kind::Shift(shift) => value + shift,
            Kind::Ramp(top) => value + top * part(),
            Kind::Spike(top) => value + top * (1.0 - (2.0 * part() - 1.0).abs()),
            Kind::Scale(factor) => value * factor,
            Kind::Flat(Some(held)) => held,
            // The value at its first tick was set here, or when the iterator began.
            Kind::Flat(None) => *self.held.get_or_insert(plain),
            Kind::Noise(_) | Kind::Gap | Kind::Reset => value,
        })
    }
}

/// Keeps a value finite, even after a hundred factors: not every receiver keeps the bits of NaN and
/// infinity.
fn bounded(value: f64) -> f64 {
    value.clamp(-f64::MAX, f64::MAX)
}

/// The ranges of ticks that incidents cover, in order, none of them next to another.
#[derive(Clone, Debug)]
pub struct Troubled {
    timeline: Timeline,
    ticks: Range<u64>,
}

impl Troubled {
    /// Returns those of `ticks`.
    pub(super) fn new(incidents: Incidents, step_ms: u64, ticks: Range<u64>) -> Self {
        Self { timeline: Timeline::new(incidents, step_ms, ticks.start), ticks }
    }

    /// Goes to the first tick, from here on, that incidents cover or not.
    fn skip_to(&mut self, is_covered: bool) {
        while !self.ticks.is_empty() && self.timeline.active.is_empty() == is_covered {
            let change = self.timeline.next_change().unwrap_or(u64::MAX);
            self.ticks.start = change.min(self.ticks.end);
            self.timeline.advance(self.ticks.start);
        }
    }
}

impl Iterator for Troubled {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        self.skip_to(true);
        let start = self.ticks.start;
        self.skip_to(false);
        (start < self.ticks.start).then_some(start..self.ticks.start)
    }
}
