//! The list of products: which of them a search shows, how many each tab has, and one page of them, in one pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::Uri;

use crate::dashboard::figures::StockBar;
use crate::dashboard::search::url;
use crate::dashboard::text;
use crate::domain::clock::Timestamp;
use crate::domain::product::{NotOnSale, Product, ProductId, Terms};
use crate::domain::refusal::Refusal;
use crate::http::Query;
use crate::limits::{DEFAULT_PAGE, MAX_NAME_CHARS};

use super::sort::{Key, Place, Sort};

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

    /// Whether it is in the sale, and orders for it are taken as long as units are left.
    pub(in crate::dashboard) const fn is_open(self) -> bool {
        matches!(self, Self::OnSale | Self::Low | Self::SoldOut)
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
    /// A part of a name or a SKU, or a number.
    text: String,
    sort: Sort,
    /// The place of the last product of the page before.
    after: Option<Place>,
}

impl Search {
    /// The search in a URL.
    pub(in crate::dashboard) fn of(uri: &Uri) -> Result<Self, Refusal> {
        let mut query = Query::of(uri, &["show", "q", "sort", "cursor"]);
        let tab = query.read("show", Tab::of_word).unwrap_or_default();
        let text = query.read("q", |text| Ok(text.trim().chars().take(MAX_NAME_CHARS).collect()));
        let sort = query.read("sort", Sort::of_word).unwrap_or_default();
        let after = query.read("cursor", |cursor| sort.read_cursor(cursor));
        query.finish()?;
        Ok(Self { tab, text: text.unwrap_or_default(), sort, after })
    }

    /// The search of a page of this server, where it is one of the list.
    pub(in crate::dashboard) fn of_page(page: Option<&str>) -> Self {
        page.and_then(|page| page.parse().ok()).and_then(|uri| Self::of(&uri).ok()).unwrap_or_default()
    }

    /// As the query of a URL.
    pub(in crate::dashboard) fn query(&self) -> String {
        let show = if self.tab == Tab::All { "" } else { self.tab.word() };
        let after = self.after.as_ref().map_or_else(String::new, |place| self.sort.cursor(place));
        url("", &[("show", show), ("q", &self.text), ("sort", &self.sort.word()), ("cursor", &after)])
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
        let Terms { name, sku, .. } = &product.terms;
        let has = |text: &String| text.to_lowercase().contains(lowered);
        lowered.is_empty() || has(name) || sku.as_ref().is_some_and(has) || product.id.to_string() == self.text
    }
}

/// The heading of a column.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct Heading {
    pub(in crate::dashboard) name: &'static str,
    pub(in crate::dashboard) class: &'static str,
    /// Where the list is in the order of this column, if it can be sorted by it.
    pub(in crate::dashboard) href: Option<String>,
    /// The direction, if the list is in the order of this column.
    pub(in crate::dashboard) direction: Option<&'static str>,
}

/// The columns: what they are called, their classes, and what sorts by them.
const COLUMNS: [(&str, &str, Option<Key>); 8] = [
    ("Id", "num", Some(Key::Id)),
    ("Name", "", Some(Key::Name)),
    ("State", "", None),
    ("Price", "num hide-s", Some(Key::Price)),
    ("Sold, held, left", "hide-s", None),
    ("Left", "num", Some(Key::Left)),
    ("Held", "num", Some(Key::Held)),
    ("Sold", "num", Some(Key::Sold)),
];

