//! Rules for Rust files: a module doc, no `mod.rs`, files and functions of a readable size, no forbidden words.
//!
//! Files are parsed, so a word in a string or a comment is not a word in code, and test code inside a file does not count
//! towards its size.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, ItemFn, ItemImpl, ItemMod, ItemUse, TraitItemFn};

use super::Report;
use super::repo::File;

/// Lines of production code in one file, blank lines and comments included.
const FILE_LINES_MAX: usize = 600;
/// Lines of code in one function's body, counted as clippy's `too_many_lines` counts them.
const FUNCTION_LINES_MAX: usize = 70;

/// Applies the rules to one file.
pub(super) fn check(file: &File, report: &mut Report) {
    if file.path.ends_with("/mod.rs") {
        report.problem(&file.path, 0, "is named mod.rs; write foo.rs beside foo/");
    }
    if !file.text.starts_with("//!") {
        report.problem(&file.path, 1, "does not begin with a module doc: //! what lives here, and the invariant");
    }
    match syn::parse_file(&file.text) {
        Ok(tree) => check_sizes(file, &tree, report),
        Err(error) => report.problem(&file.path, error.span().start().line, format!("does not parse: {error}")),
    }
    if !file.is_own() {
        check_words(file, report);
    }
}

fn check_sizes(file: &File, tree: &syn::File, report: &mut Report) {
    if file.is_test() {
        return;
    }
    let mut measure = Measure { lines_of_code: lines_of_code(&file.text), ..Measure::default() };
    measure.visit_file(tree);
    let tests: BTreeSet<usize> = measure.test_lines.iter().cloned().flatten().collect();
    let production = file.text.lines().count().saturating_sub(tests.len());
    if production > FILE_LINES_MAX {
        let message = format!("{production} lines of production code; at most {FILE_LINES_MAX}: split along a seam");
        report.problem(&file.path, 0, message);
    }
    report.files.add(production, file.path.clone());
    for Function { name, line, lines } in measure.functions {
        if lines > FUNCTION_LINES_MAX {
            report.problem(&file.path, line, format!("fn {name} has {lines} lines; at most {FUNCTION_LINES_MAX}"));
        }
        report.functions.add(lines, format!("{}:{line} fn {name}", file.path));
    }
}

/// A function outside tests.
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Walks a file, collecting functions and the lines that are tests.
#[derive(Default)]
struct Measure {
    lines_of_code: BTreeSet<usize>,
    functions: Vec<Function>,
    test_lines: Vec<RangeInclusive<usize>>,
}

impl Measure {
    /// Notes an item that exists in tests only; such an item is not looked into.
    fn is_test(&mut self, attributes: &[Attribute], item: &impl Spanned) -> bool {
        let is_test = attributes.iter().any(only_in_tests);
        if is_test {
            self.test_lines.push(item.span().start().line..=item.span().end().line);
        }
        is_test
    }

    fn function(&mut self, signature: &syn::Signature, body: &Block) {
        let (open, close) = (body.brace_token.span.open().start().line, body.brace_token.span.close().end().line);
        let lines = if close - open < 2 { 1 } else { self.lines_of_code.range(open + 1..close).count() };
        self.functions.push(Function { name: signature.ident.to_string(), line: signature.span().start().line, lines });
    }
}

impl<'ast> Visit<'ast> for Measure {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !self.is_test(&item.attrs, item) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.is_test(&item.attrs, item);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if !self.is_test(&item.attrs, item) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !self.is_test(&item.attrs, item) {
            self.function(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !self.is_test(&item.attrs, item) {
            self.function(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// `#[test]`, `#[cfg(test)]` and `#[cfg(all(test, …))]`, but not `#[cfg(not(test))]`.
fn only_in_tests(attribute: &Attribute) -> bool {
    if attribute.path().is_ident("test") {
        return true;
    }
    let words = |tokens: TokenStream| flatten(tokens).into_iter().filter_map(|leaf| leaf.word).collect::<Vec<_>>();
    match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let words = words(list.tokens.clone());
            words.iter().any(|word| word == "test") && !words.iter().any(|word| word == "not")
        }
        _ => false,
    }
}

/// Lines that hold a token: neither blank nor only a comment.
fn lines_of_code(text: &str) -> BTreeSet<usize> {
    let tokens = text.parse::<TokenStream>().map(flatten).unwrap_or_default();
    tokens.into_iter().flat_map(|leaf| leaf.lines).collect()
}

/// A token that holds no others.
struct Leaf {
    /// Its text when it is an identifier.
    word: Option<String>,
    /// Its character when it is punctuation, or an opening delimiter.
    mark: Option<char>,
    lines: RangeInclusive<usize>,
}

fn flatten(tokens: TokenStream) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    flatten_into(tokens, &mut leaves);
    leaves
}

fn flatten_into(tokens: TokenStream, leaves: &mut Vec<Leaf>) {
    for token in tokens {
        let (word, mark) = match &token {
            TokenTree::Group(group) => (None, opening(group.delimiter())),
            TokenTree::Ident(ident) => (Some(ident.to_string()), None),
            TokenTree::Punct(punct) => (None, Some(punct.as_char())),
            TokenTree::Literal(_) => (None, None),
        };
        let span = token.span();
        let (first, last) = (span.start().line, span.end().line);
        if let TokenTree::Group(group) = token {
            leaves.push(Leaf { word, mark, lines: first..=first });
            flatten_into(group.stream(), leaves);
            leaves.push(Leaf { word: None, mark: None, lines: last..=last });
        } else {
            leaves.push(Leaf { word, mark, lines: first..=last });
        }
    }
}

const fn opening(delimiter: Delimiter) -> Option<char> {
    match delimiter {
        Delimiter::Parenthesis => Some('('),
        Delimiter::Bracket => Some('['),
        Delimiter::Brace => Some('{'),
        Delimiter::None => None,
    }
}

fn check_words(file: &File, report: &mut Report) {
    // A file that does not parse was reported already.
    let leaves = file.text.parse::<TokenStream>().map(flatten).unwrap_or_default();
    for window in leaves.windows(4) {
        let [first, second, third, fourth] = window else { continue };
        let line = *first.lines.start();
        let inner_attribute = (second.mark == Some('!') && third.mark == Some('[')).then_some(fourth);
        let outer_attribute = (second.mark == Some('[')).then_some(third);
        if first.mark == Some('#') {
            let name = inner_attribute.or(outer_attribute).and_then(|leaf| leaf.word.as_deref());
            check_attribute(file, line, name, report);
        }
        if let (Some(word @ ("todo" | "unimplemented")), Some('!')) = (first.word.as_deref(), second.mark) {
            report.problem(&file.path, line, format!("{word}!: finish it, or return an error the user can act on"));
        }
    }
}

fn check_attribute(file: &File, line: usize, name: Option<&str>, report: &mut Report) {
    match name {
        Some("allow") => report.problem(&file.path, line, "#[allow]: write #[expect(lint, reason = \"…\")]"),
        Some("ignore") => report.problem(&file.path, line, "#[ignore]: a test that does not run proves nothing"),
        _ => {}
    }
}
