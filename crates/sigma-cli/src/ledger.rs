//! The ledger's table of a deployed stack: where it is, what is in it, what its errors mean. Shared by the commands that read or write it;
//! which items they are about is their own.

pub(crate) mod failure;
pub(crate) mod item;
pub(crate) mod place;
