//! Plain aligned columns under a header: no borders, numbers to the right, one line a row.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde_json::Value;

use super::{Cell, Show, Style};
use crate::rows::{Row, is_number};

/// Most columns shown of rows whose columns are only known from the rows.
const MAX_DATA_COLUMNS: usize = 256;

/// A column of a list, or a line of a description: its title, the API's key, and how the value is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    title: &'static str,
    key: &'static str,
    show: Show,
}

/// A [`Column`].
pub(crate) const fn column(title: &'static str, key: &'static str, show: Show) -> Column {
    Column { title, key, show }
}

/// A table under construction.
#[derive(Debug)]
pub(crate) struct Grid {
    table: Table,
    /// Which columns hold numbers.
    numeric: Vec<bool>,
    style: Style,
}

impl Grid {
    /// A grid with a header: titles, and whether the column holds numbers.
    pub(crate) fn new<'a>(header: impl IntoIterator<Item = (&'a str, bool)>, style: Style) -> Self {
        let (titles, numeric): (Vec<&str>, Vec<bool>) = header.into_iter().unzip();
        let mut grid = Self { numeric, ..Self::headless(style) };
        grid.table.set_header(titles);
        grid
    }

    /// A grid of words without a header.
    pub(crate) fn headless(style: Style) -> Self {
        let mut table = Table::new();
        table.load_style(NOTHING);
        if style.is_colored() {
            table.enforce_styling();
            table.style_text_only();
        } else {
            table.force_no_tty();
        }
        Self { table, numeric: Vec::new(), style }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let colored = self.style.is_colored();
        self.table.add_row(cells.into_iter().map(|cell| match cell.tone.color() {
            Some(color) if colored => comfy_table::Cell::new(cell.text).fg(color),
            _ => comfy_table::Cell::new(cell.text),
        }));
    }

    /// The text, without trailing spaces.
    pub(crate) fn render(mut self) -> String {
        // Only now: columns come to be with the rows.
        let numeric = self.numeric.iter().copied().chain(std::iter::repeat(false));
        for (column, is_numeric) in self.table.column_iter_mut().zip(numeric) {
            column.set_padding((0, 2));
            column.set_cell_alignment(if is_numeric { CellAlignment::Right } else { CellAlignment::Left });
        }
        self.table.trim_fmt()
    }
}

/// One line per object, one column per key; nothing at all without objects.
pub(crate) fn list(objects: &[Value], columns: &[Column], style: Style) -> String {
    if objects.is_empty() {
        return String::new();
    }
    let titles: Vec<String> = columns.iter().map(|column| column.title.to_uppercase()).collect();
    let header = titles.iter().zip(columns).map(|(title, column)| (title.as_str(), column.show.is_number()));
    let mut grid = Grid::new(header, style);
    for object in objects {
        grid.row(columns.iter().map(|column| Cell::of(object.get(column.key), column.show)));
    }
    grid.render()
}

/// One line per key of an object, leaving out what it does not have.
pub(crate) fn fields(object: &Value, columns: &[Column], style: Style) -> String {
    let mut grid = Grid::headless(style);
    for column in columns {
        if let Some(value) = object.get(column.key).filter(|value| !value.is_null()) {
            grid.row([Cell::plain(column.title), Cell::of(Some(value), column.show)]);
        }
    }
    grid.render()
}

/// The list an object has under `key`.
pub(crate) fn part(object: &Value, key: &str, columns: &[Column], style: Style) -> String {
    let items = object.get(key).and_then(Value::as_array);
    items.map(|items| list(items, columns, style)).unwrap_or_default()
}

/// One row of user data, a line per column.
pub(crate) fn record(row: &Row, style: Style) -> String {
    let mut grid = Grid::headless(style);
    for (name, value) in row.columns() {
        grid.row([Cell::plain(name), Cell::of_data(Some(value))]);
    }
    grid.render()
}

/// Rows of user data under `columns`: names, and whether they hold numbers. Nothing at all without rows.
pub(crate) fn data_table(rows: &[Row], columns: &[(String, bool)], style: Style) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut grid = Grid::new(columns.iter().map(|(name, numeric)| (name.as_str(), *numeric)), style);
    for row in rows {
        grid.row(columns.iter().map(|(name, _)| Cell::of_data(row.get(name))));
    }
    grid.render()
}

/// The columns of rows in order of first sight; one holds numbers when every value in it is a number or missing.
pub(super) fn columns_of(rows: &[Row]) -> Vec<(String, bool)> {
    let mut columns: Vec<(String, bool)> = Vec::new();
    for (name, value) in rows.iter().flat_map(Row::columns) {
        let fits = is_number(value) || value.get() == "null";
        if let Some((_, numeric)) = columns.iter_mut().find(|(known, _)| known == name) {
            *numeric &= fits;
        } else if columns.len() < MAX_DATA_COLUMNS {
            columns.push((name.to_owned(), fits));
        }
    }
    columns
}

/// Pieces of a description with a blank line between them; empty ones leave no trace.
pub(crate) fn sections(pieces: impl IntoIterator<Item = String>) -> String {
    pieces.into_iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Show, column, columns_of, data_table, fields, list, sections};
    use crate::output::Style;
    use crate::rows::Row;

    #[test]
    fn lists_align_words_left_and_numbers_right() {
        let rows = [json!({"name": "a", "events": 1}), json!({"name": "longer", "events": 12_345})];
        let columns = [column("name", "name", Show::Text), column("events", "events", Show::Count)];
        assert_eq!(list(&rows, &columns, Style::PLAIN), "NAME    EVENTS\na            1\nlonger  12,345");
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let rows = [json!({"status": "failed"})];
        let columns = [column("status", "status", Show::Status)];
        assert_eq!(list(&rows, &columns, Style::PLAIN), "STATUS\nfailed");
        let colored = list(&rows, &columns, Style::COLORED);
        assert!(colored.contains("failed") && colored.contains("\u{1b}["), "{colored:?}");
    }

    #[test]
    fn descriptions_leave_out_what_is_not_there() {
        let columns = [column("name", "name", Show::Text), column("error", "error", Show::Text)];
        assert_eq!(fields(&json!({"name": "a", "error": null}), &columns, Style::PLAIN), "name  a");
        assert_eq!(sections(["a".to_owned(), String::new(), "b".to_owned()]), "a\n\nb");
    }

    #[test]
    fn data_columns_come_from_all_rows() {
        let rows: Vec<Row> = serde_json::from_str(r#"[{"a":1,"b":"x"},{"a":null,"c":2.5}]"#).expect("rows");
        let columns = columns_of(&rows);
        assert_eq!(columns, [("a".to_owned(), true), ("b".to_owned(), false), ("c".to_owned(), true)]);
        assert_eq!(data_table(&rows, &columns, Style::PLAIN), "   a  b        c\n   1  x     NULL\nNULL  NULL   2.5");
    }
}
