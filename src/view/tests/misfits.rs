//! Compares a value with its schema.

use std::collections::BTreeMap;

use serde_json::Value;

/// What does not fit a schema. Patterns are not looked at.
pub(super) fn misfits(value: &Value, schema: &Value, named: &BTreeMap<String, Value>, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return misfits(value, &named[name], named, at);
    }
    if let Some(any) = schema["oneOf"].as_array() {
        let fitting = any.iter().filter(|schema| misfits(value, schema, named, at).is_empty()).count();
        return if fitting == 1 { Vec::new() } else { vec![format!("{at}: fits {fitting} of {any:?}: {value}")] };
    }
    let mut wrong = Vec::new();
    let types: Vec<_> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = types.contains(&is) || (is == "integer" && types.contains(&"number"));
    let among = schema["enum"].as_array().is_none_or(|values| values.contains(value));
    let number = value.as_f64().unwrap_or_default();
    let above = schema["minimum"].as_f64().is_none_or(|least| number >= least);
    let below = schema["maximum"].as_f64().is_none_or(|most| number <= most);
    let length = value.as_str().map_or(0, |text| text.chars().count() as u64);
    let long = schema["minLength"].as_u64().is_none_or(|least| length >= least);
    let short = schema["maxLength"].as_u64().is_none_or(|most| length <= most);
    if !(fits && among && (value.is_null() || (above && below && long && short))) {
        wrong.push(format!("{at}: {value} is no {schema}"));
    }
    for (at_item, item) in value.as_array().into_iter().flatten().enumerate() {
        wrong.extend(misfits(item, &schema["items"], named, &format!("{at}[{at_item}]")));
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => wrong.extend(misfits(field, schema, named, &format!("{at}.{name}"))),
            None if schema["additionalProperties"].is_object() => {
                wrong.extend(misfits(field, &schema["additionalProperties"], named, &format!("{at}.{name}")));
            }
            None => wrong.push(format!("{at}.{name} is not described")),
        }
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    wrong.extend(required.filter(|name| value.get(name).is_none()).map(|name| format!("{at}.{name} is missing")));
    wrong
}
