//! The generated gRPC code of Vicinal, from proto/; nothing here is by hand.
//!
//! Only `server` and `client` know it; the server's `convert` turns it into the
//! words of `vicinal-types`.

/// Version 1 of the API.
pub mod v1 {
    #![expect(missing_docs, reason = "generated; the comments of proto/ are carried over")]
    #![expect(
        clippy::all,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated"
    )]
    tonic::include_proto!("vicinal.v1");
}

/// The encoded file descriptors, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/vicinal.bin"));
