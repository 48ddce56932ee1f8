-- Why:    a worker claims only what it can run, tenants get fair turns, and queues have limits.
-- Change: lanes and queues.             Locks: none, all tables are new.
-- Deploy: before the first worker.      Undo: forward-only.

-- The combinations in use. A task names its lane alone, so that a claim finds what is due by one
-- index probe for each. Rows are only ever added: starters remember them.
create table lanes (
  lane bigint generated always as identity primary key,
  queue text not null check (queue <> ''),
  workflow text not null,
  version int not null,
  priority smallint not null,
  share text not null,
  unique (queue, workflow, version, priority, share)
);

-- Limits of queues that have some. Whoever claims from such a queue locks its row first.
-- `empty_at` is when the bucket of starts was empty, had it been filled at the queue's rate since.
create table queues (
  queue text primary key check (queue <> ''),
  concurrency int check (concurrency > 0),
  rate int check (rate > 0),
  per_ms bigint check (per_ms > 0),
  empty_at timestamptz not null default '-infinity',
  paused boolean not null default false,
  revision bigint not null default 1,
  check ((rate is null) = (per_ms is null))
) with (fillfactor = 10);
