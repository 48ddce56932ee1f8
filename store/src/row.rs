//! Rows become the domain's types here; what the domain does not know is an error, never a guess.

use std::fmt::Display;
use std::str::FromStr;

use domain::Money;
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};

use crate::{Error, Result};

/// The column as its own type.
pub(crate) fn get<'r, T>(row: &'r PgRow, column: &str) -> Result<T>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(column).map_err(|e| Error::InvalidRow(e.to_string()))
}

/// A UUID column as an id.
pub(crate) fn id<T: From<uuid::Uuid>>(row: &PgRow, column: &str) -> Result<T> {
    get::<uuid::Uuid>(row, column).map(T::from)
}

/// A UUID column that may be null as an id.
pub(crate) fn maybe_id<T: From<uuid::Uuid>>(row: &PgRow, column: &str) -> Result<Option<T>> {
    Ok(get::<Option<uuid::Uuid>>(row, column)?.map(T::from))
}

/// A text column as a word or id of the domain.
pub(crate) fn word<T>(row: &PgRow, column: &str) -> Result<T>
where
    T: FromStr,
    T::Err: Display,
{
    understood(column, get::<&str>(row, column)?)
}

/// A text column that may be null as a word or id of the domain.
pub(crate) fn maybe_word<T>(row: &PgRow, column: &str) -> Result<Option<T>>
where
    T: FromStr,
    T::Err: Display,
{
    get::<Option<&str>>(row, column)?.map(|text| understood(column, text)).transpose()
}

/// A column of minor units, with the currency of the row.
pub(crate) fn money(row: &PgRow, column: &str) -> Result<Money> {
    Ok(Money::from_minor(get(row, column)?, word(row, "currency")?))
}

fn understood<T>(column: &str, text: &str) -> Result<T>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|e| Error::InvalidRow(format!("{column}: {e}")))
}
