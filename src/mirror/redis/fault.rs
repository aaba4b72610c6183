//! What went wrong in Redis, and what to do about it.

use redis::{ErrorKind, RedisError};

use crate::mirror::causes::with_causes;
use crate::mirror::target::Fault;

/// What an error of Redis begins with, and what to do about it. Older versions wrap the errors of a script.
const ADVICE: [(&str, &str); 10] = [
    ("NOAUTH", "it wants a password; set REDIS_PASSWORD"),
    ("READONLY", "it is a replica that takes no writes; name the primary in REDIS_HOST or REDIS_URL"),
    ("OOM", "it is out of memory; raise its maxmemory, or remove what is not needed"),
    ("MISCONF", "it takes no writes, as it cannot save to its disk; see the log of Redis"),
    ("NOREPLICAS", "it takes no writes, as too few replicas are connected"),
    ("LOADING", "it is loading its data; this takes a while after a start"),
    ("BUSY", "it is busy with a script of another client"),
    ("NOPERM", "its user may not do this; allow it the keys of REDIS_PREFIX, and eval, scan and info"),
    ("MOVED", CLUSTER),
    ("CROSSSLOT", CLUSTER),
];

/// What is said of a cluster.
pub(super) const CLUSTER: &str =
    "it is part of a Redis Cluster, which the mirror does not support; name a single server";

/// The fault of an error.
pub(super) fn fault(error: &RedisError) -> Fault {
    let text = with_causes(error);
    let says = |code: &str| error.code() == Some(code) || text.contains(&format!("-{code} "));
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
    fn an_error_says_what_to_do_in_every_version() {
        let said = |kind, detail: &str| fault(&RedisError::from((kind, "an error", detail.to_owned()))).to_string();
        let extension = ErrorKind::Extension;
        let wrapped = "Error running script (call to f_1): @user_script:20: -OOM command not allowed";
        assert!(said(extension, wrapped).contains("raise its maxmemory"));
        assert!(said(ErrorKind::AuthenticationFailed, "").contains("correct REDIS_PASSWORD"));
        assert!(said(ErrorKind::Parse, "").contains("is not Redis"));
        assert!(said(ErrorKind::Io, "connection refused").contains("no connection: "));
    }
}
