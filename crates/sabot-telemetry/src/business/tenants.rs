//! Which tenants have series of their own.
//!
//! Those with the most work, as far as can be told with bounded memory: tenants outside are followed by the Space-Saving
//! algorithm (Metwally, Agrawal, El Abbadi 2005), which knows at least how much each has done. One that has surely done
//! twice as much as the smallest inside takes its place. All counts halve from time to time, so that the past fades.
//!
//! Invariant: a value is added while nobody can move its tenant, so moving loses nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, TryLockError};

use crate::metrics::{Trie, hash_of_name};
use crate::{Counter, MetricDesc, MetricKind, Registry};

/// The tenant of all who have no series of their own, and the operation of all above the limit.
const OTHER: &str = "other";
const TENANT_LABEL: &str = "tenant_id";
/// Most operations of one tenant that are told apart.
const MAX_OPERATIONS: usize = 32;
/// A tenant outside needs at least so many pieces of work more than twice those of the smallest inside.
const MARGIN: u64 = 16;
/// Pieces of work of tenants outside after which all counts halve.
const HALVE_EVERY: u64 = 65_536;

/// All tenants.
#[derive(Debug)]
pub(super) struct Tenants {
    registry: Registry,
    desc: MetricDesc,
    most: usize,
    inside: RwLock<HashMap<Box<str>, Tenant>>,
    other: Tenant,
    outside: Mutex<Outside>,
}

/// A tenant with series of its own.
#[derive(Debug, Default)]
struct Tenant {
    work: AtomicU64,
    operations: Trie<(Box<str>, Counter)>,
    known: AtomicUsize,
    adding: Mutex<Vec<Box<str>>>,
}

/// Tenants that may come in.
#[derive(Debug, Default)]
struct Outside {
    seen: u64,
    work: HashMap<Box<str>, Estimate>,
}

/// At most `work`, of which `inherited` may have been somebody else's.
#[derive(Clone, Copy, Debug, Default)]
struct Estimate {
    work: u64,
    inherited: u64,
}

impl Tenants {
    pub(super) fn new(registry: Registry, most: usize) -> Self {
        let desc = MetricDesc::new("sabot_business_value_total", MetricKind::Counter, "What work was worth.")
            .with_labels([TENANT_LABEL, "operation"])
            .with_component("business");
        Self { registry, desc, most, inside: RwLock::default(), other: Tenant::default(), outside: Mutex::default() }
    }

    /// Adds `value` to a tenant's operation.
    pub(super) fn record(&self, tenant: &str, operation: &str, value: f64) {
        {
            let inside = self.inside.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = inside.get(tenant) {
                return self.add(known, tenant, operation, value);
            }
            // One whose name is not to be seen has no series to itself: it would be shared with all others like it.
            if inside.len() >= self.most || !self.registry.shows(TENANT_LABEL, tenant) {
                self.add(&self.other, OTHER, operation, value);
                drop(inside);
                return self.follow(tenant);
            }
        }
        let mut inside = self.inside.write().unwrap_or_else(PoisonError::into_inner);
        if inside.len() < self.most || inside.contains_key(tenant) {
            self.add(inside.entry(tenant.into()).or_default(), tenant, operation, value);
        } else {
            self.add(&self.other, OTHER, operation, value);
        }
    }

    fn add(&self, tenant: &Tenant, id: &str, operation: &str, value: f64) {
        tenant.work.fetch_add(1, Ordering::Relaxed);
        let is_full = || tenant.known.load(Ordering::Relaxed) >= MAX_OPERATIONS;
        let found = tenant.find(operation).or_else(|| is_full().then(|| tenant.find(OTHER)).flatten());
        match found {
            Some(counter) => counter.add_f64(value),
            None => self.bind(tenant, id, operation).add_f64(value),
        }
    }

    /// The counter of an operation that a tenant does for the first time.
    fn bind(&self, tenant: &Tenant, id: &str, operation: &str) -> Counter {
        let mut names = tenant.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let operation = if tenant.known.load(Ordering::Relaxed) < MAX_OPERATIONS { operation } else { OTHER };
        let counter = self.registry.counter(&self.desc, &[id, operation]);
        if !names.iter().any(|known| **known == *operation) {
            names.push(operation.into());
            tenant.known.fetch_add(1, Ordering::Relaxed);
            tenant.operations.insert(hash_of_name(operation), (operation.into(), counter.clone()));
        }
        counter
    }

    /// Notes work of a tenant outside, and lets it in if it has outgrown one inside.
    fn follow(&self, tenant: &str) {
        let mut outside = match self.outside.try_lock() {
            Ok(outside) => outside,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // It is an estimate; nobody waits for it.
            Err(TryLockError::WouldBlock) => return,
        };
        outside.seen += 1;
        if outside.seen.is_multiple_of(HALVE_EVERY) {
            self.halve(&mut outside);
        }
        let sure = outside.note(tenant, self.most);
        if sure <= MARGIN {
            return;
        }
        let mut inside = self.inside.write().unwrap_or_else(PoisonError::into_inner);
        let smallest = inside.iter().min_by_key(|(_, known)| known.work.load(Ordering::Relaxed));
        let Some((smallest, work)) = smallest.map(|(id, known)| (id.clone(), known.work.load(Ordering::Relaxed)))
        else {
            return;
        };
        if sure > 2 * work + MARGIN
            && !inside.contains_key(tenant)
            && self.registry.shows(TENANT_LABEL, tenant)
            && let Some(leaving) = inside.remove(&smallest)
        {
            self.fold(&smallest, &leaving);
            outside.work.remove(tenant);
            inside.insert(tenant.into(), Tenant { work: sure.into(), ..Tenant::default() });
        }
    }

    /// Moves what a tenant was worth to the others.
    fn fold(&self, id: &str, leaving: &Tenant) {
        let names = leaving.adding.lock().unwrap_or_else(PoisonError::into_inner);
        for operation in names.iter() {
            let value = self.registry.counter(&self.desc, &[id, operation]).value();
            self.add(&self.other, OTHER, operation, value);
            self.registry.remove(&self.desc, &[id, operation]);
        }
    }

    fn halve(&self, outside: &mut Outside) {
        let inside = self.inside.read().unwrap_or_else(PoisonError::into_inner);
        for tenant in inside.values() {
            tenant.work.fetch_sub(tenant.work.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
        }
        outside.work.retain(|_, estimate| {
            estimate.work /= 2;
            estimate.inherited /= 2;
            estimate.work > 0
        });
    }
}

impl Tenant {
    fn find(&self, operation: &str) -> Option<&Counter> {
        let found = self.operations.find(hash_of_name(operation), |(known, _)| **known == *operation);
        found.map(|(_, counter)| counter)
    }
}

impl Outside {
    /// Counts one piece of work; how much the tenant has surely done.
    fn note(&mut self, tenant: &str, most: usize) -> u64 {
        if let Some(known) = self.work.get_mut(tenant) {
            known.work += 1;
            return known.work - known.inherited;
        }
        let mut new = Estimate { work: 1, inherited: 0 };
        if self.work.len() >= most.max(1) {
            let least = self.work.iter().min_by_key(|(_, estimate)| estimate.work);
            if let Some((id, estimate)) = least.map(|(id, estimate)| (id.clone(), *estimate)) {
                self.work.remove(&id);
                new = Estimate { work: estimate.work + 1, inherited: estimate.work };
            }
        }
        self.work.insert(tenant.into(), new);
        1
    }
}
