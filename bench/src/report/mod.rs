//! The comparison as a reader sees it.

pub mod html;
pub mod plot;
pub mod text;

/// A time in a unit in which it has few digits.
pub fn time(microseconds: f64) -> String {
    match microseconds {
        time if time < 1.0 => format!("{:.0} ns", time * 1000.0),
        time if time < 10.0 => format!("{time:.2} us"),
        time if time < 1000.0 => format!("{time:.0} us"),
        time if time < 100_000.0 => format!("{:.2} ms", time / 1000.0),
        time => format!("{:.0} ms", time / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_have_few_digits() {
        let shown = [0.25, 1.5, 320.4, 1234.0, 250_000.0].map(super::time);
        assert_eq!(shown, ["250 ns", "1.50 us", "320 us", "1.23 ms", "250 ms"]);
    }
}
