//! What the integration tests share.

pub(crate) mod past;
pub(crate) mod proxy;
mod read_back;
pub(crate) mod receivers;
