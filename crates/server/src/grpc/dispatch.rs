//! Which service a request goes to.

use super::Api;
use crate::gate::{Request, Response};
use std::convert::Infallible;
use tonic::Status;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};
use tonic_reflection::server::v1alpha;
use vicinal_api::v1::admin_server::AdminServer;
use vicinal_api::v1::collections_server::CollectionsServer;
use vicinal_api::v1::rows_server::RowsServer;
use vicinal_api::v1::search_server::SearchServer;
use vicinal_api::v1::snapshots_server::SnapshotsServer;

/// An RPC of ours as metrics and logs name it, or any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rpc(&'static str);

/// Paths and names of the RPCs; a test holds it against the descriptors.
const RPCS: [(&str, &str); 28] = [
    ("/vicinal.v1.Search/Search", "Search.Search"),
    ("/vicinal.v1.Search/SearchBatch", "Search.SearchBatch"),
    ("/vicinal.v1.Search/Explain", "Search.Explain"),
    ("/vicinal.v1.Rows/Insert", "Rows.Insert"),
    ("/vicinal.v1.Rows/Upsert", "Rows.Upsert"),
    ("/vicinal.v1.Rows/Update", "Rows.Update"),
    ("/vicinal.v1.Rows/Delete", "Rows.Delete"),
    ("/vicinal.v1.Rows/Get", "Rows.Get"),
    ("/vicinal.v1.Rows/Count", "Rows.Count"),
    ("/vicinal.v1.Rows/Scroll", "Rows.Scroll"),
    ("/vicinal.v1.Rows/Aggregate", "Rows.Aggregate"),
    ("/vicinal.v1.Rows/Flush", "Rows.Flush"),
    ("/vicinal.v1.Collections/CreateCollection", "Collections.CreateCollection"),
    ("/vicinal.v1.Collections/ApplyCollection", "Collections.ApplyCollection"),
    ("/vicinal.v1.Collections/DescribeCollection", "Collections.DescribeCollection"),
    ("/vicinal.v1.Collections/ListCollections", "Collections.ListCollections"),
    ("/vicinal.v1.Collections/DropCollection", "Collections.DropCollection"),
    ("/vicinal.v1.Collections/AddColumn", "Collections.AddColumn"),
    ("/vicinal.v1.Collections/DropColumn", "Collections.DropColumn"),
    ("/vicinal.v1.Collections/SetAlias", "Collections.SetAlias"),
    ("/vicinal.v1.Collections/DropAlias", "Collections.DropAlias"),
    ("/vicinal.v1.Collections/ListAliases", "Collections.ListAliases"),
    ("/vicinal.v1.Admin/Stats", "Admin.Stats"),
    ("/vicinal.v1.Snapshots/CreateSnapshot", "Snapshots.CreateSnapshot"),
    ("/vicinal.v1.Snapshots/ListSnapshots", "Snapshots.ListSnapshots"),
    ("/vicinal.v1.Snapshots/RestoreSnapshot", "Snapshots.RestoreSnapshot"),
    ("/vicinal.v1.Snapshots/VerifySnapshot", "Snapshots.VerifySnapshot"),
    ("/vicinal.v1.Snapshots/DeleteSnapshot", "Snapshots.DeleteSnapshot"),
];

impl Rpc {
    /// Health, reflection, and what does not exist.
    pub(crate) const OTHER: Self = Self("other");

    /// The RPC of a path.
    pub(crate) fn of(path: &str) -> Self {
        let found = RPCS.iter().find(|(known, _)| *known == path);
        found.map_or(Self::OTHER, |&(_, name)| Self(name))
    }

    /// `Service.Method`.
    pub(crate) fn name(self) -> &'static str {
        self.0
    }
}

type Answer = BoxFuture<Response, Infallible>;
type Handler = Box<dyn Fn(Request) -> Answer + Send + Sync>;

