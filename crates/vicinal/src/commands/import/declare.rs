//! What a file becomes in a collection: one made for it, or one that is there.

use crate::failure::Failure;
use crate::output;
use crate::source::{self, Layout, VectorLayout};
use std::collections::{BTreeMap, BTreeSet};
use vicinal_client::proto;
use vicinal_client::{
    Client, Code, CollectionSpec, ElementType, IdType, Metric, Rows, VectorType, vector_type,
};

/// How the columns of a file go into those of a collection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mapping {
    /// Where vectors go, by column of the file: the collection's column and its elements.
    vectors: BTreeMap<String, (String, ElementType)>,
    /// The scalar columns that the collection has.
    scalars: BTreeSet<String>,
}

impl Mapping {
    /// Bytes of a vector on its way; none of a column that stays behind.
    pub(super) fn row_bytes(&self, vector: &VectorLayout) -> usize {
        let sent = |(_, stored): &(String, ElementType)| {
            let as_it_is = [vector.element, ElementType::Binary].contains(stored);
            let element = if as_it_is { *stored } else { ElementType::F32 };
            element.row_bytes(vector.dim_in(element) as usize)
        };
        self.vectors.get(&vector.name).map_or(0, sent)
    }

    /// The rows as the collection takes them.
    pub(super) fn map(&self, rows: Rows) -> Result<Rows, Failure> {
        let (ids, vectors, scalars) = rows.into_parts();
        let mut mapped = Rows::new(ids);
        for (name, vectors) in vectors {
            if let Some((column, element)) = self.vectors.get(&name) {
                mapped = mapped.vectors(column, source::convert(&name, &vectors, *element)?);
            }
        }
        for (name, scalars) in scalars {
            if self.scalars.contains(&name) {
                mapped = mapped.column(name, scalars);
            }
        }
        Ok(mapped)
    }
}

/// Finds or makes the collection; says whether it may hold rows already.
pub(super) async fn prepare(
    client: &Client,
    name: &str,
    layout: &Layout,
    wanted: (Option<Metric>, Option<ElementType>),
) -> Result<(Mapping, bool), Failure> {
    for (column, reason) in &layout.skipped {
        output::note(format_args!("column `{column}` of the file is left out: {reason}"));
    }
    let (metric, element) = wanted;
    match client.collection(name).describe().await {
        Ok(described) => {
            let spec = described.spec.unwrap_or_default();
            Ok((existing(layout, &spec, metric, element)?, described.rows > 0))
        }
        Err(error) if error.code() == Code::NotFound => {
            let metric = metric.unwrap_or(Metric::L2);
            let (spec, mapping) = declared(name, layout, metric, element)?;
            client.create(spec).await?;
            Ok((mapping, false))
        }
        Err(error) => Err(error.into()),
    }
}

/// A collection with the file's columns.
fn declared(
    name: &str,
    layout: &Layout,
    metric: Metric,
    element: Option<ElementType>,
) -> Result<(CollectionSpec, Mapping), Failure> {
    let mut spec = CollectionSpec::new(name).id(layout.id_type);
    let mut vectors = BTreeMap::new();
    for vector in &layout.vectors {
        // Bytes are how such files are packed, not how people want to search.
        let widened =
            if vector.element == ElementType::U8 { ElementType::F32 } else { vector.element };
        let element = element.unwrap_or(widened);
        let kind = VectorType::new(vector.dim_in(element), element, metric)
            .map_err(|error| Failure::new(format!("column `{}`: {error}", vector.name)))?;
        spec = spec.vector(&vector.name, kind);
        vectors.insert(vector.name.clone(), (vector.name.clone(), element));
    }
    for scalar in &layout.scalars {
        spec = if scalar.nullable {
            spec.nullable_column(&scalar.name, scalar.scalar)
        } else {
            spec.column(&scalar.name, scalar.scalar)
        };
    }
    let scalars = layout.scalars.iter().map(|scalar| scalar.name.clone()).collect();
    Ok((spec, Mapping { vectors, scalars }))
}

/// A collection that is there takes what it has columns for.
fn existing(
    layout: &Layout,
    spec: &proto::CollectionSpec,
    metric: Option<Metric>,
    element: Option<ElementType>,
) -> Result<Mapping, Failure> {
    let name = &spec.name;
    let has_strings = spec.id_type() == proto::IdType::String;
    if has_strings != (layout.id_type == IdType::String) {
        let (theirs, ours) = if has_strings { ("string", "int64") } else { ("int64", "string") };
        return Err(Failure::new(format!(
            "collection `{name}` has {theirs} ids and the file {ours} ones; import into another collection"
        )));
    }
    let mut vectors = BTreeMap::new();
    for column in &spec.vectors {
        let vector = layout.vectors.iter().find(|vector| vector.name == column.name);
        // One column of vectors on either side needs no common name.
        let is_only = (spec.vectors.len(), layout.vectors.len()) == (1, 1);
        let vector = vector.or_else(|| layout.vectors.first().filter(|_| is_only));
        let vector = vector.ok_or_else(|| {
            Failure::new(format!(
                "the file has no vector column `{}`, which collection `{name}` needs",
                column.name
            ))
        })?;
        let stored = vector_type(column)?;
        check_as_declared(name, vector, stored, metric, element)?;
        vectors.insert(vector.name.clone(), (column.name.clone(), stored.element()));
    }
    let mut scalars = BTreeSet::new();
    for scalar in &layout.scalars {
        if spec.columns.iter().any(|column| column.name == scalar.name) {
            scalars.insert(scalar.name.clone());
        } else {
            let column = &scalar.name;
            output::note(format_args!(
                "column `{column}` of the file is left out: collection `{name}` has no such column"
            ));
        }
    }
    Ok(Mapping { vectors, scalars })
}

/// What contradicts the collection is a mistake, not a wish.
fn check_as_declared(
    name: &str,
    vector: &VectorLayout,
    stored: VectorType,
    metric: Option<Metric>,
    element: Option<ElementType>,
) -> Result<(), Failure> {
    let contradiction = |flag: &str, has: &str, wanted: &str| {
        Err(Failure::new(format!(
            "collection `{name}` exists with {has}, not {wanted}; leave {flag} out or import into another collection"
        )))
    };
    match (metric, element) {
        (Some(wanted), _) if wanted != stored.metric() => {
            contradiction("--metric", stored.metric().name(), wanted.name())
        }
        (_, Some(wanted)) if wanted != stored.element() => {
            contradiction("--element", stored.element().name(), wanted.name())
        }
        _ if vector.dim_in(stored.element()) as usize != stored.dim() => {
            Err(Failure::new(format!(
                "vectors of the file have {} dimensions, collection `{name}` takes {}",
                vector.dim_in(stored.element()),
                stored.dim()
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
