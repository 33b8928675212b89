//! Who uses a server. Functions, state, logs and counters of one tenant do not exist for another, and none takes more than its share.
//!
//! A connection belongs to a tenant: by the user at its other end, whom the operating system names, or by a token in `hello`. The server's own
//! user (and root, who could do as much without asking) is the tenant without a name; whoever it is told to be in `hello` it is, too. Any other
//! user is a tenant of its own, unless the configuration says more.

use crate::registry::share_of;
use crate::state::Share;
use crate::stats::ServerStats;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How much a tenant may have. What is not said is bounded by the server's own limits alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// Functions.
    pub functions: Option<u64>,
    /// Bytes of all its modules, with the files of its programs.
    pub modules_bytes: Option<u64>,
    /// Bytes of all its state, counted as the server's are.
    pub state_bytes: Option<u64>,
    /// Executions beyond their first slice.
    pub in_flight: Option<u64>,
    /// Units of fuel a second, as an average: so much at once may be burnt after a second of rest.
    pub fuel_per_second: Option<u64>,
    /// Connections.
    pub connections: Option<u64>,
}

/// What the configuration says of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantConfig {
    /// Users whose connections are its own; in a file, by number or by name.
    #[serde(deserialize_with = "users")]
    pub users: Vec<u32>,
    /// BLAKE3 of the token that its clients say, in hexadecimal.
    pub token_blake3: Option<String>,
    /// How much it may have.
    pub quotas: Quotas,
}

/// Users, looked up where they are named.
fn users<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum User {
        Number(u32),
        Name(String),
    }
    let number = |user| match user {
        User::Number(number) => Ok(number),
        User::Name(name) => match nix::unistd::User::from_name(&name) {
            Ok(Some(user)) => Ok(user.uid.as_raw()),
            Ok(None) => Err(serde::de::Error::custom(format!("there is no user '{name}'"))),
            Err(error) => Err(serde::de::Error::custom(format!("cannot look up the user '{name}': {error}"))),
        },
    };
    Vec::<User>::deserialize(deserializer)?.into_iter().map(number).collect()
}

/// Who may use a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantsConfig {
    /// By name.
    pub tenant: BTreeMap<String, TenantConfig>,
    /// How much users may have who are not named.
    pub others: Quotas,
}

impl TenantsConfig {
    /// What is wrong with it.
    ///
    /// # Errors
    /// A name that is none, a token that is no digest, a user or a token that two tenants have.
    pub fn check(&self) -> Result<(), String> {
        let (mut users, mut tokens) = (BTreeMap::new(), BTreeMap::new());
        for (name, tenant) in &self.tenant {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
                let shown = name.escape_debug();
                return Err(format!("'{shown}' cannot be a tenant's name: 1 to 64 letters, digits, '-', '_' and '.'"));
            }
            for user in &tenant.users {
                if let Some(other) = users.insert(user, name) {
                    return Err(format!("user {user} belongs to '{other}' and to '{name}'"));
                }
            }
            if let Some(token) = &tenant.token_blake3 {
                let digest = blake3::Hash::from_hex(token);
                let digest = digest.map_err(|error| format!("token_blake3 of '{name}' is no digest: {error}"))?;
                if let Some(other) = tokens.insert(*digest.as_bytes(), name) {
                    return Err(format!("'{other}' and '{name}' have the same token"));
                }
            }
        }
        Ok(())
    }
}

/// A tenant.
#[derive(Debug)]
pub struct Tenant {
    /// Its name; that of the server's own user is empty.
    pub name: String,
    /// How much it may have.
    pub quotas: Quotas,
    /// What it has done.
    pub stats: ServerStats,
    /// Executions beyond their first slice.
    pub(crate) away: AtomicU64,
    purse: Purse,
    /// Where its state is, and how much of it that may be; nothing for the server's own user, who has all that is left.
    owner: Option<(Share, u64)>,
}

