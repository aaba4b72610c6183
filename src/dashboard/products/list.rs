//! The list of products: which of them a search shows, how many each tab has, and one page of them, in one pass.

use std::sync::Arc;

use axum::http::Uri;

use crate::dashboard::figures::StockBar;
use crate::dashboard::search::url;
use crate::dashboard::text;
use crate::domain::clock::Timestamp;
use crate::domain::product::{NotOnSale, Product, ProductId};
use crate::domain::refusal::Refusal;
use crate::http::Query;
use crate::limits::{DEFAULT_PAGE, MAX_NAME_CHARS};

/// The state of a product at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dashboard) enum Standing {
    /// It can be bought.
    OnSale,
    /// It can be bought, and under a tenth of its units is left.
    Low,
    /// All its units are held or sold.
    SoldOut,
    /// Its sale starts later.
    StartsAt(Timestamp),
    /// Its sale is over.
    Ended,
    /// A stop of the whole sale took it out.
    Stopped,
    /// It is not in the sale.
    Off,
}

impl Standing {
    /// The state of a product now.
    pub(in crate::dashboard) fn of(product: &Product, now: Timestamp) -> Self {
        let stock = &product.stock;
        match product.terms.check_open(now) {
            Err(NotOnSale::Inactive) if product.stopped => Self::Stopped,
            Err(NotOnSale::Inactive) => Self::Off,
            Err(NotOnSale::NotStarted { starts_at }) => Self::StartsAt(starts_at),
            Err(NotOnSale::Ended { .. }) => Self::Ended,
            Ok(()) if stock.current == 0 => Self::SoldOut,
            Ok(()) if stock.current * 10 < stock.total() => Self::Low,
            Ok(()) => Self::OnSale,
        }
    }

    /// Its sign.
    pub(in crate::dashboard) const fn icon(self) -> &'static str {
        match self {
            Self::OnSale => "dot",
            Self::Low => "warning",
            Self::SoldOut => "stop",
            Self::Stopped => "pause",
            Self::StartsAt(_) | Self::Ended | Self::Off => "ring",
        }
    }

    /// Its colour, if it has one.
    pub(in crate::dashboard) const fn class(self) -> &'static str {
        match self {
            Self::OnSale | Self::SoldOut => "",
            Self::Low => "warn",
            Self::Stopped | Self::StartsAt(_) | Self::Ended | Self::Off => "dim",
        }
    }

    /// Its word.
    pub(in crate::dashboard) fn word(self, now: Timestamp) -> String {
        match self {
            Self::OnSale => "on sale".to_owned(),
            Self::Low => "low".to_owned(),
            Self::SoldOut => "sold out".to_owned(),
            Self::StartsAt(at) => match text::day(at) == text::day(now) {
                true => format!("starts {}", &text::clock(at)[..5]),
                false => format!("starts {}", short_day(at)),
            },
            Self::Ended => "ended".to_owned(),
            Self::Stopped => "stopped".to_owned(),
            Self::Off => "off".to_owned(),
        }
    }
}

/// A day in a narrow column, such as `27 Nov`.
fn short_day(at: Timestamp) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let day = text::day(at);
    let mut parts = day.rsplit('-').map(|part| part.parse::<usize>().unwrap_or_default());
    let (day, month) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{day} {}", MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or_default())
}

/// Which products are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::dashboard) enum Tab {
    /// Those that can be bought.
    OnSale,
    /// Those of them that are nearly sold out.
    Low,
    /// Those that are sold out.
    SoldOut,
    /// Those whose sale starts later.
    Later,
    /// All.
    #[default]
    All,
}

impl Tab {
    const ALL: [Self; 5] = [Self::OnSale, Self::Low, Self::SoldOut, Self::Later, Self::All];

    const fn name(self) -> &'static str {
        match self {
            Self::OnSale => "On sale",
            Self::Low => "Low",
            Self::SoldOut => "Sold out",
            Self::Later => "Starts later",
            Self::All => "All",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::OnSale => "sale",
            Self::Low => "low",
            Self::SoldOut => "out",
            Self::Later => "soon",
            Self::All => "all",
        }
    }

    fn of_word(word: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|tab| tab.word() == word);
        known.ok_or_else(|| "must be sale, low, out, soon or all".to_owned())
    }

    const fn has(self, standing: Standing) -> bool {
        match self {
            Self::OnSale => matches!(standing, Standing::OnSale | Standing::Low),
            Self::Low => matches!(standing, Standing::Low),
            Self::SoldOut => matches!(standing, Standing::SoldOut),
            Self::Later => matches!(standing, Standing::StartsAt(_)),
            Self::All => true,
        }
    }
}

