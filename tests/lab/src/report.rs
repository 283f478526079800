//! What the lab shows: tables in the terminal, and with `WRITE=1` the parts of its pages.

use bench::figure::Findings;
use bench::machine::Machine;
use bench::outcome::Outcome;
use bench::report::{figures_file, page};

use crate::measured::Table;

const PAGES: [&str; 2] = ["docs/en/lab.md", "docs/zh/lab.md"];

/// What an experiment has found.
pub(crate) struct Part {
    pub(crate) sections: Vec<Section>,
}

/// What stands between two marks of the pages.
#[derive(Default)]
pub(crate) struct Section {
    /// As the marks name it.
    pub(crate) name: &'static str,
    /// For a terminal: a page has a heading of its own.
    pub(crate) title: String,
    pub(crate) tables: Vec<Table>,
    pub(crate) charts: Findings,
    /// What a reader must know beside the figures, a sentence each.
    pub(crate) remarks: Vec<String>,
}

impl Section {
    pub(crate) fn print(&self) {
        println!("\n{}", self.title);
        for table in &self.tables {
            println!("{}\n", table.text());
        }
        for remark in &self.remarks {
            println!("  remark: {remark}");
        }
    }

    /// Of all its tables, for the prose between them.
    fn figures(&self) -> Vec<(String, String)> {
        let figures = self.tables.iter().flat_map(Table::figures);
        figures.map(|(name, value)| (format!("lab.{}.{name}", self.name), value)).collect()
    }

    fn part(&self, about: &str) -> Outcome<String> {
        let images = page::draw(&format!("lab-{}", self.name), &self.charts)?;
        let images = images.iter().map(|(path, title)| format!("![{title}]({})", path.display()));
        let tables = self.tables.iter().map(Table::markdown);
        let mut blocks: Vec<String> =
            [about.to_string()].into_iter().chain(images).chain(tables).collect();
        if !self.remarks.is_empty() {
            let remarks = self.remarks.iter().map(|it| format!("- {it}"));
            blocks.push(remarks.collect::<Vec<_>>().join("\n"));
        }
        Ok(blocks.join("\n\n"))
    }
}

/// Writes what was found into the pages; parts of others stay as they are.
pub(crate) fn write(machine: &Machine, rounds: &str, parts: &[Part]) -> Outcome<()> {
    let about = format!("{}, commit {}, {rounds}.", machine.fact("date"), machine.fact("commit"));
    let mut printed = vec![("machine", page::facts(machine))];
    for section in parts.iter().flat_map(|it| &it.sections) {
        printed.push((section.name, section.part(&about)?));
    }
    for section in parts.iter().flat_map(|it| &it.sections) {
        figures_file::write(&format!("lab.{}.", section.name), &section.figures())?;
    }
    page::print(&PAGES, &printed)
}
