//! Every bound of the system, in one place, with the reason for its number.
//!
//! A limit that a request can hit is named in the error that it causes.

/// Dimensions of a vector: the largest embeddings in use have 16,384.
pub const DIM_MAX: u32 = 32_768;

/// Columns of a collection.
pub const COLUMNS_MAX: usize = 256;

/// Bytes of a database, collection, alias or column name.
pub const NAME_BYTES_MAX: usize = 128;

/// Bytes of a string primary id.
pub const ID_BYTES_MAX: usize = 512;

/// Bytes of a string or JSON value.
pub const STRING_BYTES_MAX: usize = 64 * 1024;

/// Levels of nesting in a JSON value.
pub const JSON_DEPTH_MAX: usize = 64;

/// Items of an array: room for every tag of a document, and few enough that a
/// page of rows with a full array in each of them is refused by its bytes, not
/// by its items.
pub const ARRAY_ITEMS_MAX: usize = 4_096;

/// Collections of a node, over all databases.
pub const COLLECTIONS_MAX: usize = 4_096;

/// Aliases of a node, over all databases.
pub const ALIASES_MAX: usize = 16_384;

/// Rows of one write request.
pub const WRITE_ROWS_MAX: usize = 65_536;

/// Bytes of one write command in the log; a larger request is split by the
/// client. Must fit a gRPC message and a log record.
pub const COMMAND_BYTES_MAX: usize = 48 * 1024 * 1024;

/// Bytes of rows that one update may write anew, whether it brings them or copies what
/// it does not bring: so long the shard's other writes wait. Far below the two GiB to
/// which the offsets of texts in one array reach.
pub const UPDATED_BYTES_MAX: usize = 4 * COMMAND_BYTES_MAX;

/// Bytes of a gRPC message in either direction.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Nearest rows asked for by one query.
pub const K_MAX: usize = 16_384;

/// Candidates that an index search may keep.
pub const EFFORT_MAX: usize = 65_536;

/// Links of a graph's vertex above the ground layer: beyond this, graphs only
/// get slower.
pub const GRAPH_M_MAX: u32 = 256;

/// Candidates kept while a graph's vertex is linked: beyond this, builds take
/// hours and graphs get no better.
pub const EF_CONSTRUCTION_MAX: u32 = 4_096;

/// Bits a dimension of IVF_RABITQ.
pub const RABITQ_BITS_MAX: u32 = 8;

/// Lists of an IVF index: sixteen times the square root of a segment's rows.
pub const LISTS_MAX: u32 = 65_536;

/// Queries of one batched search.
pub const QUERIES_MAX: usize = 16_384;

/// Queries × k of one batched search: bounds the answer's memory.
pub const HITS_MAX: usize = 1_048_576;

/// Rows fetched by one get or scroll page.
pub const FETCH_ROWS_MAX: usize = 16_384;

/// Groups of an aggregation, those that its limit leaves out included: all of them are
/// in memory until the last row was seen.
pub const GROUPS_MAX: usize = 65_536;

/// Figures of each group.
pub const FIGURES_MAX: usize = 32;

/// Bytes of the texts that groups have as keys or figures: [`GROUPS_MAX`] words.
pub const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of a filter's text: programs write long ones, and longer lists go into
/// parameters.
pub const FILTER_BYTES_MAX: usize = 256 * 1024;

/// Words, values and symbols of a filter's text.
pub const FILTER_TOKENS_MAX: usize = 65_536;

/// Levels of a filter's tree: what walks over it may recurse, and protobuf decodes
/// a hundred.
pub const FILTER_DEPTH_MAX: usize = 64;

/// Values of a list in a filter, written or given as a parameter.
pub const FILTER_LIST_MAX: usize = 65_536;

/// Regular expressions in a filter.
pub const FILTER_PATTERNS_MAX: usize = 64;

/// Bytes of a compiled regular expression, and of what a search by it caches.
pub const FILTER_PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// Rows of one segment: row offsets are 32 bits and tombstone maps are dense.
pub const SEGMENT_ROWS_MAX: usize = 16_777_216;

/// Request ids that a shard remembers, by log entries since: the window in
/// which a retry is recognised.
pub const REQUEST_IDS_KEPT: u64 = 16_384;

/// Writes waiting for one group's log: beyond this, writers get RESOURCE_EXHAUSTED.
pub const PROPOSALS_WAITING_MAX: usize = 4_096;

/// Bytes of commands waiting in all groups of a node.
pub const PROPOSAL_BYTES_WAITING_MAX: usize = 256 * 1024 * 1024;

const _: () = assert!(COMMAND_BYTES_MAX < MESSAGE_BYTES_MAX, "a command came in one message");
const _: () = assert!(COMMAND_BYTES_MAX < PROPOSAL_BYTES_WAITING_MAX, "one command must fit");
const _: () = assert!(UPDATED_BYTES_MAX < i32::MAX as usize / 2, "offsets have 32 bits");
const _: () = assert!(SEGMENT_ROWS_MAX <= u32::MAX as usize, "offsets are 32 bits");
const _: () = assert!(FILTER_DEPTH_MAX < 90, "room for the messages around a tree");
const _: () = assert!(K_MAX <= EFFORT_MAX, "effort must reach k");
