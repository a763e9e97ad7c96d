//! What we use of faiss: safe calls where its crate has them, its C interface for
//! searches by many threads at once and for masks.

use super::ENGINE;
use crate::IndexError;
use faiss::index::IndexImpl;
use faiss::index::autotune::ParameterSpace;
use faiss::{Idx, Index, MetricType, index_factory};
use faiss_sys::{
    FaissIDSelector, FaissSearchParameters, faiss_IDSelector_free, faiss_IDSelectorBitmap_new,
    faiss_Index_search_with_params, faiss_SearchParameters_free, faiss_SearchParameters_new,
    faiss_SearchParametersIVF_new_with, faiss_get_last_error,
};
use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::ptr::{null, null_mut};
use vicinal_types::{Bitmap, Metric};
use zerocopy::IntoBytes;

unsafe extern "C" {
    /// OpenMP: threads of the parallel regions that the calling thread enters.
    fn omp_set_num_threads(threads: c_int);
}

/// An index of faiss's own.
#[derive(Debug)]
pub(super) struct Native(pub(super) IndexImpl);

/// Runs `work` with at most so many threads of OpenMP.
pub(super) fn with_threads<T>(threads: usize, work: impl FnOnce() -> T) -> T {
    let set = |threads: usize| {
        let threads = c_int::try_from(threads).unwrap_or(c_int::MAX);
        // SAFETY: it sets a variable of the calling thread, whatever the number.
        unsafe { omp_set_num_threads(threads) };
    };
    set(threads);
    let result = work();
    set(1);
    result
}

impl Native {
    pub(super) fn new(description: &str, dim: usize, metric: Metric) -> Result<Self, IndexError> {
        // Cosine: the rows have unit length. Binary vectors are refused before.
        let metric =
            if metric == Metric::InnerProduct { MetricType::InnerProduct } else { MetricType::L2 };
        let dim = u32::try_from(dim).unwrap_or(u32::MAX);
        index_factory(dim, description, metric).map(Self).map_err(|error| failed("begin", error))
    }

    pub(super) fn train(&mut self, sample: &[f32]) -> Result<(), IndexError> {
        self.0.train(sample).map_err(|error| failed("train", error))
    }

    pub(super) fn add(&mut self, rows: &[f32]) -> Result<(), IndexError> {
        self.0.add(rows).map_err(|error| failed("add rows", error))
    }

    /// Adds rows that are called other than by their order.
    pub(super) fn add_named(&mut self, rows: &[f32], names: &[u32]) -> Result<(), IndexError> {
        let names: Vec<Idx> = names.iter().map(|&row| Idx::new(row.into())).collect();
        self.0.add_with_ids(rows, &names).map_err(|error| failed("add rows", error))
    }

    /// Whether it is a trained index of so many rows.
    pub(super) fn is_of(&self, rows: u32, dim: usize) -> bool {
        self.0.is_trained() && self.0.ntotal() == u64::from(rows) && self.0.d() as usize == dim
    }

    pub(super) fn set_construction_effort(&self, effort: u32) -> Result<(), IndexError> {
        self.set("efConstruction", effort)
    }

    /// No search may run meanwhile. An error if this is not a graph.
    pub(super) fn set_graph_effort(&self, effort: usize) -> Result<(), IndexError> {
        self.set("efSearch", u32::try_from(effort).unwrap_or(u32::MAX))
    }

    /// An error if this has no lists.
    pub(super) fn set_probed(&self, lists: u32) -> Result<(), IndexError> {
        self.set("nprobe", lists)
    }

    fn set(&self, name: &str, value: u32) -> Result<(), IndexError> {
        ParameterSpace::new()
            .and_then(|space| space.set_index_parameter(&self.0, name, value))
            .map_err(|error| failed("set a parameter", error))
    }

