//! The output of commands as a terminal shows it, without the parts that differ between machines.

use super::place::{Place, said};

/// Number of elements that a shortened JSON array shows: of objects and arrays, of numbers and texts. Only longer arrays are shortened.
const SHOWN: [usize; 2] = [1, 3];

const NOT_SHOWN: &str = " > /dev/null";

/// Commands with their output: stdout as it is, lines of stderr after `2> `, the exit status if it is not 0.
pub(crate) struct Transcript<'a> {
    place: &'a Place,
    text: String,
    /// Start of the last command.
    last: usize,
}

impl<'a> Transcript<'a> {
    pub(crate) fn new(place: &'a Place) -> Self {
        Self { place, text: String::new(), last: 0 }
    }

    /// Runs `pgat` with these words. If they end in `> /dev/null`, stdout is not shown.
    pub(crate) fn run(&mut self, words: &str) -> &mut Self {
        self.run_with(words, &[])
    }

    /// Runs `pgat` on the f64 reference backend.
    pub(crate) fn twins(&mut self, words: &str) -> &mut Self {
        let (words, rest) = words.strip_suffix(NOT_SHOWN).map_or((words, ""), |words| (words, NOT_SHOWN));
        self.run(&format!("{words} --backend reference{rest}"))
    }

    /// Runs `pgat` with environment variables.
    pub(crate) fn run_with(&mut self, words: &str, variables: &[(&str, &str)]) -> &mut Self {
        let arguments = words.strip_suffix(NOT_SHOWN);
        let mut command = self.place.command(&arguments.unwrap_or(words).split_whitespace().collect::<Vec<_>>());
        command.env("COLUMNS", "100").env_remove("CLICOLOR_FORCE").envs(variables.iter().copied());
        let said = said(&command.output().expect("it runs"));
        self.last = self.text.len();
        let words = self.portable(words);
        self.line(&format!("$ pgat {words}"));
        if arguments.is_none() {
            self.show(&said.out);
        }
        for line in self.portable(&said.err).lines() {
            self.line(&format!("2> {line}"));
        }
        if said.status != Some(0) {
            self.line(&format!("=> status {}", said.status.map_or("unknown".into(), |s| s.to_string())));
        }
        self.line("");
        self
    }

    /// A file that a command wrote.
    pub(crate) fn file(&mut self, name: &str) -> &mut Self {
        self.line(&format!("$ cat {name}"));
        self.show(&self.place.read(name));
        self.line("");
        self
    }

    /// The first lines of a file.
    pub(crate) fn head(&mut self, lines: usize, name: &str) -> &mut Self {
        let text = self.portable(&self.place.read(name));
        self.line(&format!("$ head -n {lines} {name}"));
        text.lines().take(lines).for_each(|line| self.line(line));
        self.line("");
        self
    }

    /// A remark of the test.
    pub(crate) fn remark(&mut self, text: &str) -> &mut Self {
        self.line(&format!("# {text}"));
        self
    }

    /// Shows JSON with shortened arrays and other text unchanged. Marks a missing newline at the end.
    fn show(&mut self, output: &str) {
        let text = self.portable(output);
        if serde_json::from_str::<serde_json::Value>(output).is_ok() {
            cut(&text.lines().collect::<Vec<_>>(), &mut self.text);
        } else {
            text.lines().for_each(|line| self.line(line));
        }
        if !output.is_empty() && !output.ends_with('\n') {
            self.line("(no newline at the end)");
        }
    }

