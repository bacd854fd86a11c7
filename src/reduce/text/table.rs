//! Columns that are aligned: names to the left, numbers to the right.

/// A table of text.
#[derive(Clone, Debug)]
pub struct Table {
    left: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Columns with these heads; one that begins with `<` is aligned to the left, the `<` is not shown.
    pub fn new(heads: &[&str]) -> Table {
        Table {
            left: heads.iter().map(|head| head.starts_with('<')).collect(),
            rows: vec![heads.iter().map(|head| head.trim_start_matches('<').to_owned()).collect()],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Has it no row but its head?
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// The lines, each indented by `indent` blanks, none with blanks at its end. A head without any text is left out.
    pub fn lines(&self, indent: usize) -> String {
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.left.len()).map(width).collect();
        let headless = self.rows[0].iter().all(String::is_empty);
        let mut text = String::new();
        for row in self.rows.iter().skip(usize::from(headless)) {
            let cells = row.iter().zip(&widths).zip(&self.left).map(|((cell, width), left)| {
                if *left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            text.push_str(&" ".repeat(indent));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_left_and_numbers_right() {
        let mut table = Table::new(&["<name", "count", "<note"]);
        table.row(["a".into(), "1".into(), "x".into()]);
        table.row(["größer".into(), "1,000".into(), String::new()]);
        assert_eq!(table.lines(2), "  name    count  note\n  a           1  x\n  größer  1,000\n");
    }

    #[test]
    fn a_head_without_text_is_left_out() {
        let mut table = Table::new(&["<", ""]);
        assert!(table.is_empty());
        table.row(["a".into(), "1".into()]);
        assert_eq!(table.lines(0), "a  1\n");
    }
}
