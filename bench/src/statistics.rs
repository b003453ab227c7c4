//! Order statistics of a handful of samples, and the ratio of two contenders round by round.

use serde::Serialize;

/// The middle half of some samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The lower quartile.
    pub q1: f64,
    /// The median.
    pub median: f64,
    /// The upper quartile.
    pub q3: f64,
}

/// The quantile `at` (0 to 1) of `samples`, between two of them by linear interpolation; `None` without any sample.
pub fn quantile(samples: &[f64], at: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = at.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let below = *sorted.get(place.floor() as usize)?;
    let above = *sorted.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}

/// The median; `None` without any sample.
pub fn median(samples: &[f64]) -> Option<f64> {
    quantile(samples, 0.5)
}

/// The smallest; `None` without any sample.
pub fn least(samples: &[f64]) -> Option<f64> {
    quantile(samples, 0.0)
}

/// Quartiles of `samples`; `None` without any sample.
pub fn spread(samples: &[f64]) -> Option<Spread> {
    Some(Spread {
        q1: quantile(samples, 0.25)?,
        median: median(samples)?,
        q3: quantile(samples, 0.75)?,
    })
}

/// How many times `yardstick` one contender took, round by round: what disturbs the machine for a while disturbs both sides of a round, and leaves
/// the ratio as it is. Rounds in which the yardstick took no time at all do not count.
pub fn ratio(contender: &[f64], yardstick: &[f64]) -> Option<Spread> {
    let rounds = contender
        .iter()
        .zip(yardstick)
        .filter(|(_, yardstick)| **yardstick > 0.0);
    let ratios: Vec<f64> = rounds.map(|(own, yardstick)| own / yardstick).collect();
    spread(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_samples() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(quantile(&[0.0, 10.0], 0.25), Some(2.5));
        assert_eq!(least(&[2.0, 1.0]), Some(1.0));
        assert_eq!(median(&[]), None);
        assert_eq!(
            spread(&[7.0]),
            Some(Spread {
                q1: 7.0,
                median: 7.0,
                q3: 7.0
            })
        );
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        // The machine was four times slower in the second round: the ratio of medians would be 0.8.
        let ratio = ratio(&[1.0, 4.0, 1.0], &[2.0, 8.0, 2.0]).unwrap();
        assert_eq!(ratio.median, 0.5);
        assert_eq!((ratio.q1, ratio.q3), (0.5, 0.5));
    }

    #[test]
    fn a_round_without_time_is_left_out() {
        assert_eq!(super::ratio(&[1.0, 3.0], &[0.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(super::ratio(&[1.0], &[0.0]), None);
    }
}
