//! Layouts of the structures that cross guest memory.
