//! What Redis has, as far as writing into it depends on that.

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Pipeline, RedisError, RedisResult, Value, from_redis_value};

use super::fault::{away, fault};
use super::keys::Keys;
use crate::mirror::target::Fault;

/// The name of this server in Redis.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// The store's history, and what is random.
    pub(super) text: String,
    /// How the token of a server begins whose place this one may take; empty once it has been in its place.
    pub(super) follows: String,
}

impl Token {
    fn may_write(&self, owner: &str) -> bool {
        owner == self.text || !self.follows.is_empty() && owner.starts_with(&self.follows)
    }
}

/// How far the mirror is, as Redis has it: history and sequence, empty for none.
pub(super) type Known = [String; 2];

/// What Redis has. What this depends on is watched from then on: the next transaction of the connection fails if
/// something of it has changed.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) known: Known,
    /// Whether keys of rows that the store does not have may be left.
    pub(super) is_sweeping: bool,
    /// Rows that are put aside.
    pub(super) rejected: u64,
    /// What is added to a sequence in the ids of the stream.
    pub(super) stream_offset: u64,
    /// The newest id that the stream has given; none where there is no stream.
    pub(super) last_entry: Option<(u64, u64)>,
    /// The type under each key that rows are written into; `none` where there is nothing.
    pub(super) types: Vec<String>,
}

impl Seen {
    /// Looks at Redis before something is written below these keys. An error says who or what is in the way.
    pub(super) async fn look(
        connection: &mut MultiplexedConnection,
        keys: &Keys,
        token: &Token,
        written: &[&str],
    ) -> Result<Self, Fault> {
        let own_keys = own_keys(keys);
        let replies: Vec<RedisResult<Value>> =
            question(&own_keys, written).query_async(connection).await.map_err(|error| fault(&error))?;
        let mut replies = Replies(replies.into_iter());
        replies.next::<Value>()?;
        let own: [String; 4] = [replies.next()?, replies.next()?, replies.next()?, replies.next()?];
        for ((key, kind), found) in own_keys.into_iter().zip(&own) {
            if found != "none" && found != kind {
                return Err(away(format!(
                    "the key {key} is a {found} of somebody else; remove it, or set REDIS_PREFIX"
                )));
            }
        }
        if replies.next::<Option<String>>()?.is_some_and(|owner| !token.may_write(&owner)) {
            return Err(away(format!(
                "another flashsale server mirrors into it below {}; give one of them another REDIS_PREFIX, or a \
                 database of its own",
                keys.prefix()
            )));
        }
        let [history, sequence, offset, sweeping]: [Option<String>; 4] = replies.next()?;
        let rejected = replies.next()?;
        // It is an error where there is no stream.
        let stream = replies.0.next().and_then(Result::ok);
        let last_entry = stream.filter(|_| own[3] != "none").and_then(|info| last_id(&info));
        let types = written.iter().map(|_| replies.next()).collect::<Result<_, _>>()?;
        Ok(Self {
            known: [history.unwrap_or_default(), sequence.unwrap_or_default()],
            is_sweeping: sweeping.is_some(),
            rejected,
            stream_offset: offset.and_then(|offset| offset.parse().ok()).unwrap_or(0),
            last_entry,
            types,
        })
    }
}

/// The mirror's own keys, with their types.
fn own_keys(keys: &Keys) -> [(String, &'static str); 4] {
    [
        (keys.owner().to_string(), "string"),
        (keys.position().to_string(), "hash"),
        (keys.rejected().to_string(), "hash"),
        (keys.events().to_string(), "stream"),
    ]
}

fn question(own: &[(String, &str); 4], written: &[&str]) -> Pipeline {
    let mut all = Pipeline::with_capacity(9 + written.len());
    all.ignore_errors().cmd("WATCH");
    for key in own.iter().map(|(key, _)| key.as_str()).chain(written.iter().copied()) {
        all.arg(key);
    }
    for (key, _) in own {
        all.cmd("TYPE").arg(key);
    }
    let [owner, position, rejected, events] = own.each_ref().map(|(key, _)| key);
    all.cmd("GET").arg(owner);
    all.cmd("HMGET").arg(position).arg(&["history", "sequence", "stream_offset", "sweeping"]);
    all.cmd("HLEN").arg(rejected);
    all.cmd("XINFO").arg("STREAM").arg(events);
    for key in written {
        all.cmd("TYPE").arg(*key);
    }
    all
}

/// The replies to a pipeline, one after the other.
struct Replies(std::vec::IntoIter<RedisResult<Value>>);

impl Replies {
    fn next<T: FromRedisValue>(&mut self) -> Result<T, Fault> {
        let reply = self.0.next().ok_or_else(|| away("it gave an unknown response"))?;
        let value = reply.map_err(|error| fault(&error))?;
        from_redis_value(value).map_err(|error| fault(&RedisError::from(error)))
    }
}

/// The newest id of a stream, from what Redis says about it.
fn last_id(info: &Value) -> Option<(u64, u64)> {
    let pairs: Vec<(String, Value)> = from_redis_value(info.clone()).ok()?;
    let (_, id) = pairs.into_iter().find(|(name, _)| name == "last-generated-id")?;
    let id: String = from_redis_value(id).ok()?;
    let (first, second) = id.split_once('-')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_writes_where_nobody_else_does_and_follows_a_killed_one_of_its_store_once() {
        let mut token = Token { text: "a:2".to_owned(), follows: "a:".to_owned() };
        let may = |token: &Token| ["a:2", "a:1", "b:1", ""].map(|owner| token.may_write(owner));
        assert_eq!(may(&token), [true, true, false, false]);
        token.follows.clear();
        assert_eq!(may(&token), [true, false, false, false]);
    }
}
