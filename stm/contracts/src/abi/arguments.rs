//! Arguments of a call as a command line gives them, `--to bob --amount 30`, against what the function takes. Everything
//! that is wrong is said at once, before anything is sent.

use super::document::{Abi, Field, Function, closest};
use super::text::{Names, TextError};
use super::value::Value;
use std::collections::BTreeMap;

/// Something wrong with the arguments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// No value of the argument's type.
    #[error(transparent)]
    Value(#[from] TextError),
    /// The function does not take it.
    #[error("{given}: {function} has no such argument{}", .meant.as_ref().map(|m| format!("; did you mean {m}?")).unwrap_or_default())]
    Unknown {
        /// As it was given.
        given: String,
        /// What was called.
        function: String,
        /// The argument that was probably meant.
        meant: Option<String>,
    },
    /// It was not given.
    #[error("{flag}: missing; it takes a value of type {expected}")]
    Missing {
        /// The argument.
        flag: String,
        /// Its type.
        expected: String,
    },
    /// It was given twice.
    #[error("{0}: given twice")]
    Twice(String),
    /// It is the last word.
    #[error("{0}: a value has to follow")]
    NoValue(String),
    /// A value without a name.
    #[error("{0:?}: arguments are named; write --name before it")]
    Unnamed(String),
}

/// Arguments as they were given: names, with `-` read as `_`, and texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    texts: BTreeMap<String, String>,
    errors: Vec<ArgumentError>,
}

impl Given {
    /// Reads `--name value` and `--name=value`. A value may begin with `-`.
    #[must_use]
    pub fn read<S: AsRef<str>>(words: &[S]) -> Self {
        let mut given = Self::default();
        let mut words = words.iter().map(AsRef::as_ref);
        while let Some(word) = words.next() {
            let Some(rest) = word.strip_prefix("--").filter(|rest| !rest.is_empty()) else {
                given.errors.push(ArgumentError::Unnamed(word.chars().take(60).collect()));
                continue;
            };
            let (name, value) = match rest.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (rest, words.next()),
            };
            let flag = format!("--{name}");
            match value {
                None => given.errors.push(ArgumentError::NoValue(flag)),
                Some(value) => {
                    if given.texts.insert(name.replace('-', "_"), value.to_string()).is_some() {
                        given.errors.push(ArgumentError::Twice(flag));
                    }
                }
            }
        }
        given
    }

    /// The encoded arguments of a function.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the words and then of the function's arguments.
    pub fn encode(&self, abi: &Abi, function: &Function, names: &dyn Names) -> Result<Vec<u8>, Vec<ArgumentError>> {
        let values = self.values(abi, function, names)?;
        abi.encode_fields(&function.args, &values).map_err(|mismatch| {
            let error = TextError {
                path: function.name.clone(),
                expected: mismatch.expected,
                got: "other values".into(),
                why: None,
            };
            vec![ArgumentError::Value(error)]
        })
    }

    fn values(&self, abi: &Abi, function: &Function, names: &dyn Names) -> Result<Vec<Value>, Vec<ArgumentError>> {
        let mut errors = self.errors.clone();
        for name in self.texts.keys() {
            if function.args.iter().all(|field| field.name != *name) {
                let meant = closest(name, function.args.iter().map(|field| field.name.as_str()));
                errors.push(ArgumentError::Unknown {
                    given: flag(name),
                    function: function.name.clone(),
                    meant: meant.map(flag),
                });
            }
        }
        let mut values = Vec::new();
        for field in &function.args {
            match self.value(abi, field, names) {
                Ok(value) => values.push(value),
                // One error for an argument: what was given without a value is not missing besides.
                Err(ArgumentError::Missing { flag, .. })
                    if errors.iter().any(|e| matches!(e, ArgumentError::NoValue(f) if *f == flag)) => {}
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(values) } else { Err(errors) }
    }

    fn value(&self, abi: &Abi, field: &Field, names: &dyn Names) -> Result<Value, ArgumentError> {
        let flag = flag(&field.name);
        match self.texts.get(&field.name) {
            Some(text) => Ok(abi.parse_value(&flag, &field.ty, text, names)?),
            None => Err(ArgumentError::Missing { flag, expected: field.ty.to_string() }),
        }
    }
}

fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::tests_support::token;
    use crate::abi::text::NoNames;
    use crate::account::Address;
    use proptest::prelude::*;

    fn transfer(words: &[&str]) -> Result<Vec<u8>, Vec<String>> {
        let abi = token();
        let function = abi.function("transfer").expect("it has one");
        let encoded = Given::read(words).encode(&abi, function, &NoNames);
        encoded.map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn named_arguments_are_encoded_in_the_order_of_the_function() {
        let bob = Address::of_name("bob");
        let expected = borsh::to_vec(&(bob, 30u128)).expect("into memory");
        assert_eq!(transfer(&["--amount", "30", "--to", &bob.to_string()]), Ok(expected.clone()));
        assert_eq!(transfer(&[&format!("--to={bob}"), "--amount=30"]), Ok(expected));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        assert_eq!(
            transfer(&["7", "--amount", "ten", "--amuont", "3", "--amount", "ten"]),
            Err(vec![
                r#""7": arguments are named; write --name before it"#.to_string(),
                "--amount: given twice".into(),
                "--amuont: transfer has no such argument; did you mean --amount?".into(),
                "--to: missing; it takes a value of type address".into(),
                r#"--amount: expected u128, got "ten""#.into(),
            ])
        );
        assert_eq!(
            transfer(&["--to", &Address::of_name("bob").to_string(), "--amount"]),
            Err(vec!["--amount: a value has to follow".to_string()])
        );
    }

    #[test]
    fn values_may_begin_with_a_dash_and_names_may_be_written_with_one() {
        let mut abi = token();
        let function =
            Function { args: vec![Field::new("start_at", "i8".parse().expect("a type"))], ..abi.functions.remove(1) };
        let given = Given::read(&["--start-at", "-5"]);
        assert_eq!(given.encode(&abi, &function, &NoNames), Ok(vec![0xfb]));
    }

    proptest! {
        #[test]
        fn any_words_are_arguments_or_errors(words in prop::collection::vec("-{0,3}[a-z=]{0,8}", 0..8)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let _ = transfer(&words);
        }
    }
}
