//! The rules of the house, read from the source: imports between rooms, `unsafe`, prints and `cfg(target_arch)`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use walkdir::WalkDir;

use super::{ANYWHERE, Imports, MAY_BE_UNSAFE, MAY_IMPORT_CRT, MAY_NAME_THE_MACHINE, ROOMS};

/// Macros that write where nobody asked: everything the loader says leaves through its sinks.
const PRINTS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

/// What the source says about itself.
#[derive(Default)]
pub struct Report {
    /// Breaches, one line each, with file and line.
    pub findings: Vec<String>,
    /// All unsafe blocks and implementations.
    pub unsafe_code: Vec<Unsafe>,
}

/// An unsafe block or implementation.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsafe {
    /// The room of `loader/src` that it stands in, or `crt`.
    pub room: String,
    /// File and line.
    pub place: String,
    /// The fact that it rests on, as its SAFETY comment has it.
    pub reason: String,
}

/// Reads every source file of the loader and of crt below `root`.
///
/// # Errors
/// A file cannot be read or is not Rust.
pub fn examine(root: &Path) -> Result<Report> {
    let mut report = Report::default();
    for folder in ["loader/src", "crt"] {
        for entry in WalkDir::new(root.join(folder)).sort_by_file_name() {
            let entry = entry?;
            if entry.path().extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let name = entry.path().strip_prefix(root)?.to_string_lossy().into_owned();
            let text = fs::read_to_string(entry.path()).with_context(|| name.clone())?;
            examine_file(&name, &text, &mut report)?;
        }
    }
    Ok(report)
}

fn examine_file(name: &str, text: &str, report: &mut Report) -> Result<()> {
    // Unit tests may stand in a file of their own: `mod tests;` under cfg(test).
    if name.ends_with("/tests.rs") {
        return Ok(());
    }
    let syntax = syn::parse_file(text).with_context(|| format!("{name} is not Rust"))?;
    let module = module_path(name);
    let mut file = File {
        name,
        lines: text.lines().collect(),
        room: module.first().cloned(),
        module,
        unsafe_code: Vec::new(),
        findings: Vec::new(),
    };
    file.visit_file(&syntax);

    let documentation: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
    if documentation.is_empty() {
        file.findings
            .push(format!("{name}:1: no `//!` that says what the file is for"));
    }
    let may_be_unsafe = file.room.as_deref().is_none_or(|room| MAY_BE_UNSAFE.contains(&room));
    if !file.unsafe_code.is_empty() {
        if !may_be_unsafe {
            file.findings
                .push(format!("{name}:1: unsafe code in a room that may have none"));
        }
        if !documentation.iter().any(|line| line.contains("# Safety")) {
            file.findings
                .push(format!("{name}:1: unsafe code, but no `# Safety` section in its `//!`"));
        }
    }
    report.unsafe_code.append(&mut file.unsafe_code);
    report.findings.append(&mut file.findings);
    Ok(())
}

/// The module that a file of `loader/src` is; empty for its root and for other packages, which have no rooms.
fn module_path(name: &str) -> Vec<String> {
    let Some(inner) = name.strip_prefix("loader/src/").and_then(|n| n.strip_suffix(".rs")) else {
        return Vec::new();
    };
    let mut parts: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// One file on its way through the visitor.
struct File<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
    /// The room of `loader/src` that it belongs to; `None` outside.
    room: Option<String>,
    module: Vec<String>,
    unsafe_code: Vec<Unsafe>,
    findings: Vec<String>,
}

