//! Who is posted to, in the words of error texts.

/// A service that is posted to, as error texts name it and its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Itself, as in "the fulfilment service cannot be reached".
    pub name: &'static str,
    /// What its settings are called, as in "the fulfilment URL".
    pub setting: &'static str,
    /// What it gets, as in "sign the orders with a secret".
    pub posts: &'static str,
    /// The setting that lets private IP addresses be called, as a flag and as a variable.
    pub allow_private: &'static str,
}

#[cfg(test)]
impl Receiver {
    /// The one of tests.
    pub(super) const EXAMPLE: Self = Self {
        name: "the fulfilment service",
        setting: "fulfilment",
        posts: "orders",
        allow_private: "--fulfillment-allow-private (FULFILLMENT_ALLOW_PRIVATE)",
    };
}