impl Tenant {
    fn new(name: String, quotas: Quotas) -> Self {
        let purse = Purse::new(quotas.fuel_per_second);
        let most = quotas.state_bytes.unwrap_or(u64::MAX);
        let owner = (!name.is_empty()).then(|| (share_of(&name), most));
        Self { name, quotas, owner, stats: ServerStats::default(), away: AtomicU64::new(0), purse }
    }

    /// The server's own user, alone.
    #[must_use]
    pub fn own() -> Arc<Self> {
        Arc::new(Self::new(String::new(), Quotas::default()))
    }

    /// Whether it is the server's own user.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.name.is_empty()
    }

    /// Its name where something has to follow from it; none for the server's own user, whose functions have the numbers that they have
    /// always had.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        (!self.is_own()).then_some(self.name.as_str())
    }

    pub(crate) const fn owner(&self) -> Option<(Share, u64)> {
        self.owner
    }

    /// Takes what an execution burns; gives back what is less than nothing.
    pub(crate) fn burn(&self, fuel: i64) {
        self.purse.burn(fuel);
    }

    /// How long to wait until it may burn again; nothing if it may now.
    pub(crate) fn rests(&self) -> Option<Duration> {
        self.purse.rests()
    }
}

/// Fuel that flows in at a rate, up to that of a second. What is burnt is taken out afterwards, so it can be in debt.
#[derive(Debug)]
struct Purse {
    rate: Option<u64>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    left: i64,
    /// Since when nothing has flown in.
    since: Instant,
}

impl Purse {
    fn new(rate: Option<u64>) -> Self {
        let left = i64::try_from(rate.unwrap_or(0)).unwrap_or(i64::MAX);
        Self { rate, held: Mutex::new(Held { left, since: Instant::now() }) }
    }

    /// What there is now.
    fn held(&self, rate: u64) -> MutexGuard<'_, Held> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let flown = (now.duration_since(held.since).as_secs_f64() * rate as f64) as i64;
        if flown > 0 {
            let most = i64::try_from(rate).unwrap_or(i64::MAX);
            (held.left, held.since) = (held.left.saturating_add(flown).min(most), now);
        }
        held
    }

    fn burn(&self, fuel: i64) {
        if let Some(rate) = self.rate {
            let mut held = self.held(rate);
            held.left = held.left.saturating_sub(fuel);
        }
    }

    fn rests(&self) -> Option<Duration> {
        let rate = self.rate?.max(1);
        let left = self.held(rate).left;
        if left > 0 {
            return None;
        }
        let seconds = (1.0 - left as f64) / rate as f64;
        Some(Duration::from_secs_f64(seconds.clamp(0.001, 3600.0)))
    }
}

/// All tenants of a server: those that there have been, each once.
pub struct Tenants {
    config: TenantsConfig,
    /// The server's own user.
    own: u32,
    known: Mutex<BTreeMap<String, Arc<Tenant>>>,
}

impl Tenants {
    /// The tenants of a server that belongs to this process's user.
    #[must_use]
    pub fn new(config: TenantsConfig) -> Self {
        let known = BTreeMap::from([(String::new(), Tenant::own())]);
        Self { config, own: nix::unistd::geteuid().as_raw(), known: Mutex::new(known) }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Tenant>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there have been.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known().len()
    }

    /// The server's own user.
    #[must_use]
    pub fn own(&self) -> Arc<Tenant> {
        self.named("")
    }

    /// The tenant of that name: as the configuration says, or as others are.
    #[must_use]
    pub fn named(&self, name: &str) -> Arc<Tenant> {
        let mut known = self.known();
        if let Some(tenant) = known.get(name) {
            return Arc::clone(tenant);
        }
        let quotas = self.config.tenant.get(name).map_or(self.config.others, |tenant| tenant.quotas);
        let tenant = Arc::new(Tenant::new(name.to_string(), quotas));
        known.insert(name.to_string(), Arc::clone(&tenant));
        tenant
    }

    /// The tenant of a user.
    #[must_use]
    pub fn of_user(&self, user: u32) -> Arc<Tenant> {
        let said = self.config.tenant.iter().find(|(_, tenant)| tenant.users.contains(&user));
        match said {
            Some((name, _)) => self.named(name),
            None if user == self.own || user == 0 => self.own(),
            None => self.named(&user_name(user)),
        }
    }

