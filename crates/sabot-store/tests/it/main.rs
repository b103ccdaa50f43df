//! Storage from outside: what survives, what is refused, what comes back.

#![cfg(test)]

mod commits;
mod crash;
mod damage;
mod format;
mod full_disk;
mod locking;
mod reading;
mod retention;
mod round_trip;
mod script;
mod snapshots;
mod streams;
mod support;
mod tables;
