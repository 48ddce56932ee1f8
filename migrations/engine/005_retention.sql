-- Why:    finished runs must leave the tables that live runs work in, and still be read.
-- Change: tables archived_runs, kept_actions and chores; an index on incidents.   Locks: brief, incidents are few.
-- Deploy: expand; the previous binary archives nothing.   Undo: forward-only.

-- One row for each run that ended long ago. `document` holds whatever else was recorded of it: the rest of its row,
-- its steps, signals, incidents and operator actions, each as its row was.
create table archived_runs (
  run_id uuid primary key,
  workflow text not null,
  workflow_id text not null,
  version int not null,
  input jsonb not null,
  ended_state text not null,
  output jsonb,
  cause jsonb,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  archived_at timestamptz not null,
  document jsonb not null,
  attributes jsonb
) with (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- Read by every start, which must not repeat what was archived. The index is not unique: a doubtful row must not
-- keep the others from being archived.
create index archived_runs_by_id on archived_runs (workflow_id, workflow);

create index archived_runs_by_attribute on archived_runs using gin (attributes jsonb_path_ops)
  where attributes is not null;

create index archived_runs_by_start on archived_runs (started_at);

create index archived_runs_by_end on archived_runs (ended_at);

-- What operators did to runs that are deleted by now.
create table kept_actions (
  action_id uuid primary key,
  run_id uuid not null,
  workflow text not null,
  workflow_id text not null,
  action jsonb not null,
  deleted_at timestamptz not null
);

create index kept_actions_by_run on kept_actions (run_id);

-- Work that one worker of all does at a time, when it is due; how far it has come.
create table chores (
  chore text primary key,
  cursor uuid not null,
  due_at timestamptz not null default now()
);

insert into chores (chore, cursor) values ('retention', '00000000-0000-0000-0000-000000000000');

-- For the document, and for the cascade of a deleted run.
create index incidents_by_run on incidents (run_id);
