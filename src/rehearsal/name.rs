//! The names of buyers: a name and the number that it stands for say the same.

/// Orders of one bot at most, as [`super::scenario::Scenario`] checks.
const BOT_NAMES: u64 = 1_000;
const BOT: u64 = 1 << 63;

/// A buyer as a number: smaller than its name in a ledger of millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct User(u64);

impl User {
    /// The buyer who arrived as number `arrival`.
    pub(super) fn buyer(arrival: u64) -> Self {
        Self(arrival)
    }

    /// One of the names of the bot that arrived as number `arrival`.
    pub(super) fn bot(arrival: u64, name: u64) -> Self {
        Self(BOT | (arrival * BOT_NAMES + name))
    }

    /// The number of a buyer's arrival; none of a bot's name.
    pub(super) fn arrival(self) -> Option<u64> {
        (self.0 & BOT == 0).then_some(self.0)
    }

    /// The user's id.
    pub(super) fn name(self) -> String {
        match self.0 & BOT {
            0 => format!("buyer-{:06}", self.0),
            _ => format!("bot-{:04}-{:02}", (self.0 & !BOT) / BOT_NAMES, (self.0 & !BOT) % BOT_NAMES),
        }
    }

    /// The user with this id, if it is one of ours.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let user = match name.strip_prefix("buyer-") {
            Some(number) => Self::buyer(number.parse().ok()?),
            None => {
                let (arrival, name) = name.strip_prefix("bot-")?.split_once('-')?;
                Self::bot(arrival.parse().ok()?, name.parse().ok()?)
            }
        };
        (user.name() == name).then_some(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_number() {
        for user in [User::buyer(0), User::buyer(12_345_678), User::bot(7, 0), User::bot(123_456, 999)] {
            assert_eq!(User::parse(&user.name()), Some(user), "{}", user.name());
        }
        for other in ["", "ada", "buyer-1", "buyer-+00001", "buyer-0000001", "bot-0001", "bot-0001-1x", "bot-1-01"] {
            assert_eq!(User::parse(other), None, "{other}");
        }
    }
}
