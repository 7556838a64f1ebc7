//! What the integration tests share.

pub(crate) mod proxy;
pub(crate) mod push;
mod read_back;
pub(crate) mod receivers;
