//! What the cell of these tests needs: a table of effects, and the script with its activities.

pub use crate::script::registry;

pub const TABLES: &[&str] =
    &["create table effects (effect_id bigint generated always as identity primary key,
       script text not null, op int not null, what text not null)"];
