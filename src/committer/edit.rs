//! What operators do to products. An edit is a batch of its own, so that it sees settled counters.

use crate::domain::change::Change;
use crate::domain::product::{Product, ProductId, Stock, Terms};
use crate::domain::product_tag::{Expected, TagPart};
use crate::domain::refusal::Refusal;
use crate::inventory::StockItem;
use crate::limits::MAX_PRODUCTS;
use crate::store::StoreError;

use super::batch::{Applied, Batch};
use super::books::Stocked;
use super::command::{Edit, ProductPatch};

impl Batch<'_> {
    /// Applies an edit to a product that is in one of the expected states. What an edit of the terms or by a difference
    /// does is the same whatever is sold meanwhile; one that sets what can be bought depends on that too.
    pub(super) fn edit(&mut self, edit: Edit, expected: &Expected) -> Applied<Product> {
        match &edit {
            Edit::Create { .. } => {}
            Edit::Update { product, patch } => {
                let part = if patch.current.is_some() { TagPart::Whole } else { TagPart::Terms };
                self.check_state(*product, expected, part)?;
            }
            Edit::Restock { product, .. } => self.check_state(*product, expected, TagPart::Terms)?,
        }
        match edit {
            Edit::Create { terms, initial, current } => self.create(terms, Stock::new(initial, current)),
            Edit::Update { product, patch } => self.update(product, &patch),
            Edit::Restock { product, delta } => self.restock(product, delta),
        }
    }

    fn check_state(&self, id: ProductId, expected: &Expected, part: TagPart) -> Result<(), Refusal> {
        let stocked = self.books.products.get(&id).ok_or(Refusal::ProductNotFound)?;
        expected.check(&stocked.product, part).map_err(|tag| Refusal::PreconditionFailed { tag })
    }

    /// Whether no other product has this SKU.
    fn check_sku(&self, sku: Option<&str>, own: Option<ProductId>) -> Result<(), Refusal> {
        let Some(sku) = sku else { return Ok(()) };
        let mut products = self.books.products.values().map(|stocked| &stocked.product);
        match products.any(|product| Some(product.id) != own && product.terms.sku.as_deref() == Some(sku)) {
            true => Err(Refusal::SkuTaken),
            false => Ok(()),
        }
    }

    fn create(&mut self, terms: Terms, stock: Stock) -> Applied<Product> {
        if self.books.products.len() >= MAX_PRODUCTS {
            let what = format!("there are {MAX_PRODUCTS} products, which is the most");
            return Err(Refusal::invalid("body", what).into());
        }
        if !terms.has_valid_window() {
            return Err(invalid_window().into());
        }
        self.check_sku(terms.sku.as_deref(), None)?;
        let id = self.books.head.next_product();
        let product = Product { id, terms, stopped: false, stock, orders: 0, created_at: self.at, updated_at: self.at };
        self.record(Change::ProductCreated(Box::new(product.clone())))?;
        self.effects.created = Some(product.clone());
        Ok(product)
    }

    fn update(&mut self, id: ProductId, patch: &ProductPatch) -> Applied<Product> {
        let stocked = self.books.products.get(&id).ok_or(Refusal::ProductNotFound)?;
        let before = stocked.product.clone();
        let mut after = before.clone();
        patch.apply_terms(&mut after.terms);
        self.check_sku(patch.sku.as_ref().and_then(Option::as_deref), Some(id))?;
        let stocked = self.books.products.get_mut(&id).ok_or(Refusal::ProductNotFound)?;
        // What an operator says of one product outlasts the start of the sale.
        after.stopped &= patch.flash_sale_active.is_none();
        if !after.terms.has_valid_window() {
            return Err(invalid_window().into());
        }
        match patch.added {
            // It would not say whether the units come before or after.
            Some(_) if patch.initial.or(patch.current).is_some() => return Err(Refusal::Internal.into()),
            Some(delta) => shift_stock(&stocked.item, &mut after.stock, delta)?,
            None => update_stock(stocked, &mut after.stock, patch)?,
        }
        after.updated_at = self.at;
        stocked.product = after.clone();
        let limited = after.terms.per_user_limit.is_some();
        stocked.item.limit_purchases(limited, after.orders);
        self.effects.limited = limited;
        self.finish_edit(before, after)
    }

    fn restock(&mut self, id: ProductId, delta: i64) -> Applied<Product> {
        let stocked = self.books.products.get_mut(&id).ok_or(Refusal::ProductNotFound)?;
        let before = stocked.product.clone();
        shift_stock(&stocked.item, &mut stocked.product.stock, delta)?;
        stocked.product.updated_at = self.at;
        let after = stocked.product.clone();
        self.finish_edit(before, after)
    }

    fn finish_edit(&mut self, before: Product, after: Product) -> Applied<Product> {
        self.effects.touched.insert(after.id);
        self.effects.edited = true;
        self.record(Change::ProductEdited { before: Box::new(before), after: Box::new(after.clone()) })?;
        Ok(after)
    }

    /// Takes all products out of the sale, or brings those back that were taken out so: all in this commit. Those that
    /// it changed, by number.
    pub(super) fn set_sale(&mut self, on: bool) -> Result<Vec<Product>, StoreError> {
        let mut changed = Vec::new();
        for stocked in self.books.products.values_mut() {
            if stocked.product.set_on_sale(on, self.at) {
                changed.push(stocked.product.clone());
            }
        }
        changed.sort_unstable_by_key(|product| product.id);
        for Product { id, .. } in &changed {
            self.effects.touched.insert(*id);
            self.record(if on { Change::ProductStarted(*id) } else { Change::ProductStopped(*id) })?;
        }
        self.effects.edited |= !changed.is_empty();
        Ok(changed)
    }

    pub(super) fn delete_product(&mut self, id: ProductId, expected: &Expected) -> Applied<()> {
        self.check_state(id, expected, TagPart::Terms)?;
        let stocked = self.books.products.get(&id).ok_or(Refusal::ProductNotFound)?;
        if stocked.product.orders > 0 {
            return Err(Refusal::ProductHasOrders.into());
        }
        if let Some(stocked) = self.books.products.remove(&id) {
            self.record(Change::ProductDeleted(Box::new(stocked.product)))?;
        }
        self.effects.deleted = Some(id);
        Ok(())
    }
}

