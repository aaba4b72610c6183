//! Packets of Socket.IO, protocol 5, as far as clients send them here: `type [namespace ","] [ack] [JSON]`.

use serde_json::Value;

/// A packet of a client.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Packet<'t> {
    /// The path of its namespace.
    pub(super) namespace: &'t str,
    pub(super) body: Body,
}

/// What is in a packet.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    /// A client connects to the namespace, perhaps with a credential.
    Connect { auth: Value },
    /// It leaves the namespace.
    Disconnect,
    /// An event, and the number under which a response is wanted, if one is.
    Event { name: String, data: Value, ack: Option<u64> },
    /// The response to an event of ours; we ask for none.
    Ack,
}

impl<'t> Packet<'t> {
    /// Reads a packet; none where it is not one, or one with binary parts.
    pub(super) fn read(text: &'t str) -> Option<Self> {
        let (kind, rest) = (text.get(..1)?, text.get(1..)?);
        let (namespace, rest) = match rest.starts_with('/') {
            true => rest.split_once(',').unwrap_or((rest, "")),
            false => ("/", rest),
        };
        let namespace = namespace.split_once('?').map_or(namespace, |(path, _)| path);
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (ack, json) = rest.split_at(digits);
        let ack = match ack {
            "" => None,
            digits => Some(digits.parse().ok()?),
        };
        let body = match kind {
            "0" if json.is_empty() => Body::Connect { auth: Value::Null },
            "0" => Body::Connect { auth: serde_json::from_str(json).ok()? },
            "1" => Body::Disconnect,
            "2" => event(json, ack)?,
            "3" => Body::Ack,
            _ => return None,
        };
        Some(Self { namespace, body })
    }
}

/// An event with its first argument; there is no use for more.
fn event(json: &str, ack: Option<u64>) -> Option<Body> {
    let mut arguments = serde_json::from_str::<Vec<Value>>(json).ok()?.into_iter();
    let Value::String(name) = arguments.next()? else { return None };
    Some(Body::Event { name, data: arguments.next().unwrap_or_default(), ack })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn packets_of_the_protocol_are_read() {
        let event = |name: &str, data: Value, ack| Body::Event { name: name.to_owned(), data, ack };
        for (text, namespace, body) in [
            ("0", "/", Body::Connect { auth: Value::Null }),
            (r#"0{"token":"a,b"}"#, "/", Body::Connect { auth: json!({"token": "a,b"}) }),
            ("0/monitoring,", "/monitoring", Body::Connect { auth: Value::Null }),
            (r#"0/monitoring?a=b,{"token":"x"}"#, "/monitoring", Body::Connect { auth: json!({"token": "x"}) }),
            ("1", "/", Body::Disconnect),
            ("1/monitoring,", "/monitoring", Body::Disconnect),
            (r#"2["a",{"b":1},3]"#, "/", event("a", json!({"b": 1}), None)),
            (r#"2/monitoring,17["a"]"#, "/monitoring", event("a", Value::Null, Some(17))),
            ("312[]", "/", Body::Ack),
        ] {
            assert_eq!(Packet::read(text), Some(Packet { namespace, body }), "{text}");
        }
    }

    #[test]
    fn whatever_else_comes_is_no_packet() {
        let long = "[".repeat(100_000);
        for text in [
            "",
            "2",
            "2{}",
            "2[]",
            "2[7]",
            "2[\"a\"",
            "0{",
            "51-[\"a\",{\"_placeholder\":true,\"num\":0}]",
            "4{}",
            "9",
            "x",
            "é",
            "299999999999999999999999[\"a\"]",
            "2/monitoring",
            &format!("2{long}"),
        ] {
            assert_eq!(Packet::read(text), None, "{}", text.len());
        }
    }
}