    /// Rows of an index without lists, nearest first.
    pub(super) fn search(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&Bitmap>,
    ) -> Result<Vec<u32>, IndexError> {
        let Some(allowed) = allowed else {
            return self.search_with(query, k, null());
        };
        let selector = Selector::new(allowed)?;
        let mut params = null_mut();
        // SAFETY: the selector outlives the parameters, which do not own it.
        done("search", unsafe { faiss_SearchParameters_new(&raw mut params, selector.0) })?;
        let params = SearchParams(params);
        self.search_with(query, k, params.0)
    }

    /// Rows of the `lists` lists nearest to the query, nearest first.
    pub(super) fn probe(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&Bitmap>,
        lists: u64,
    ) -> Result<Vec<u32>, IndexError> {
        let selector = allowed.map(Selector::new).transpose()?;
        let selected = selector.as_ref().map_or(null_mut(), |selector| selector.0);
        let lists = usize::try_from(lists).unwrap_or(usize::MAX);
        let mut params = null_mut();
        // SAFETY: the selector outlives the parameters, which do not own it; none
        // is a null pointer.
        let code =
            unsafe { faiss_SearchParametersIVF_new_with(&raw mut params, selected, lists, 0) };
        done("search", code)?;
        let params = SearchParams(params);
        self.search_with(query, k, params.0)
    }

    fn search_with(
        &self,
        query: &[f32],
        k: usize,
        params: *const FaissSearchParameters,
    ) -> Result<Vec<u32>, IndexError> {
        assert_eq!(query.len(), self.0.d() as usize, "a query has the index's dimension");
        let (mut distances, mut labels) = (vec![0.0f32; k], vec![-1i64; k]);
        let wanted = i64::try_from(k).unwrap_or(i64::MAX);
        let code = with_threads(1, || {
            // SAFETY: the index lives as long as `self`; searching is const in C++
            // and safe on many threads; the query has one row and the results have
            // room for `k`; `params` is null or lives.
            unsafe {
                faiss_Index_search_with_params(
                    self.0.inner_ptr(),
                    1,
                    query.as_ptr(),
                    wanted,
                    params,
                    distances.as_mut_ptr(),
                    labels.as_mut_ptr(),
                )
            }
        });
        done("search", code)?;
        // -1 where there are fewer.
        Ok(labels.into_iter().filter_map(|label| u32::try_from(label).ok()).collect())
    }
}

/// The rows of a mask, as faiss looks at them: where they lie.
struct Selector<'a>(*mut FaissIDSelector, PhantomData<&'a Bitmap>);

impl<'a> Selector<'a> {
    fn new(allowed: &'a Bitmap) -> Result<Self, IndexError> {
        let bytes = allowed.words().as_bytes();
        let mut selector = null_mut();
        // SAFETY: the bytes are there as long as the mask, which outlives the selector.
        let code =
            unsafe { faiss_IDSelectorBitmap_new(&raw mut selector, bytes.len(), bytes.as_ptr()) };
        done("take a mask", code)?;
        Ok(Self(selector.cast(), PhantomData))
    }
}

impl Drop for Selector<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed once, and what refers to it is gone.
        unsafe { faiss_IDSelector_free(self.0) };
    }
}

struct SearchParams(*mut FaissSearchParameters);

impl Drop for SearchParams {
    fn drop(&mut self) {
        // SAFETY: faiss made them; freed once, after the search.
        unsafe { faiss_SearchParameters_free(self.0) };
    }
}

/// An error if a call says that it failed.
pub(super) fn done(task: &'static str, code: c_int) -> Result<(), IndexError> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: faiss keeps this thread's last error, a C string, until the next one.
    let message = unsafe {
        let message = faiss_get_last_error();
        if message.is_null() { c"no reason".to_owned() } else { CStr::from_ptr(message).to_owned() }
    };
    Err(failed(task, message.to_string_lossy()))
}

fn failed(task: &'static str, reason: impl std::fmt::Display) -> IndexError {
    IndexError::EngineFailed { engine: ENGINE, task, reason: reason.to_string() }
}
