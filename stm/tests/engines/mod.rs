//! Engines of every kind, which must all do the same.

use replicode_stm::{Builder, Mode, Stm};

/// One of each kind, by name.
pub fn engines() -> Vec<(&'static str, Builder)> {
    let spec = Stm::builder().mode(Mode::Speculative);
    vec![
        ("sequential", Stm::builder().sequential()),
        ("direct", Stm::builder().threads(2).mode(Mode::Direct)),
        ("auto", Stm::builder().threads(2)),
        ("alternating", Stm::builder().threads(2).mode(Mode::Alternate(3))),
        ("one thread", spec.clone().threads(1)),
        ("two threads", spec.clone().threads(2).run_ahead(false)),
        ("four threads", spec.clone().threads(4).chaos(3)),
        ("eight threads in groups", spec.clone().threads(8).group_certification(true).run_ahead(false)),
        ("seeded", spec.seeded(5, 3)),
    ]
}
