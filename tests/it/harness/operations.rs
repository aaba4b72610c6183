//! What a server's own description says can be asked of it.

use hyper::Method;
use serde_json::{Value, json};

use super::client::Client;

/// One operation of the description.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// Its path with the base path, its variable parts in braces.
    pub(crate) path: String,
    /// Whether it is described as an operator's: every request needs a token.
    pub(crate) is_operators: bool,
    pub(crate) has_body: bool,
    /// The statuses of its responses.
    pub(crate) statuses: Vec<u16>,
}

impl Operation {
    /// Its path with something in the place of its variable parts.
    pub(crate) fn filled(&self, with: &str) -> String {
        let parts = self.path.split('/').map(|part| if part.starts_with('{') { with } else { part });
        parts.collect::<Vec<_>>().join("/")
    }

    fn read(path: &str, method: &str, described: &Value) -> Self {
        // With an empty requirement beside it, only some requests need the token.
        let security = described["security"].as_array().unwrap();
        Self {
            method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
            path: path.to_owned(),
            is_operators: !security.is_empty() && !security.contains(&json!({})),
            has_body: described.get("requestBody").is_some(),
            statuses: described["responses"].as_object().unwrap().keys().map(|code| code.parse().unwrap()).collect(),
        }
    }
}

/// All operations of the server.
pub(crate) async fn operations(client: &Client) -> Vec<Operation> {
    let description = client.get_root("/openapi.json").await.expect(200).body;
    let paths = description["paths"].as_object().unwrap().iter();
    let of_path = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().unwrap();
        methods.iter().map(|(method, described)| Operation::read(path, method, described)).collect::<Vec<_>>()
    };
    paths.flat_map(of_path).collect()
}
