//! Incidents against formulas of their own: what each kind makes of a value, tick by tick,
//! written here once more from its definition. Shares nothing with the sources but plain values.

use std::ops::Range;

use fastrand::Rng;
use push_live_metrics::series::{
    Effect, Grid, Incident, Incidents, Kind, NoiseParams, Occurrence, Period, Schedule,
    Seasonality, Seed, Series, TimestampMs, Trend,
};

use crate::golden::default_series;
use crate::support::side_by_side::side_by_side;

const ORIGIN_MS: i64 = 1_765_969_200_000;
/// Returns the ranges of `ticks` that have a datapoint.
fn planned_ranges(series: &Series, ticks: Range<u64>) -> Vec<Range<u64>> {
    Schedule::new(series.grid.step_ms, [&series.incidents]).planned(ticks).collect()
}

/// Ticks whose plain values are known.
pub(crate) const TICK_COUNT: usize = 300;
/// Incidents of each kind.
pub(crate) const ROUNDS: usize = 10_000;

/// Returns a number between -100 and 100.
fn value(rng: &mut Rng) -> f64 {
    rng.f64() * 200.0 - 100.0
}

/// Returns what is short or long, on a grid of this step or beside it.
pub(crate) fn time_ms(rng: &mut Rng, step_ms: u64) -> u64 {
    match rng.u64(..4) {
        0 => rng.u64(..40) * step_ms,
        1 => rng.u64(..step_ms),
        2 => rng.u64(..40 * step_ms),
        _ => rng.u64(..400) * step_ms,
    }
}

pub(crate) fn random_incident(rng: &mut Rng, name: &str, step_ms: u64) -> Incident {
    let value = value(rng);
    let kind = match name {
        "shift" => Kind::Shift(value),
        "ramp" => Kind::Ramp(value),
        "spike" => Kind::Spike(value),
        "scale" => Kind::Scale(value),
        "noise" => Kind::Noise(value.abs()),
        "flat" => Kind::Flat(Some(value).filter(|_| rng.u64(..2) == 0)),
        _ => Kind::Gap,
    };
    let (start_ms, length_ms) = (time_ms(rng, step_ms), time_ms(rng, step_ms) + 1);
    let every_ms = length_ms + [0, time_ms(rng, step_ms)][usize::from(rng.u64(..4) > 0)];
    let every_ms = Some(every_ms).filter(|_| rng.u64(..2) == 0);
    Incident { number: 1, kind, start_ms, length_ms, every_ms }
}

/// The plain series, and what it is made of at each tick.
pub(crate) struct Plain {
    pub(crate) series: Series,
    values: Vec<f64>,
    /// Without noise.
    curves: Vec<f64>,
    deviates: Vec<f64>,
}

impl Plain {
    pub(crate) fn new(step_ms: u64) -> Self {
        let week: Vec<(u32, f64)> = (0..).step_by(1440).zip([0.0, 1.0, -2.0]).collect();
        let noise = NoiseParams { mean: 0.7, std: 3.3, seed: Seed(7) };
        let series = Series {
            weekly_seasonality: Some(Seasonality::new(Period::Week, &week).unwrap()),
            noise,
            grid: Grid { origin: TimestampMs(ORIGIN_MS), step_ms },
            ..default_series()
        };
        let noise = NoiseParams { mean: 0.0, std: 0.0, seed: Seed(7) };
        let curves = Series { noise, ..series.clone() };
        let trend = Trend { flat_base: 0.0, coefficient: 0.0, unit_us: 1 };
        let noise = NoiseParams { mean: 0.0, std: 1.0, seed: Seed(7) };
        let (seasonality, weekly_seasonality) = (None, None);
        let deviates = Series { trend, seasonality, weekly_seasonality, noise, ..series.clone() };
        let values = |series: &Series| {
            series.iter_from(0).take(TICK_COUNT).filter_map(|t| t.value).collect()
        };
        let (values, curves, deviates) = (values(&series), values(&curves), values(&deviates));
        Self { series, values, curves, deviates }
    }

