//! The way in: bounded, and never blocking for orders.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::domain::clock::Timestamp;
use crate::domain::order::{Order, OrderId};
use crate::domain::product::{Product, ProductId};
use crate::domain::product_tag::Expected;
use crate::domain::receipt::Receipt;
use crate::domain::refusal::Refusal;
use crate::limits::{INTAKE_COMMANDS, INTAKE_ORDERS};

use super::claims::{BatchClaims, KeyClaim};
use super::command::{Command, Edit, OperatorMove, PendingOrder, Settlement};
use super::count::Counts;
use super::gate::{Gate, OrderPermit, Status};

/// The way to the committer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Intake {
    sender: Sender<Command>,
    gate: Arc<Gate>,
    commands: Arc<Semaphore>,
    counts: Arc<Counts>,
}

impl Intake {
    pub(super) fn new(counts: Arc<Counts>) -> (Self, Receiver<Command>, Arc<Gate>) {
        // Room for every permit there is, and for the word to stop: a send with a permit always finds room.
        let (sender, receiver) = bounded(INTAKE_ORDERS + INTAKE_COMMANDS + 1);
        let gate = Arc::new(Gate::default());
        let commands = Arc::new(Semaphore::new(INTAKE_COMMANDS));
        (Self { sender, gate: Arc::clone(&gate), commands, counts }, receiver, gate)
    }

    /// Whether orders are taken.
    pub fn status(&self) -> Status {
        self.gate.status()
    }

    /// Counts the epochs of the store and the ends of stalls. Asked before the first check of an order and handed in
    /// with it: an order that was checked against a store that has failed since is rejected, and one that was given up.
    pub fn epoch(&self) -> u64 {
        self.gate.epoch()
    }

    /// Where users of limited products are counted.
    pub const fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// An error when orders are not taken.
    pub fn check_open(&self) -> Result<(), Refusal> {
        match self.status() {
            Status::Open => Ok(()),
            Status::ShuttingDown => Err(Refusal::ShuttingDown),
            Status::StorageUnavailable | Status::StorageMissing | Status::StorageSlow => {
                Err(Refusal::StorageUnavailable)
            }
        }
    }

