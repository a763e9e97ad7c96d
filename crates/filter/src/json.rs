//! Values within JSON documents: only what lies on the path is looked at.

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use vicinal_types::limits;

/// Where a value is in a document: `$.name`, `$[0]`, `$["any name"]` and what follows
/// from them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// What stands there. A number is an int if it is written without point and exponent
/// and has 64 bits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found<'a> {
    /// `null`, nothing, or no JSON at all.
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    /// An array, its length, and its items if they were asked for.
    Array(usize, Vec<Found<'a>>),
    Object,
}

/// Whether the items of an array are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Items {
    Counted,
    Read,
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// The sentence that says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(mut rest) = text.strip_prefix('$') else {
            return Err("a path into json begins with `$`, as in '$.name[0]'".to_owned());
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let step;
            (step, rest) = next_step(rest)?;
            steps.push(step);
            let max = limits::JSON_DEPTH_MAX;
            if steps.len() > max {
                return Err(format!("the path has more than {max} steps, which no document has"));
            }
        }
        Ok(Self { steps })
    }

    /// What stands there in a document.
    pub(crate) fn find<'a>(&self, document: &'a str, items: Items) -> Found<'a> {
        let mut deserializer = serde_json::Deserializer::from_str(document);
        let seek = Seek { steps: &self.steps, items };
        seek.deserialize(&mut deserializer).unwrap_or(Found::Null)
    }
}

/// The first step of a path and what follows it.
fn next_step(path: &str) -> Result<(Step, &str), String> {
    const SHAPE: &str = "a step into json is written .name, [0] or ['name']";
    if let Some(rest) = path.strip_prefix('.') {
        let end = rest.find(['.', '[', ']', '"', '\'', ' ']).unwrap_or(rest.len());
        if end == 0 {
            return Err(SHAPE.to_owned());
        }
        return Ok((Step::Key(rest[..end].to_owned()), &rest[end..]));
    }
    let rest = path.strip_prefix('[').ok_or(SHAPE)?;
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let name = &rest[1..];
        let end = name.find(quote).ok_or(SHAPE)?;
        let rest = name[end + 1..].strip_prefix(']').ok_or(SHAPE)?;
        return Ok((Step::Key(name[..end].to_owned()), rest));
    }
    let end = rest.find(']').ok_or(SHAPE)?;
    let digits = &rest[..end];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(SHAPE.to_owned());
    }
    let index = digits.parse().map_err(|_| format!("no array has {digits} items"))?;
    Ok((Step::Index(index), &rest[end + 1..]))
}

/// Goes the rest of a path.
#[derive(Clone, Copy)]
struct Seek<'p> {
    steps: &'p [Step],
    items: Items,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Seek<'_> {
    fn scalar<'de, E>(self, found: Found<'de>) -> Result<Found<'de>, E> {
        Ok(if self.steps.is_empty() { found } else { Found::Null })
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Found<'de>, E> {
        self.scalar(Found::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Found<'de>, E> {
        self.scalar(Found::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Found<'de>, E> {
        let float = || Found::Float(value as f64);
        self.scalar(i64::try_from(value).map_or_else(|_| float(), Found::Int))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Found<'de>, E> {
        self.scalar(if value.is_finite() { Found::Float(value) } else { Found::Null })
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Found<'de>, E> {
        self.scalar(Found::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Found<'de>, E> {
        self.scalar(Found::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Found<'de>, E> {
        Ok(Found::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found<'de>, A::Error> {
        let Some((step, steps)) = self.steps.split_first() else {
            return self.array(items);
        };
        let mut found = Found::Null;
        for at in 0.. {
            let is_next = matches!(step, Step::Index(index) if *index == at);
            let more = if is_next {
                items.next_element_seed(Seek { steps, ..self })?.map(|value| found = value)
            } else {
                items.next_element::<IgnoredAny>()?.map(|_| ())
            };
            if more.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Of names that come twice the last one counts, as in other readers.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let (key, steps) = match self.steps.split_first() {
            Some((Step::Key(key), steps)) => (Some(key.as_str()), steps),
            Some((Step::Index(_), steps)) => (None, steps),
            None => (None, &[][..]),
        };
        let mut found = Found::Null;
        while let Some(is_key) = map.next_key_seed(IsKey(key))? {
            if is_key {
                found = map.next_value_seed(Seek { steps, ..self })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(if self.steps.is_empty() { Found::Object } else { found })
    }
}

impl Seek<'_> {
    /// The array at the end of the path.
    fn array<'de, A: SeqAccess<'de>>(self, mut items: A) -> Result<Found<'de>, A::Error> {
        let mut read = Vec::new();
        let mut count = 0;
        loop {
            let more = match self.items {
                Items::Counted => items.next_element::<IgnoredAny>()?.map(|_| ()),
                // What is within the items is not asked for: one level, whatever comes.
                Items::Read => {
                    let inner = Seek { steps: &[], items: Items::Counted };
                    items.next_element_seed(inner)?.map(|item| read.push(item))
                }
            };
            if more.is_none() {
                return Ok(Found::Array(count, read));
            }
            count += 1;
        }
    }
}

/// Whether a key is the one.
struct IsKey<'p>(Option<&'p str>);

impl<'de> DeserializeSeed<'de> for IsKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        Ok(self.0 == Some(name))
    }
}
