//! Times, spans and sizes for people.

use std::time::Duration;

use hob_model::Timestamp;

/// An instant to the second, as `2026-11-22 05:40:33Z`. Human form only: JSON keeps every digit.
pub(crate) fn when(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split('.').next().unwrap_or(&text);
    format!("{}Z", seconds.replacen('T', " ", 1))
}

/// A span with three digits at most.
pub(crate) fn span(span: Duration) -> String {
    let micros = span.as_micros();
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => scaled(micros, 1_000, "ms"),
        1_000_000..120_000_000 => scaled(micros, 1_000_000, "s"),
        _ => format!("{} min", micros / 60_000_000),
    }
}

/// A number of bytes.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => scaled(bytes.into(), 1_024, "KiB"),
        _ => scaled(bytes.into(), 1_048_576, "MiB"),
    }
}

fn scaled(count: u128, unit: u128, name: &str) -> String {
    if count < unit * 10 {
        let tenths = count * 10 / unit;
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{} {name}", count / unit)
    }
}

/// `text` cut to `most` characters, with a mark where something is missing.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_them() {
        assert_eq!(when(Timestamp::parse("2026-11-22T05:40:33.123Z").unwrap()), "2026-11-22 05:40:33Z");
        let spans = [7, 1_234, 56_789, 1_500_000, 61_000_000, 600_000_000].map(|m| span(Duration::from_micros(m)));
        assert_eq!(spans, ["7 us", "1.2 ms", "56 ms", "1.5 s", "61 s", "10 min"]);
        assert_eq!([0, 1_023, 1_536, 20_480, 2_097_152].map(size), ["0 B", "1023 B", "1.5 KiB", "20 KiB", "2.0 MiB"]);
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("äöüß", 4), "äöüß");
    }
}
