//! The time series, and the moments that explain them.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::text::{AsText, Id, Word};
use crate::domain::clock::Timestamp;
use crate::domain::series::{EventKind, Series};

/// The time series of a range. Point `i` of each list is about the time from `from + i * stepSeconds` on.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = History)]
pub struct HistoryView {
    /// The start of the first point: what was asked for, rounded down to a whole step.
    pub(crate) from: AsText<Timestamp>,
    /// The end of the last point.
    pub(crate) to: AsText<Timestamp>,
    pub(crate) step_seconds: u64,
    /// Entries of each list.
    pub(crate) points: u64,
    pub(crate) series: AllSeriesView,
    /// What happened meanwhile, oldest first.
    #[schema(inline)]
    pub(crate) events: Vec<HistoryEventView>,
}

/// One series. Null is where nothing was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = Series)]
pub struct SeriesView {
    pub(crate) min: Vec<Option<f32>>,
    pub(crate) mean: Vec<Option<f32>>,
    pub(crate) max: Vec<Option<f32>>,
}

/// All series by name, in the order of [`Series::ALL`].
#[derive(Clone, Debug, Default)]
pub struct AllSeriesView(pub(crate) Vec<SeriesView>);

impl Serialize for AllSeriesView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, series) in Series::ALL.iter().zip(&self.0) {
            map.serialize_entry(name.as_str(), series)?;
        }
        map.end()
    }
}

impl PartialSchema for AllSeriesView {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(Type::Object);
        let all = Series::ALL.into_iter().fold(object, |object, series| {
            object.property(series.as_str(), super::schema::reference::<SeriesView>()).required(series.as_str())
        });
        all.into()
    }
}

impl ToSchema for AllSeriesView {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("AllSeries")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((SeriesView::name().into_owned(), SeriesView::schema()));
        SeriesView::schemas(schemas);
    }
}

/// A moment that explains what the series show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEventView {
    pub(crate) at: AsText<Timestamp>,
    pub(crate) kind: Word<EventKind>,
    /// The product that it is about, if it is about one.
    #[schema(required)]
    pub(crate) product_id: Option<Id>,
    pub(crate) message: String,
}