    /// The tenant of a token.
    #[must_use]
    pub fn of_token(&self, token: &str) -> Option<Arc<Tenant>> {
        // Comparing digests tells nobody how much of a token was right.
        let digest = blake3::hash(token.as_bytes());
        let has = |said: &String| blake3::Hash::from_hex(said).is_ok_and(|said| said == digest);
        let found = self.config.tenant.iter().find(|(_, tenant)| tenant.token_blake3.as_ref().is_some_and(has));
        found.map(|(name, _)| self.named(name))
    }

    /// The tenant of that name if there is or can be one: named by the configuration, or a user's.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<Tenant>> {
        let user = || name.strip_prefix("uid:").is_some_and(|user| user.parse::<u32>().is_ok());
        (name.is_empty() || self.config.tenant.contains_key(name) || user()).then(|| self.named(name))
    }
}

/// What a user is called who is not named.
fn user_name(user: u32) -> String {
    format!("uid:{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> TenantsConfig {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_connection_belongs_to_whom_the_system_or_a_token_names() {
        let token = blake3::hash(b"open sesame").to_hex();
        let text = format!(
            r#"{{"tenant": {{"a": {{"users": [4001, 4002], "quotas": {{"functions": 3}}}}, "b": {{"token_blake3": "{token}"}}}},
                "others": {{"in_flight": 2}}}}"#
        );
        let config = config(&text);
        assert_eq!(config.check(), Ok(()));
        let tenants = Tenants::new(config);
        assert_eq!(tenants.of_user(4001).name, "a");
        assert_eq!(tenants.of_user(4001).quotas.functions, Some(3));
        assert!(Arc::ptr_eq(&tenants.of_user(4001), &tenants.of_user(4002)));
        let other = tenants.of_user(4003);
        assert_eq!((other.name.as_str(), other.quotas.in_flight), ("uid:4003", Some(2)));
        assert!(tenants.of_user(nix::unistd::geteuid().as_raw()).is_own() && tenants.of_user(0).is_own());
        assert_eq!(tenants.of_token("open sesame").map(|tenant| tenant.name.clone()), Some("b".into()));
        assert!(tenants.of_token("open sesam").is_none() && tenants.of_token("").is_none());
        assert!(tenants.find("c").is_none() && tenants.find("uid:x").is_none() && tenants.find("uid:1").is_some());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let token = blake3::hash(b"x").to_hex();
        for text in [
            r#"{"tenant": {"a": {"users": [1]}, "b": {"users": [1]}}}"#.to_string(),
            r#"{"tenant": {"a b": {}}}"#.to_string(),
            r#"{"tenant": {"": {}}}"#.to_string(),
            r#"{"tenant": {"a": {"token_blake3": "x"}}}"#.to_string(),
            format!(r#"{{"tenant": {{"a": {{"token_blake3": "{token}"}}, "b": {{"token_blake3": "{token}"}}}}}}"#),
        ] {
            assert!(config(&text).check().is_err(), "{text}");
        }
    }

    #[test]
    fn no_more_than_that_of_a_second_gathers() {
        let purse = Purse::new(Some(1_000_000));
        std::thread::sleep(Duration::from_millis(50));
        purse.burn(1_000_000);
        // What has passed before it began to burn is no credit.
        let left = purse.held(1_000_000).left;
        assert!(left < 40_000, "{left}");
    }

    #[test]
    fn fuel_flows_in_again() {
        let tenant = Tenant::new("a".into(), Quotas { fuel_per_second: Some(1_000_000_000), ..Quotas::default() });
        assert_eq!(tenant.rests(), None);
        // Debt of two seconds, as of now: it rests for about as long.
        tenant.burn(3_000_000_000);
        let rests = tenant.rests().unwrap_or_default();
        assert!(rests > Duration::from_millis(1000) && rests < Duration::from_millis(2100), "{rests:?}");
        let free = Tenant::new("b".into(), Quotas::default());
        free.burn(i64::MAX);
        assert_eq!(free.rests(), None);
    }
}
