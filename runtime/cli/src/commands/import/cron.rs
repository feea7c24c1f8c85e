//! Medplum's crons as Hob has them. How Medplum reads a `cronTiming` is its own (packages/server/src/workers/cron.ts): `period` is how many times a day, and it
//! goes before `cronString`. Both count in UTC.

use serde_json::Value;

/// A cron trigger.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cron {
    /// Seconds first.
    pub(super) schedule: String,
    /// What it was made from, where that leaves a question.
    pub(super) check: Option<String>,
}

/// The cron of a Bot resource; none where it has none.
pub(super) fn of_bot(bot: &Value) -> Result<Option<Cron>, String> {
    if let Some(repeat) = bot.pointer("/cronTiming/repeat") {
        return timing(repeat).map(Some);
    }
    match bot["cronString"].as_str() {
        None | Some("") => Ok(None),
        Some(text) => Ok(Some(Cron { schedule: expression(text)?, check: None })),
    }
}

fn timing(repeat: &Value) -> Result<Cron, String> {
    let period = repeat["period"].as_f64().filter(|period| *period > 0.0).unwrap_or(1.0);
    let (minute, hour) = if period > 24.0 && period < 60.0 {
        (every(24.0 * 60.0 / period, 60), "*".to_owned())
    } else {
        ("0".to_owned(), every(24.0 / period, 24))
    };
    let days = repeat["dayOfWeek"].as_array().map(Vec::as_slice).unwrap_or_default();
    let days =
        days.iter().map(|day| day.as_str().and_then(named).ok_or_else(|| "cronTiming: an unknown day of the week".to_owned()));
    let days = days.collect::<Result<Vec<_>, _>>()?.join(",");
    let days = if days.is_empty() { "*".to_owned() } else { days };
    let check = Some(format!("cronTiming with period {period}: Medplum runs it so many times a day"));
    Ok(Cron { schedule: format!("0 {minute} {hour} * * {days}"), check })
}

/// `*/n`, or the first alone where n is the whole.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "up and bounded")]
fn every(step: f64, whole: u32) -> String {
    match step.ceil().clamp(1.0, f64::from(whole)) as u32 {
        1 => "*".to_owned(),
        step if step >= whole => "0".to_owned(),
        step => format!("*/{step}"),
    }
}

/// Five fields, or six with seconds, whose days of the week count from Sunday as 0; in Hob's they have names.
fn expression(text: &str) -> Result<String, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let (seconds, rest) = match fields.as_slice() {
        [minute, hour, day, month, weekday] => ("0", [*minute, *hour, *day, *month, *weekday]),
        [second, minute, hour, day, month, weekday] => (*second, [*minute, *hour, *day, *month, *weekday]),
        _ => return Err(format!("cronString {text:?} has neither five nor six fields")),
    };
    let [minute, hour, day, month, weekday] = rest;
    Ok(format!("{seconds} {minute} {hour} {day} {month} {}", weekdays(weekday)?))
}

fn weekdays(field: &str) -> Result<String, String> {
    let one = |item: &str| -> Result<String, String> {
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let ends = range.split('-').map(|end| match end.parse::<usize>() {
            Ok(number) => DAYS.get(number % 7).filter(|_| number <= 7).map(|day| (*day).to_owned()),
            Err(_) if end == "*" || end == "?" => Some("*".to_owned()),
            Err(_) => named(end).map(str::to_owned),
        });
        let ends = ends
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| format!("cronString: the day of the week {item:?} is unknown"))?
            .join("-");
        Ok(step.map_or(ends.clone(), |step| format!("{ends}/{step}")))
    };
    Ok(field.split(',').map(one).collect::<Result<Vec<_>, _>>()?.join(","))
}

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

fn named(day: &str) -> Option<&'static str> {
    let short = day.get(..3)?;
    DAYS.into_iter().find(|known| known.eq_ignore_ascii_case(short))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_get_seconds_and_names_of_days() {
        for (given, wanted) in [
            ("0 9 * * *", "0 0 9 * * *"),
            ("*/15 8-18 * * 1-5", "0 */15 8-18 * * Mon-Fri"),
            ("0 0 1 * 0,3,7", "0 0 0 1 * Sun,Wed,Sun"),
            ("30 0 9 * * mon", "30 0 9 * * Mon"),
        ] {
            let cron = of_bot(&json!({ "cronString": given })).unwrap().unwrap();
            assert_eq!((cron.schedule.as_str(), cron.check), (wanted, None));
        }
        assert!(of_bot(&json!({ "cronString": "every day" })).is_err());
        assert!(of_bot(&json!({ "cronString": "0 9 * * 8" })).is_err());
        assert_eq!(of_bot(&json!({ "cronString": "" })), Ok(None));
    }

    #[test]
    fn timings_are_read_as_medplum_reads_them() {
        for (repeat, wanted) in [
            (json!({ "period": 15 }), "0 0 */2 * * *"),
            (json!({ "period": 48 }), "0 */30 * * * *"),
            (json!({ "period": 1 }), "0 0 0 * * *"),
            (json!({ "period": 24 }), "0 0 * * * *"),
            (json!({ "dayOfWeek": ["mon", "wed", "fri"] }), "0 0 0 * * Mon,Wed,Fri"),
            (json!({ "period": 30, "dayOfWeek": ["sun"] }), "0 */48 * * * Sun"),
        ] {
            let cron = of_bot(&json!({ "cronTiming": { "repeat": repeat }, "cronString": "0 9 * * *" })).unwrap().unwrap();
            assert_eq!((cron.schedule.as_str(), cron.check.is_some()), (wanted, true));
        }
    }
}
