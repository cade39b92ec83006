//! Counts over time in a bounded number of bins. Neither the span nor the order of the times is known beforehand: when a time does
//! not fit, the bins get wider.

use super::summary::Timeline;

/// Widths that are easy to read, each a multiple of the one before. Beyond the last they double.
const WIDTHS_MS: [i64; 13] = [
    1_000, 2_000, 10_000, 30_000, 60_000, 120_000, 600_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000,
    86_400_000,
];

/// Several series of counts in the same bins.
#[derive(Debug)]
pub(crate) struct Bins {
    width_ms: i64,
    /// Number of the first bin: its start divided by the width.
    first: i64,
    /// Each has one count for each bin in use, at most [`Timeline::BINS_MAX`].
    series: Vec<Vec<u64>>,
    length: usize,
}

impl Bins {
    pub(crate) fn new(series: usize) -> Self {
        Self { width_ms: WIDTHS_MS[0], first: 0, series: vec![Vec::new(); series], length: 0 }
    }

    /// Counts one event.
    pub(crate) fn count(&mut self, series: usize, time_ms: i64) {
        let bin = self.bin(time_ms);
        if let Some(count) = self.series.get_mut(series).and_then(|counts| counts.get_mut(bin)) {
            *count += 1;
        }
    }

    /// The index of the bin that a time falls into. If no bin reaches it yet, bins are added, or widened if there are too many.
    fn bin(&mut self, time_ms: i64) -> usize {
        loop {
            let number = time_ms.div_euclid(self.width_ms);
            if self.length == 0 {
                self.first = number;
            }
            let place = usize::try_from(number - self.first).ok();
            if let Some(place) = place.filter(|place| *place < self.length) {
                return place;
            }
            let (first, last) = (self.first.min(number), (self.first + self.last_offset()).max(number));
            if usize::try_from(last - first).is_ok_and(|span| span < Timeline::BINS_MAX) {
                self.extend(first, last);
            } else {
                self.widen();
            }
        }
    }

    fn last_offset(&self) -> i64 {
        i64::try_from(self.length).unwrap_or(i64::MAX).saturating_sub(1).max(0)
    }

    /// Extends the bins so that they begin with bin number `first` and end with `last`.
    fn extend(&mut self, first: i64, last: i64) {
        let before = usize::try_from(self.first - first).unwrap_or_default();
        self.length = usize::try_from(last - first).unwrap_or_default() + 1;
        for counts in &mut self.series {
            counts.splice(0..0, std::iter::repeat_n(0, before));
            counts.resize(self.length, 0);
        }
        self.first = first;
    }

    fn widen(&mut self) {
        let wider = WIDTHS_MS.into_iter().find(|width| *width > self.width_ms).unwrap_or(self.width_ms * 2);
        let factor = wider / self.width_ms;
        let (first, last) = (self.first.div_euclid(factor), (self.first + self.last_offset()).div_euclid(factor));
        self.length = usize::try_from(last - first).unwrap_or_default() + 1;
        for counts in &mut self.series {
            let mut merged = vec![0; self.length];
            for (number, count) in (self.first..).zip(counts.iter()) {
                let place = usize::try_from(number.div_euclid(factor) - first).unwrap_or_default();
                if let Some(sum) = merged.get_mut(place) {
                    *sum += count;
                }
            }
            *counts = merged;
        }
        (self.first, self.width_ms) = (first, wider);
    }

    /// Start of the first bin and width of every bin, in ms.
    pub(crate) const fn start_and_width_ms(&self) -> (i64, i64) {
        (self.first * self.width_ms, self.width_ms)
    }

    /// The counts of one series.
    pub(crate) fn series(&self, series: usize) -> Vec<u64> {
        self.series.get(series).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_when_bins_get_wider_in_either_direction() {
        let mut bins = Bins::new(2);
        let times: Vec<i64> = (0..1_000).map(|i| 1_760_000_000_000 + (i * 7_919 % 1_000) * 3_600_000).collect();
        for time in times {
            bins.count(0, time);
        }
        bins.count(1, 0);
        let (start, width) = bins.start_and_width_ms();
        assert!((start..start + width).contains(&0));
        assert_eq!(bins.series(0).iter().sum::<u64>(), 1_000);
        assert_eq!(bins.series(1).first(), Some(&1));
        assert!(bins.series(0).len() <= Timeline::BINS_MAX && bins.series(0).len() == bins.series(1).len());
    }

    #[test]
    fn a_count_is_in_the_bin_of_its_time() {
        let mut bins = Bins::new(1);
        for minute in 0..300 {
            (0..=minute % 3).for_each(|_| bins.count(0, minute * 60_000 + 59_999));
        }
        assert_eq!(bins.start_and_width_ms(), (0, 120_000));
        assert_eq!(bins.series(0).get(..3), Some([1 + 2, 3 + 1, 2 + 3].as_slice()));
    }

    #[test]
    fn the_farthest_times_fit() {
        let mut bins = Bins::new(1);
        bins.count(0, anomaly_core::EVENT_TIME_MS_MAX);
        bins.count(0, 0);
        assert_eq!(bins.series(0).iter().sum::<u64>(), 2);
    }
}