/// What is looked for, as the URL has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::dashboard) struct Search {
    tab: Tab,
    /// A part of a name, or a number.
    text: String,
    /// The last product of the page before.
    after: u64,
}

impl Search {
    /// The search in a URL.
    pub(in crate::dashboard) fn of(uri: &Uri) -> Result<Self, Refusal> {
        let mut query = Query::of(uri, &["show", "q", "cursor"]);
        let tab = query.read("show", Tab::of_word).unwrap_or_default();
        let text = query.read("q", |text| Ok(text.trim().chars().take(MAX_NAME_CHARS).collect()));
        let after = query.number("cursor", 0, u64::MAX).unwrap_or_default();
        query.finish()?;
        Ok(Self { tab, text: text.unwrap_or_default(), after })
    }

    /// The search of a page of this server, where it is one of the list.
    pub(in crate::dashboard) fn of_page(page: Option<&str>) -> Self {
        page.and_then(|page| page.parse().ok()).and_then(|uri| Self::of(&uri).ok()).unwrap_or_default()
    }

    /// As the query of a URL.
    pub(in crate::dashboard) fn query(&self) -> String {
        let show = if self.tab == Tab::All { "" } else { self.tab.word() };
        let after = if self.after == 0 { String::new() } else { self.after.to_string() };
        url("", &[("show", show), ("q", &self.text), ("cursor", &after)])
    }

    /// Where the list is.
    pub(in crate::dashboard) fn list(&self) -> String {
        format!("/products{}", self.query())
    }

    /// Where one product of the list is.
    pub(in crate::dashboard) fn one(&self, id: ProductId) -> String {
        format!("/products/{id}{}", self.query())
    }

    fn finds(&self, product: &Product, lowered: &str) -> bool {
        let is_id = || product.id.to_string() == self.text;
        lowered.is_empty() || product.terms.name.to_lowercase().contains(lowered) || is_id()
    }
}

/// A tab of the list.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct TabLine {
    pub(in crate::dashboard) name: &'static str,
    pub(in crate::dashboard) count: u64,
    pub(in crate::dashboard) shown: String,
    pub(in crate::dashboard) href: String,
    pub(in crate::dashboard) is_current: bool,
}

/// A product in the list.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct Row {
    pub(in crate::dashboard) product: Arc<Product>,
    pub(in crate::dashboard) href: String,
    pub(in crate::dashboard) standing: Standing,
    pub(in crate::dashboard) word: String,
    pub(in crate::dashboard) bar: StockBar,
    pub(in crate::dashboard) is_selected: bool,
}

impl Row {
    /// Units that can be bought.
    pub(in crate::dashboard) fn left(&self) -> String {
        text::whole(self.product.stock.current)
    }

    /// Units of pending orders.
    pub(in crate::dashboard) fn held(&self) -> String {
        text::whole(self.product.stock.held)
    }

    /// Units of confirmed orders.
    pub(in crate::dashboard) fn sold(&self) -> String {
        text::whole(self.product.stock.sold)
    }

    /// Its price.
    pub(in crate::dashboard) fn price(&self) -> String {
        text::money(self.product.terms.price)
    }
}

/// A page of the list.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct List {
    pub(in crate::dashboard) search: String,
    pub(in crate::dashboard) tab: &'static str,
    /// The word of the tab in the URL.
    pub(in crate::dashboard) show: &'static str,
    pub(in crate::dashboard) tabs: Vec<TabLine>,
    pub(in crate::dashboard) rows: Vec<Row>,
    /// Such as `1 to 50 of 10 000`.
    pub(in crate::dashboard) range: String,
    pub(in crate::dashboard) next: Option<(usize, String)>,
    pub(in crate::dashboard) first: Option<String>,
    /// Whether there is any product at all.
    pub(in crate::dashboard) is_empty: bool,
    /// The query of this page.
    pub(in crate::dashboard) query: String,
    /// This page without a product beside it.
    pub(in crate::dashboard) here: String,
}

