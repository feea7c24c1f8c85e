//! Plain tables and lists of key and value: columns by spaces, so that `awk` and eyes both read them.

use crate::output::{Paint, inline};

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// A cell in a look of its own.
    pub(crate) fn painted(text: impl Into<String>, paint: Paint) -> Self {
        Self { text: inline(&text.into()).into_owned(), paint }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::painted(text, Paint::Plain)
    }
}

/// A table; an empty cell shows as `-`, so that columns can be counted.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<Cell>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|text| Cell::painted(*text, Paint::Bold)).collect(), rows: Vec::new() }
    }

    /// Adds a row; its cells are those of the head.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into_iter().map(|cell| if cell.text.is_empty() { "-".into() } else { cell }).collect());
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table without a line end after its last row; each line begins with `indent`.
    pub(crate) fn render(&self, indent: &str, color: bool) -> String {
        let width = |cell: &Cell| cell.text.chars().count();
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| self.lines().filter_map(|row| row.get(column)).map(width).max().unwrap_or(0))
            .collect();
        let line = |row: &Vec<Cell>| {
            let cells = row.iter().zip(&widths).map(|(cell, column)| {
                format!("{}{}", cell.paint.on(&cell.text, color), " ".repeat(column.saturating_sub(width(cell)) + 2))
            });
            format!("{indent}{}", cells.collect::<String>().trim_end())
        };
        self.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    fn lines(&self) -> impl Iterator<Item = &Vec<Cell>> {
        std::iter::once(&self.head).chain(&self.rows)
    }
}

/// Keys and values, one a line, values below one another.
#[derive(Debug, Default)]
pub(crate) struct Facts(Vec<(&'static str, Cell)>);

impl Facts {
    /// Adds a line.
    pub(crate) fn add(&mut self, key: &'static str, value: impl Into<Cell>) -> &mut Self {
        self.0.push((key, value.into()));
        self
    }

    /// Adds a line where there is something to say.
    pub(crate) fn maybe(&mut self, key: &'static str, value: Option<impl Into<Cell>>) -> &mut Self {
        if let Some(value) = value {
            self.add(key, value);
        }
        self
    }

    pub(crate) fn render(&self, color: bool) -> String {
        let width = self.0.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        let line = |(key, cell): &(&str, Cell)| {
            let gap = " ".repeat(width - key.len() + 2);
            format!("{}{gap}{}", Paint::Bold.on(key, color), cell.paint.on(&cell.text, color)).trim_end().to_owned()
        };
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_colours() {
        let mut table = Table::new(&["BOT", "STATE", "NOTE"]);
        table.row(["a".into(), Cell::painted("done", Paint::Green), "".into()]);
        table.row(["longer-name".into(), Cell::painted("dead", Paint::Red), "two\nlines".into()]);
        assert_eq!(
            table.render("  ", false),
            "  BOT          STATE  NOTE\n  a            done   -\n  longer-name  dead   two\\nlines"
        );
        let plain =
            table.render("", true).replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\x1b[31m", "").replace("\x1b[32m", "");
        assert_eq!(plain, table.render("", false));
    }

    #[test]
    fn facts_line_up() {
        let mut facts = Facts::default();
        facts.add("run", "run_1").add("state", Cell::painted("done", Paint::Green)).maybe("ended", None::<&str>);
        assert_eq!(facts.render(false), "run    run_1\nstate  done");
        assert_eq!(Facts::default().render(false), "");
    }
}
