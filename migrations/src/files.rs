//! The migration files, in the order in which they are applied.
//! Never found by listing a folder: what is not in this array does not exist.

use sha2::{Digest, Sha256};

/// One file of SQL.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Folder and name, as recorded in the cell.
    pub name: &'static str,
    /// The text.
    pub sql: &'static str,
}

impl File {
    /// SHA-256 of the text, in hexadecimal.
    pub fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.sql.as_bytes()))
    }
}

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(File { name: $name, sql: include_str!(concat!("../", $name)) }),+]
    };
}

/// Every file: the engine's first, then the shop's.
pub const FILES: &[File] = &files![
    "engine/001_engine.sql",
    "engine/002_queues.sql",
    "engine/003_bulk_actions.sql",
    "engine/004_schedules.sql",
    "engine/005_retention.sql",
    "engine/006_setting_actions.sql",
    "shop/001_tenants_and_users.sql",
    "shop/002_products_and_stock.sql",
    "shop/003_orders.sql",
    "shop/004_payments.sql",
    "shop/005_ledger.sql",
    "shop/006_webhooks_and_outbox.sql",
    "shop/007_reconciliation.sql",
    "shop/008_console.sql",
    "shop/009_console_views.sql",
    "shop/010_console_tokens.sql",
];

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_file_in_the_folders_is_applied() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        for folder in ["engine", "shop"] {
            let mut names: Vec<_> = fs::read_dir(root.join(folder))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| Path::new(name).extension().is_some_and(|end| end == "sql"))
                .map(|name| format!("{folder}/{name}"))
                .collect();
            names.sort();
            found.append(&mut names);
        }
        let listed: Vec<_> = FILES.iter().map(|file| file.name).collect();
        assert_eq!(listed, found, "the array lists every file, in order");
    }

    #[test]
    fn every_file_says_why_and_what() {
        for file in FILES {
            for word in ["-- Why:", "Change:", "Locks:", "Deploy:", "Undo:"] {
                assert!(file.sql.contains(word), "{} lacks {word}", file.name);
            }
        }
    }
}
