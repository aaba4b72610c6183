//! The sale: crowds, holds, limits of purchases, sale windows, batches and repeated requests.

mod batches;
mod clock;
mod hold_model;
mod holds;
mod idempotency;
mod many_letters;
mod purchase_limits;
mod stampede;