    pub(crate) fn with(&self, incidents: &[Incident]) -> Series {
        Series { incidents: Incidents::new(incidents.to_vec()), ..self.series.clone() }
    }

    pub(crate) fn step_ms(&self) -> u64 {
        self.series.grid.step_ms
    }

    /// Returns the start of the occurrence that covers a tick.
    pub(crate) fn start_of(&self, incident: &Incident, index: usize) -> Option<u64> {
        let since_ms = (index as u64 * self.step_ms()).checked_sub(incident.start_ms)?;
        let number = incident.every_ms.map_or(0, |every_ms| since_ms / every_ms);
        let start_ms = incident.start_ms + number * incident.every_ms.unwrap_or(0);
        (index as u64 * self.step_ms() < start_ms + incident.length_ms).then_some(start_ms)
    }

    /// Returns what is at a tick, by the definitions of the kinds; `None` in a gap.
    pub(crate) fn expected(&self, incidents: &[Incident], index: usize) -> Option<f64> {
        let covering: Vec<(&Incident, u64)> =
            incidents.iter().filter_map(|i| Some((i, self.start_of(i, index)?))).collect();
        if covering.is_empty() {
            return Some(self.values[index]);
        }
        let factors: Vec<f64> = covering
            .iter()
            .filter_map(|(incident, _)| match incident.kind {
                Kind::Noise(factor) => Some(factor),
                _ => None,
            })
            .collect();
        let NoiseParams { mean, std, .. } = self.series.noise;
        let mut value = if factors.is_empty() {
            self.values[index]
        } else {
            let product: f64 = factors.iter().product();
            self.curves[index] + (mean + (std * product) * self.deviates[index])
        };
        for (incident, start_ms) in covering {
            let since_ms = index as u64 * self.step_ms() - start_ms;
            let u = since_ms as f64 / incident.length_ms as f64;
            match incident.kind {
                Kind::Shift(v) => value += v,
                Kind::Ramp(v) => value += v * u,
                Kind::Spike(v) => value += v * (1.0 - f64::abs(2.0 * u - 1.0)),
                Kind::Scale(x) => value *= x,
                Kind::Noise(_) | Kind::Reset => {}
                Kind::Flat(Some(v)) => value = v,
                Kind::Flat(None) => {
                    let is_first = |i: &usize| *i as u64 * self.step_ms() >= start_ms;
                    value = self.values[(0..).find(is_first).unwrap()];
                }
                Kind::Gap => return None,
            }
        }
        // 0.0 in place of -0.0.
        Some(value + 0.0)
    }

    /// Compares a window of the series that has these incidents; returns how many of its ticks
    /// they cover.
    #[track_caller]
    fn check(&self, incidents: &[Incident], window: Range<usize>) -> usize {
        let series = self.with(incidents);
        let mut iter = series.iter_from(window.start as u64);
        let (mut planned, mut covered) = (Vec::new(), Vec::new());
        for index in window.clone() {
            let tick = iter.next().unwrap();
            let what = || format!("tick {index} of {window:?}, {incidents:?}");
            assert_eq!(tick.timestamp, series.grid.time_of(index as u64), "{}", what());
            let expected = self.expected(incidents, index);
            let bits = |value: f64| value.to_bits();
            assert_eq!(tick.value.map(bits), expected.map(bits), "{}", what());
            let active: Vec<Incident> = iter.active().copied().collect();
            let covering = |i: &&Incident| self.start_of(i, index).is_some();
            let expected_active: Vec<Incident> =
                incidents.iter().filter(covering).copied().collect();
            assert_eq!(active, expected_active, "{}", what());
            assert_eq!(tick.is_anomaly, !active.is_empty(), "{}", what());
            if !tick.is_anomaly {
                let plain = self.values[index];
                assert_eq!(tick.value.map(bits), Some(plain.to_bits()), "{}", what());
            }
            planned.extend(tick.value.map(|_| index as u64));
            covered.extend(tick.is_anomaly.then_some(index as u64));
        }
        let ticks = window.start as u64..window.end as u64;
        let what = || format!("{window:?} {incidents:?}");
        let schedule = Schedule::new(series.grid.step_ms, [&series.incidents]);
        assert_eq!(schedule.count(ticks.clone()), planned.len() as u64, "{}", what());
        let found = planned_ranges(&series, ticks.clone());
        assert_eq!(found, merged(&planned), "{}", what());
        let found: Vec<Range<u64>> = series.troubled(ticks).collect();
        assert_eq!(found, merged(&covered), "{}", what());
        covered.len()
    }
}