    fn line(&mut self, text: &str) {
        self.text += text;
        self.text.push('\n');
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Changes the last output.
    pub(crate) fn change(&mut self, change: impl FnOnce(&str) -> String) -> &mut Self {
        let changed = change(&self.text[self.last..]);
        self.text.replace_range(self.last.., &changed);
        self
    }

    /// The text without the folders, times and last digits of this machine, and without pgat's version.
    fn portable(&self, text: &str) -> String {
        let here = self.place.folder.path();
        let canonical = here.canonicalize().expect("a folder").display().to_string();
        let text = text.replace(&canonical, "<here>").replace(&here.display().to_string(), "<here>");
        let text = text.replace(env!("CARGO_MANIFEST_DIR"), "<project>");
        let version = env!("CARGO_PKG_VERSION");
        let text = text.replace(&format!("pgat {version}"), "pgat <version>").replace(&format!("\"{version}\""), "\"<version>\"");
        let text = between(&text, " steps in ", " per step", "<time> (<time>");
        numbers(&between(&text, "\"ms\":", "}", "<time>"))
    }
}

/// Replaces the text between two others on one line.
fn between(text: &str, before: &str, after: &str, new: &str) -> String {
    let one = |line: &str| {
        let parts = line.split_once(before).and_then(|(start, rest)| rest.split_once(after).map(|(_, end)| (start, end)));
        parts.map_or_else(|| line.to_owned(), |(start, end)| format!("{start}{before}{new}{after}{end}"))
    };
    text.split_inclusive('\n').map(one).collect()
}

/// Shortens numbers of more than seven digits to six digits and an ellipsis, and those below 1e-9 to no digits: the last bits of exp, ln
/// and sin depend on the platform.
fn numbers(text: &str) -> String {
    let (mut made, mut rest) = (String::new(), text);
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let word_goes_on = rest[..start].ends_with(|c: char| c.is_alphanumeric() || "_.".contains(c));
        let (before, from) = rest.split_at(start);
        made += before;
        let plain = from.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(from.len());
        let exponent = from[plain..].strip_prefix('e').map_or(0, |e| {
            let digits = e.strip_prefix(['-', '+']).unwrap_or(e);
            let count = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            if count == 0 { 0 } else { 1 + e.len() - digits.len() + count }
        });
        let (number, after) = from.split_at(plain + exponent);
        made += &if word_goes_on { number.to_owned() } else { shorter(number) };
        rest = after;
    }
    made + rest
}

fn shorter(number: &str) -> String {
    let mantissa = number.split('e').next().unwrap_or_default();
    let digits = mantissa.trim_start_matches(['0', '.']).chars().filter(char::is_ascii_digit).count();
    let Some(value) = number.parse::<f64>().ok().filter(|_| mantissa.matches('.').count() == 1) else { return number.to_owned() };
    if value != 0.0 && value < 1e-9 {
        return "<tiny>".into();
    }
    let scientific = format!("{value:.5e}");
    if digits <= 7 || scientific.parse() == Ok(value) {
        return number.to_owned();
    }
    let (_, exponent) = scientific.split_once('e').expect("it has an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    if number.contains('e') {
        return scientific.replace('e', "…e");
    }
    let decimals = usize::try_from(5 - exponent).unwrap_or(0);
    format!("{value:.decimals$}…")
}

/// The lines of a JSON text with long arrays shortened.
fn cut(lines: &[&str], made: &mut String) {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        *made += &format!("{line}\n");
        at += 1;
        if !line.ends_with('[') {
            continue;
        }
        let inner = depth(line) + 2;
        let end = at + lines[at..].iter().position(|l| depth(l) < inner).expect("a closing bracket");
        let elements: Vec<usize> =
            (at..end).filter(|&l| depth(lines[l]) == inner && !lines[l].trim_start().starts_with(['}', ']'])).collect();
        let nested = elements.first().is_some_and(|&l| lines[l].ends_with(['{', '[']));
        let most = if nested { SHOWN[0] } else { SHOWN[1] };
        let shown = if elements.len() > most + 1 { most } else { elements.len() };
        cut(&lines[at..elements.get(shown).copied().unwrap_or(end)], made);
        if shown < elements.len() {
            *made += &format!("{:inner$}… and {} more\n", "", elements.len() - shown);
        }
        at = end;
    }
}
