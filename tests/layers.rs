//! Modules import only from lower layers. ARCHITECTURE.md lists the layers in order. This test compares every `crate::` path in every
//! source file with that list, including comments and unit tests.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The height of each module, from the fenced block `layers`. The last line of the block is the lowest layer.
fn heights() -> HashMap<String, usize> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map");
    let block = text.split("```layers\n").nth(1).expect("a block of layers").split("```").next().expect("its end");
    let mut all = HashMap::new();
    for (height, line) in block.lines().rev().enumerate() {
        for module in line.split_whitespace() {
            assert!(all.insert(module.to_owned(), height).is_none(), "{module} stands in two layers");
        }
    }
    all
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![];
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.extension() {
            _ if path.is_dir() => all.extend(sources(&path)),
            Some(extension) if extension == "rs" => all.push(path),
            _ => {}
        }
    }
    all.sort();
    all
}

/// Splits a text after the identifier at its start.
fn name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len()))
}

/// The first identifiers of the items in braces: `{a, b::{c, d}}` gives a and b.
fn names_in_braces(text: &str) -> Vec<&str> {
    let (mut depth, mut starts, mut names) = (0, true, vec![]);
    for (at, c) in text.char_indices() {
        match c {
            '{' => (depth, starts) = (depth + 1, depth == 0),
            '}' => depth -= 1,
            ',' => starts = depth == 1,
            c if starts && (c.is_alphanumeric() || c == '_') => {
                names.push(name(&text[at..]).0);
                starts = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Modules of the crate that a text names: after `crate::`, and after exactly as many `super::` as lead out of the file's own module.
fn imports<'a>(text: &'a str, depth: usize) -> BTreeSet<&'a str> {
    let whole_word = |at: usize| text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
    let after_crate = text.match_indices("crate::").filter(|(at, _)| whole_word(*at)).map(|(at, word)| &text[at + word.len()..]);
    let out = format!("use {}", "super::".repeat(depth));
    let unprefixed = |line: &'a str| line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
    let after_super = text.lines().map(unprefixed).filter_map(|line| line.strip_prefix(&out)).filter(|rest| !rest.starts_with("super::"));
    after_crate.chain(after_super).flat_map(|rest| if rest.starts_with('{') { names_in_braces(rest) } else { vec![name(rest).0] }).collect()
}

/// Imports that do not point to a lower layer.
fn upward<'a>(module: &str, text: &'a str, depth: usize, heights: &HashMap<String, usize>) -> Vec<&'a str> {
    let own = heights.get(module).unwrap_or_else(|| panic!("ARCHITECTURE.md does not say in which layer {module} is"));
    let wrong = |import: &&str| *import != module && heights.get(*import).is_none_or(|height| height >= own);
    imports(text, depth).into_iter().filter(wrong).collect()
}

#[test]
fn no_module_imports_upward() {
    let heights = heights();
    let source = root().join("src");
    let (mut found, mut seen) = (vec![], BTreeSet::new());
    for path in sources(&source) {
        let parts: Vec<_> = path.strip_prefix(&source).expect("below src").iter().map(|p| p.to_string_lossy().into_owned()).collect();
        // Inside the crate the engine's modules are named without `engine`.
        let parts = if parts[0] == "engine" { &parts[1..] } else { &parts[..] };
        let module = parts[0].trim_end_matches(".rs");
        // The roots name every module. The program `cli` is another crate, which sees the library from outside.
        if ["lib", "main", "cli", "mod"].contains(&module) {
            continue;
        }
        seen.insert(module.to_owned());
        let depth = parts.len() - usize::from(parts.last().is_some_and(|file| file == "mod.rs"));
        let text = std::fs::read_to_string(&path).expect("a source file");
        found.extend(upward(module, &text, depth, &heights).iter().map(|import| format!("{}: crate::{import}", parts.join("/"))));
    }
    assert!(found.is_empty(), "these imports point to the same or a higher layer:\n{}", found.join("\n"));
    let listed: BTreeSet<_> = heights.into_keys().collect();
    assert_eq!(seen, listed, "ARCHITECTURE.md lists exactly the modules that there are");
}

#[test]
fn an_upward_import_is_found_however_it_is_written() {
    let heights: HashMap<_, _> = ["low", "middle", "high"].into_iter().zip(0..).map(|(m, h)| (m.to_owned(), h)).collect();
    let wrong = |text: &str, depth| upward("middle", text, depth, &heights).len();
    for text in [
        "use crate::high::Thing;",
        "fn f() { let x = crate::high::thing(); }",
        "use crate::{low, high::{Thing, Other}};",
        "use crate::{\n    low::{A, B},\n    high,\n};",
        "/// See [`crate::high`].",
        "use super::high::Thing;",
        "pub use super::high::Thing;",
        "pub(crate) use super::high::{Thing, Other};",
        "use crate::unknown::Thing;",
    ] {
        assert_eq!(wrong(text, 1), 1, "{text}");
    }
    for text in ["use crate::low::Thing;", "use crate::middle::Thing;", "use super::other::Thing;", "use crate::{low::{high, B}};"] {
        assert_eq!(wrong(text, 2), 0, "{text}");
    }
    assert_eq!(wrong("use super::super::high::Thing;", 2), 1);
}
