//! What a statement must not do, so that one SQL text runs on plain and on distributed PostgreSQL.
//! Never parses SQL: it reads words and brackets, and would rather refuse too much.
//!
//! Each rule stands for a construct that a distributed server refuses, runs wrongly, or runs on
//! another cell's node.

mod ddl;
mod insert;
mod literals;
mod schema;
mod tokens;
mod update;

use tokens::Tokens;

use crate::statements;

pub use literals::literals_in;

/// A rule that a statement breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// One call carries one statement.
    #[error("several statements in one call")]
    SeveralStatements,
    /// INSERT is the top statement: inside WITH it is cut into parts with snapshots of their own.
    #[error("insert inside a with or a bracket")]
    InsertInWith,
    /// A volatile function stands in an UPDATE or DELETE.
    #[error("volatile function {0} in an update or delete")]
    Volatile(String),
    /// A stable function or time arithmetic is applied to a column in an UPDATE or DELETE.
    #[error("{0} over a column in an update or delete; compute it in a select before")]
    StableOverColumn(String),
    /// ON CONFLICT .. SET calls a function; `excluded` carries the value instead.
    #[error("function {0} in on conflict; use excluded")]
    FunctionInConflict(String),
    /// VALUES holds a subquery.
    #[error("subquery in values; use insert .. select")]
    SubqueryInValues,
    /// MERGE is not used.
    #[error("merge; use update or insert .. on conflict")]
    Merge,
    /// INSERT .. SELECT calls a stable or volatile function; times are parameters or columns.
    #[error("function {0} in insert .. select; bind a parameter")]
    FunctionInInsertSelect(String),
    /// INSERT .. SELECT reads no table of the cell, so nothing says where it runs.
    #[error("insert .. select without a table of the cell in from")]
    NoTableInInsertSelect,
    /// INSERT .. SELECT leaves a column to a default that is a function.
    #[error("insert .. select leaves {0} to its default now()")]
    TimedDefault(String),
    /// An identity or serial column is narrower than bigint.
    #[error("identity or serial narrower than bigint")]
    NarrowIdentity,
    /// A constraint is, or may be, deferred.
    #[error("deferred constraint")]
    Deferred,
    /// A table is named with its schema; the search path picks the cell.
    #[error("{0} is named with a schema")]
    SchemaQualified(String),
    /// A trigger function names a table of the cell without fixing the search path.
    #[error("trigger function reads {0} by a bare name")]
    BareNameInTrigger(String),
}

/// The rules that `sql`, one statement, breaks; none for a good one.
pub fn check_statement(sql: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if statements(sql).len() > 1 {
        faults.push(Fault::SeveralStatements);
    }
    let tokens = Tokens::read(sql);
    ddl::check_names(&tokens, &mut faults);
    if tokens.word(0).is_some_and(|w| matches!(w, "create" | "alter" | "do" | "set")) {
        ddl::check(&tokens, &mut faults);
    } else {
        insert::check(&tokens, &mut faults);
        update::check(&tokens, &mut faults);
    }
    faults.dedup();
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(sql: &str) -> Vec<Fault> {
        check_statement(sql)
    }

    #[test]
    fn a_planted_bad_statement_breaks_each_rule() {
        let fault = |name: &str, make: fn(String) -> Fault| make(name.to_owned());
        let planted = [
            ("create index a on b (c); create index d on e (f)", Fault::SeveralStatements),
            (
                "with s as (insert into steps (a) values (1) returning a) select a from s",
                Fault::InsertInWith,
            ),
            ("update t set at = clock_timestamp() where id = $1", {
                fault("clock_timestamp", Fault::Volatile)
            }),
            ("delete from t where id = gen_random_uuid()", {
                fault("gen_random_uuid", Fault::Volatile)
            }),
            (
                "update t set due = now() + t.wait_ms * interval '1 ms'",
                fault("time arithmetic", Fault::StableOverColumn),
            ),
            (
                "delete from t where at + interval '1 day' < now()",
                fault("time arithmetic", Fault::StableOverColumn),
            ),
            (
                "update t set doc = jsonb_build_object('a', t.a)",
                fault("jsonb_build_object", Fault::StableOverColumn),
            ),
            (
                "insert into t (id) values ($1) on conflict (id) do update set at = now()",
                fault("now", Fault::FunctionInConflict),
            ),
            ("insert into t (id) values ((select max(id) from t))", Fault::SubqueryInValues),
            ("merge into t using s on t.a = s.a when matched then do nothing", Fault::Merge),
            (
                "insert into hold_lines (hold_id) select now() from holds",
                fault("now", Fault::FunctionInInsertSelect),
            ),
            (
                "insert into hold_lines (hold_id) select a from unnest($1::uuid[]) as u (a)",
                Fault::NoTableInInsertSelect,
            ),
            (
                "insert into holds (hold_id) select order_id from orders",
                fault("created_at", Fault::TimedDefault),
            ),
            ("create table t (id int generated always as identity)", Fault::NarrowIdentity),
            ("create table t (id serial primary key)", Fault::NarrowIdentity),
            (
                "create table t (a bigint references u deferrable initially deferred)",
                Fault::Deferred,
            ),
            ("select a from other.orders", fault("other.orders", Fault::SchemaQualified)),
            (
                "create function f() returns trigger language plpgsql as $$ begin \
                 update orders set a = 1; return new; end $$",
                fault("orders", Fault::BareNameInTrigger),
            ),
        ];
        for (sql, wanted) in planted {
            assert!(faults(sql).contains(&wanted), "{sql}\n{wanted:?} not in {:?}", faults(sql));
        }
    }

    #[test]
    fn good_statements_break_no_rule() {
        let good = [
            "insert into t (id, at) values ($1, now()) on conflict (id) do update \
             set at = excluded.at",
            "insert into orders (order_id, created_at, updated_at) select h.order_id, h.created_at, $2 \
             from holds h where h.hold_id = $1",
            "insert into steps (id) select u.id from (select id from workers for share) w, \
             unnest($1::uuid[]) as u (id)",
            "with l as (select id, now() + wait_ms * interval '1 ms' as due from tasks for update) \
             update tasks t set due_at = l.due from l where t.id = l.id",
            "update t set at = now(), until = now() + $2::bigint * interval '1 second' \
             where until < now() - $3 * interval '1 second' and a is distinct from b.c",
            "delete from t where at < now() - $1 * interval '1 second'",
            "select extract(epoch from o.created_at) from orders o for update skip locked",
            "create table t (id bigint generated always as identity, n int not null)",
            "create trigger x before update or delete on t for each row execute function f()",
            "create function f() returns trigger language plpgsql as $$ begin \
             execute format('update %I.orders set a = 1', tg_table_schema); return new; end $$",
        ];
        for sql in good {
            assert_eq!(faults(sql), [], "{sql}");
        }
    }

    #[test]
    fn the_migration_files_break_no_rule() {
        for file in crate::FILES {
            for statement in statements(file.sql) {
                assert_eq!(faults(&statement), [], "{}: {statement}", file.name);
            }
        }
    }
}