impl Heading {
    fn all(search: &Search) -> Vec<Self> {
        let heading = |(name, class, key): (&'static str, &'static str, Option<Key>)| Self {
            name,
            class,
            href: key.map(|key| Search { sort: search.sort.clicked(key), after: None, ..search.clone() }.list()),
            direction: (key == Some(search.sort.key)).then(|| search.sort.direction()),
        };
        COLUMNS.into_iter().map(heading).collect()
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
    /// When it was sold out, as far as that is known.
    pub(in crate::dashboard) gone_at: Option<String>,
    pub(in crate::dashboard) bar: StockBar,
    pub(in crate::dashboard) is_selected: bool,
}

impl Row {
    fn of(
        product: &Arc<Product>,
        search: &Search,
        selected: Option<ProductId>,
        sold_out: &SoldOut,
        now: Timestamp,
    ) -> Self {
        let standing = Standing::of(product, now);
        Self {
            product: Arc::clone(product),
            href: search.one(product.id),
            standing,
            word: standing.word(now),
            gone_at: sold_out.get(&product.id).filter(|_| standing == Standing::SoldOut).map(|at| when(*at, now)),
            bar: StockBar::of(&product.stock),
            is_selected: selected == Some(product.id),
        }
    }

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

/// When products were sold out last.
pub(in crate::dashboard) type SoldOut = BTreeMap<ProductId, Timestamp>;

/// A moment in a narrow column: the time of today, or the day.
fn when(at: Timestamp, now: Timestamp) -> String {
    if text::day(at) == text::day(now) { text::clock(at) } else { short_day(at) }
}

/// A page of the list.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct List {
    pub(in crate::dashboard) search: String,
    pub(in crate::dashboard) tab: &'static str,
    /// The word of the tab in the URL.
    pub(in crate::dashboard) show: &'static str,
    /// The order in the URL, if it is named there.
    pub(in crate::dashboard) sort: String,
    pub(in crate::dashboard) tabs: Vec<TabLine>,
    pub(in crate::dashboard) headings: Vec<Heading>,
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
    /// The page that a search shows of these products. `selected` is beside it.
    pub(in crate::dashboard) fn of(
        products: &[Arc<Product>],
        search: &Search,
        selected: Option<ProductId>,
        sold_out: &SoldOut,
        now: Timestamp,
    ) -> Self {
        let sort = search.sort;
        let (counts, mut found) = find(products, search, now);
        let before = match &search.after {
            None => 0,
            Some(after) => found.iter().filter(|(place, _)| sort.compare(place, after).is_le()).count(),
        };
        found.sort_unstable_by(|(one, _), (other, _)| sort.compare(one, other));
        let shown = found.iter().skip(before).take(DEFAULT_PAGE);
        let rows: Vec<_> = shown.map(|(_, product)| Row::of(product, search, selected, sold_out, now)).collect();
        let tabs = Tab::ALL.into_iter().zip(counts).map(|(tab, count)| TabLine {
            name: tab.name(),
            count,
            shown: text::whole(count),
            href: Search { tab, after: None, ..search.clone() }.list(),
            is_current: tab == search.tab,
        });
        let last = before + rows.len();
        let left = (found.len() - last).min(DEFAULT_PAGE);
        let next = rows.last().filter(|_| left > 0).map(|row| Some(sort.place(&row.product)));
        let next = next.map(|after| (left, Search { after, ..search.clone() }.list()));
        let [from, to, all] = [before + 1, last, found.len()].map(|count| text::whole(count as u64));
        Self {
            search: search.text.clone(),
            tab: search.tab.name(),
            show: search.tab.word(),
            sort: sort.word(),
            tabs: tabs.collect(),
            headings: Heading::all(search),
            range: if rows.is_empty() { String::new() } else { format!("{from} to {to} of {all}") },
            rows,
            next,
            first: search.after.is_some().then(|| Search { after: None, ..search.clone() }.list()),
            is_empty: products.is_empty(),
            query: search.query(),
            here: search.list(),
        }
    }
}

/// How many products each tab has, and those of the tab that is shown with their places.
fn find<'p>(
    products: &'p [Arc<Product>],
    search: &Search,
    now: Timestamp,
) -> ([u64; Tab::ALL.len()], Vec<(Place, &'p Arc<Product>)>) {
    let lowered = search.text.to_lowercase();
    let (mut counts, mut found) = ([0; Tab::ALL.len()], Vec::new());
    for product in products.iter().filter(|product| search.finds(product, &lowered)) {
        let standing = Standing::of(product, now);
        for (count, _) in counts.iter_mut().zip(Tab::ALL).filter(|(_, tab)| tab.has(standing)) {
            *count += 1;
        }
        if search.tab.has(standing) {
            found.push((search.sort.place(product), product));
        }
    }
    (counts, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
            let list = List::of(&products, &search, None, &SoldOut::new(), NOW);
            let counts: Vec<_> = list.tabs.iter().map(|tab| tab.count).collect();
            assert_eq!(counts, [48, 24, 24, 24, 120]);
            ids.extend(list.rows.iter().map(|row| row.product.id.0));
            let Some((_, next)) = list.next else { break };
            search = Search::of(&next.parse().unwrap()).unwrap();
        }
        assert_eq!(ids, (1..=120).collect::<Vec<_>>());
        let search = Search::of(&"/products?show=low&q=PRODUCT%2010".parse().unwrap()).unwrap();
        let list = List::of(&products, &search, None, &SoldOut::new(), NOW);
        assert_eq!(list.rows.iter().map(|row| row.product.id.0).collect::<Vec<_>>(), [102, 107]);
        assert_eq!((list.range.as_str(), list.tabs[4].count), ("1 to 2 of 2", 11));
        assert_eq!(search, Search::of(&search.list().parse().unwrap()).unwrap());
    }

    #[test]
    fn pages_of_another_order_follow_each_other_although_products_leave_and_change() {
        let mut products = products(120);
        let mut search = Search::of(&"/products?sort=-left".parse().unwrap()).unwrap();
        let mut left = Vec::new();
        loop {
            let list = List::of(&products, &search, None, &SoldOut::new(), NOW);
            assert_eq!((list.headings[5].direction, list.headings[0].direction), (Some("descending"), None));
            left.extend(list.rows.iter().map(|row| row.product.stock.current));
            let Some((_, next)) = list.next else { break };
            let last = list.rows.last().unwrap().product.id;
            products.retain(|product| product.id != last);
            search = Search::of(&next.parse().unwrap()).unwrap();
        }
        assert_eq!(left.len(), 120);
        assert!(left.is_sorted_by(|one, next| one >= next), "{left:?}");
    }

    #[test]
    fn a_sold_out_product_says_when() {
        let products = products(3);
        let sold_out = SoldOut::from([(ProductId(1), NOW), (ProductId(2), NOW)]);
        let list = List::of(&products, &Search::default(), None, &sold_out, NOW.after(Duration::from_secs(5)));
        let gone: Vec<_> = list.rows.iter().map(|row| row.gone_at.as_deref()).collect();
        assert_eq!(gone, [Some(text::clock(NOW).as_str()), None, None]);
    }

    #[test]
    fn of_ten_thousand_products_all_are_searched_and_sorted_and_a_page_is_shown() {
        let products = products(10_000);
        let search = Search::of(&"/products?q=duct+99&sort=-name".parse().unwrap()).unwrap();
        let list = List::of(&products, &search, None, &SoldOut::new(), NOW);
        assert_eq!((list.tabs[4].count, list.rows[0].product.id.0), (111, 9_999));
        assert_eq!(list.rows.len(), DEFAULT_PAGE);
    }
}
