//! The flags by which every client command finds its server.

use crate::failure::Failure;
use vicinal_client::proto;
use vicinal_client::{Client, Collection, Ids};

/// Where the server is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Connection {
    /// The server's gRPC address.
    #[arg(
        long,
        short = 'A',
        env = "VICINAL_ADDRESS",
        default_value = "127.0.0.1:7878",
        value_name = "HOST:PORT"
    )]
    pub(crate) address: String,

    /// The database that holds the collection.
    #[arg(long, env = "VICINAL_DATABASE", default_value = "default", value_name = "NAME")]
    pub(crate) database: String,
}

/// A collection on a server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Target {
    #[command(flatten)]
    pub(crate) connection: Connection,

    /// Name or alias of the collection.
    #[arg(long, short = 'c', value_name = "NAME")]
    pub(crate) collection: String,
}

impl Connection {
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let builder = Client::builder().database(&self.database);
        Ok(builder.connect(&self.address).await?)
    }
}

impl Target {
    pub(crate) async fn connect(&self) -> Result<Collection, Failure> {
        Ok(self.connection.connect().await?.collection(&self.collection))
    }
}

/// Runs a client command to its end.
pub(crate) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start threads: {error}")))?;
    runtime.block_on(command)
}

/// Ids from the command line, in the type that the collection has.
pub(crate) fn parse_ids(texts: &[String], spec: &proto::CollectionSpec) -> Result<Ids, Failure> {
    if spec.id_type() == proto::IdType::String {
        return Ok(Ids::Str(texts.to_vec()));
    }
    let parse = |text: &String| {
        text.parse().map_err(|_| {
            let name = &spec.name;
            Failure::new(format!("id `{text}` is not an int64, as collection `{name}` has them"))
        })
    };
    texts.iter().map(parse).collect::<Result<_, _>>().map(Ids::Int)
}