/// Returns the ranges that these indexes make, in order as they are.
fn merged(indexes: &[u64]) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for &index in indexes {
        match ranges.last_mut() {
            Some(last) if last.end == index => last.end = index + 1,
            _ => ranges.push(index..index + 1),
        }
    }
    ranges
}

/// Tries random incidents of one kind, each alone in a window of its own.
fn check_kind(name: &str, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let plains = [1, 7, 1_000, 60_000, 86_400_000].map(Plain::new);
    let mut covered = 0;
    for _ in 0..ROUNDS {
        let plain = &plains[rng.usize(..plains.len())];
        let incident = random_incident(&mut rng, name, plain.step_ms());
        let start = rng.usize(..99);
        covered += plain.check(&[incident], start..start + 24);
    }
    println!("{name}: {covered} of {} ticks covered", ROUNDS * 24);
    assert!(covered > ROUNDS, "only {covered} ticks were covered");
}

#[test]
fn each_kind_is_what_it_is_defined_to_be() {
    let kinds = ["shift", "ramp", "spike", "scale", "noise", "flat", "gap"];
    side_by_side((1..).zip(kinds), |(seed, name)| check_kind(name, seed));
}

#[test]
fn several_incidents_are_applied_in_their_order() {
    let mut rng = Rng::with_seed(8);
    let plains = [1, 1_000, 60_000].map(Plain::new);
    let mut gaps = 0;
    for _ in 0..ROUNDS {
        let plain = &plains[rng.usize(..plains.len())];
        let incidents: Vec<Incident> = (0..=rng.u64(..8))
            .map(|_| {
                let names = ["shift", "ramp", "spike", "scale", "noise", "noise", "flat", "gap"];
                let name = names[rng.usize(..8)];
                random_incident(&mut rng, name, plain.step_ms())
            })
            .collect();
        let start = rng.usize(..99);
        plain.check(&incidents, start..start + 24);
        gaps += incidents.iter().filter(|i| i.kind == Kind::Gap).count();
    }
    assert!(gaps > ROUNDS / 10);
}

#[test]
fn a_thousand_incidents_are_as_good_as_one() {
    let mut rng = Rng::with_seed(9);
    let plain = Plain::new(1_000);
    let incidents: Vec<Incident> = (0..1_000)
        .map(|k| {
            let kind = ["shift", "flat", "ramp", "noise", "gap"][k % 5];
            Incident { length_ms: 1_500, every_ms: None, ..random_incident(&mut rng, kind, 1_000) }
        })
        .collect();
    assert!(plain.check(&incidents, 0..TICK_COUNT) > 100);
    assert!(plain.check(&incidents, 117..200) > 50);
}

fn incident(kind: Kind, start_ms: u64, length_ms: u64, every_ms: Option<u64>) -> Incident {
    Incident { number: 1, kind, start_ms, length_ms, every_ms }
}

