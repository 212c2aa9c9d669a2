//! A thread's hold on a table.

use super::Table;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

/// A table that stays while this is held. All holds of a thread share one of the table's counted references: taking one
/// writes no memory that another thread uses.
#[derive(Clone, Debug)]
pub(crate) struct Pinned(Rc<Held>);

#[derive(Debug)]
struct Held(Arc<Table>);

impl Pinned {
    pub(crate) fn new(table: Arc<Table>) -> Pinned {
        Pinned(Rc::new(Held(table)))
    }
}

impl Deref for Pinned {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.0.0
    }
}
