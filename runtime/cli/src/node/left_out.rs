//! A program that was built without `jetstream` is a node of no cluster.

use std::sync::Arc;
use std::time::Instant;

use anyhow::anyhow;
use lastword::{Journal, Paused};
use lastword_config::JetStream;
use lastword_events::JournalName;
use lastword_server::Cluster;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::{Adopted, Behind, Beside, Over, Parts};
use crate::exit::{Exit, Failure};

/// # Errors
/// Always.
pub(crate) fn give_up(_: &JetStream, _: JournalName) -> Result<(), Failure> {
    Err(without())
}

/// # Errors
/// Always.
pub(crate) fn check_journals(_: &JetStream, _: Option<JournalName>) -> Result<Exit, Failure> {
    Err(without())
}

/// # Errors
/// Always.
pub(crate) fn export_journals(_: &JetStream, _: Option<JournalName>) -> Result<Exit, Failure> {
    Err(without())
}

fn without() -> Failure {
    Failure::usage(anyhow!(
        "the journal is on jetstream, and this program was built without: build it with the feature `jetstream`"
    ))
}

/// There is none.
pub(crate) enum Node {}

impl Node {
    /// # Errors
    /// Always.
    pub(crate) fn join(_: &JetStream, _: Parts, _: Arc<Adopted>, _: &Handle) -> Result<Self, Failure> {
        Err(without())
    }

    pub(crate) fn journal(&self) -> Arc<dyn Journal> {
        match *self {}
    }

    pub(crate) fn cluster(&self) -> Arc<dyn Cluster> {
        match *self {}
    }

    pub(crate) fn serve(&self, _: Beside) {
        match *self {}
    }

    pub(crate) async fn is_over(&self) -> Over {
        match *self {}
    }

    pub(crate) fn stop_adopting(&self) -> Vec<Paused> {
        match *self {}
    }

    pub(crate) fn detach_adopted(&self, _: Instant) -> JoinHandle<()> {
        match *self {}
    }

    pub(crate) fn owes_nothing(&self) -> bool {
        match *self {}
    }

    pub(crate) async fn leave(&self, _: Behind, _: Instant) {
        match *self {}
    }
}