impl File<'_> {
    /// Adds a finding, unless the line has it already: a `use` with many names is one breach.
    fn find(&mut self, span: Span, what: &str) {
        let finding = format!("{}:{}: {what}", self.name, span.start().line);
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Judges one path from its first segments.
    fn import(&mut self, path: &[String], span: Span) {
        let Some(room) = self.room.clone() else {
            return;
        };
        let target = match path {
            [first, second, ..] if first == "crate" || (first == "lode" && room == "main") => second.clone(),
            [first, ..] if first == "super" => {
                let up = path.iter().take_while(|segment| *segment == "super").count();
                // `super` from a file at the top reaches the root, whose children are the rooms.
                match (self.module.len().checked_sub(up), path.get(up)) {
                    (Some(0), Some(child)) => child.clone(),
                    _ => return,
                }
            }
            [first, second, ..] if first == "crt" => {
                let is_plain = ["Errno", "line", "packed", "prefetch"]
                    .iter()
                    .any(|plain| second == plain);
                if !MAY_IMPORT_CRT.contains(&room.as_str()) && !is_plain {
                    self.find(span, &format!("room `{room}` may not import `crt::{second}`"));
                }
                return;
            }
            _ => return,
        };
        let known = |name: &str| ROOMS.iter().find(|(room, _)| *room == name);
        if target == room || ANYWHERE.contains(&target.as_str()) || known(&target).is_none() {
            // What is no room is an item of the crate's root: a macro or a re-export.
            return;
        }
        let allowed = match known(&room) {
            Some((_, Imports::All)) => true,
            Some((_, Imports::Only(list))) => list.contains(&target.as_str()),
            None => {
                self.find(
                    span,
                    &format!("room `{room}` is not in the table of xtask/src/check.rs"),
                );
                return;
            }
        };
        if !allowed {
            self.find(span, &format!("room `{room}` may not import `{target}`"));
        }
    }

    /// Judges every path of a `use` tree.
    fn use_tree(&mut self, tree: &syn::UseTree, prefix: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.use_tree(&path.tree, prefix);
                prefix.pop();
            }
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.use_tree(item, prefix);
                }
            }
            syn::UseTree::Name(syn::UseName { ident }) | syn::UseTree::Rename(syn::UseRename { ident, .. }) => {
                prefix.push(ident.to_string());
                self.import(prefix, ident.span());
                prefix.pop();
            }
            syn::UseTree::Glob(glob) => self.import(prefix, glob.span()),
        }
    }

    /// Judges the paths and conditions inside a macro call or an attribute, which are tokens to the parser.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut start = Span::call_site();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if ident == "target_arch" && !MAY_NAME_THE_MACHINE.contains(&self.name) {
                        self.find(ident.span(), "asks for the machine; a machine is a table");
                    }
                    if colons != 2 {
                        self.import(&path, start);
                        path.clear();
                        start = ident.span();
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.import(&path, start);
                    path.clear();
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.import(&path, start);
    }

    /// Notes unsafe code at `span` with the fact that it rests on.
    fn unsafe_code(&mut self, span: Span) {
        let line = span.start().line;
        let reason = self.safety_comment(line).unwrap_or_else(|| {
            self.find(span, "unsafe code without a `// SAFETY:` above it");
            String::new()
        });
        self.unsafe_code.push(Unsafe {
            room: self.room.clone().unwrap_or_else(|| "crt".to_owned()),
            place: format!("{}:{line}", self.name),
            reason,
        });
    }

    /// The SAFETY comment above the statement that reaches line `line` (from 1), or inside.
    fn safety_comment(&self, line: usize) -> Option<String> {
        let says = |line: &&str| line.contains("SAFETY:");
        let here = (line.saturating_sub(1)..=line).find(|at| self.lines.get(*at).is_some_and(says));
        let start = here.or_else(|| self.safety_comment_above(line))?;
        let mut lines = self.lines.get(start..)?.iter();
        let first = lines.next()?.split_once("SAFETY:")?.1.trim();
        let rest = lines.map_while(|line| line.trim().strip_prefix("//"));
        Some(rest.fold(first.to_owned(), |text, line| format!("{text} {}", line.trim())))
    }

    /// The index of the line of that comment, above.
    fn safety_comment_above(&self, line: usize) -> Option<usize> {
        for (at, above) in self.lines.iter().enumerate().take(line.saturating_sub(1)).rev() {
            let above = above.trim();
            if above.starts_with("//") {
                if above.contains("SAFETY:") {
                    return Some(at);
                }
            } else if above.is_empty() || above.ends_with([';', '{', '}']) {
                return None;
            }
        }
        None
    }
}

/// Whether an item exists in tests only.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Path>()
                    .is_ok_and(|condition| condition.is_ident("test")))
    })
}

