//! As much of C's preprocessor as the files in this folder need. With MSVC there is no assembler
//! that knows C's: there the build script writes the text that rustc assembles. `ci/same_code.py`
//! compares the machine code with what a C compiler makes of the same files.
//!
//! A line is a directive or text. Conditions are made of `defined(…)`, `!`, `&&` and `||`.
//! Arguments of a macro are expanded before `##` joins them, and a macro does not name itself.

use std::{collections::HashMap, fs, path::Path};

/// A `#define`: parameters, if there is a list of them, and what it stands for.
type Macro = (Option<Vec<String>>, String);

#[derive(Default)]
struct Preprocessor {
    macros: HashMap<String, Macro>,
    /// For each `#if` that is open: whether its present part counts, and whether another part
    /// may.
    conditions: Vec<(bool, bool)>,
    output: String,
}

/// The text of this file and those that it includes, where these names stand for these values.
pub(crate) fn preprocessed(file: &str, defined: &[(&str, &str)]) -> String {
    let mut it = Preprocessor::default();
    for (name, value) in defined {
        it.macros.insert((*name).to_owned(), (None, (*value).to_owned()));
    }
    it.read(Path::new(file));
    assert!(it.conditions.is_empty(), "{file}: #endif is missing");
    it.output
}

impl Preprocessor {
    fn read(&mut self, file: &Path) {
        let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for line in text.lines() {
            let line = line.split("//").next().unwrap_or_default();
            if let Some(directive) = line.trim_start().strip_prefix('#') {
                let (name, rest) = split_token(directive.trim_start());
                self.directive(name, rest.trim(), file);
            } else if self.counts() {
                self.output += &self.expand(line);
                self.output.push('\n');
            }
        }
    }

    /// Whether the present line is in no part that is left out.
    fn counts(&self) -> bool {
        self.conditions.iter().all(|(counts, _)| *counts)
    }

    fn directive(&mut self, name: &str, rest: &str, file: &Path) {
        match name {
            "if" => {
                let holds = self.holds(rest);
                self.conditions.push((holds, !holds));
            }
            "elif" | "else" => {
                let (_, may) = self.conditions.pop().expect("#if comes first");
                let holds = may && (name == "else" || self.holds(rest));
                self.conditions.push((holds, may && !holds));
            }
            "endif" => _ = self.conditions.pop().expect("#if comes first"),
            _ if !self.counts() => {}
            "include" => self.read(&file.with_file_name(rest.trim_matches('"'))),
            "define" => {
                let (name, rest) = split_token(rest);
                let one = match parenthesised(rest) {
                    Some((params, body)) => (Some(params), body.trim()),
                    None => (None, rest.trim()),
                };
                self.macros.insert(name.to_owned(), (one.0, one.1.to_owned()));
            }
            _ => panic!("{}: #{name} {rest}", file.display()),
        }
    }

    fn holds(&self, condition: &str) -> bool {
        let one = |text: &str| {
            let (not, text) =
                text.trim().strip_prefix('!').map_or((false, text), |rest| (true, rest));
            let name = text.trim().strip_prefix("defined(").and_then(|text| text.strip_suffix(')'));
            self.macros.contains_key(name.unwrap_or_else(|| panic!("#if {condition}"))) != not
        };
        condition.split("||").any(|all| all.split("&&").all(one))
    }

    fn expand(&self, mut text: &str) -> String {
        let mut expanded = String::new();
        while !text.is_empty() {
            let (token, after) = split_token(text);
            text = after;
            match (self.macros.get(token), parenthesised(after)) {
                (Some((None, body)), _) => expanded += &self.expand(body),
                (Some((Some(params), body)), Some((arguments, after))) => {
                    assert_eq!(params.len(), arguments.len(), "arguments of {token}");
                    let arguments: Vec<_> = arguments.iter().map(|one| self.expand(one)).collect();
                    expanded += &self.expand(&substituted(body, params, &arguments));
                    text = after;
                }
                _ => expanded += token,
            }
        }
        expanded
    }
}

/// The body of a macro with arguments in the place of its parameters.
fn substituted(mut body: &str, params: &[String], arguments: &[String]) -> String {
    let mut text = String::new();
    while !body.is_empty() {
        let (token, after) = split_token(body);
        let param = params.iter().position(|param| param == token);
        text += param.map_or(token, |param| &arguments[param]);
        body = after;
    }
    text.replace("##", "")
}

/// The name, the number or else the character that the text begins with, and what follows.
fn split_token(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let first = text.chars().next().map_or(0, char::len_utf8);
    text.split_at(end.unwrap_or(text.len()).max(first))
}

/// What stands between commas in the parentheses that the text begins with, and what follows.
fn parenthesised(text: &str) -> Option<(Vec<String>, &str)> {
    let inside = text.strip_prefix('(')?;
    let (mut found, mut depth) = (vec![String::new()], 0);
    for (at, c) in inside.char_indices() {
        match c {
            ')' if depth == 0 => {
                let found = found.iter().map(|one| one.trim().to_owned()).collect();
                return Some((found, &inside[at + 1..]));
            }
            ',' if depth == 0 => {
                found.push(String::new());
                continue;
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        found.last_mut()?.push(c);
    }
    None
}
