//! What a thread is told from outside.

use crate::leave::Leave;
use crate::listen::Bound;
use crate::table::Table;
use std::sync::Arc;
use tokio::sync::oneshot;

/// One message to a thread.
#[derive(Debug)]
pub(crate) enum Message {
    /// Run this table from now on, and say so.
    Table(Arc<Table>, oneshot::Sender<()>),
    /// Accept from these, too, and say so.
    Listen(Vec<Bound>, oneshot::Sender<()>),
    /// Accept no more connections; let the open ones finish their requests. The answer comes when none is left.
    Drain(oneshot::Sender<()>),
    /// End streams, each in its time from now on.
    Leave(Leave),
    /// Close idle connections.
    Close,
    /// End at once; what is open is cut.
    Stop,
}
