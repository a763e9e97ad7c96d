//! The engine: opening and closing, writes, and changes of the catalogue.

use crate::catalogue::{Catalogue, LiveCollection};
use crate::command::{self, CommandClock, Header, format::Kind};
use crate::filtering::FilterCache;
use crate::hot::HotMemory;
use crate::machine::{Machine, Outcome};
use crate::maintenance::Maintenance;
use crate::memory::{Account, GroupTexts, MemoryBudget, Pressure, holding};
use crate::options::EngineOptions;
use crate::profile::Profiler;
use crate::quotas::{Holding, QuotaBook};
use crate::request::{Collection, Done, Write, WriteOutcome};
use crate::scratches::Scratches;
use crate::shard::{SegmentView, Shard};
use crate::ticker::Ticker;
use crate::validate;
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use vicinal_cluster::{GroupStart, Node, NodeOptions};
use vicinal_exec::{Admission, PoolOptions, Pools};
use vicinal_planner::Writes;
use vicinal_storage::{DirLock, Disk, Identity, Log, LogOptions, startup_probe};
use vicinal_types::{Cancel, CollectionSpec, Error, GroupId, NodeId, RequestId, Result, limits};

/// How long the log of one group may take to be applied at start.
const CATCH_UP_MAX: Duration = Duration::from_secs(3_600);

/// When a write that the disk has no room for may succeed: merges take about so long.
const DISK_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Between two looks while somebody waits for a flush.
pub(crate) const FLUSH_POLL: Duration = Duration::from_millis(5);

/// One node's database; clones are handles of the same.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    options: EngineOptions,
    node: Node<Machine>,
    catalogue: Arc<Catalogue>,
    maintenance: Arc<Maintenance>,
    pools: Arc<Pools>,
    scratches: Arc<Scratches>,
    admission: Admission,
    ticker: Ticker,
    account: Arc<Account>,
    quotas: Arc<QuotaBook>,
    profiler: Arc<Profiler>,
    is_closed: AtomicBool,
    _lock: DirLock,
}