/// Adds units to the counter and the books, or takes them from both.
fn shift_stock(item: &StockItem, stock: &mut Stock, delta: i64) -> Result<(), Refusal> {
    let units = delta.unsigned_abs();
    if delta < 0 {
        if !item.try_take(units) {
            return Err(Refusal::SoldOut);
        }
    } else if !stock.current.checked_add(units).is_some_and(|current| stock.has_room_for(current)) {
        return Err(too_many());
    }
    // What the counter gave is in the books as well: the counter never has more than they say.
    stock.adjust(delta).map_err(|_| Refusal::SoldOut)?;
    if delta > 0 {
        // Published before the commit, a unit could be sold that is not there; so an edit commits alone, and the
        // counter is filled by the one thread that would commit such a sale later.
        item.put(units);
    }
    Ok(())
}

/// Sets the stock fields of a patch: `current` is what can be bought from now on, the difference is an adjustment.
fn update_stock(stocked: &Stocked, stock: &mut Stock, patch: &ProductPatch) -> Result<(), Refusal> {
    let initial = patch.initial.unwrap_or(stock.initial);
    let corrected = i64::try_from(initial).unwrap_or(i64::MAX) - i64::try_from(stock.initial).unwrap_or(i64::MAX);
    match patch.current {
        Some(current) => {
            if !stock.has_room_for(current) {
                return Err(too_many());
            }
            let before = stocked.item.set_available(current);
            let delta = i64::try_from(current).unwrap_or(i64::MAX) - i64::try_from(before).unwrap_or(i64::MAX);
            stock.adjust(delta).map_err(|_| Refusal::SoldOut)?;
            stock.initial = initial;
            stock.adjusted -= corrected;
        }
        None if corrected < 0 => {
            if !stocked.item.try_take(corrected.unsigned_abs()) {
                return Err(Refusal::invalid("initialStock", "must not take away more units than can be bought"));
            }
            stock.initial = initial;
            stock.current -= corrected.unsigned_abs();
        }
        None => {
            let current = stock.current + corrected.unsigned_abs();
            if !stock.has_room_for(current) {
                return Err(too_many());
            }
            stock.initial = initial;
            stock.current = current;
            stocked.item.put(corrected.unsigned_abs());
        }
    }
    Ok(())
}

fn invalid_window() -> Refusal {
    Refusal::invalid("saleEndsAt", "must be later than saleStartsAt")
}

fn too_many() -> Refusal {
    Refusal::invalid("body", format!("a product has at most {} units", crate::limits::MAX_STOCK))
}

impl ProductPatch {
    /// The terms of a new product. What is not set is empty, 0, off or none.
    pub fn terms(&self) -> Terms {
        let mut terms = Terms::default();
        self.apply_terms(&mut terms);
        terms
    }

    fn apply_terms(&self, terms: &mut Terms) {
        let Self { name, price, flash_sale_active, per_user_limit, sale_starts_at, sale_ends_at, .. } = self;
        let Self { hold_seconds, sku, hidden, .. } = self;
        if let Some(name) = name {
            terms.name.clone_from(name);
        }
        terms.price = price.unwrap_or(terms.price);
        terms.flash_sale_active = flash_sale_active.unwrap_or(terms.flash_sale_active);
        terms.per_user_limit = per_user_limit.unwrap_or(terms.per_user_limit);
        terms.sale_starts_at = sale_starts_at.unwrap_or(terms.sale_starts_at);
        terms.sale_ends_at = sale_ends_at.unwrap_or(terms.sale_ends_at);
        terms.hold_seconds = hold_seconds.unwrap_or(terms.hold_seconds);
        if let Some(sku) = sku {
            terms.sku.clone_from(sku);
        }
        terms.hidden = hidden.unwrap_or(terms.hidden);
    }
}
