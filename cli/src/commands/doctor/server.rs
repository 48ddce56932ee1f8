//! The server: version, durability, planner settings, encryption and clock.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{ConnectOptions, PgConnection};

use super::Finding;
use crate::settings::{DatabaseSettings, Profile};

/// Beyond this the times that people compare mislead them.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(1);

/// Examines the server behind a connection; a check that fails to ask is a fault itself.
pub(super) async fn examine(
    conn: &mut PgConnection,
    database: &DatabaseSettings,
    profile: Profile,
) -> Vec<Finding> {
    let checks = [
        ("version", version(conn).await),
        ("durability", durability(conn, profile).await),
        ("planner settings", planner(database).await),
        ("encryption", encryption(conn, database, profile).await),
        ("clock", clock(conn).await),
    ];
    let told = checks.into_iter().map(|(check, finding)| {
        finding.unwrap_or_else(|error| {
            Finding::fail(check, error.to_string(), "try again; see the server's log")
        })
    });
    told.collect()
}

async fn version(conn: &mut PgConnection) -> Result<Finding, sqlx::Error> {
    let (number, name): (i32, String) = sqlx::query_as(
        "select current_setting('server_version_num')::int, current_setting('server_version')",
    )
    .fetch_one(conn)
    .await?;
    let found = format!("PostgreSQL {name}");
    Ok(if (150_000..190_000).contains(&number) {
        Finding::ok("version", found)
    } else {
        Finding::fail("version", found, "use PostgreSQL 15, 16, 17 or 18")
    })
}

async fn durability(conn: &mut PgConnection, profile: Profile) -> Result<Finding, sqlx::Error> {
    let settings: Vec<(String, String)> = sqlx::query_as(
        "select name, setting
         from pg_settings
         where name in ('fsync', 'full_page_writes', 'synchronous_commit')
         order by name",
    )
    .fetch_all(conn)
    .await?;
    let off: Vec<_> = settings.into_iter().filter(|(_, value)| value == "off").collect();
    if off.is_empty() {
        let found = "fsync, full_page_writes and synchronous_commit are on";
        return Ok(Finding::ok("durability", found));
    }
    let names: Vec<_> = off.into_iter().map(|(name, _)| name).collect();
    let found = format!("{} off: a crash loses acknowledged commits", names.join(", "));
    let next = "turn them on in postgresql.conf; without them only tests may run";
    Ok(Finding::grave("durability", profile, found, next))
}

/// A connection pooler between us and the server may drop what a connection asks for.
async fn planner(database: &DatabaseSettings) -> Result<Finding, sqlx::Error> {
    let options = database.options.clone().options([("enable_nestloop", "off")]);
    let mut conn = options.connect().await?;
    let (loops, path): (String, String) =
        sqlx::query_as("select current_setting('enable_nestloop'), current_setting('search_path')")
            .fetch_one(&mut conn)
            .await?;
    let kept = loops == "off" && path == database.cell.name();
    Ok(if kept {
        Finding::ok("planner settings", "a connection keeps what it asks for")
    } else {
        let found = "something on the way drops a connection's settings";
        let next = "connect to PostgreSQL directly, or by a pooler in session mode that passes \
                    startup options on";
        Finding::fail("planner settings", found, next)
    })
}

async fn encryption(
    conn: &mut PgConnection,
    database: &DatabaseSettings,
    profile: Profile,
) -> Result<Finding, sqlx::Error> {
    let encrypted: Option<bool> =
        sqlx::query_scalar("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
            .fetch_optional(conn)
            .await?;
    let host = database.options.get_host();
    let is_local = database.options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    Ok(match encrypted {
        Some(true) => Finding::ok("encryption", "the connection is encrypted"),
        _ if is_local => Finding::ok("encryption", "none, and the server is on this machine"),
        _ => {
            let found = "none: orders and passwords travel in clear text";
            let next = "turn TLS on at the server and add ?sslmode=verify-full to the URL";
            Finding::grave("encryption", profile, found, next)
        }
    })
}

async fn clock(conn: &mut PgConnection) -> Result<Finding, sqlx::Error> {
    let before = Utc::now();
    let theirs: DateTime<Utc> =
        sqlx::query_scalar("select clock_timestamp()").fetch_one(conn).await?;
    let round_trip = Utc::now().signed_duration_since(before);
    let ours = before.checked_add_signed(round_trip / 2).unwrap_or(before);
    let apart = theirs.signed_duration_since(ours).abs();
    let found = format!("{} ms from the server's", apart.num_milliseconds());
    Ok(if apart <= CLOCK_TOLERANCE {
        Finding::ok("clock", found)
    } else {
        let next = "synchronize both machines (NTP): runs follow the server's clock, so nothing \
                    breaks, but logs and tables tell different times";
        Finding::warn("clock", found, next)
    })
}
