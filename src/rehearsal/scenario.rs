//! What a load test does: which products, how many buyers when, what kinds of them, and what is good enough. A scenario
//! is a small TOML file; some are built in.

use std::time::Duration;

use serde::Deserialize;

use crate::domain::money::Money;
use crate::limits::{
    MAX_NAME_CHARS, MAX_QUANTITY, MAX_SCENARIO_BYTES, MAX_SCENARIO_RATE, MAX_SCENARIO_TIME, MAX_STOCK,
};

/// The scenarios that are built in: name, and file.
const BUILT_IN: [(&str, &str); 7] = [
    ("basic", include_str!("../../load-test/scenarios/basic.toml")),
    ("standard", include_str!("../../load-test/scenarios/standard.toml")),
    ("extreme", include_str!("../../load-test/scenarios/extreme.toml")),
    ("single-unit", include_str!("../../load-test/scenarios/single-unit.toml")),
    ("limited", include_str!("../../load-test/scenarios/limited.toml")),
    ("hyper", include_str!("../../load-test/scenarios/hyper.toml")),
    ("peak", include_str!("../../load-test/scenarios/peak.toml")),
];

/// What a name may begin with, as load tests are often called so.
const PREFIXES: [&str; 2] = ["flash-sale-", "contention-"];

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// No built-in one has this name.
    #[error("there is no scenario {0:?}; there are {names}, and files that end in .toml", names = names())]
    Unknown(String),
    /// The file has more than [`MAX_SCENARIO_BYTES`] bytes.
    #[error("a scenario has at most {MAX_SCENARIO_BYTES} bytes")]
    TooLarge,
    /// Not TOML, or not of a scenario.
    #[error("the scenario cannot be read: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// Values that make no load test.
    #[error("the scenario cannot be run: {0}")]
    Invalid(String),
}

/// A load test.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name: of the file without its end, or of the built-in one.
    #[serde(skip)]
    pub name: String,
    /// What it does, in one line.
    pub about: String,
    /// What is sold.
    pub products: Vec<ProductPlan>,
    /// When how many buyers come, one after the other.
    pub phases: Vec<Phase>,
    /// Shares of each kind of buyers.
    pub buyers: Shares,
    /// How they behave.
    #[serde(default)]
    pub behaviour: Behaviour,
    /// What is good enough.
    #[serde(default)]
    pub goals: Goals,
}

/// A product to sell.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductPlan {
    /// 1 to 255 characters.
    pub name: String,
    /// Units.
    pub stock: u64,
    /// Of one unit, such as "9.99".
    pub price: String,
    /// Units for each buyer.
    pub per_user_limit: Option<u32>,
    /// Seconds that an order waits for its payment; if unset, it is not paid separately.
    pub hold_seconds: Option<u32>,
}

/// A part of the run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// For the report.
    pub name: String,
    /// How long it lasts.
    pub seconds: f64,
    /// Buyers a second at its start.
    pub rate: f64,
    /// Buyers a second at its end; if unset, as at its start.
    pub ramp_to: Option<f64>,
}

/// Shares of the kinds of buyers: any numbers, compared with their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shares {
    /// Look, think, buy, follow the order.
    pub buy: u32,
    /// Send the same order twice at once, with the same key.
    pub double_click: u32,
    /// Come back for more, up to the limit and beyond it.
    pub come_back: u32,
    /// Look, think, leave.
    pub give_up: u32,
    /// Buy, and have the order cancelled.
    pub cancel: u32,
    /// Pay an order that is held: half of them in time, half of them late.
    pub pay_late: u32,
    /// Programs that order under many names at once from one IP address.
    pub bots: u32,
}

/// How buyers behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Milliseconds between looking and buying, and between other steps: from, to.
    pub think_ms: [u64; 2],
    /// Units of an order: from, to.
    pub quantity: [u32; 2],
    /// How often a buyer asks what became of the order, at most.
    pub follows: u32,
    /// How often a buyer tries again, with the same key, when the server asks for it or does not respond.
    pub retries: u32,
    /// Orders of a bot.
    pub bot_orders: u32,
}

/// What is good enough.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Goals {
    /// Milliseconds that 99 % of the responses to orders do not exceed; if unset, any.
    pub p99_ms: Option<f64>,
    /// Percent of the requests that may get no response, or one of 500 and above. A kill and an outage are not counted.
    pub errors_percent: f64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { think_ms: [50, 1_000], quantity: [1, 1], follows: 5, retries: 5, bot_orders: 10 }
    }
}

