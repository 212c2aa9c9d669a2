//! What only this store promises: durability, several processes, private files.
