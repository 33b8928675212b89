//! Objects with some of their fields: from `{"keep": ["a"], "items": [{"a": 1, "b": 2}]}` it makes `[{"a":1}]`.

use replicode_plugin::{Error, Result, plugin};
use serde_json::{Map, Value};

/// Keeps the fields that are asked for, in the order that they have.
#[plugin]
pub fn json_filter(input: &[u8]) -> Result<Vec<u8>> {
    let request: Value = serde_json::from_slice(input)?;
    let list = |name: &str| request[name].as_array().ok_or_else(|| Error::new(format!("'{name}' is no list")));
    let keep: Vec<&str> = list("keep")?.iter().filter_map(Value::as_str).collect();
    let filtered = list("items")?.iter().map(|item| match item {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| keep.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
        }
        other => other.clone(),
    });
    Ok(serde_json::to_vec(&filtered.collect::<Vec<_>>())?)
}

#[cfg(test)]
mod tests {
    use super::json_filter;

    #[test]
    fn fields_are_kept_or_left() {
        let input = br#"{"keep":["a","c"],"items":[{"c":[1],"b":2,"a":{"b":1}},7]}"#;
        assert_eq!(json_filter(input).unwrap(), br#"[{"c":[1],"a":{"b":1}},7]"#);
        assert!(json_filter(b"{}").is_err() && json_filter(b"x").is_err());
    }
}