impl Default for Goals {
    fn default() -> Self {
        Self { p99_ms: None, errors_percent: 0.0 }
    }
}

/// A kind of buyers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// [`Shares::buy`].
    Buy,
    /// [`Shares::double_click`].
    DoubleClick,
    /// [`Shares::come_back`].
    ComeBack,
    /// [`Shares::give_up`].
    GiveUp,
    /// [`Shares::cancel`].
    Cancel,
    /// [`Shares::pay_late`].
    PayLate,
    /// [`Shares::bots`].
    Bot,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Buy, Self::DoubleClick, Self::ComeBack, Self::GiveUp, Self::Cancel, Self::PayLate, Self::Bot];

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Buy => "browse, think, buy",
            Self::DoubleClick => "double click, same key",
            Self::ComeBack => "come back for more",
            Self::GiveUp => "give up half way",
            Self::Cancel => "buy and cancel",
            Self::PayLate => "hold and pay late",
            Self::Bot => "bots, many names from one IP address",
        }
    }
}

impl Shares {
    /// The share of a kind.
    pub const fn of(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Buy => self.buy,
            Kind::DoubleClick => self.double_click,
            Kind::ComeBack => self.come_back,
            Kind::GiveUp => self.give_up,
            Kind::Cancel => self.cancel,
            Kind::PayLate => self.pay_late,
            Kind::Bot => self.bots,
        }
    }

    /// All shares together.
    pub fn sum(&self) -> u64 {
        Kind::ALL.into_iter().map(|kind| u64::from(self.of(kind))).sum()
    }
}

impl Scenario {
    /// The built-in scenario of this name, with or without what such names often begin with.
    pub fn built_in(name: &str) -> Result<Self, ScenarioError> {
        let short = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        let found = BUILT_IN.iter().find(|(known, _)| *known == short);
        let (name, text) = found.ok_or_else(|| ScenarioError::Unknown(name.to_owned()))?;
        Self::parse(name, text)
    }

    /// All built-in scenarios, and the texts of their files.
    pub fn all_built_in() -> impl Iterator<Item = (&'static str, &'static str)> {
        BUILT_IN.into_iter()
    }

    /// The scenario in a file's text.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        if text.len() > MAX_SCENARIO_BYTES {
            return Err(ScenarioError::TooLarge);
        }
        let scenario = Self { name: name.to_owned(), ..toml::from_str(text)? };
        scenario.check().map_err(ScenarioError::Invalid)?;
        Ok(scenario)
    }

    /// How long buyers arrive.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.phases.iter().map(|phase| phase.seconds).sum())
    }

    /// Buyers that arrive in all, a bot counted once.
    pub fn arrivals(&self) -> u64 {
        self.phases.iter().map(Phase::arrivals).sum::<f64>() as u64
    }

    /// The same with phases that last a tenth as long, a second each at least.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        for phase in &mut self.phases {
            phase.seconds = (phase.seconds / 10.0).max(1.0);
        }
        self
    }

    fn check(&self) -> Result<(), String> {
        let wrong = |text: String| if text.is_empty() { Ok(()) } else { Err(text) };
        wrong(self.wrong_products())?;
        wrong(self.wrong_phases())?;
        let Behaviour { think_ms: [least, most], quantity: [few, many], follows, retries, bot_orders } = self.behaviour;
        if self.buyers.sum() == 0 {
            return Err("no kind of buyers has a share".to_owned());
        }
        if least > most || most > 60_000 {
            return Err("think_ms goes from 0 to 60,000, the lower one first".to_owned());
        }
        if few > many || few == 0 || many > MAX_QUANTITY {
            return Err(format!("quantity goes from 1 to {MAX_QUANTITY}, the lower one first"));
        }
        if follows > 1_000 || retries > 100 || !(1..=1_000).contains(&bot_orders) {
            return Err("follows is at most 1,000, retries at most 100, bot_orders 1 to 1,000".to_owned());
        }
        let Goals { p99_ms, errors_percent } = self.goals;
        if !p99_ms.is_none_or(|goal| goal.is_finite() && goal > 0.0) || !(0.0..=100.0).contains(&errors_percent) {
            return Err("p99_ms is above 0, errors_percent 0 to 100".to_owned());
        }
        Ok(())
    }

    fn wrong_products(&self) -> String {
        if self.products.is_empty() || self.products.len() > 100 {
            return "it has 1 to 100 products".to_owned();
        }
        for ProductPlan { name, stock, price, per_user_limit, hold_seconds } in &self.products {
            let letters = name.chars().count();
            if letters == 0 || letters > MAX_NAME_CHARS {
                return format!("a product's name has 1 to {MAX_NAME_CHARS} characters");
            }
            if *stock > MAX_STOCK {
                return format!("{name}: stock is at most {MAX_STOCK}");
            }
            if price.parse::<Money>().is_err() {
                return format!("{name}: {price:?} is not a price such as \"9.99\"");
            }
            if *per_user_limit == Some(0) || *hold_seconds == Some(0) {
                return format!("{name}: per_user_limit and hold_seconds are 1 or more");
            }
        }
        String::new()
    }

    fn wrong_phases(&self) -> String {
        if self.phases.is_empty() || self.phases.len() > 100 {
            return "it has 1 to 100 phases".to_owned();
        }
        let rates = self.phases.iter().flat_map(Phase::rates);
        if rates.into_iter().any(|rate| !(0.0..=MAX_SCENARIO_RATE).contains(&rate)) {
            return format!("rate and ramp_to are 0 to {MAX_SCENARIO_RATE} buyers a second");
        }
        if self.phases.iter().any(|phase| !phase.seconds.is_finite() || phase.seconds <= 0.0)
            || self.phases.iter().map(|phase| phase.seconds).sum::<f64>() > MAX_SCENARIO_TIME.as_secs_f64()
        {
            return format!("phases last more than 0 s, and {} s together at most", MAX_SCENARIO_TIME.as_secs());
        }
        if self.arrivals() == 0 {
            return "no buyer comes".to_owned();
        }
        String::new()
    }
}

