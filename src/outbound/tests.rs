pub(crate) mod hanging;
