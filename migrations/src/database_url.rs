//! Refuses database URLs that are not PostgreSQL's, before anything tries to connect.
//! Never prints the URL: it may carry a password.

/// Why a database URL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// There is none.
    #[error("no database URL given; set one such as postgres://user@host:5432/name")]
    Missing,
    /// It has no scheme at all.
    #[error("the database URL has no scheme; it begins with postgres:// or postgresql://")]
    NoScheme,
    /// It is another database's.
    #[error("{scheme} is not supported; orders are kept in PostgreSQL only (postgres://...)")]
    NotPostgres {
        /// The scheme found.
        scheme: String,
    },
}

/// Checks that `url` is PostgreSQL's.
///
/// # Errors
/// When it is missing, has no scheme, or the scheme of another database.
pub fn check(url: &str) -> Result<(), UrlError> {
    let url = url.trim();
    if url.is_empty() {
        return Err(UrlError::Missing);
    }
    let (scheme, _) = url.split_once(':').ok_or(UrlError::NoScheme)?;
    match scheme {
        "postgres" | "postgresql" if url.contains("://") => Ok(()),
        "postgres" | "postgresql" => Err(UrlError::NoScheme),
        other => {
            // What stands before the colon may be a user name when the scheme was forgotten.
            let known = ["sqlite", "mysql", "mariadb", "mssql", "file", "http", "https"];
            if url.contains("://") || known.contains(&other) {
                Err(UrlError::NotPostgres { scheme: other.to_owned() })
            } else {
                Err(UrlError::NoScheme)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_postgres_urls_are_accepted() {
        assert_eq!(check("postgres://u@h/db"), Ok(()));
        assert_eq!(check("postgresql://u@h:5432/db?sslmode=disable"), Ok(()));
        for (url, scheme) in [("sqlite::memory:", "sqlite"), ("mysql://u@h/db", "mysql")] {
            let refused = UrlError::NotPostgres { scheme: scheme.to_owned() };
            assert_eq!(check(url), Err(refused), "{url} is refused by name");
        }
        assert_eq!(check("user:secret@host/db"), Err(UrlError::NoScheme), "no secret is shown");
        assert_eq!(check("host/db"), Err(UrlError::NoScheme));
        assert_eq!(check(" "), Err(UrlError::Missing));
    }
}