impl<'ast> Visit<'ast> for File<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let inline = item.content.is_some();
        if inline {
            self.module.push(item.ident.to_string());
        }
        visit::visit_item_mod(self, item);
        if inline {
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&item.tree, &mut Vec::new());
        visit::visit_item_use(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.import(&segments, path.span());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(name) = call.path.segments.last().map(|segment| segment.ident.to_string())
            && PRINTS.contains(&name.as_str())
        {
            self.find(
                call.span(),
                &format!("`{name}!`: everything the loader says leaves through a sink"),
            );
        }
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
        visit::visit_attribute(self, attribute);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.unsafe_code(block.span());
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if item.unsafety.is_some() {
            self.unsafe_code(item.span());
        }
        visit::visit_item_impl(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(name: &str, text: &str) -> Vec<String> {
        let mut report = Report::default();
        examine_file(name, &format!("//! A file.\n{text}"), &mut report).unwrap();
        report.findings
    }

    #[test]
    fn an_import_outside_the_table_is_a_finding() {
        assert_eq!(findings("loader/src/elf/note.rs", "use crate::sys::map;").len(), 1);
        assert_eq!(
            findings("loader/src/elf/note.rs", "use crate::{error::Error, world};").len(),
            1
        );
        assert_eq!(findings("loader/src/tls.rs", "use super::scope;").len(), 1);
        assert_eq!(findings("loader/src/tls.rs", "fn f() { crate::scope::g() }").len(), 1);
        assert_eq!(
            findings("loader/src/tls.rs", "fn f() { vec![crate::scope::g()]; }").len(),
            1
        );
        assert_eq!(findings("loader/src/tls.rs", "use crt::syscall;").len(), 1);
    }

    #[test]
    fn an_import_in_the_table_or_the_own_room_is_none() {
        assert_eq!(
            findings("loader/src/elf/note.rs", "use super::header; use crate::elf::x;"),
            [""; 0]
        );
        assert_eq!(
            findings("loader/src/world.rs", "use crate::elf::x; use crate::event::Event;"),
            [""; 0]
        );
    }

    #[test]
    fn tests_may_import_anything() {
        let text = "#[cfg(test)] mod tests { use crate::sys; fn f() { println!() } }";
        assert_eq!(findings("loader/src/elf/note.rs", text), [""; 0]);
    }

    #[test]
    fn a_room_that_is_not_in_the_table_is_a_finding() {
        assert_eq!(findings("loader/src/attic.rs", "use crate::elf::x;").len(), 1);
    }

    #[test]
    fn prints_and_machine_conditions_are_findings() {
        assert_eq!(
            findings("loader/src/elf/note.rs", "fn f() { println!(\"x\") }").len(),
            1
        );
        assert_eq!(
            findings("loader/src/elf/note.rs", "#[cfg(target_arch = \"x\")] fn f() {}").len(),
            1
        );
        assert_eq!(
            findings("loader/src/elf/note.rs", "fn f() -> bool { cfg!(target_arch = \"x\") }").len(),
            1
        );
        assert_eq!(
            findings("crt/src/lib.rs", "#[cfg(target_arch = \"x\")] fn f() {}"),
            [""; 0]
        );
    }

    #[test]
    fn unsafe_code_needs_its_place_its_section_and_its_fact() {
        let with =
            "//! # Safety\n//! Why.\nfn f() {\n    // SAFETY: a fact.\n    let x =\n        unsafe { g() };\n}\n";
        assert_eq!(findings("loader/src/sys/mod.rs", with), [""; 0]);
        assert_eq!(findings("loader/src/scope.rs", with).len(), 1);
        assert_eq!(findings("loader/src/sys/mod.rs", "fn f() { unsafe { g() } }").len(), 2);
    }

    #[test]
    fn unsafe_code_is_listed_with_its_room_and_its_whole_reason() {
        let text =
            "//! # Safety\n//! Why.\nfn f() {\n    // SAFETY: a fact\n    // of two lines.\n    unsafe { g() };\n}\n";
        let mut report = Report::default();
        examine_file("loader/src/sys/mod.rs", text, &mut report).unwrap();
        let expected = Unsafe {
            room: "sys".to_owned(),
            place: "loader/src/sys/mod.rs:6".to_owned(),
            reason: "a fact of two lines.".to_owned(),
        };
        assert_eq!(report.unsafe_code, [expected]);
    }
}
