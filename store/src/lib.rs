//! All SQL on the shop's tables, one file per table.
