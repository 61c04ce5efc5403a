//! Attributes: the numbers that select a variant of an op, and the types that name them.
//!
//! The file of each op declares one type with `operation!`. The fields of this type are the attributes of the op. The caller that applies
//! the op sets them, and the functions of the op read them back with [`Operation::of`], so that neither side can name an attribute that
//! does not exist. In between they are plain numbers ([`Attrs`]), which the graph checks against the declaration before it makes a node.

use super::def::{OpDef, OpError};

/// Named numbers that select a variant of an op: plain data, in the order of the declaration. A list is several pairs with the same name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attrs(Vec<(&'static str, f64)>);

impl Attrs {
    /// From pairs that are not yet checked: [`OpDef::infer`] checks whether an op accepts them.
    #[must_use]
    pub fn new(pairs: &[(&'static str, f64)]) -> Self {
        Self(pairs.to_vec())
    }

    /// Names and numbers; a list is several pairs with the same name.
    #[must_use]
    pub fn pairs(&self) -> &[(&'static str, f64)] {
        &self.0
    }

    /// Adds one attribute.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: &impl AttrType) -> Self {
        self.0.extend(value.numbers().into_iter().map(|number| (name, number)));
        self
    }

    /// The attribute of that name.
    ///
    /// # Panics
    /// Panics if it is not set: a graph accepts no node that lacks an attribute.
    #[must_use]
    pub(super) fn get<T: AttrType>(&self, name: &str) -> T {
        T::read(&self.numbers(name)).unwrap_or_else(|| panic!("attribute {name} is not set"))
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        self.0.iter().filter(|(n, _)| *n == name).map(|(_, number)| *number).collect()
    }

    /// Checks that these are the attributes that an op declares: every name is declared and occurs as often as declared, and every number
    /// is of the declared kind.
    ///
    /// # Errors
    /// Names the first attribute that is unknown, missing, given too often or of another kind.
    pub(super) fn check(&self, declared: &[AttrDef]) -> Result<(), String> {
        for (name, _) in &self.0 {
            find(declared, name)?;
        }
        for attr in declared {
            let numbers = self.numbers(attr.name);
            let (least, most) = match attr.times {
                Times::Once => (1, 1),
                Times::AtMostOnce => (0, 1),
                Times::List => (0, usize::MAX),
            };
            if numbers.len() < least {
                return Err(format!("attribute {} is missing", attr.name));
            }
            if numbers.len() > most {
                return Err(format!("attribute {} is given {} times", attr.name, numbers.len()));
            }
            if let Some(wrong) = numbers.into_iter().find(|n| !attr.kind.holds(*n)) {
                return Err(format!("attribute {} must be {}, found {wrong}", attr.name, attr.kind.words()));
            }
        }
        Ok(())
    }

    /// From external names and numbers; a list is several pairs with the same name.
    ///
    /// # Errors
    /// Names an attribute that the op does not have.
    pub fn named<'a>(op: &OpDef, pairs: impl IntoIterator<Item = (&'a str, f64)>) -> Result<Self, OpError> {
        let pairs = pairs.into_iter().map(|(name, number)| find(op.attrs, name).map(|attr| (attr.name, number)));
        pairs.collect::<Result<_, _>>().map(Self).map_err(|message| OpError { op: op.name, message })
    }
}

/// The declaration of that name.
fn find<'a>(declared: &'a [AttrDef], name: &str) -> Result<&'a AttrDef, String> {
    let found = declared.iter().find(|d| d.name == name);
    found.ok_or_else(|| match declared {
        [] => format!("attribute {name} is unknown: the op has no attributes"),
        _ => format!("attribute {name} is unknown: the op has {}", declared.iter().map(|d| d.name).collect::<Vec<_>>().join(", ")),
    })
}

/// The values that an attribute may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttrKind {
    /// 0 or 1.
    Flag,
    /// A whole number from 0 to 2^32 - 1.
    Count,
    /// Any finite number.
    Number,
    /// The index of one of these words.
    Choice(&'static [&'static str]),
}

impl AttrKind {
    fn holds(self, number: f64) -> bool {
        let whole_below = |end: f64| number.fract() == 0.0 && (0.0..end).contains(&number);
        match self {
            Self::Flag => whole_below(2.0),
            Self::Count => whole_below(4_294_967_296.0),
            Self::Number => number.is_finite(),
            Self::Choice(words) => whole_below(words.len() as f64),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Flag => "0 or 1".into(),
            Self::Count => "a whole number from 0 to 2^32 - 1".into(),
            Self::Number => "a finite number".into(),
            Self::Choice(words) => {
                let choices: Vec<_> = words.iter().enumerate().map(|(i, word)| format!("{i} ({word})")).collect();
                format!("one of {}", choices.join(", "))
            }
        }
    }
}

/// How many numbers an attribute has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Exactly one.
    Once,
    /// One or none.
    AtMostOnce,
    /// Any number of numbers, in order.
    List,
}

