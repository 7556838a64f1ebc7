//! What the integration tests share.

mod read_back;
pub(crate) mod receivers;