impl List {
    /// The page that a search shows of these products, by number. `selected` is beside it.
    pub(in crate::dashboard) fn of(
        products: &[Arc<Product>],
        search: &Search,
        selected: Option<ProductId>,
        now: Timestamp,
    ) -> Self {
        let lowered = search.text.to_lowercase();
        let mut counts = [0; Tab::ALL.len()];
        let (mut rows, mut before) = (Vec::with_capacity(DEFAULT_PAGE), 0);
        for product in products.iter().rev().filter(|product| search.finds(product, &lowered)) {
            let standing = Standing::of(product, now);
            for (count, _) in counts.iter_mut().zip(Tab::ALL).filter(|(_, tab)| tab.has(standing)) {
                *count += 1;
            }
            match search.tab.has(standing) {
                true if product.id.0 <= search.after => before += 1,
                true if rows.len() < DEFAULT_PAGE => rows.push(Row {
                    product: Arc::clone(product),
                    href: search.one(product.id),
                    standing,
                    word: standing.word(now),
                    bar: StockBar::of(&product.stock),
                    is_selected: selected == Some(product.id),
                }),
                _ => {}
            }
        }
        let tabs = Tab::ALL.into_iter().zip(counts).map(|(tab, count)| TabLine {
            name: tab.name(),
            count,
            shown: text::whole(count),
            href: Search { tab, text: search.text.clone(), after: 0 }.list(),
            is_current: tab == search.tab,
        });
        let tabs: Vec<_> = tabs.collect();
        let all = tabs.iter().find(|tab| tab.is_current).map_or(0, |tab| tab.count);
        let last = before + rows.len() as u64;
        let left = usize::try_from(all.saturating_sub(last)).unwrap_or(usize::MAX).min(DEFAULT_PAGE);
        let next = rows.last().filter(|_| left > 0);
        let next = next.map(|row| (left, Search { after: row.product.id.0, ..search.clone() }.list()));
        let range = format!("{} to {} of {}", text::whole(before + 1), text::whole(last), text::whole(all));
        Self {
            search: search.text.clone(),
            tab: search.tab.name(),
            show: search.tab.word(),
            tabs,
            range: if rows.is_empty() { String::new() } else { range },
            rows,
            next,
            first: (search.after > 0).then(|| Search { after: 0, ..search.clone() }.list()),
            is_empty: products.is_empty(),
            query: search.query(),
            here: search.list(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// Newest first, as the inventory has them.
    fn products(count: u64) -> Vec<Arc<Product>> {
        let product = |id: u64| {
            let mut product = Product::example(id, 100);
            match id % 5 {
                0 => product.terms.flash_sale_active = false,
                1 => (product.stock.current, product.stock.sold) = (0, 100),
                2 => (product.stock.current, product.stock.held) = (9, 91),
                3 => product.terms.sale_starts_at = Some(NOW.after(Duration::from_secs(60))),
                _ => {}
            }
            Arc::new(product)
        };
        (1..=count).rev().map(product).collect()
    }

    #[test]
    fn pages_follow_each_other_and_counts_are_of_the_search() {
        let products = products(120);
        let mut search = Search::default();
        let mut ids = Vec::new();
        loop {
            let list = List::of(&products, &search, None, NOW);
            let counts: Vec<_> = list.tabs.iter().map(|tab| tab.count).collect();
            assert_eq!(counts, [48, 24, 24, 24, 120]);
            ids.extend(list.rows.iter().map(|row| row.product.id.0));
            let Some((_, next)) = list.next else { break };
            search = Search::of(&next.parse().unwrap()).unwrap();
        }
        assert_eq!(ids, (1..=120).collect::<Vec<_>>());
        let search = Search::of(&"/products?show=low&q=PRODUCT%2010".parse().unwrap()).unwrap();
        let list = List::of(&products, &search, None, NOW);
        assert_eq!(list.rows.iter().map(|row| row.product.id.0).collect::<Vec<_>>(), [102, 107]);
        assert_eq!((list.range.as_str(), list.tabs[4].count), ("1 to 2 of 2", 11));
        assert_eq!(search, Search::of(&search.list().parse().unwrap()).unwrap());
    }

    #[test]
    fn ten_thousand_products_are_one_short_pass() {
        let products = products(10_000);
        let search = Search { text: "duct 99".to_owned(), ..Search::default() };
        let began = Instant::now();
        let list = List::of(&products, &search, None, NOW);
        assert_eq!(list.tabs[4].count, 111);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
}