impl Engine {
    /// Opens a data directory, creating it if it is missing, and returns when
    /// everything in its log is applied.
    ///
    /// # Errors
    /// `Unavailable` if the directory is in use or cannot be written, `Corrupt`
    /// if the log or the catalogue is damaged.
    pub fn open(options: EngineOptions) -> Result<Self> {
        let EngineOptions { disk, directory, clock, .. } = options.clone();
        let io = |error: std::io::Error| {
            Error::unavailable(format!("directory {} cannot be used", directory.display()))
                .caused_by(error)
        };
        disk.create_dir_all(&directory).map_err(io)?;
        let lock = disk.lock(&directory)?;
        startup_probe(&*disk, &directory)?;
        let identity = Identity::load_or_create(&*disk, &directory, fresh_identity(&options))?;
        let pools = Arc::new(start_pools(&options)?);
        let scratches = Scratches::new(options.scratch, &pools);
        let budget = Arc::new(MemoryBudget::new(&options.memory));
        budget.add_source("files read whole", Box::new(held_bytes(Arc::clone(&disk))));
        let hot = HotMemory::new(options.hot_index_bytes, Arc::clone(&budget));
        let maintenance = Maintenance::new(&options, Arc::clone(&pools), hot, budget)?;
        let maintenance = Arc::new(maintenance);
        let groups_dir = directory.join("groups");
        disk.create_dir_all(&groups_dir).map_err(io)?;
        let catalogue =
            Catalogue::open(Arc::clone(&disk), groups_dir, Arc::clone(&clock), &maintenance);
        let catalogue = Arc::new(catalogue.inspect_err(|_| maintenance.stop())?);
        let node = start_node(&options, identity.node_id)
            .inspect_err(|_| stop(&catalogue, None, &maintenance))?;
        maintenance.set_node(node.clone());
        let account = Arc::new(Account {
            catalogue: Arc::clone(&catalogue),
            node: node.clone(),
            scratches: Arc::clone(&scratches),
            maintenance: Arc::clone(&maintenance),
            filter_cache: Arc::new(FilterCache::new(options.filter_cache_bytes)),
            times: CommandClock::new(Arc::clone(&clock)),
            group_texts: Arc::default(),
        });
        let ticker = replay(&node, &catalogue)
            .and_then(|()| Ticker::start(Arc::clone(&account), &options))
            .inspect_err(|_| stop(&catalogue, Some(&node), &maintenance))?;
        let quotas = QuotaBook::new(&options.quotas, pools.search_threads(), clock);
        let profiler = Profiler::new(options.machine);
        let threads = pools.search_threads();
        let waiting_max = options.searches_waiting_max.saturating_mul(threads_u32(threads));
        let inner = Inner {
            admission: Admission::new(waiting_max, threads, pools.node_count()),
            options,
            node,
            catalogue,
            maintenance,
            pools,
            scratches,
            ticker,
            account,
            quotas: Arc::new(quotas),
            profiler,
            is_closed: AtomicBool::new(false),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Finishes queued writes, syncs the log and ends all threads. Rows that are
    /// not sealed yet come back from the log.
    pub fn close(&self) {
        self.inner.close();
    }

    /// Why writes are refused until a restart, if they are.
    pub fn failure(&self) -> Option<String> {
        self.inner.node.failure()
    }

    /// The collection of a name or alias; the empty database is `default`.
    ///
    /// # Errors
    /// `NotFound` naming what was looked for.
    pub fn collection(&self, database: &str, name: &str) -> Result<Arc<Collection>> {
        Ok(Arc::clone(&self.live(database, name)?.info))
    }

    /// Writes to a collection; `done` hears the outcome once it is durable and
    /// visible. Never waits for the disk.
    pub fn write(
        &self,
        database: &str,
        collection: &str,
        write: Write,
        request: Option<RequestId>,
        done: Done<WriteOutcome>,
    ) {
        match self.encode_write(database, collection, &write, request) {
            Err(error) => done(Err(error)),
            Ok((group, command)) => self.propose(group, command, done),
        }
    }

    /// Proposes a command to a shard.
    pub(crate) fn propose(&self, group: GroupId, command: Bytes, done: Done<WriteOutcome>) {
        let done = move |outcome| {
            done(match outcome {
                Ok(Outcome::Shard(outcome)) => {
                    outcome.map_err(|(kind, reason)| Error::new(kind, reason))
                }
                Ok(Outcome::Catalogue(_)) => {
                    Err(Error::internal("a shard answered as the catalogue"))
                }
                Err(error) => Err(Error::from(error)),
            });
        };
        self.inner.node.propose(group, command, Box::new(done));
    }

    /// [`write`](Self::write) for callers that have nothing else to do.
    ///
    /// # Errors
    /// What the outcome is.
    pub fn write_blocking(
        &self,
        database: &str,
        collection: &str,
        write: Write,
        request: Option<RequestId>,
    ) -> Result<WriteOutcome> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let done = move |outcome| {
            // The receiver is there until it has the outcome.
            let _ = sender.send(outcome);
        };
        self.write(database, collection, write, request, Box::new(done));
        receiver.recv().unwrap_or_else(|_| {
            Err(Error::unavailable("the node stopped before the write was done"))
        })
    }

    /// How long a write should wait before it is handed in, so that segments are
    /// not filled faster than their files are written. Zero while they keep up.
    pub fn write_delay(&self, database: &str, collection: &str) -> Duration {
        let live = self.live(database, collection);
        let shard = live.as_ref().ok().and_then(|live| live.shard().ok());
        let of_shard = shard.map_or(Duration::ZERO, |shard| shard.write_delay());
        of_shard.max(self.inner.maintenance.budget().write_delay())
    }

    /// Lets a request of so many bytes to a collection in, as far as quotas go.
    ///
    /// # Errors
    /// `Exhausted` naming the quota, with when to come again.
    pub fn admit(&self, collection: &Collection, bytes: u64) -> Result<()> {
        self.inner.quotas.admit(collection, bytes)
    }

    /// How full memory is.
    pub fn memory_pressure(&self) -> Pressure {
        self.inner.maintenance.budget().pressure()
    }

    /// Counts what somebody else in the process holds as this engine's memory.
    pub fn count_memory(
        &self,
        name: &'static str,
        bytes: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.inner.maintenance.budget().add_source(name, Box::new(bytes));
    }

    /// Seals what is growing and waits until it is in files, and indexed if
    /// asked for; returns the number of sealed segments.
    ///
    /// # Errors
    /// `Deadline` or `Cancelled` when `cancel` says so, `Unavailable` if a flush fails.
    pub fn flush(
        &self,
        database: &str,
        collection: &str,
        wait_indexed: bool,
        cancel: &Cancel,
    ) -> Result<u64> {
        let live = self.live(database, collection)?;
        let shard = live.shard()?;
        shard.view().check_whole()?;
        shard.freeze();
        shard.forget_flush_failure();
        loop {
            if self.inner.is_closed.load(Ordering::Acquire) {
                return Err(Error::unavailable(
                    "the node is stopping; what was written is safe in its log",
                ));
            }
            if shard.has_frozen() {
                shard.request_flush();
                if let Some(failure) = shard.flush_failure() {
                    return Err(Error::unavailable(format!(
                        "the flush failed and is tried again: {failure}"
                    )));
                }
            } else if !wait_indexed || is_indexed(shard) {
                break;
            } else {
                shard.check_manifest()?; // builds that it cannot name never end
                shard.request_builds();
            }
            cancel.check()?;
            std::thread::park_timeout(FLUSH_POLL);
        }
        Ok(shard.view().sealed_count() as u64)
    }

    /// Merges segments until no merge is worth its work; returns the number of sealed
    /// segments then.
    ///
    /// # Errors
    /// `Deadline` or `Cancelled` when `cancel` says so, `Unavailable` if a flush or
    /// merge fails.
    pub fn compact(&self, database: &str, collection: &str, cancel: &Cancel) -> Result<u64> {
        loop {
            self.flush(database, collection, true, cancel)?;
            let live = self.live(database, collection)?;
            let shard = live.shard()?;
            shard.request_merges(Writes::Quiet);
            if !shard.has_merges() {
                return Ok(shard.view().sealed_count() as u64);
            }
            if shard.is_merge_failing() {
                return Err(Error::unavailable(
                    "a merge failed, as the log says, and is tried again",
                ));
            }
            cancel.check()?;
            std::thread::park_timeout(FLUSH_POLL);
        }
    }

    /// Changes whenever what a search of the collection can see changes.
    ///
    /// # Errors
    /// `NotFound` for the collection.
    pub fn snapshot_number(&self, database: &str, collection: &str) -> Result<u64> {
        Ok(self.live(database, collection)?.shard()?.view().number)
    }

    pub(crate) fn options(&self) -> &EngineOptions {
        &self.inner.options
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.is_closed.load(Ordering::Acquire)
    }

    pub(crate) fn live(&self, database: &str, name: &str) -> Result<Arc<LiveCollection>> {
        Ok(Arc::clone(self.inner.catalogue.names().get(database, name)?))
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.inner.catalogue
    }

    pub(crate) fn account(&self) -> &Account {
        &self.inner.account
    }

    /// For the texts of one search's or aggregation's groups, `max` bytes of them.
    pub(crate) fn group_texts(&self, max: usize) -> GroupTexts {
        GroupTexts::new(Arc::clone(&self.inner.account.group_texts), max)
    }

    pub(crate) fn quotas(&self) -> &Arc<QuotaBook> {
        &self.inner.quotas
    }

    pub(crate) fn node(&self) -> &Node<Machine> {
        &self.inner.node
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.inner.admission
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.inner.pools
    }

    pub(crate) fn filter_cache(&self) -> &Arc<FilterCache> {
        &self.inner.account.filter_cache
    }

    pub(crate) fn maintenance(&self) -> &Arc<Maintenance> {
        &self.inner.maintenance
    }

    pub(crate) fn profiler(&self) -> &Arc<Profiler> {
        &self.inner.profiler
    }

    pub(crate) fn scratches(&self) -> &Arc<Scratches> {
        &self.inner.scratches
    }

    fn encode_write(
        &self,
        database: &str,
        collection: &str,
        write: &Write,
        request: Option<RequestId>,
    ) -> Result<(GroupId, Bytes)> {
        let live = self.live(database, collection)?;
        let shard = live.shard()?;
        shard.check_writable()?;
        if !matches!(write, Write::Delete(_) | Write::DeleteWhere(_)) {
            self.check_disk()?;
            self.inner.maintenance.budget().check_write()?;
            self.check_quotas(&live, write)?;
        }
        let header = Header {
            database: live.database,
            collection: live.info.id,
            schema_version: live.info.schema_version,
            request,
            time_micros: self.command_time(),
        };
        let command = self.command(&header, &live.info.spec, write)?;
        let (len, max) = (command.len(), limits::COMMAND_BYTES_MAX);
        if len > max {
            return Err(Error::exhausted(format!(
                "the write has {len} bytes, the limit is {max}; split the batch"
            )));
        }
        self.inner.maintenance.budget().add(len as u64);
        Ok((shard.group, command))
    }

    /// A write as it is proposed, checked.
    fn command(&self, header: &Header, spec: &CollectionSpec, write: &Write) -> Result<Bytes> {
        let mut guard = command::living_parts(header, spec)?;
        let schema = &spec.schema;
        Ok(match write {
            Write::Insert(rows) => {
                let rows = validate::rows(schema, rows)?;
                command::encode_rows(header, Kind::Insert, &rows, guard)
            }
            Write::Upsert(rows) => {
                let rows = validate::rows(schema, rows)?;
                command::encode_rows(header, Kind::Upsert, &rows, guard)
            }
            Write::UpsertIf(rows, condition) => {
                let rows = validate::rows(schema, rows)?;
                guard.extend(command::guard_parts(header, schema, condition)?);
                command::encode_rows(header, Kind::Upsert, &rows, guard)
            }
            Write::Delete(ids) => {
                validate::ids(schema, ids)?;
                command::encode_delete(header, ids, guard)
            }
            Write::DeleteWhere(filter) => {
                command::encode_delete_where(header, schema, filter, guard)?
            }
            Write::Update(update) => {
                let checked = validate::update(schema, update)?;
                self.inner.maintenance.budget().add(checked.copied_bytes);
                command::encode_update(header, schema, &update.rows, &checked, guard)?
            }
        })
    }

    /// Refuses rows beyond the quotas of a collection and its database.
    fn check_quotas(&self, live: &LiveCollection, write: &Write) -> Result<()> {
        let quotas = self.quotas();
        let own = quotas.own(&live.info).filter(|meter| meter.limits_growth());
        let all = quotas.database(&live.info).filter(|meter| meter.limits_growth());
        if own.is_none() && all.is_none() {
            return Ok(());
        }
        let more = match write {
            Write::Insert(rows) => rows.ids.len(),
            // Those that replace others add none.
            Write::Upsert(rows) | Write::UpsertIf(rows, _) => {
                rows.ids.len() - live.shard()?.locate(&rows.ids).1.len()
            }
            Write::Delete(_) | Write::DeleteWhere(_) | Write::Update(_) => 0,
        };
        if let Some(meter) = own {
            meter.check_growth(holding(live), more as u64)?;
        }
        if let Some(meter) = all {
            let names = self.catalogue().names();
            let mut has = Holding::default();
            for other in names.list(&live.info.database) {
                has += holding(other);
            }
            meter.check_growth(has, more as u64)?;
        }
        Ok(())
    }

    /// The time on the clock, in microseconds since 1970.
    pub(crate) fn now_micros(&self) -> u64 {
        self.inner.options.clock.unix_micros()
    }

    /// A time above that of every command before, and not before the clock's.
    pub(crate) fn command_time(&self) -> u64 {
        self.inner.account.times.next()
    }

    /// Refuses what adds data while the disk is nearly full; reads go on, and so
    /// does what makes room.
    pub(crate) fn check_disk(&self) -> Result<()> {
        let (available, reserve) =
            (self.inner.ticker.available_bytes(), self.inner.options.disk_reserve_bytes);
        if available >= reserve {
            return Ok(());
        }
        let dir = self.inner.options.directory.display();
        Err(Error::exhausted(format!(
            "the disk of {dir} has {available} bytes free, writes need {reserve}; free some or lower storage.disk_reserve_bytes; reads, deletes and drops go on"
        ))
        .retry_after(DISK_RETRY_AFTER))
    }
}

impl Inner {
    fn close(&self) {
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.profiler.stop();
        self.ticker.stop();
        stop(&self.catalogue, Some(&self.node), &self.maintenance);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// Ends what writes, also of an engine that did not open: nothing of it may touch the
/// directory when somebody else opens it.
fn stop(catalogue: &Catalogue, node: Option<&Node<Machine>>, maintenance: &Maintenance) {
    for shard in catalogue.shards() {
        shard.stop();
    }
    if let Some(node) = node {
        node.stop();
    }
    maintenance.stop();
}

fn threads_u32(threads: usize) -> u32 {
    u32::try_from(threads).unwrap_or(u32::MAX)
}

fn start_pools(options: &EngineOptions) -> Result<Pools> {
    let pool_options = PoolOptions {
        search_threads: options.search_threads,
        build_threads: options.build_threads,
        pin: options.pin_threads,
    };
    Pools::new(&options.topology, &pool_options).map_err(|error| {
        Error::exhausted("the worker threads could not be started").caused_by(error)
    })
}

/// What files take that are not mapped.
fn held_bytes(disk: Arc<dyn Disk>) -> impl Fn() -> u64 {
    move || disk.held_bytes()
}

fn start_node(options: &EngineOptions, node: NodeId) -> Result<Node<Machine>> {
    let log_options =
        LogOptions { file_bytes: options.log_file_bytes, cache_bytes: options.log_cache_bytes };
    let dir = options.directory.join("log");
    let (log, report) = Log::open(Arc::clone(&options.disk), &dir, log_options)?;
    if let Some(torn) = &report.torn {
        tracing::warn!("{torn}");
    }
    let node_options = NodeOptions {
        seed: options.seed,
        proposals_waiting_max: options.writes_waiting_max,
        proposal_bytes_waiting_max: options.write_bytes_waiting_max,
        ..NodeOptions::new(node)
    };
    Node::start(node_options, log, Arc::clone(&options.clock))
        .map_err(|error| Error::unavailable("the node could not be started").caused_by(error))
}

/// Applies what the log holds: first the catalogue, which opens the shards.
fn replay(node: &Node<Machine>, catalogue: &Arc<Catalogue>) -> Result<()> {
    let start =
        GroupStart { applied: catalogue.durable(), ..GroupStart::empty(GroupId::CATALOGUE) };
    node.add_group(start, Machine::Catalogue(Arc::clone(catalogue)));
    node.wait_caught_up(GroupId::CATALOGUE, CATCH_UP_MAX)?;
    catalogue.replayed();
    let groups = catalogue.groups();
    for group in node.groups_in_log().iter().filter(|group| !groups.contains(group)) {
        node.remove_group(*group);
    }
    for group in catalogue.stray_groups()? {
        catalogue.remove_group_dir(group);
    }
    catalogue.remove_stray_stages()?;
    for shard in catalogue.shards() {
        node.wait_caught_up(shard.group, CATCH_UP_MAX)?;
        shard.request_flush();
        shard.request_builds();
    }
    Ok(())
}

fn fresh_identity(options: &EngineOptions) -> Identity {
    let mix = |salt: u64| {
        let place = options.directory.display().to_string();
        let time = options.clock.unix_micros() ^ options.seed.rotate_left(32);
        xxhash_rust::xxh3::xxh3_128_with_seed(
            format!("{place} {}", std::process::id()).as_bytes(),
            time ^ salt,
        )
        .to_le_bytes()
    };
    Identity { cluster_id: mix(1), node_id: NodeId(1), incarnation: mix(2) }
}

fn is_indexed(shard: &Shard) -> bool {
    shard.view().segments.iter().all(|segment| match segment {
        SegmentView::Sealed(sealed) => shard.is_indexed(sealed),
        SegmentView::Memory(_) => true,
    })
}
