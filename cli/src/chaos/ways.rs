//! Every wire between the parts, so that each pair can be parted without the others' knowledge.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use super::{
    deck::Between,
    wire::{Trouble, Wire},
};

/// The wires of one worker's place; whoever takes the place takes them too.
pub(crate) struct WorkerWays {
    pub(crate) database: Wire,
    pub(crate) gateway: Wire,
    /// Whether whoever stands there may wait for answers that never come.
    is_deaf: AtomicBool,
}

/// All wires.
pub(crate) struct Ways {
    /// Of each worker's place.
    pub(crate) workers: Vec<WorkerWays>,
    /// From each API process to the database.
    pub(crate) apis: Vec<Wire>,
    /// From the customers to the API.
    pub(crate) customers: Wire,
    /// From the gateway to the API.
    pub(crate) webhooks: Wire,
}

impl Ways {
    /// Lays them all; where the API and the gateway are is not known yet.
    pub(crate) async fn lay(workers: u32, apis: u32, database: SocketAddr) -> anyhow::Result<Self> {
        let mut ways = Self {
            workers: Vec::new(),
            apis: Vec::new(),
            customers: Wire::lay(Vec::new()).await?,
            webhooks: Wire::lay(Vec::new()).await?,
        };
        for _ in 0..apis {
            ways.apis.push(Wire::lay(vec![database]).await?);
        }
        for _ in 0..workers {
            ways.workers.push(WorkerWays {
                database: Wire::lay(vec![database]).await?,
                gateway: Wire::lay(Vec::new()).await?,
                is_deaf: AtomicBool::new(false),
            });
        }
        Ok(ways)
    }

    /// The wire between these, of the process in this place, if there is one.
    pub(crate) fn wire(&self, between: Between, place: usize) -> Option<&Wire> {
        match between {
            Between::WorkerAndDatabase => self.workers.get(place).map(|ways| &ways.database),
            Between::WorkerAndGateway => self.workers.get(place).map(|ways| &ways.gateway),
            Between::ApiAndDatabase => self.apis.get(place),
            Between::CustomersAndApi => Some(&self.customers),
            Between::GatewayAndApi => Some(&self.webhooks),
        }
    }

    /// How many there are of a kind.
    pub(crate) fn count(&self, between: Between) -> usize {
        match between {
            Between::WorkerAndDatabase | Between::WorkerAndGateway => self.workers.len(),
            Between::ApiAndDatabase => self.apis.len(),
            Between::CustomersAndApi | Between::GatewayAndApi => 1,
        }
    }

    /// Begins a trouble; answers how many connections met it.
    pub(crate) fn trouble(&self, between: Between, place: usize, trouble: Trouble) -> u64 {
        if (between, trouble) == (Between::WorkerAndDatabase, Trouble::HalfOpen)
            && let Some(ways) = self.workers.get(place)
        {
            ways.is_deaf.store(true, Relaxed);
        }
        self.wire(between, place).map_or(0, |wire| wire.trouble(trouble))
    }

    /// Whether the worker in this place has a reason to give up; asked once.
    pub(crate) fn may_give_up(&self, place: usize) -> bool {
        self.workers.get(place).is_some_and(|ways| ways.is_deaf.swap(false, Relaxed))
    }

    /// All is well on every wire.
    pub(crate) fn heal(&self) {
        let of_workers = self.workers.iter().flat_map(|ways| [&ways.database, &ways.gateway]);
        let all = of_workers.chain(&self.apis).chain([&self.customers, &self.webhooks]);
        all.for_each(Wire::heal);
    }
}
