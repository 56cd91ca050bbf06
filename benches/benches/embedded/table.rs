//! The figures of all targets in one table of Markdown.

use crate::measure::Figures;

pub(crate) fn render(columns: &[Figures]) -> String {
    let mut lines = Vec::new();
    let row = |first: &str, cells: Vec<String>| format!("| {first} | {} |", cells.join(" | "));
    lines.push(row("", columns.iter().map(|column| column.name.to_owned()).collect()));
    lines.push(row("---", columns.iter().map(|_| "---:".to_owned()).collect()));
    let questions: Vec<&str> =
        columns.first().map_or_else(Vec::new, |column| column.rows.iter().map(|(question, _)| *question).collect());
    for question in questions {
        let answer = |column: &Figures| {
            column
                .rows
                .iter()
                .find(|(other, _)| *other == question)
                .map_or_else(|| "–".to_owned(), |(_, answer)| answer.clone())
        };
        lines.push(row(question, columns.iter().map(answer).collect()));
    }
    lines.join("\n")
}
