//! Checkpoints of contracts' state on disk. The log has paid for durability already: what lies here trails it.
