//! The live tree of a release: a pure picture of it, and that picture as text.
//!
//! [`picture::Picture`] is what there is to see, free of layout; [`render()`] lays it out for a width and a style;
//! [`changes()`] says in lines what is new, for where nothing can be redrawn. No I/O and no clock.

mod changes;
mod evidence;
pub mod numbers;
mod of_view;
pub mod picture;
mod render;

pub use changes::changes;
pub use render::render;
