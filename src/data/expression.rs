//! Expressions over columns, such as `hypot(u, v)`.
//!
//! ```text
//! sum     = product { ("+" | "-") product }
//! product = factor { ("*" | "/") factor }
//! factor  = ("-" | "+") factor | power
//! power   = atom [ "^" factor ]                     binds more tightly than a preceding sign: -2^2 = -4, as in Python
//! atom    = number | name | "{" any name "}" | function "(" sum { "," sum } ")" | "(" sum ")"
//! ```

type Unary = fn(f64) -> f64;
type Binary = fn(f64, f64) -> f64;

/// Functions with one argument.
const UNARY: [(&str, Unary); 22] = [
    ("abs", f64::abs),
    ("sign", f64::signum),
    ("sqrt", f64::sqrt),
    ("cbrt", f64::cbrt),
    ("exp", f64::exp),
    ("ln", f64::ln),
    ("log", f64::ln),
    ("log2", f64::log2),
    ("log10", f64::log10),
    ("sin", f64::sin),
    ("cos", f64::cos),
    ("tan", f64::tan),
    ("asin", f64::asin),
    ("acos", f64::acos),
    ("atan", f64::atan),
    ("sinh", f64::sinh),
    ("cosh", f64::cosh),
    ("tanh", f64::tanh),
    ("floor", f64::floor),
    ("ceil", f64::ceil),
    ("round", f64::round),
    ("trunc", f64::trunc),
];
/// Functions with two arguments.
const BINARY: [(&str, Binary); 5] =
    [("hypot", f64::hypot), ("atan2", f64::atan2), ("pow", f64::powf), ("min", f64::min), ("max", f64::max)];
/// Named constants. Columns with these names must be in braces.
const CONSTANTS: [(&str, f64); 2] = [("PI", std::f64::consts::PI), ("E", std::f64::consts::E)];
/// Maximum nesting depth of signs and parentheses.
const DEEPEST: usize = 64;

#[derive(Debug, Clone)]
enum Tree {
    Number(f64),
    /// Index into the names.
    Name(usize),
    Unary(Unary, Box<Tree>),
    Binary(Binary, Box<[Tree; 2]>),
}

impl Tree {
    fn value(&self, inputs: &[f64]) -> f64 {
        match self {
            Self::Number(v) => *v,
            Self::Name(i) => inputs[*i],
            Self::Unary(f, x) => f(x.value(inputs)),
            Self::Binary(f, both) => f(both[0].value(inputs), both[1].value(inputs)),
        }
    }
}

/// A parsed expression.
#[derive(Debug, Clone)]
pub(super) struct Expression {
    text: String,
    names: Vec<String>,
    tree: Tree,
}

impl Expression {
    /// Parses an expression. The error says what is wrong and where.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text, names: vec![], depth: 0 };
        let tree = parser.sum()?;
        parser.space();
        if !parser.rest.is_empty() {
            return Err(format!("an operator or the end of the expression is expected before \"{}\"", parser.rest));
        }
        Ok(Self { text: text.to_string(), names: parser.names, tree })
    }

    /// The column names, in the order in which [`Expression::value`] takes their values.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The text of the expression.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The value of the expression.
    pub(super) fn value(&self, inputs: &[f64]) -> f64 {
        self.tree.value(inputs)
    }
}