/// All services of the port.
pub(crate) struct Dispatch {
    search: SearchServer<Api>,
    rows: RowsServer<Api>,
    collections: CollectionsServer<Api>,
    admin: AdminServer<Api>,
    snapshots: SnapshotsServer<Api>,
    /// Health and reflection, by service name.
    others: Vec<(&'static str, Handler)>,
}

/// The names under which health is reported, besides the empty one.
pub(crate) const SERVICES: [&str; 5] = [
    SearchServer::<Api>::NAME,
    RowsServer::<Api>::NAME,
    CollectionsServer::<Api>::NAME,
    AdminServer::<Api>::NAME,
    SnapshotsServer::<Api>::NAME,
];

impl Dispatch {
    /// Our services over `api`, each message at most `message_bytes` long.
    pub(crate) fn new(api: &Api, message_bytes: usize) -> Self {
        macro_rules! capped {
            ($server:ident) => {
                $server::new(api.clone())
                    .max_decoding_message_size(message_bytes)
                    .max_encoding_message_size(message_bytes)
            };
        }
        Self {
            search: capped!(SearchServer),
            rows: capped!(RowsServer),
            collections: capped!(CollectionsServer),
            admin: capped!(AdminServer),
            snapshots: capped!(SnapshotsServer),
            others: Vec::new(),
        }
    }

    /// Adds the health service.
    pub(crate) fn with_health<T: Health>(mut self, health: HealthServer<T>) -> Self {
        self.others.push((HealthServer::<T>::NAME, handler(health)));
        self
    }

    /// Adds reflection in its two versions.
    pub(crate) fn with_reflection<T, A>(
        mut self,
        reflection: ServerReflectionServer<T>,
        alpha: v1alpha::ServerReflectionServer<A>,
    ) -> Self
    where
        T: ServerReflection,
        A: v1alpha::ServerReflection,
    {
        self.others.push((ServerReflectionServer::<T>::NAME, handler(reflection)));
        self.others.push((v1alpha::ServerReflectionServer::<A>::NAME, handler(alpha)));
        self
    }

    /// Hands a request to its service.
    pub(crate) fn call(&self, request: Request) -> Answer {
        let service = request.uri().path().split('/').nth(1).unwrap_or_default();
        match service {
            SearchServer::<Api>::NAME => run(self.search.clone(), request),
            RowsServer::<Api>::NAME => run(self.rows.clone(), request),
            CollectionsServer::<Api>::NAME => run(self.collections.clone(), request),
            AdminServer::<Api>::NAME => run(self.admin.clone(), request),
            SnapshotsServer::<Api>::NAME => run(self.snapshots.clone(), request),
            _ => match self.others.iter().find(|(name, _)| *name == service) {
                Some((_, handler)) => handler(request),
                None => Box::pin(async {
                    let text = "there is no such service; reflection lists those there are";
                    Ok(Status::unimplemented(text).into_http())
                }),
            },
        }
    }
}

fn handler<S>(service: S) -> Handler
where
    S: Service<Request, Response = Response, Error = Infallible, Future = Answer>
        + Clone
        + Send
        + Sync
        + 'static,
{
    Box::new(move |request| run(service.clone(), request))
}

/// Calls a generated service; those are always ready.
fn run<S>(mut service: S, request: Request) -> Answer
where
    S: Service<Request, Response = Response, Error = Infallible, Future = Answer>,
{
    service.call(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;
    use prost_types::FileDescriptorSet;
    use std::collections::BTreeSet;

    #[test]
    fn every_rpc_of_the_descriptors_has_a_name_and_no_other_has() {
        let files = FileDescriptorSet::decode(vicinal_api::DESCRIPTORS).expect("descriptors").file;
        let mut declared = BTreeSet::new();
        for file in files {
            for service in &file.service {
                for method in &service.method {
                    let names = (file.package(), service.name(), method.name());
                    declared.insert(format!("/{}.{}/{}", names.0, names.1, names.2));
                }
            }
        }
        let known = RPCS.map(|(path, _)| path.to_owned());
        assert_eq!(declared, BTreeSet::from(known));
        assert_eq!(Rpc::of("/vicinal.v1.Rows/Get").name(), "Rows.Get");
        assert_eq!(Rpc::of("/grpc.health.v1.Health/Check"), Rpc::OTHER);
    }
}
