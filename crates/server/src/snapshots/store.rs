//! A place for snapshots: a prefix in a directory or a bucket.

use super::job::Job;
use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, WriteMultipart};
use std::ops::Range;
use std::sync::Arc;
use tokio_stream::StreamExt as _;
use url::Url;
use vicinal_storage::{Disk as _, FileDisk};
use vicinal_types::{Error, Result};

/// Bytes that are sent or asked for at once. S3 takes at least 5 MiB, and at
/// most 10,000 parts: enough for files of 80 GB.
pub(super) const PART_BYTES: usize = 8 * 1024 * 1024;

/// Parts of one file under way at once.
const PARTS_AT_ONCE: usize = 4;

/// A store, opened.
#[derive(Clone, Debug)]
pub(super) struct Store {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    /// As errors name it.
    url: Arc<str>,
}

/// An object of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    /// Its key below the prefix.
    pub(super) key: String,
    pub(super) bytes: u64,
    /// Microseconds since 1970-01-01 UTC.
    pub(super) modified_us: i64,
}

impl Store {
    /// Opens the store of a URL or of an absolute path. A directory is made if it
    /// is missing.
    ///
    /// # Errors
    /// `Invalid` for what is no URL of a store that this build knows.
    pub(super) fn open(text: &str) -> Result<Self> {
        let wrong = |reason: String| {
            Error::invalid(format!(
                "store {text:?} {reason}; name a directory such as file:///backups, or a bucket such as s3://bucket/prefix"
            ))
        };
        let url = if text.starts_with('/') {
            Url::from_file_path(text).map_err(|()| wrong("is no absolute path".to_owned()))?
        } else {
            Url::parse(text).map_err(|error| wrong(format!("is no URL: {error}")))?
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has a query or a fragment".to_owned()));
        }
        let (objects, prefix): (Arc<dyn ObjectStore>, Path) = match url.scheme() {
            "file" => (Arc::new(directory(&url).map_err(wrong)?), Path::default()),
            "s3" => {
                let prefix = prefix(&url).map_err(wrong)?;
                (bucket(&url).map_err(wrong)?, prefix)
            }
            scheme => return Err(wrong(format!("has scheme `{scheme}`"))),
        };
        Ok(Self { objects, prefix, url: text.into() })
    }

    /// A store over objects of any kind.
    #[cfg(test)]
    pub(super) fn over(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, prefix: Path::from("some/prefix"), url: "memory".into() }
    }

    /// Writes an object, in one step as others see it.
    ///
    /// # Errors
    /// `Unavailable` with what the store says; `Cancelled` by the job.
    pub(super) async fn put(&self, key: &str, bytes: Bytes, job: &Job) -> Result<()> {
        let failed = |error| self.failed("write", key, &error);
        let path = self.path(key);
        if bytes.len() <= PART_BYTES {
            job.pace(bytes.len() as u64).await?;
            self.objects.put(&path, bytes.into()).await.map_err(failed)?;
            return Ok(());
        }
        let upload = self.objects.put_multipart(&path).await.map_err(failed)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let sent = async {
            let mut rest = bytes;
            while !rest.is_empty() {
                let part = rest.split_to(rest.len().min(PART_BYTES));
                job.pace(part.len() as u64).await?;
                upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(failed)?;
                upload.put(part);
            }
            Ok::<(), Error>(())
        };
        match sent.await {
            Ok(()) => upload.finish().await.map(|_| ()).map_err(failed),
            Err(error) => {
                if let Err(abort) = upload.abort().await {
                    tracing::warn!("parts of {key} stay in {}: {abort}", self.url);
                }
                Err(error)
            }
        }
    }

    /// A range of an object.
    ///
    /// # Errors
    /// `NotFound` without the object, `Unavailable` with what the store says.
    pub(super) async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let expected = range.end - range.start;
        let read = self.objects.get_range(&self.path(key), range).await;
        let bytes = read.map_err(|error| self.failed("read", key, &error))?;
        if bytes.len() as u64 == expected {
            return Ok(bytes);
        }
        let found = bytes.len();
        Err(Error::unavailable(format!(
            "{} gave {found} bytes of {key} instead of {expected}",
            self.url
        )))
    }

    /// The bytes of an object; none if it is not there.
    ///
    /// # Errors
    /// `Unavailable` with what the store says.
    pub(super) async fn size(&self, key: &str) -> Result<Option<u64>> {
        match self.objects.head(&self.path(key)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("look for", key, &error)),
        }
    }

    /// The objects in a folder, by key.
    ///
    /// # Errors
    /// `Unavailable` with what the store says.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Object>> {
        let mut metas = self.objects.list(Some(&self.path(folder)));
        let mut objects = Vec::new();
        while let Some(meta) = metas.next().await {
            let meta = meta.map_err(|error| self.failed("list", folder, &error))?;
            objects.extend(self.object(&meta));
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    /// Removes an object; one that is not there is removed.
    ///
    /// # Errors
    /// `Unavailable` with what the store says.
    pub(super) async fn remove(&self, key: &str) -> Result<()> {
        match self.objects.delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove", key, &error)),
        }
    }

    fn object(&self, meta: &ObjectMeta) -> Option<Object> {
        let parts: Vec<_> = meta.location.prefix_match(&self.prefix)?.collect();
        let key: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        let modified_us = meta.last_modified.timestamp_micros();
        Some(Object { key: key.join("/"), bytes: meta.size, modified_us })
    }

    fn path(&self, key: &str) -> Path {
        self.prefix.parts().chain(Path::from(key).parts()).collect()
    }

    fn failed(&self, action: &str, key: &str, error: &object_store::Error) -> Error {
        let url = &self.url;
        if matches!(error, object_store::Error::NotFound { .. }) {
            return Error::not_found(format!("there is no {key} in store {url}"));
        }
        // Whoever takes snapshots has to know what the store says.
        Error::unavailable(format!("cannot {action} {key} in store {url}: {error}"))
    }
}

fn directory(url: &Url) -> Result<LocalFileSystem, String> {
    let path = url.to_file_path().map_err(|()| "has a host".to_owned())?;
    FileDisk.create_dir_all(&path).map_err(|error| format!("cannot be made: {error}"))?;
    let directory = LocalFileSystem::new_with_prefix(&path);
    // A snapshot that was reported is on stable storage.
    Ok(directory.map_err(|error| format!("cannot be opened: {error}"))?.with_fsync(true))
}

fn prefix(url: &Url) -> Result<Path, String> {
    Path::from_url_path(url.path()).map_err(|error| format!("has a path that is none: {error}"))
}

#[cfg(feature = "s3")]
fn bucket(url: &Url) -> Result<Arc<dyn ObjectStore>, String> {
    // One provider for the process; somebody else may have installed it.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let builder = object_store::aws::AmazonS3Builder::from_env().with_url(url.as_str());
    let bucket = builder.build().map_err(|error| format!("cannot be opened: {error}"))?;
    Ok(Arc::new(bucket))
}

#[cfg(not(feature = "s3"))]
fn bucket(_: &Url) -> Result<Arc<dyn ObjectStore>, String> {
    Err("is a bucket, and this build has no `s3`".to_owned())
}
