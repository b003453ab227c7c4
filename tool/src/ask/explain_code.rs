//! `lode-tool explain-code`: the book's page about a code. The pages are in the program, so that they belong to the version that printed the code.

use std::fmt::{self, Display};
use std::process::ExitCode;

use anyhow::Result;
use include_dir::{Dir, include_dir};
use serde::Serialize;

use super::Output;
use super::strict::codes::TABLE;
use crate::report::{Answer, NoSuch, give};

/// The findings of `strict`, a section each.
static FINDINGS: &str = include_str!("../../../docs/findings.md");

static PAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../docs/errors");

/// Show the book's page about a code, such as E0105, or the section about a finding of `strict`, such as W0204; without a code, list them all
#[derive(clap::Args)]
pub struct Arguments {
    /// The code, as it stands in brackets after `lode`
    code: Option<String>,
    #[command(flatten)]
    pub output: Output,
}

/// Answers.
///
/// # Errors
/// There is no such code.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Some(code) = &arguments.code else {
        return give(&Codes { codes: codes() }, arguments.output.format);
    };
    let code = code.trim_matches(['[', ']']).to_ascii_uppercase();
    match page(&code) {
        Some(page) => give(&page, arguments.output.format),
        None => {
            let text = format!("there is no code {code}; `lode-tool explain-code` lists all of them");
            Err(NoSuch(text).into())
        }
    }
}

/// A page of the book.
#[derive(Serialize)]
struct Page {
    code: String,
    /// The page's first line, without the code
    title: String,
    /// The rest, in Markdown
    text: String,
}

fn page(code: &str) -> Option<Page> {
    if code.starts_with('W') {
        return section(code);
    }
    let text = PAGES.get_file(format!("{code}.md"))?.contents_utf8()?;
    // The comments say which test shows an example; they are for those who write the page.
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with("<!--"))
        .map(|line| format!("{line}\n"))
        .collect();
    let (heading, text) = text.split_once('\n')?;
    let title = heading.split_once(": ")?.1.to_owned();
    Some(Page {
        code: code.to_owned(),
        title,
        text: text.trim_start().to_owned(),
    })
}

fn section(code: &str) -> Option<Page> {
    let start = format!("{code}: ");
    let mut sections = FINDINGS.split("\n## ");
    let (title, text) = sections.find_map(|section| section.strip_prefix(&start)?.split_once('\n'))?;
    Some(Page {
        code: code.to_owned(),
        title: title.to_owned(),
        text: format!("{}\n", text.trim()),
    })
}

/// All codes, ascending.
fn codes() -> Vec<Page> {
    let names = PAGES.files().filter_map(|file| file.path().file_stem()?.to_str());
    let mut pages: Vec<Page> = names.filter_map(page).collect();
    pages.extend(TABLE.iter().filter_map(|(_, code, _)| page(code)));
    pages.sort_by(|one, other| one.code.cmp(&other.code));
    pages
}

impl Display for Page {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}\n\n{}", self.code, self.title, self.text)
    }
}

impl Answer for Page {
    const COMMAND: &'static str = "explain-code";
}

/// All codes.
#[derive(Serialize)]
struct Codes {
    codes: Vec<Page>,
}

impl Display for Codes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.codes
            .iter()
            .try_for_each(|page| writeln!(out, "{}  {}", page.code, page.title))
    }
}

impl Answer for Codes {
    const COMMAND: &'static str = "explain-code";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_title_and_a_text() {
        let codes = codes();
        assert!(codes.len() >= 40, "{}", codes.len());
        for page in codes {
            assert!(!page.title.is_empty() && !page.text.is_empty(), "{}", page.code);
            assert!(!page.to_string().contains("<!--"), "{}", page.code);
        }
        assert!(page("E9999").is_none() && page("W9999").is_none());
        assert!(page("W0204").unwrap().text.contains("What to do: "));
    }

    #[test]
    fn every_finding_has_a_section_under_its_own_words() {
        for (_, code, text) in TABLE {
            let page = page(code).unwrap_or_else(|| panic!("docs/findings.md has no section {code}"));
            assert_eq!(page.title, *text, "{code}");
            assert!(page.text.contains("\n\nWhat to do: "), "{code}");
        }
        assert_eq!(FINDINGS.matches("\n## W").count(), TABLE.len());
    }
}
