//! Mistakes that are planted, by name: in every disk ([`crate::world::disk`]), or in the replica itself, where this program was built
//! with the feature `planted`.

use crate::world::disk::Plant;

/// While this lives the mistake is made on this thread.
#[derive(Debug)]
pub struct Planted(());

/// Plants a mistake, or none.
///
/// # Errors
/// There is none of that name here.
pub fn plant(name: Option<&str>) -> anyhow::Result<Planted> {
    let Some(name) = name else { return Ok(Planted(())) };
    if Plant::named(name).is_some() {
        return Ok(Planted(()));
    }
    #[cfg(feature = "planted")]
    if let Some((_, mistake)) = replicode_store::planted::ALL.iter().find(|(known, _)| *known == name) {
        replicode_store::planted::plant(Some(*mistake));
        return Ok(Planted(()));
    }
    anyhow::bail!("nothing called {name:?} can be planted: {}", names().join(", "))
}

impl Drop for Planted {
    fn drop(&mut self) {
        #[cfg(feature = "planted")]
        replicode_store::planted::plant(None);
    }
}

/// What can be planted.
#[must_use]
pub fn names() -> Vec<&'static str> {
    #[allow(unused_mut, reason = "more where mistakes can be planted in the replica")]
    let mut names = vec!["syncs", "names", "refuses"];
    #[cfg(feature = "planted")]
    names.extend(replicode_store::planted::ALL.iter().map(|(name, _)| *name));
    names
}
