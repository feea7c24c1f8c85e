//! What a bench says: one row, as a line of JSON or in a table.

use std::error::Error;
use std::fmt::Write as _;

use serde_json::{Value, json};

/// A bench that cannot be run says why; there is nobody to handle it.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What the ratio is to be, or the figure itself where there is no floor: more is better for rates, less for times.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// For rates.
    AtLeast(f64),
    /// For times.
    AtMost(f64),
}

/// One measured thing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Stable; dashboards hang on it.
    pub(crate) name: &'static str,
    /// Single measurements of Hob, over all rounds.
    pub(crate) n: usize,
    /// Median over the rounds, in `unit`.
    pub(crate) median: f64,
    /// Of `median` and `floor`: `1/s`, `us`, `ms`, `s` or `MB`.
    pub(crate) unit: &'static str,
    /// The same of the floor; `None` where the goal is for the figure itself.
    pub(crate) floor: Option<f64>,
    /// For `median / floor`, or for `median`.
    pub(crate) goal: Goal,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.floor.map(|floor| self.median / floor)
    }

    fn met(&self) -> bool {
        let judged = self.ratio().unwrap_or(self.median);
        match self.goal {
            Goal::AtLeast(least) => judged >= least,
            Goal::AtMost(most) => judged <= most,
        }
    }

    fn goal(&self) -> String {
        match self.goal {
            Goal::AtLeast(least) => format!(">= {least}"),
            Goal::AtMost(most) => format!("<= {most}"),
        }
    }

    /// One object of `--json`.
    pub(crate) fn json(&self) -> Value {
        json!({
            "name": self.name,
            "n": self.n,
            "median": round(self.median),
            "unit": self.unit,
            "floor": self.floor.map(round),
            "ratio": self.ratio().map(round),
            "goal": self.goal(),
            "met": self.met(),
        })
    }
}

fn round(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

/// All rows for a person.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text =
        format!("{:<20} {:>8} {:>11} {:>11} {:<5} {:>7}  {:<8} met\n", "bench", "n", "median", "floor", "unit", "ratio", "goal");
    let or_dash = |figure: Option<f64>, digits: usize| figure.map_or_else(|| "-".to_owned(), |f| format!("{f:.digits$}"));
    for row in rows {
        let (floor, ratio) = (or_dash(row.floor, 1), or_dash(row.ratio(), 2));
        let (goal, met) = (row.goal(), if row.met() { "yes" } else { "no" });
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<20} {:>8} {:>11.1} {floor:>11} {:<5} {ratio:>7}  {goal:<8} {met}",
            row.name, row.n, row.median, row.unit
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_exactly_the_documented_keys_and_judges_by_its_goal() {
        let row = Row { name: "x", n: 3, median: 40.0, unit: "1/s", floor: Some(100.0), goal: Goal::AtLeast(0.5) };
        let text = r#"{"name":"x","n":3,"median":40.0,"unit":"1/s","floor":100.0,"ratio":0.4,"goal":">= 0.5","met":false}"#;
        assert_eq!(row.json().to_string(), text);
        assert!(Row { goal: Goal::AtMost(0.4), ..row }.met());
        assert!(Row { floor: None, goal: Goal::AtMost(40.0), ..row }.met());
        assert_eq!(Row { floor: None, ..row }.json()["ratio"], Value::Null);
    }
}