#[test]
fn a_flat_incident_holds_what_was_long_before_the_window() {
    let plain = Plain::new(1_000);
    let flat = |start_ms| incident(Kind::Flat(None), start_ms, 400_000_000, None);
    let gap = incident(Kind::Gap, 0, 5_000, None);
    // Two at once, the later one applied first, in a gap when they begin.
    let series = plain.with(&[gap, flat(3_000), flat(2_000)]);
    let (third, second) = (plain.values[3], plain.values[2]);
    let mut late = series.iter_from(300_001);
    assert_eq!([(); 3].map(|()| late.next().unwrap().value), [Some(second); 3]);
    let at = |index| series.iter_from(index).next().unwrap().value;
    assert_eq!([at(4), at(5), at(400_002)], [None, Some(second), Some(third)]);
    let mut begun_in_the_gap = series.iter_from(4);
    assert_eq!([(); 2].map(|()| begun_in_the_gap.next().unwrap().value), [None, Some(second)]);
}

#[test]
fn values_stay_finite_and_are_never_negative_zero() {
    let plain = Plain::new(1_000);
    let whole = |kind| incident(kind, 0, 1_000_000, None);
    let mut huge = vec![whole(Kind::Noise(1e100)); 9];
    huge.extend([whole(Kind::Scale(-1e100)); 9]);
    huge.extend([whole(Kind::Ramp(1e100)), whole(Kind::Scale(1e100))]);
    let mut iter = plain.with(&huge).iter_from(0);
    for _ in 0..TICK_COUNT {
        let value = iter.next().unwrap().value.unwrap();
        assert!(value.is_finite(), "{value}");
    }
    for zero in [Kind::Scale(-0.0), Kind::Flat(Some(-0.0))] {
        let mut iter = plain.with(&[whole(zero)]).iter_from(0);
        assert_eq!(iter.next().unwrap().value.map(f64::to_bits), Some(0));
    }
}

#[test]
fn samples_pass_over_gaps_and_end_where_they_are_told_to() {
    let plain = Plain::new(1_000);
    let series = plain.with(&[incident(Kind::Gap, 2_000, 3_000, None)]);
    let mut iter = series.iter_from(1);
    let mut next = |end| iter.before(end).next().map(|sample| sample.value);
    assert_eq!(next(4), Some(plain.values[1]));
    assert_eq!([next(4), next(4)], [None, None]);
    assert_eq!([next(9), next(9)], [Some(plain.values[5]), Some(plain.values[6])]);
    assert_eq!(iter.index(), 7);
    // The deviates of the gap are not those of what follows, and the planned range begins there.
    assert_eq!(planned_ranges(&series, 3..9).first(), Some(&(5..9)));
    assert_eq!(planned_ranges(&series, 0..5).first(), Some(&(0..2)));
}

#[test]
fn a_gap_without_end_has_no_datapoint() {
    let plain = Plain::new(1_000);
    let half = |start_ms| incident(Kind::Gap, start_ms, 5_000, Some(10_000));
    let series = plain.with(&[half(5_000), half(0)]);
    assert_eq!(planned_ranges(&series, 0..1_000_000), []);
    assert_eq!(series.iter_from(0).before(10_000).next(), None);
    let mut troubled = series.troubled(7..1_000_000);
    assert_eq!([troubled.next(), troubled.next()], [Some(7..1_000_000), None]);
}

#[test]
fn occurrences_are_whole_and_have_their_times() {
    let series = Plain::new(60_000).series;
    let nightly = incident(Kind::Gap, 90_000, 120_000, Some(86_400_000));
    let occurrences = |ticks| series.occurrences(&nightly, ticks).collect::<Vec<_>>();
    let at = |day: i64| {
        let start = TimestampMs(ORIGIN_MS + 90_000 + day * 86_400_000);
        let first = 2 + u64::try_from(day).unwrap() * 1_440;
        Occurrence { times: start..TimestampMs(start.0 + 120_000), ticks: first..first + 2 }
    };
    assert_eq!(occurrences(0..1_443), [at(0), at(1)]);
    assert_eq!(occurrences(3..1_442), [at(0)]);
    assert_eq!(occurrences(4..1_442), []);
    assert_eq!(nightly.effect(60_000), Effect::Always);
}
