//! Values as JSON: what `--json` prints, and how compound values are written on a command line.
//!
//! | type | JSON |
//! |---|---|
//! | `bool` | `true`, `false` |
//! | integers of up to 32 bits | a number |
//! | wider integers | a string of digits, because many readers of JSON lose the digits of such numbers; a number is read, too |
//! | `string`, `bytes`, `address`, `hash` | a string, as on the command line |
//! | `option<T>` | `null` or as `T`; `{"some": …}` where `T` is itself an option |
//! | `list<T>` | an array |
//! | `map<K, V>` | an object when keys are scalars, otherwise an array of `[key, value]` |
//! | a struct | an object |
//! | an enum | the variant's name, or `{"name": {fields}}` |

use super::document::{Abi, Definition, Field, closest};
use super::text::{Names, NoNames, TextError, parse_scalar, scalar_text};
use super::types::Type;
use super::value::Value;
use serde_json::Value as Json;

impl Abi {
    /// A value as JSON.
    #[must_use]
    pub fn to_json_value(&self, ty: &Type, value: &Value) -> Json {
        match (ty, value) {
            (Type::Bool, Value::Bool(value)) => Json::Bool(*value),
            (Type::Uint(8 | 16 | 32) | Type::Int(8 | 16 | 32), value) => {
                let digits = scalar_text(value, &NoNames).unwrap_or_default();
                digits.parse::<i64>().map(Json::from).unwrap_or(Json::Null)
            }
            (Type::Option(_), Value::Option(None)) => Json::Null,
            (Type::Option(inner), Value::Option(Some(value))) => {
                let some = self.to_json_value(inner, value);
                if matches!(**inner, Type::Option(_)) { serde_json::json!({ "some": some }) } else { some }
            }
            (Type::List(inner), Value::List(values)) => {
                values.iter().map(|value| self.to_json_value(inner, value)).collect()
            }
            (Type::Map(key_type, value_type), Value::Map(pairs)) if key_type.is_scalar() => pairs
                .iter()
                .map(|(k, v)| (scalar_text(k, &NoNames).unwrap_or_default(), self.to_json_value(value_type, v)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            (Type::Map(key_type, value_type), Value::Map(pairs)) => pairs
                .iter()
                .map(|(k, v)| Json::from(vec![self.to_json_value(key_type, k), self.to_json_value(value_type, v)]))
                .collect(),
            (Type::Named(name), value) => match (self.types.get(name), value) {
                (Some(Definition::Struct(fields)), Value::Struct(values)) => self.fields_to_json(fields, values),
                (Some(Definition::Enum(variants)), Value::Enum(number, values)) => {
                    match variants.get(usize::from(*number)) {
                        Some(variant) if variant.fields.is_empty() => variant.name.clone().into(),
                        Some(variant) => {
                            let fields = self.fields_to_json(&variant.fields, values);
                            Json::Object([(variant.name.clone(), fields)].into_iter().collect())
                        }
                        None => Json::Null,
                    }
                }
                _ => Json::Null,
            },
            (_, value) => scalar_text(value, &NoNames).map_or(Json::Null, Json::String),
        }
    }

    /// Fields by name.
    #[must_use]
    pub fn fields_to_json(&self, fields: &[Field], values: &[Value]) -> Json {
        let object = fields.iter().zip(values).map(|(f, v)| (f.name.clone(), self.to_json_value(&f.ty, v)));
        Json::Object(object.collect())
    }

    /// The value that JSON stands for. `path` is what errors call it.
    ///
    /// # Errors
    /// When it is none of the type.
    pub fn from_json(&self, path: &str, ty: &Type, json: &Json, names: &dyn Names) -> Result<Value, TextError> {
        let wrong = |why: Option<String>| TextError::new(path, ty, &json.to_string(), why);
        Ok(match (ty, json) {
            (Type::Bool, Json::Bool(value)) => Value::Bool(*value),
            (Type::Uint(_) | Type::Int(_), Json::Number(number)) if !number.is_f64() => {
                parse_scalar(path, ty, &number.to_string(), names)?
            }
            (Type::Uint(_) | Type::Int(_), Json::Number(_)) => {
                return Err(wrong(Some("write long integers as strings: \"123\"".into())));
            }
            (Type::Option(_), Json::Null) => Value::Option(None),
            (Type::Option(inner), json) if matches!(**inner, Type::Option(_)) => match json {
                Json::Object(object) if object.len() == 1 && object.contains_key("some") => {
                    Value::Option(Some(Box::new(self.from_json(path, inner, &object["some"], names)?)))
                }
                _ => return Err(wrong(Some("an option of an option is null or {\"some\": …}".into()))),
            },
            (Type::Option(inner), json) => Value::Option(Some(Box::new(self.from_json(path, inner, json, names)?))),
            (Type::List(inner), Json::Array(items)) => {
                let each = items.iter().enumerate();
                let values = each.map(|(i, item)| self.from_json(&format!("{path}[{i}]"), inner, item, names));
                Value::List(values.collect::<Result<_, _>>()?)
            }
            (Type::Map(key_type, value_type), json) => {
                let mut pairs =
                    self.pairs_from_json(path, key_type, value_type, json, names)?.ok_or_else(|| wrong(None))?;
                pairs.sort();
                if pairs.windows(2).any(|two| two[0].0 == two[1].0) {
                    return Err(wrong(Some("two entries have the same key".into())));
                }
                Value::Map(pairs)
            }
            (Type::Named(name), json) => self.named_from_json(path, ty, name, json, names)?,
            (ty, Json::String(text)) if ty.is_scalar() && *ty != Type::Bool => parse_scalar(path, ty, text, names)?,
            _ => return Err(wrong(None)),
        })
    }

    /// Pairs in the order of the JSON; nothing when it has neither form of a map.
    fn pairs_from_json(
        &self,
        path: &str,
        key_type: &Type,
        value_type: &Type,
        json: &Json,
        names: &dyn Names,
    ) -> Result<Option<Vec<(Value, Value)>>, TextError> {
        let mut pairs = Vec::new();
        match json {
            Json::Object(object) if key_type.is_scalar() => {
                for (key, value) in object {
                    let at = format!("{path}[{key}]");
                    pairs.push((
                        parse_scalar(&at, key_type, key, names)?,
                        self.from_json(&at, value_type, value, names)?,
                    ));
                }
            }
            Json::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    let Some([key, value]) = item.as_array().map(Vec::as_slice) else { return Ok(None) };
                    let at = format!("{path}[{i}]");
                    pairs.push((
                        self.from_json(&at, key_type, key, names)?,
                        self.from_json(&at, value_type, value, names)?,
                    ));
                }
            }
            _ => return Ok(None),
        }
        Ok(Some(pairs))
    }

