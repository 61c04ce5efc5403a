//! Expressions over columns, such as `hypot(u, v)`.

use exmex::{BinOp, Express, FlatEx, FloatOpsFactory, MakeOperators, Operator};

/// exmex's usual operators and `hypot`.
#[derive(Debug, Clone)]
struct Operators;

impl MakeOperators<f64> for Operators {
    fn make<'a>() -> Vec<Operator<'a, f64>> {
        let mut operators = FloatOpsFactory::<f64>::make();
        operators.push(Operator::make_bin("hypot", BinOp { apply: f64::hypot, prio: 0, is_commutative: true }));
        operators
    }
}

/// A parsed expression.
#[derive(Debug, Clone)]
pub(super) struct Expression {
    text: String,
    tree: FlatEx<f64, Operators>,
}

impl Expression {
    /// Parses an expression; the error is the parser's message.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let tree = FlatEx::parse(text).map_err(|e| e.to_string())?;
        Ok(Self { text: text.to_string(), tree })
    }

    /// The names in it, in the order in which [`Expression::value`] takes their values.
    pub(super) fn names(&self) -> &[String] {
        self.tree.var_names()
    }

    /// The text that was parsed.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Its value.
    pub(super) fn value(&self, inputs: &[f64]) -> f64 {
        self.tree.eval(inputs).expect("one value for each name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_two_bind_like_functions() {
        let e = Expression::parse("2 * hypot(u, v) + 1 - max(u, v)^2").unwrap();
        assert_eq!(e.names(), ["u", "v"]);
        assert!((e.value(&[3.0, 4.0]) - (2.0 * 5.0 + 1.0 - 16.0)).abs() < 1e-12);
        let e = Expression::parse("{wind speed}/2-{1 x}").unwrap();
        assert_eq!(e.names(), ["1 x", "wind speed"]);
        assert!((e.value(&[1.0, 8.0]) - 3.0).abs() < 1e-12);
        assert!(Expression::parse("hypot(u,").is_err());
        assert!(Expression::parse("").is_err());
    }
}