/// An attribute as its op declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttrDef {
    /// Name.
    pub name: &'static str,
    /// Allowed values.
    pub kind: AttrKind,
    /// How many numbers there are.
    pub times: Times,
}

impl AttrDef {
    /// The declaration of a field of that type.
    #[must_use]
    pub const fn of<T: AttrType>(name: &'static str) -> Self {
        Self { name, kind: T::KIND, times: T::TIMES }
    }
}

/// A Rust type that an attribute may have.
pub trait AttrType: Sized {
    /// Allowed values.
    const KIND: AttrKind;
    /// How many numbers there are.
    const TIMES: Times = Times::Once;

    /// The value as numbers.
    fn numbers(&self) -> Vec<f64>;

    /// The value of checked numbers; `None` if a number is missing.
    fn read(numbers: &[f64]) -> Option<Self>;
}

impl AttrType for bool {
    const KIND: AttrKind = AttrKind::Flag;

    fn numbers(&self) -> Vec<f64> {
        vec![f64::from(*self)]
    }

    fn read(numbers: &[f64]) -> Option<Self> {
        numbers.first().map(|n| *n != 0.0)
    }
}

impl AttrType for usize {
    const KIND: AttrKind = AttrKind::Count;

    fn numbers(&self) -> Vec<f64> {
        vec![*self as f64]
    }

    #[expect(clippy::cast_possible_truncation, reason = "counts were checked to be whole numbers of 32 bits")]
    fn read(numbers: &[f64]) -> Option<Self> {
        numbers.first().map(|n| *n as Self)
    }
}

impl AttrType for f64 {
    const KIND: AttrKind = AttrKind::Number;

    fn numbers(&self) -> Vec<f64> {
        vec![*self]
    }

    fn read(numbers: &[f64]) -> Option<Self> {
        numbers.first().copied()
    }
}

/// For [`AttrType::read`] of an enum: the variant with that number.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "choices were checked to be small whole numbers")]
pub(super) fn chosen<T: Copy>(of: &[T], numbers: &[f64]) -> Option<T> {
    numbers.first().and_then(|n| of.get(*n as usize)).copied()
}

impl<T: AttrType> AttrType for Option<T> {
    const KIND: AttrKind = T::KIND;
    const TIMES: Times = Times::AtMostOnce;

    fn numbers(&self) -> Vec<f64> {
        self.as_ref().map(T::numbers).unwrap_or_default()
    }

    fn read(numbers: &[f64]) -> Option<Self> {
        Some(T::read(numbers))
    }
}

impl<T: AttrType> AttrType for Vec<T> {
    const KIND: AttrKind = T::KIND;
    const TIMES: Times = Times::List;

    fn numbers(&self) -> Vec<f64> {
        self.iter().flat_map(T::numbers).collect()
    }

    fn read(numbers: &[f64]) -> Option<Self> {
        numbers.chunks(1).map(T::read).collect()
    }
}

/// An op with its attributes: the file of each op exports one, and [`Call`]s are made from them.
pub trait Operation: Sized {
    /// The op's entry in the table.
    const OP: &'static OpDef;
    /// The attributes, in the order of the fields.
    const ATTRS: &'static [AttrDef];

    /// The attributes as plain numbers.
    fn attrs(&self) -> Attrs;

    /// The attributes from plain numbers.
    ///
    /// # Panics
    /// Panics if the numbers are not the attributes of this op.
    fn of(attrs: &Attrs) -> Self;
}

/// An op to apply, with its attributes.
#[derive(Clone)]
pub struct Call {
    /// The op.
    pub op: &'static OpDef,
    /// Its attributes, not yet checked.
    pub attrs: Attrs,
}

impl<O: Operation> From<O> for Call {
    fn from(operation: O) -> Self {
        Self { op: O::OP, attrs: operation.attrs() }
    }
}

/// Declares the type of an op, whose fields are its attributes, next to the `OP` of the file.
macro_rules! operation {
    ($(#[$about:meta])* pub struct $name:ident;) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;

        impl super::attrs::Operation for $name {
            const OP: &'static super::def::OpDef = &OP;
            const ATTRS: &'static [super::attrs::AttrDef] = &[];

            fn attrs(&self) -> super::attrs::Attrs {
                super::attrs::Attrs::default()
            }

            fn of(_: &super::attrs::Attrs) -> Self {
                Self
            }
        }
    };
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$of_field:meta])* pub $field:ident: $kind:ty,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$of_field])* pub $field: $kind,)+
        }

        impl super::attrs::Operation for $name {
            const OP: &'static super::def::OpDef = &OP;
            const ATTRS: &'static [super::attrs::AttrDef] = &[$(super::attrs::AttrDef::of::<$kind>(stringify!($field)),)+];

            fn attrs(&self) -> super::attrs::Attrs {
                super::attrs::Attrs::default()$(.with(stringify!($field), &self.$field))+
            }

            fn of(attrs: &super::attrs::Attrs) -> Self {
                Self { $($field: attrs.get(stringify!($field)),)+ }
            }
        }
    };
}
pub(super) use operation;
