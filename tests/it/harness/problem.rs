//! What every refusal looks like.

use serde_json::Value;

use super::client::Answer;

/// Fails unless the answer is a problem of this status and code, with every member that the contract fixes.
pub(crate) fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "expected {code}: {answer}");
    assert_eq!(answer.body["code"], code, "{answer}");
    assert_is_problem(answer);
}

/// Fails unless the answer is a 4xx problem, whatever its code; for where the contract leaves the code open.
pub(crate) fn assert_refused(answer: &Answer) {
    assert!((400..500).contains(&answer.status), "not refused: {answer}");
    assert_is_problem(answer);
}

/// Fails unless the answer has every member that the contract fixes for a problem.
pub(crate) fn assert_is_problem(answer: &Answer) {
    assert!(answer.header("content-type").starts_with("application/problem+json"), "{:?}", answer.headers);
    assert!(!answer.header("x-request-id").is_empty(), "no x-request-id: {:?}", answer.headers);
    let body = &answer.body;
    for member in ["type", "title", "instance", "message", "error", "code"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member} is missing: {answer}");
    }
    assert!(body["detail"].is_string(), "detail is missing: {answer}");
    for member in ["status", "statusCode"] {
        assert_eq!(body[member], answer.status, "{member}: {answer}");
    }
    assert_says_what_its_code_promises(answer, body["code"].as_str().unwrap());
}

fn assert_says_what_its_code_promises(answer: &Answer, code: &str) {
    let message = |text: &str| assert_eq!(answer.body["message"], text, "{answer}");
    match code {
        "invalid_request" => assert_names_fields(answer),
        "sold_out" => message("Insufficient stock available"),
        "sale_not_active" => message("Product is not available for flash sale"),
        "overloaded" => {
            message("High demand! Please try again.");
            assert!(!answer.body.to_string().to_lowercase().contains("sold"), "too busy is not sold out: {answer}");
        }
        "method_not_allowed" => assert!(!answer.header("allow").is_empty(), "no Allow header: {:?}", answer.headers),
        _ => {}
    }
    if matches!(code, "overloaded" | "shutting_down" | "storage_unavailable" | "rate_limited") {
        let seconds = answer.header("retry-after");
        assert!(seconds.parse::<u64>().is_ok(), "Retry-After is {seconds:?}: {answer}");
    }
}

fn assert_names_fields(answer: &Answer) {
    let errors = answer.body["errors"].as_array();
    let errors = errors.filter(|errors| !errors.is_empty()).unwrap_or_else(|| panic!("no errors: {answer}"));
    for error in errors {
        assert!(error["field"].is_string(), "{answer}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    }
}

/// The fields that an `invalid_request` complains about.
pub(crate) fn named_fields(answer: &Answer) -> Vec<&str> {
    let errors = answer.body["errors"].as_array().map_or(&[][..], Vec::as_slice);
    errors.iter().filter_map(|error| error["field"].as_str()).collect()
}

/// Fails unless `value` is a time as the contract writes it, `2026-01-31T23:59:59.123Z`.
pub(crate) fn assert_time(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("not a time: {value}"));
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{text}");
}
