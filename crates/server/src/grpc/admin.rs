//! Looking at the node from outside.

use super::{Api, Node};
use crate::gate::Call;
use crate::process;
use crate::{convert, status};
use tonic::{Request, Response, Status};
use vicinal_api::v1;
use vicinal_api::v1::admin_server::Admin;
use vicinal_types::Result;

impl Node {
    fn stats(&self) -> Result<v1::StatsResponse> {
        let stats = self.engine.stats();
        let memory = process::memory()?;
        let component =
            |(name, bytes): (&str, u64)| v1::MemoryComponent { name: name.to_owned(), bytes };
        let components = stats.memory.into_iter().map(component).collect();
        let (collections, log) = convert::stats_out(stats.collections, stats.log);
        Ok(v1::StatsResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: self.clock.now().saturating_duration_since(self.started).as_secs(),
            isa: process::isa().to_owned(),
            collections,
            memory: Some(v1::MemoryStats {
                components,
                process_anonymous_bytes: memory.anonymous_bytes,
                process_mapped_bytes: memory.mapped_bytes,
                limit_bytes: stats.memory_limit,
                used_bytes: stats.memory_used,
            }),
            log: Some(log),
            numa_nodes: stats.nodes.into_iter().map(convert::node_out).collect(),
            cpu_us: u64::try_from(process::cpu_time().as_micros()).unwrap_or(u64::MAX),
        })
    }
}

#[tonic::async_trait]
impl Admin for Api {
    async fn stats(
        &self,
        request: Request<v1::StatsRequest>,
    ) -> Result<Response<v1::StatsResponse>, Status> {
        let stats = Call::open(request).and_then(|_| self.0.stats());
        stats.map(Response::new).map_err(|error| status::status(&error))
    }
}