    /// Waits for the committer's reply to an order, for as long as commits do not stall: from then on its outcome is
    /// unknown, and nothing of it is stored later unless it was in the commit under way. The task that polls this must
    /// be woken by [`Self::stalls`] as well: a timer for each order would cost too much.
    pub async fn receipt<T>(&self, mut receipt: oneshot::Receiver<T>) -> Result<T, Refusal> {
        poll_fn(|context| match Pin::new(&mut receipt).poll(context) {
            Poll::Ready(reply) => Poll::Ready(reply.map_err(|_| Refusal::StorageUnavailable)),
            Poll::Pending if self.gate.is_stalled() => Poll::Ready(Err(Refusal::StorageUnavailable)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Changes when commits have stalled, and now and then for as long as they are.
    pub fn stalls(&self) -> watch::Receiver<()> {
        self.gate.stalls.subscribe()
    }

    /// Waits for something for as long as commits do not stall.
    pub async fn unless_stalled<T>(&self, wanted: impl Future<Output = T>) -> Result<T, Refusal> {
        let mut stalls = self.stalls();
        let stalled = async {
            // The gate is never gone while this is here.
            while !self.gate.is_stalled() && stalls.changed().await.is_ok() {}
        };
        tokio::select! {
            biased;
            value = wanted => Ok(value),
            () = stalled => Err(Refusal::StorageUnavailable),
        }
    }

    /// Room for `orders` orders; `None` if too many are on their way.
    pub fn order_permit(&self, orders: usize) -> Option<OrderPermit> {
        self.gate.order_permit(orders)
    }

    /// Hands an order over and returns where its receipt will come. From here on the committer owns it. A receipt that
    /// never comes means that the store is unavailable.
    pub fn place(
        &self,
        order: PendingOrder,
        mut key: Option<KeyClaim>,
        permit: OrderPermit,
    ) -> oneshot::Receiver<Result<Receipt, Refusal>> {
        key.iter_mut().for_each(KeyClaim::submit);
        let (reply, receipt) = oneshot::channel();
        // A send that fails drops the command: the order returns its stock, and the receipt says "unavailable".
        let _ = self.sender.try_send(Command::Place { order, key, reply, _permit: permit });
        receipt
    }

    /// Hands many orders over at once, with the claims on their keys in the same order, in which the receipts come.
    pub fn place_many(
        &self,
        orders: Vec<PendingOrder>,
        mut keys: BatchClaims,
        permit: OrderPermit,
    ) -> oneshot::Receiver<Vec<Result<Receipt, Refusal>>> {
        keys.submit();
        let (reply, receipts) = oneshot::channel();
        let _ = self.sender.try_send(Command::PlaceMany { orders, keys, reply, _permit: permit });
        receipts
    }

    /// Reports what became of jobs; returns when there was room for the report. False when nobody takes it any more.
    pub async fn settle(&self, settlements: Vec<Settlement>) -> bool {
        let Some(permit) = self.permit().await else { return false };
        self.sender.try_send(Command::Settle { settlements, _permit: permit }).is_ok()
    }

    /// Moves orders for an operator; the results come in the same order.
    pub async fn move_orders(
        &self,
        orders: Vec<OrderId>,
        to: OperatorMove,
    ) -> Result<Vec<Result<Arc<Order>, Refusal>>, Refusal> {
        self.move_failed_before(orders, to, None).await
    }

    /// The same with dead letters that failed at `failed_before` or earlier; one that failed again since is not found.
    pub async fn move_failed_before(
        &self,
        orders: Vec<OrderId>,
        to: OperatorMove,
        failed_before: Option<Timestamp>,
    ) -> Result<Vec<Result<Arc<Order>, Refusal>>, Refusal> {
        if matches!(to, OperatorMove::Confirm | OperatorMove::Retry) {
            self.counts.count_users_of(&orders).await?;
        }
        self.ask(|reply, permit| Command::MoveOrders { orders, to, failed_before, reply, _permit: permit }).await
    }

    /// Returns when everything that was handed over before is published.
    pub async fn flushed(&self) -> Result<(), Refusal> {
        self.move_orders(Vec::new(), OperatorMove::Forget).await.map(drop)
    }

    /// Creates or changes a product for an operator.
    pub async fn edit(&self, edit: Edit) -> Result<Product, Refusal> {
        self.edit_if(edit, Expected::Any).await
    }

    /// The same where the product is in one of the expected states when it is changed.
    pub async fn edit_if(&self, edit: Edit, expected: Expected) -> Result<Product, Refusal> {
        let edit = Box::new(edit);
        Ok(*self.ask(|reply, permit| Command::Edit { edit, expected, reply, _permit: permit }).await??)
    }

    /// Deletes a product that has no orders and is in one of the expected states.
    pub async fn delete_product(&self, product: ProductId, expected: Expected) -> Result<(), Refusal> {
        self.ask(|reply, permit| Command::DeleteProduct { product, expected, reply, _permit: permit }).await?
    }

    /// Takes all products out of the sale in one commit, and returns those that were in it. Once this has returned, no
    /// order for them is accepted until they are back.
    pub async fn stop_sale(&self) -> Result<Vec<Product>, Refusal> {
        self.set_sale(false).await
    }

    /// Brings the products back into the sale that [`Self::stop_sale`] took out of it, also before a restart, but for
    /// those that an operator has taken out or brought back since; returns them.
    pub async fn start_sale(&self) -> Result<Vec<Product>, Refusal> {
        self.set_sale(true).await
    }

    async fn set_sale(&self, on: bool) -> Result<Vec<Product>, Refusal> {
        self.ask(|reply, permit| Command::SetSale { on, reply, _permit: permit }).await
    }

    /// Pauses or resumes the queue, durably.
    pub async fn set_paused(&self, paused: bool) -> Result<(), Refusal> {
        self.ask(|reply, permit| Command::SetPaused { paused, reply, _permit: permit }).await
    }

    /// Rejects new orders from now on; what was accepted is still committed.
    pub fn shut(&self) {
        self.gate.set_status(Status::ShuttingDown);
    }

    /// Lets the committer finish the commands before this one and end. Everything later is rejected.
    pub fn stop(&self) {
        let _ = self.sender.try_send(Command::Stop);
    }

    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.commands).acquire_owned().await.ok()
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>, OwnedSemaphorePermit) -> Command,
    ) -> Result<T, Refusal> {
        if let Err(Refusal::StorageUnavailable) = self.check_open() {
            return Err(Refusal::StorageUnavailable);
        }
        let asked = async {
            let permit = self.permit().await.ok_or(Refusal::ShuttingDown)?;
            let (reply, replied) = oneshot::channel();
            let _ = self.sender.try_send(command(reply, permit));
            replied.await.map_err(|_| Refusal::StorageUnavailable)
        };
        self.unless_stalled(asked).await?
    }
}
