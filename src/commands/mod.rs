//! The commands: what each needs to know, and its `run`.
//!
//! They use everything below; nothing below knows them, and only main and cli name them.

pub mod backfill;
pub mod dry_run;
pub mod export;
pub mod live;
pub mod preview;
pub mod push;
pub mod verify;
