//! Fields of requests: what reads a field and what describes it are one declaration.

use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::http::schema::{
    Shape, closed, nullable, sent_delta, sent_moment, sent_price, sent_whole, truth, with_example, word,
};
use crate::view::text::Words;

use super::value::{Complaint, Value};

/// How the value of a field is read, and what the description says of it.
pub trait Rule: Sync {
    /// What is read.
    type Value<'v>;

    /// Reads a value; the error follows the field's name.
    fn read<'v>(&self, value: &Value<'v>) -> Result<Self::Value<'v>, Complaint>;

    /// The shape of values that are read.
    fn shape(&self) -> Shape;
}

/// A field of a request.
#[derive(Debug)]
pub struct Field<R> {
    /// Its name.
    pub name: &'static str,
    /// What the description says beside its shape.
    pub about: &'static str,
    /// What its value must be.
    pub rule: R,
}

/// A field as a part of an object.
#[derive(Clone, Copy)]
pub struct Member {
    name: &'static str,
    about: &'static str,
    is_required: bool,
    rule: &'static dyn Describe,
}

/// The part of a [`Rule`] that is the same for all types of values.
trait Describe: Sync {
    fn shape_of_rule(&self) -> Shape;
}

impl<R: Rule> Describe for R {
    fn shape_of_rule(&self) -> Shape {
        self.shape()
    }
}

impl<R: Rule + 'static> Field<R> {
    /// A member that must be there.
    pub const fn required(&'static self) -> Member {
        Member { name: self.name, about: self.about, is_required: true, rule: &self.rule }
    }

    /// A member that may be missing.
    pub const fn optional(&'static self) -> Member {
        Member { name: self.name, about: self.about, is_required: false, rule: &self.rule }
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.name, if self.is_required { "" } else { "?" })
    }
}

/// A JSON object of a request: it has these members and no others.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// Its name in the description.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Its members.
    pub members: &'static [Member],
    /// Whether one member at least must be there.
    pub needs_one: bool,
}

impl Object {
    /// Whether it has a member of this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.name == name)
    }

    /// Whether a member must be there.
    pub(super) fn requires(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.is_required && member.name == name)
    }

    /// The names of its members, as an error lists them.
    pub(super) fn names(&self) -> String {
        self.members.iter().map(|member| member.name).collect::<Vec<_>>().join(", ")
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        let members = self.members.iter();
        let members =
            members.map(|member| (member.name, member.about, member.is_required, member.rule.shape_of_rule()));
        closed(self.about, self.needs_one, members)
    }
}

/// A whole number within bounds, both included.
#[derive(Debug)]
pub struct Whole {
    /// The least.
    pub least: i64,
    /// The most.
    pub most: i64,
    /// What the description shows.
    pub example: Option<i64>,
}

impl Rule for Whole {
    type Value<'v> = i64;

    fn read(&self, value: &Value<'_>) -> Result<i64, Complaint> {
        value.whole(self.least, self.most)
    }

    fn shape(&self) -> Shape {
        let shape = sent_whole(self.least, self.most);
        match self.example {
            Some(example) => with_example(shape, example.into()),
            None => shape,
        }
    }
}

/// A whole number of either sign, not 0.
#[derive(Debug)]
pub struct Delta {
    /// The most, and with a minus the least.
    pub most: i64,
    /// What the description shows.
    pub example: i64,
}

impl Rule for Delta {
    type Value<'v> = i64;

    fn read(&self, value: &Value<'_>) -> Result<i64, Complaint> {
        match value.whole(-self.most, self.most)? {
            0 => Err("must not be 0".into()),
            delta => Ok(delta),
        }
    }

    fn shape(&self) -> Shape {
        with_example(sent_delta(self.most), self.example.into())
    }
}

/// A text of some kind.
#[derive(Debug)]
pub struct Text {
    /// What is wrong with one, if something is.
    pub check: fn(&str) -> Result<(), &'static str>,
    /// Its shape.
    pub shape: fn() -> Shape,
}

impl Rule for Text {
    type Value<'v> = String;

    fn read(&self, value: &Value<'_>) -> Result<String, Complaint> {
        let text = value.text()?;
        (self.check)(text)?;
        Ok(text.clone().into_owned())
    }

    fn shape(&self) -> Shape {
        (self.shape)()
    }
}

/// A price.
#[derive(Debug)]
pub struct Price;

impl Rule for Price {
    type Value<'v> = Money;

    fn read(&self, value: &Value<'_>) -> Result<Money, Complaint> {
        value.price()
    }

    fn shape(&self) -> Shape {
        sent_price()
    }
}

/// True or false.
#[derive(Debug)]
pub struct Truth;

impl Rule for Truth {
    type Value<'v> = bool;

    fn read(&self, value: &Value<'_>) -> Result<bool, Complaint> {
        value.truth()
    }

    fn shape(&self) -> Shape {
        truth()
    }
}

/// A moment.
#[derive(Debug)]
pub struct Moment;

impl Rule for Moment {
    type Value<'v> = Timestamp;

    fn read(&self, value: &Value<'_>) -> Result<Timestamp, Complaint> {
        Timestamp::parse(value.text()?).map_err(|error| error.to_string().into())
    }

    fn shape(&self) -> Shape {
        sent_moment()
    }
}

/// The same or `null`.
#[derive(Debug)]
pub struct Nullable<R>(pub R);

impl<R: Rule> Rule for Nullable<R> {
    type Value<'v> = Option<R::Value<'v>>;

    fn read<'v>(&self, value: &Value<'v>) -> Result<Option<R::Value<'v>>, Complaint> {
        value.nullable(|value| self.0.read(value))
    }

    fn shape(&self) -> Shape {
        nullable(self.0.shape())
    }
}

/// One of the words of a closed list.
#[derive(Debug)]
pub struct OneOf<T> {
    /// What is taken if the field is missing.
    pub default: T,
}

impl<T: Words + Sync> Rule for OneOf<T> {
    type Value<'v> = T;

    fn read(&self, value: &Value<'_>) -> Result<T, Complaint> {
        T::of_word(value.text()?).ok_or_else(|| format!("must be {}", T::listed()).into())
    }

    fn shape(&self) -> Shape {
        // Generators take a field with a default for one that must be there.
        word(T::ALL.iter().map(|known| known.word()))
    }
}
