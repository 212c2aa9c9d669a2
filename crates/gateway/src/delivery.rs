//! How tables come to the request threads: compiled here, sent to each thread's mailbox, acknowledged by each.

use crate::table::{Compiler, Problem, Table};
use crate::worker::Message;
use model::resource::{Resource, Revision};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard, mpsc, oneshot};

/// A thread has ended: the gateway cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a gateway thread has ended")]
pub struct ThreadEnded;

/// Compiles tables and brings them to the threads.
#[derive(Debug)]
pub(crate) struct Delivery {
    mailboxes: Vec<mpsc::UnboundedSender<Message>>,
    configuration: Mutex<Configuration>,
}

/// What the threads run.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) compiler: Compiler,
    /// Tables that requests may still hold. They are let go here, so that no request thread spends its time on it.
    tables: Vec<Arc<Table>>,
}

/// What the threads have yet to say.
struct Awaited(Vec<oneshot::Receiver<()>>);

impl Delivery {
    pub(crate) fn new(mailboxes: Vec<mpsc::UnboundedSender<Message>>, compiler: Compiler) -> Delivery {
        let configuration = Mutex::new(Configuration { compiler, tables: Vec::new() });
        Delivery { mailboxes, configuration }
    }

    /// The mailboxes of all threads.
    pub(crate) fn mailboxes(&self) -> &[mpsc::UnboundedSender<Message>] {
        &self.mailboxes
    }

    /// The one who is to change what the threads run.
    pub(crate) async fn configuration(&self) -> MutexGuard<'_, Configuration> {
        self.configuration.lock().await
    }

    /// Compiles a configuration and returns once every thread runs it.
    ///
    /// # Errors
    /// When a thread has ended.
    pub(crate) async fn deliver(
        &self,
        configuration: &mut Configuration,
        revision: Revision,
        resources: Vec<Arc<Resource>>,
    ) -> Result<Vec<Problem>, ThreadEnded> {
        let (table, problems) = configuration.compiler.compile(revision, resources);
        let table = Arc::new(table);
        for done in self.send(&table)?.0 {
            done.await.map_err(|_| ThreadEnded)?;
        }
        configuration.keep(table);
        Ok(problems)
    }

    /// Compiles the last configuration again, with what the guards say now, and returns once every thread runs it. Not
    /// for tasks of a runtime: it waits for the threads.
    ///
    /// # Errors
    /// When a thread has ended.
    pub(crate) fn deliver_again(&self) -> Result<(), ThreadEnded> {
        let mut configuration = self.configuration.blocking_lock();
        let table = Arc::new(configuration.compiler.compile_again());
        for done in self.send(&table)?.0 {
            done.blocking_recv().map_err(|_| ThreadEnded)?;
        }
        configuration.keep(table);
        Ok(())
    }

    fn send(&self, table: &Arc<Table>) -> Result<Awaited, ThreadEnded> {
        let mut awaited = Vec::with_capacity(self.mailboxes.len());
        for mailbox in &self.mailboxes {
            let (acknowledge, done) = oneshot::channel();
            mailbox.send(Message::Table(Arc::clone(table), acknowledge)).map_err(|_| ThreadEnded)?;
            awaited.push(done);
        }
        Ok(Awaited(awaited))
    }
}

impl Configuration {
    /// The newest table is held by the threads; of the older ones, those that only we still hold can go.
    fn keep(&mut self, table: Arc<Table>) {
        self.tables.push(table);
        self.tables.retain(|table| Arc::strong_count(table) > 1);
    }
}