    fn named_from_json(
        &self,
        path: &str,
        ty: &Type,
        name: &str,
        json: &Json,
        names: &dyn Names,
    ) -> Result<Value, TextError> {
        let wrong = |why: String| TextError::new(path, ty, &json.to_string(), Some(why));
        match self.types.get(name) {
            Some(Definition::Struct(fields)) => {
                Ok(Value::Struct(self.fields_from_json(path, ty, fields, json, names)?))
            }
            Some(Definition::Enum(variants)) => {
                let empty = Json::Object(serde_json::Map::new());
                let (word, inner) = match json {
                    Json::String(word) => (word, &empty),
                    Json::Object(object) if object.len() == 1 => {
                        object.iter().next().ok_or_else(|| wrong(String::new()))?
                    }
                    _ => return Err(wrong("an enum is \"name\" or {\"name\": {fields}}".into())),
                };
                let Some(number) = variants.iter().position(|v| v.name == *word) else {
                    let all: Vec<&str> = variants.iter().take(16).map(|v| v.name.as_str()).collect();
                    return Err(wrong(format!("it is one of {}", all.join(", "))));
                };
                let at = format!("{path}.{word}");
                let fields = self.fields_from_json(&at, ty, &variants[number].fields, inner, names)?;
                // There are at most 256 variants.
                Ok(Value::Enum(u8::try_from(number).map_err(|_| wrong("too many variants".into()))?, fields))
            }
            None => Err(wrong("the document does not define it".into())),
        }
    }

    fn fields_from_json(
        &self,
        path: &str,
        ty: &Type,
        fields: &[Field],
        json: &Json,
        names: &dyn Names,
    ) -> Result<Vec<Value>, TextError> {
        let wrong = |why: String| TextError::new(path, ty, &json.to_string(), Some(why));
        let Json::Object(object) = json else { return Err(wrong("it is an object with the fields by name".into())) };
        if let Some(other) = object.keys().find(|key| fields.iter().all(|f| f.name != **key)) {
            let meant = closest(other, fields.iter().map(|f| f.name.as_str()));
            let hint = meant.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
            return Err(wrong(format!("it has no field {other:?}{hint}")));
        }
        let value_of = |field: &Field| match object.get(&field.name) {
            Some(value) => self.from_json(&format!("{path}.{}", field.name), &field.ty, value, names),
            None => Err(wrong(format!("the field {:?} is missing", field.name))),
        };
        fields.iter().map(value_of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::tests_support::token;
    use crate::abi::value::tests::any_typed_value;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_value_reads_back_from_json((ty, value) in any_typed_value()) {
            let json = token().to_json_value(&ty, &value);
            // Through text, as it travels.
            let json: Json = serde_json::from_str(&json.to_string()).expect("JSON");
            prop_assert_eq!(token().from_json("x", &ty, &json, &NoNames), Ok(value));
        }
    }

    #[test]
    fn errors_name_the_field() {
        let error = |ty: &str, json: Json| {
            let ty = ty.parse().expect("a type");
            token().from_json("--p", &ty, &json, &NoNames).expect_err("wrong").to_string()
        };
        use serde_json::json;
        assert_eq!(error("Point", json!({"x": 1, "y": "a"})), r#"--p.y: expected i32, got "a""#);
        assert!(error("Point", json!({"x": 1})).ends_with(r#"the field "y" is missing"#));
        assert!(error("Point", json!({"x": 1, "yy": 2})).contains(r#"no field "yy""#));
        assert!(error("Point", json!([1])).ends_with("an object with the fields by name"));
        assert!(error("Side", json!("Keep")).ends_with("it is one of Buy, Sell"));
        assert!(error("Side", json!({"Sell": {}})).ends_with(r#"the field "price" is missing"#));
        assert!(error("map<u8, u8>", json!([[1, 2], [1, 3]])).ends_with("two entries have the same key"));
        assert!(error("u256", json!(1e30)).ends_with("write long integers as strings: \"123\""));
        assert!(error("option<option<u8>>", json!(1)).ends_with("null or {\"some\": …}"));
    }
}