struct Parser<'a> {
    rest: &'a str,
    names: Vec<String>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Consumes a character if it is next.
    fn take(&mut self, sign: char) -> bool {
        self.space();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.take(sign) {
            return Ok(());
        }
        Err(if self.rest.is_empty() {
            format!("\"{sign}\" is missing at the end")
        } else {
            format!("\"{sign}\" is missing before \"{}\"", self.rest)
        })
    }

    /// Consumes characters while the predicate holds.
    fn word(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn sum(&mut self) -> Result<Tree, String> {
        self.row(&[('+', |a, b| a + b), ('-', |a, b| a - b)], Self::product)
    }

    fn product(&mut self) -> Result<Tree, String> {
        self.row(&[('*', |a, b| a * b), ('/', |a, b| a / b)], Self::factor)
    }

    /// Parses operands with operators of one precedence, left-associative.
    fn row(&mut self, operators: &[(char, Binary)], part: fn(&mut Self) -> Result<Tree, String>) -> Result<Tree, String> {
        let mut left = part(self)?;
        while let Some((_, f)) = operators.iter().find(|(sign, _)| self.take(*sign)) {
            left = Tree::Binary(*f, Box::new([left, part(self)?]));
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Tree, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("more than {DEEPEST} nested parentheses or signs"));
        }
        let tree = if self.take('-') {
            Tree::Unary(|x| -x, Box::new(self.factor()?))
        } else if self.take('+') {
            self.factor()?
        } else {
            self.power()?
        };
        self.depth -= 1;
        Ok(tree)
    }

    fn power(&mut self) -> Result<Tree, String> {
        let base = self.atom()?;
        if self.take('^') { Ok(Tree::Binary(f64::powf, Box::new([base, self.factor()?]))) } else { Ok(base) }
    }

    fn atom(&mut self) -> Result<Tree, String> {
        if self.take('(') {
            let inner = self.sum()?;
            self.expect(')')?;
            return Ok(inner);
        }
        if self.take('{') {
            let name = self.word(|c| c != '}').trim();
            self.expect('}')?;
            return Ok(self.name(name));
        }
        match self.rest.chars().next() {
            None => Err("the expression ends where a number, a column or a parenthesis is expected".into()),
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_alphabetic() || c == '_' => self.named(),
            Some(c) => {
                Err(format!("found \"{c}\" where a number, a column or a parenthesis is expected; put unusual column names in braces"))
            }
        }
    }

    fn number(&mut self) -> Result<Tree, String> {
        let start = self.rest;
        self.word(|c| c.is_ascii_digit() || c == '.');
        // An exponent, if it is followed by digits.
        let exponent = self.rest.strip_prefix(['e', 'E']).map(|r| r.strip_prefix(['-', '+']).unwrap_or(r));
        if let Some(rest) = exponent.filter(|r| r.starts_with(|c: char| c.is_ascii_digit())) {
            self.rest = rest;
            self.word(|c| c.is_ascii_digit());
        }
        let text = &start[..start.len() - self.rest.len()];
        text.parse().map(Tree::Number).map_err(|_| format!("\"{text}\" is not a number"))
    }

    /// A function, a constant or a column.
    fn named(&mut self) -> Result<Tree, String> {
        let name = self.word(|c| c.is_alphanumeric() || c == '_');
        if !self.take('(') {
            let constant = CONSTANTS.iter().find(|(n, _)| *n == name);
            return Ok(constant.map_or_else(|| self.name(name), |(_, v)| Tree::Number(*v)));
        }
        let mut arguments = vec![self.sum()?];
        while self.take(',') {
            arguments.push(self.sum()?);
        }
        self.expect(')')?;
        let (one, two) = (UNARY.iter().find(|f| f.0 == name), BINARY.iter().find(|f| f.0 == name));
        match (one, two, <[Tree; 2]>::try_from(arguments)) {
            (Some((_, f)), _, Err(mut one)) if one.len() == 1 => Ok(Tree::Unary(*f, Box::new(one.remove(0)))),
            (_, Some((_, f)), Ok(both)) => Ok(Tree::Binary(*f, Box::new(both))),
            (None, None, _) => {
                let known: Vec<&str> = UNARY.iter().map(|f| f.0).chain(BINARY.iter().map(|f| f.0)).collect();
                Err(format!("there is no function {name}; the functions are {}", known.join(", ")))
            }
            _ => Err(format!("{name} takes {}", if one.is_some() { "one argument" } else { "two arguments" })),
        }
    }

    fn name(&mut self, name: &str) -> Tree {
        let known = self.names.iter().position(|n| n == name);
        Tree::Name(known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, names: &[&str], inputs: &[f64], expected: f64) {
        let e = Expression::parse(text).expect(text);
        assert_eq!(e.names(), names, "{text}");
        let value = e.value(inputs);
        assert!((value - expected).abs() < 1e-12, "{text} = {value}");
    }

    #[test]
    fn functions_of_two_bind_like_functions() {
        check("2 * hypot(u, v) + 1 - max(u, v)^2", &["u", "v"], &[3.0, 4.0], 2.0 * 5.0 + 1.0 - 16.0);
        check("{wind speed}/2-{1 x}", &["wind speed", "1 x"], &[8.0, 1.0], 3.0);
    }

    /// Operator precedence is the same as in Python.
    #[test]
    fn operators_bind_as_usual() {
        check("1 - 2 - 3 + 4 * 5 / 2 / 5", &[], &[], -2.0);
        check("-2^2 + 2^-1 + 2^3^2", &[], &[], -4.0 + 0.5 + 512.0);
        check("-(a - +b) * --2", &["a", "b"], &[5.0, 2.0], -6.0);
        check("1.5e1 + .5 + e2 - 2E-1", &["e2"], &[1.0], 16.3);
    }

    #[test]
    fn every_function_is_reached_by_its_name() {
        for (name, f) in UNARY {
            check(&format!("{name}(x)"), &["x"], &[0.7], f(0.7));
        }
        for (name, f) in BINARY {
            check(&format!("{name}(y, x)"), &["y", "x"], &[0.7, 0.3], f(0.7, 0.3));
        }
        check("E^(2 * ln(x)) + sin(PI / 2)", &["x"], &[3.0], 10.0);
        check("{PI} + 1", &["PI"], &[1.0], 2.0);
        check("größe_1*2", &["größe_1"], &[2.0], 4.0);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let deep = "(".repeat(100_000);
        for (text, expected) in [
            ("", "ends"),
            ("hypot(u,", "ends"),
            ("hypot(u)", "two"),
            ("sin(u, v)", "one"),
            ("sine(u)", "no function sine"),
            ("a b", "before \"b\""),
            ("(a", "\")\" is missing"),
            ("{a", "\"}\" is missing"),
            ("a $ 2", "before \"$"),
            ("$", "braces"),
            ("1.2.3", "not a number"),
            ("min(1, 2, 3)", "two"),
            (deep.as_str(), "nested"),
        ] {
            let error = Expression::parse(text).expect_err(&text[..text.len().min(20)]);
            assert!(error.contains(expected), "{text:.20}: {error}");
        }
    }
}