impl Phase {
    /// Buyers a second at its start and at its end.
    pub fn rates(&self) -> [f64; 2] {
        [self.rate, self.ramp_to.unwrap_or(self.rate)]
    }

    /// Buyers that arrive in it.
    pub fn arrivals(&self) -> f64 {
        self.rates().iter().sum::<f64>() / 2.0 * self.seconds
    }
}

fn names() -> String {
    BUILT_IN.map(|(name, _)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_can_be_run() {
        for (name, _) in Scenario::all_built_in() {
            let scenario = Scenario::built_in(name).unwrap();
            assert!(scenario.arrivals() > 0 && scenario.shortened().arrivals() > 0, "{name}");
        }
        for (name, short) in [("flash-sale-extreme", "extreme"), ("contention-hyper", "hyper"), ("limited", "limited")]
        {
            assert_eq!(Scenario::built_in(name).unwrap().name, short);
        }
        let error = Scenario::built_in("nothing").unwrap_err().to_string();
        assert!(error.contains("nothing") && error.contains("hyper"), "{error}");
    }

    #[test]
    fn a_ramp_brings_as_many_buyers_as_its_mean_rate() {
        let phase = Phase { name: String::new(), seconds: 10.0, rate: 10.0, ramp_to: Some(30.0) };
        assert_eq!(phase.arrivals(), 200.0);
    }

    #[test]
    fn a_scenario_that_makes_no_load_test_is_rejected_with_the_reason() {
        let text = BUILT_IN[3].1;
        for (from, to, reason) in [
            ("seconds = 10", "seconds = 0", "phases last"),
            ("seconds = 10", "seconds = nan", "phases last"),
            ("rate = 100", "rate = -1", "rate"),
            ("rate = 100", "rate = inf", "rate"),
            ("rate = 100", "rate = 0", "no buyer comes"),
            ("rate = 100", "speed = 100", "speed"),
            ("stock = 1", "stock = -1", "stock"),
            ("\"4999.00\"", "\"a lot\"", "price"),
            ("\"One of one\"", "\"\"", "name"),
            ("buy = 90\ndouble_click = 10", "", "no kind of buyers"),
            ("think_ms = [0, 20]", "think_ms = [20, 0]", "think_ms"),
            ("think_ms = [0, 20]", "quantity = [0, 1]", "quantity"),
            ("think_ms = [0, 20]", "think_ms = [0, 20]\n[goals]\np99_ms = 0.0", "p99_ms"),
            ("[[phases]]", "[phases", "TOML"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            let error = Scenario::parse("mine", &changed).unwrap_err().to_string();
            assert!(error.contains(reason), "{from} -> {to}: {error}");
        }
        let long = format!("{text}{}", "#".repeat(MAX_SCENARIO_BYTES));
        assert!(matches!(Scenario::parse("mine", &long), Err(ScenarioError::TooLarge)));
    }
}
