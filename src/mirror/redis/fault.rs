//! What went wrong in Redis, and what to do about it.

use redis::{ErrorKind, RedisError};

use crate::mirror::causes::with_causes;
use crate::mirror::target::Fault;

/// What an error of Redis begins with, and what to do about it.
const ADVICE: [(&str, &str); 10] = [
    ("NOAUTH", "it wants a password; set REDIS_PASSWORD"),
    ("READONLY", "it is a replica that takes no writes; name the primary in REDIS_HOST or REDIS_URL"),
    ("OOM", "it is out of memory; raise its maxmemory, or remove what is not needed"),
    ("MISCONF", "it takes no writes, as it cannot save to its disk; see the log of Redis"),
    ("NOREPLICAS", "it takes no writes, as too few replicas are connected"),
    ("LOADING", "it is loading its data; this takes a while after a start"),
    ("BUSY", "it is busy with a script of another client"),
    ("NOPERM", "its user may not do this; allow it the keys of REDIS_PREFIX, with read, write, transaction and info"),
    ("MOVED", CLUSTER),
    ("CROSSSLOT", CLUSTER),
];

/// What is said of a cluster.
pub(super) const CLUSTER: &str =
    "it is part of a Redis Cluster, which the mirror does not support; name a single server";

/// The fault of an error.
pub(super) fn fault(error: &RedisError) -> Fault {
    // A transaction that Redis rejects has an error for each of its commands, and the first one says why.
    let first = error.clone().into_server_errors().and_then(|errors| errors.first().map(|(_, error)| error.clone()));
    let text = first.as_ref().map_or_else(|| with_causes(error), ToString::to_string);
    let code = first.as_ref().map(|first| first.code());
    let says = |word: &str| code == Some(word) || error.code() == Some(word);
    let advice = ADVICE.iter().find(|(code, _)| says(code));
    let about = match (advice, error.kind()) {
        (Some((_, advice)), _) => (*advice).to_owned(),
        (None, ErrorKind::AuthenticationFailed) => {
            "it rejected the user or the password; correct REDIS_PASSWORD or REDIS_URL".to_owned()
        }
        (None, ErrorKind::Parse) => "what responds at this address is not Redis; correct REDIS_HOST and REDIS_PORT, \
             or REDIS_URL"
            .to_owned(),
        (None, ErrorKind::Io) => format!("no connection: {text}"),
        (None, _) => text,
    };
    away(about)
}

/// A fault with a sentence, which is without its period.
pub(super) fn away(about: impl std::fmt::Display) -> Fault {
    Fault::Away(format!("Redis: {about}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do() {
        let said = |kind, detail: &str| fault(&RedisError::from((kind, "an error", detail.to_owned()))).to_string();
        assert!(said(ErrorKind::AuthenticationFailed, "").contains("correct REDIS_PASSWORD"));
        assert!(said(ErrorKind::Parse, "").contains("is not Redis"));
        assert!(said(ErrorKind::Io, "connection refused").contains("no connection: "));
    }
}
