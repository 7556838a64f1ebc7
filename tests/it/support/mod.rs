//! What the integration tests share.

#[cfg(feature = "tls")]
pub(crate) mod certificates;
pub(crate) mod clock;
pub(crate) mod cmd;
mod connection;
pub(crate) mod fifo;
pub(crate) mod folder;
pub(crate) mod json;
pub(crate) mod ledger;
pub(crate) mod library;
pub(crate) mod log;
pub(crate) mod nginx;
pub(crate) mod process;
pub(crate) mod proxy;
mod read_back;
pub(crate) mod real_receiver;
pub(crate) mod scripted_receiver;
mod serving;
pub(crate) mod side_by_side;
pub(crate) mod step;
pub(crate) mod time;
pub(crate) mod transport;
pub(crate) mod window;
pub(crate) mod wire;
pub(crate) mod wire_v2;
