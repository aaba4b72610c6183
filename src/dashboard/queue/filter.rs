//! What the page Queue is asked for, which is in its URL, and what its forms say they mean.

use crate::domain::clock::Timestamp;
use crate::domain::filter::{DeadLetterFilter, OrderFilter, Picked};
use crate::domain::order::OrderId;
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::http::{FormBody, Query};

use super::super::search::{product, url};
use super::super::state::Shared;
use super::super::visit::encoded;

/// What the page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::dashboard) struct Filter {
    /// Text that the error contains; empty for any.
    pub(super) reason: String,
    /// The product.
    pub(super) product: Option<ProductId>,
    /// The group that is open.
    pub(super) group: Option<String>,
}

impl Filter {
    /// Reads it from a URL; an empty value, as an empty field of a form sends it, is none.
    pub(super) fn read(query: &mut Query) -> Self {
        let reason = query.read("reason", |text| Ok(text.trim().to_owned())).unwrap_or_default();
        let product = query.read("productId", |text| match text {
            "" => Ok(None),
            text => product(text).map(Some),
        });
        let group = query.read("group", |text| Ok(text.to_owned())).filter(|group| !group.is_empty());
        Self { reason, product: product.flatten(), group }
    }

    /// Whether it leaves something out.
    pub(super) fn is_set(&self) -> bool {
        !self.reason.is_empty() || self.product.is_some()
    }

    /// The number of the product, or nothing, as a field has it.
    pub(super) fn product_text(&self) -> String {
        self.product.map(|product| product.to_string()).unwrap_or_default()
    }

    /// The letters that it keeps, in whatever group.
    pub(super) fn letters(&self) -> DeadLetterFilter {
        let reason = Some(self.reason.to_lowercase()).filter(|reason| !reason.is_empty());
        let order = OrderFilter { reason, product: self.product, ..OrderFilter::default() };
        DeadLetterFilter { order, ..DeadLetterFilter::default() }
    }

    /// The letters of one group that it keeps.
    pub(super) fn letters_of(&self, group: &str) -> DeadLetterFilter {
        let picked = Some(Picked { groups: vec![group.to_owned()], orders: Vec::new() });
        DeadLetterFilter { picked, ..self.letters() }
    }

    /// The URL of the page with this group open, or none.
    pub(super) fn url(&self, group: Option<&str>) -> String {
        let product = self.product_text();
        url("/queue", &[("reason", &self.reason), ("productId", &product), ("group", group.unwrap_or_default())])
    }

    /// The same from a position in the group on.
    pub(super) fn page_url(&self, group: &str, cursor: &str) -> String {
        format!("{}&cursor={}", self.url(Some(group)), encoded(cursor))
    }
}

/// Which letters an act means: all that a filter keeps, or those that were picked among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// The filter of the page that the form was on.
    pub(super) filter: Filter,
    /// What was picked, if not all.
    pub(super) picked: Option<PickedLetters>,
    /// The letters were counted at this moment.
    pub(super) failed_before: Option<Timestamp>,
}

/// What was picked on the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PickedLetters {
    /// The errors of groups.
    pub(super) groups: Vec<String>,
    /// The numbers of jobs.
    pub(super) letters: Vec<String>,
}

impl Target {
    /// Reads it from a form. `groups` and `letters` count only if something was `picked`.
    pub(super) fn read(form: &FormBody, picked: bool) -> Result<Self, Refusal> {
        let product_text = form.get("productId").unwrap_or_default();
        let filter = Filter {
            reason: form.get("reason").unwrap_or_default().trim().to_owned(),
            product: match product_text {
                "" => None,
                text => {
                    let wrong = || Refusal::invalid("productId", "must be the number of a product");
                    Some(product(text).map_err(|_| wrong())?)
                }
            },
            group: None,
        };
        let all = |name: &str| form.all(name).map(str::to_owned).collect::<Vec<_>>();
        let picked = picked.then(|| PickedLetters { groups: all("group"), letters: all("letter") });
        let failed_before = match form.get("failedBefore") {
            None => None,
            Some(text) => {
                let moment = Timestamp::parse(text);
                Some(moment.map_err(|error| Refusal::invalid("failedBefore", error.to_string()))?)
            }
        };
        Ok(Self { filter, picked, failed_before })
    }

