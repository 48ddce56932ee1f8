-- Why:    runs must be started by the clock, one for each firing, whatever workers live or die.
-- Change: table schedules.   Locks: none, the table is new.
-- Deploy: expand; the previous binary ignores it.   Undo: forward-only.

-- A named rule for starting runs. `next_at` is the next firing by the rule, `due_at` the time at which it is made:
-- later by the firing's jitter. A rule that nothing can be made of keeps its fault, and does not fire.
-- `run_id` is the run that was started last; `beside` those before it that lived when a person had it started.
create table schedules (
  schedule_id uuid primary key,
  name text not null unique,
  workflow text not null,
  version int not null,
  input jsonb not null,
  cron text not null,
  zone text not null,
  catch_up text not null check (catch_up in ('skip', 'one', 'all')),
  catch_up_limit int not null default 0 check (catch_up_limit >= 0),
  overlap text not null check (overlap in ('allow', 'skip')),
  jitter_ms bigint not null check (jitter_ms >= 0),
  grace_ms bigint not null check (grace_ms >= 0),
  paused boolean not null,
  next_at timestamptz,
  due_at timestamptz,
  fired_at timestamptz,
  run_id uuid,
  beside uuid[] not null default '{}',
  fired bigint not null default 0,
  overlapped bigint not null default 0,
  fault text,
  created_at timestamptz not null default now(),
  check ((next_at is null) = (due_at is null)),
  check (due_at is not null or fault is not null),
  check ((fired_at is null) = (run_id is null))
);

create index schedules_due on schedules (due_at) where not paused and fault is null;
