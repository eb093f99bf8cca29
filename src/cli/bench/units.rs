//! Figures as a person reads them: three digits, and a unit that keeps them short.

/// Nanoseconds as `250 ns`, `6.02 µs`, `31.4 ms`, `2.00 s`.
#[must_use]
pub(in crate::cli) fn duration(ns: u64) -> String {
    scaled(ns as f64, 1000.0, &[" ns", " µs", " ms", " s"])
}

/// So many a second, as `980`, `121 k`, `4.02 M`.
#[must_use]
pub(in crate::cli) fn rate(per_second: f64) -> String {
    scaled(per_second, 1000.0, &["", " k", " M", " G"])
}

/// Bytes as `512 KiB`, `12.3 MiB`.
#[must_use]
pub(in crate::cli) fn bytes(bytes: u64) -> String {
    scaled(bytes as f64, 1024.0, &[" B", " KiB", " MiB", " GiB"])
}

/// Renders a long time by its two largest units: `45 s`, `12 min`, `3 h 20 min`, `5 d 2 h`.
#[must_use]
pub(in crate::cli) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Renders a whole number, with commas between the thousands.
#[must_use]
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Renders an average, without digits behind the point where the average is whole.
#[must_use]
pub(super) fn average(number: f64) -> String {
    if number.fract() == 0.0 { count(number as u64) } else { three(number) }
}

/// Renders the ratio of two figures, with two digits also of a small ratio.
#[must_use]
pub(super) fn ratio(ratio: f64) -> String {
    if !(f64::MIN_POSITIVE..0.1).contains(&ratio) {
        return three(ratio);
    }
    let places = 1 - ratio.log10().floor() as i32;
    format!("{ratio:.places$}", places = usize::try_from(places).unwrap_or_default().min(9))
}

fn scaled(number: f64, step: f64, units: &[&str]) -> String {
    let (mut number, mut units) = (number, units.iter());
    let mut unit = units.next().copied().unwrap_or_default();
    // A number that would be rounded up to the next unit is written in that unit.
    while number >= step - 0.5
        && let Some(next) = units.next()
    {
        (number, unit) = (number / step, next);
    }
    let whole = number.fract() == 0.0 && matches!(unit, " ns" | " B" | "");
    if whole { format!("{number}{unit}") } else { format!("{}{unit}", three(number)) }
}

/// Renders a number with three digits, or with more before the point.
fn three(number: f64) -> String {
    match number.abs() {
        number if number < 9.995 => format!("{number:.2}"),
        number if number < 99.95 => format!("{number:.1}"),
        number => count(number.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        let durations = [(0, "0 ns"), (250, "250 ns"), (999, "999 ns"), (6_024, "6.02 µs"), (31_400_000, "31.4 ms")];
        for (ns, shown) in durations.into_iter().chain([(999_700, "1.00 ms"), (2_000_000_000, "2.00 s")]) {
            assert_eq!(duration(ns), shown);
        }
        for (per_second, shown) in [(3.456, "3.46"), (980.0, "980"), (120_700.0, "121 k"), (4_020_000.0, "4.02 M")] {
            assert_eq!(rate(per_second), shown);
        }
        assert_eq!([bytes(0), bytes(1536), bytes(12_900_000)], ["0 B", "1.50 KiB", "12.3 MiB"]);
        assert_eq!([count(7), count(1_000), count(1_234_567)], ["7", "1,000", "1,234,567"]);
        assert_eq!(
            [ratio(0.0), ratio(0.0037), ratio(0.049), ratio(0.27), ratio(729.4)],
            ["0.00", "0.0037", "0.049", "0.27", "729"]
        );
        assert_eq!([average(10_000.0), average(2.5), average(123.4)], ["10,000", "2.50", "123"]);
    }
}