    /// Whether nothing was picked.
    pub(super) fn is_empty(&self) -> bool {
        self.picked.as_ref().is_some_and(|picked| picked.groups.is_empty() && picked.letters.is_empty())
    }

    /// The letters that it means.
    pub(super) fn letters(&self, shared: &Shared) -> DeadLetterFilter {
        let orders = |letters: &[String]| -> Vec<OrderId> {
            letters.iter().filter_map(|job_id| shared.job_ids.order(job_id)).collect()
        };
        let picked = self.picked.as_ref();
        let picked = picked.map(|picked| Picked { groups: picked.groups.clone(), orders: orders(&picked.letters) });
        DeadLetterFilter { picked, failed_before: self.failed_before, ..self.filter.letters() }
    }

    /// The fields that say the same in the next form.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("reason", self.filter.reason.clone()), ("productId", self.filter.product_text())];
        if let Some(picked) = &self.picked {
            fields.push(("picked", "yes".to_owned()));
            fields.extend(picked.groups.iter().map(|group| ("group", group.clone())));
            fields.extend(picked.letters.iter().map(|letter| ("letter", letter.clone())));
        }
        fields
    }

    /// Which letters these are, in words.
    pub(super) fn words(&self, shared: &Shared) -> String {
        let mut parts = Vec::new();
        match &self.picked {
            Some(picked) => parts.extend(picked.words()),
            None => parts.push("any error".to_owned()),
        }
        if !self.filter.reason.is_empty() {
            parts.push(format!("error contains “{}”", self.filter.reason));
        }
        parts.push(match self.filter.product {
            Some(product) => shared.product_name(product),
            None => "any product".to_owned(),
        });
        parts.join(", ")
    }
}

impl PickedLetters {
    fn words(&self) -> Option<String> {
        /// Errors that are named; more are counted.
        const NAMED: usize = 2;
        let mut names: Vec<_> = self.groups.iter().take(NAMED).map(|group| format!("“{group}”")).collect();
        let others = self.groups.len().saturating_sub(NAMED);
        if others > 0 {
            names.push(format!("{others} more"));
        }
        let groups = (!names.is_empty()).then(|| format!("last error {}", names.join(" or ")));
        let letters = match self.letters.len() {
            0 => None,
            1 => Some("1 letter picked".to_owned()),
            count => Some(format!("{count} letters picked")),
        };
        let words: Vec<_> = groups.into_iter().chain(letters).collect();
        (!words.is_empty()).then(|| words.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Filter {
        let mut query = Query::of(&format!("/queue?{query}").parse().unwrap(), &["reason", "productId", "group"]);
        let filter = Filter::read(&mut query);
        assert_eq!(query.finish(), Ok(()));
        filter
    }

    #[test]
    fn the_url_of_a_filter_leads_to_the_same_filter_and_empty_fields_are_none() {
        assert_eq!(read("reason=&productId=&group="), Filter::default());
        let filter = read("reason=%3Cb%3E+%26+%C3%BC&productId=7&group=503+%23");
        assert_eq!(
            (filter.reason.as_str(), filter.product, filter.group.as_deref()),
            ("<b> & ü", Some(ProductId(7)), Some("503 #"))
        );
        let url = filter.url(filter.group.as_deref());
        assert_eq!(url, "/queue?reason=%3Cb%3E%20%26%20%C3%BC&productId=7&group=503%20%23");
        assert_eq!(read(url.split_once('?').unwrap().1), filter);
        assert_eq!((Filter::default().url(None).as_str(), filter.is_set()), ("/queue", true));
    }

    #[test]
    fn what_was_picked_is_said_in_words_that_do_not_grow() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let picked = PickedLetters { groups: texts(&["a", "b", "c", "d"]), letters: texts(&["1-x"]) };
        assert_eq!(picked.words().unwrap(), "last error “a” or “b” or 2 more and 1 letter picked");
        assert_eq!(PickedLetters::default().words(), None);
    }
}
