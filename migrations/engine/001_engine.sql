-- Why:    runs, their steps and signals, the queue that drives them, the workers that may write, and what needs a person.
-- Change: first tables of the engine.   Locks: none, all tables are new.
-- Deploy: before the first worker.      Undo: forward-only.

-- One row for each execution of a workflow: written at its start and once at its end.
-- `attributes` are names and values by which its starter finds it again; `lane` is that of its task, kept when it ends.
-- The fill factor leaves room so that the end is an update in place.
create table runs (
  run_id uuid primary key,
  workflow text not null,
  workflow_id text not null,
  version int not null default 1,
  input jsonb not null,
  parent_run_id uuid,
  ended_state text check (ended_state in ('COMPLETED', 'COMPENSATED', 'CLOSED')),
  output jsonb,
  cause jsonb,
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  lane bigint,
  forked_from uuid,
  attributes jsonb,
  unique (workflow_id, workflow),
  check ((ended_state is null) = (ended_at is null))
) with (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.05);

create index runs_by_start on runs (started_at);

create index runs_by_attribute on runs using gin (attributes jsonb_path_ops) where attributes is not null;

-- The queue: one narrow row for each live run. Exactly one thing moves a live run on:
-- a worker that owns it, a due time (a wait's deadline is one), or an incident that a person resolves.
-- `waits` holds the deadline of each open wait; `tries` the failed attempts of each open step.
-- Tasks, steps and signals have no foreign key: its check would cost a row lock for each step.
create table tasks (
  run_id uuid primary key,
  lane bigint not null,
  state text not null default 'RUNNING'
    check (state in ('RUNNING', 'WAITING', 'COMPENSATING', 'STUCK', 'PAUSED')),
  owner uuid,
  due_at timestamptz default now(),
  incident_id uuid,
  waits jsonb,
  tries jsonb,
  epoch int not null default 0,
  step_count int not null default 0,
  mailbox int not null default 0,
  crashes int not null default 0,
  part smallint not null
    generated always as (case when state = 'COMPENSATING' then 2 when epoch = 0 then 1 else 0 end) stored,
  check ((owner is not null)::int + (due_at is not null)::int + (incident_id is not null)::int = 1),
  check (incident_id is null or state in ('STUCK', 'PAUSED')),
  check (state <> 'WAITING' or owner is not null or waits is not null)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- A part of a lane is what a claim looks at: 0 goes on, 1 was never claimed, 2 is being undone.
create index tasks_due on tasks (lane, part, due_at) where due_at is not null;

create index tasks_owned on tasks (owner, lane) where owner is not null;

-- For people alone: the runs with a failed step are few, and the first that they ask for.
create index tasks_tried on tasks (run_id) where tries is not null;

-- What a run has done, in the order in which it was recorded. Rows are only ever added.
-- `next` holds the outside steps about to be tried: their intents ride on the row before them.
-- `skipped`, `waived`, `edited`, `restarted`, `resumed` and `forked` are written by operators, never by workers.
create table steps (
  run_id uuid not null,
  seq int not null,
  kind text not null check (kind in (
    'done', 'rejected', 'signal', 'timeout', 'slept', 'value', 'version', 'started', 'ended',
    'intent', 'compensating', 'undone', 'closed', 'refused',
    'skipped', 'waived', 'edited', 'restarted', 'resumed', 'forked')),
  name text not null,
  occurrence int not null default 0,
  input jsonb,
  result jsonb,
  undo text,
  pivot boolean not null default false,
  attempts int not null default 1,
  next jsonb,
  at timestamptz not null,
  primary key (run_id, seq)
);

-- Messages to a run. The sender's id makes a repeat harmless.
create table signals (
  run_id uuid not null,
  signal_id text not null,
  kind text not null,
  payload jsonb not null,
  received_at timestamptz not null default now(),
  primary key (run_id, signal_id)
);

-- Messages of runs to other runs, committed with the turn that sends them and delivered right
-- after it: a child's end to its parent, a cancel to a child. Rows leave with their delivery.
create table mail (
  mail_id uuid primary key,
  run_id uuid not null,
  signal_id text not null,
  kind text not null,
  payload jsonb not null
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- What running workflows show of themselves.
create table published (
  run_id uuid not null,
  key text not null,
  value jsonb not null,
  at timestamptz not null,
  primary key (run_id, key)
);

-- A worker's life under one id, its incarnation. Once dead it never writes again.
-- `about` and `notes` are what it says of itself, at its beginning and with each renewal, for people alone.
create table workers (
  incarnation uuid primary key,
  name text not null,
  host text not null,
  pid int not null,
  alive boolean not null default true,
  lease_until timestamptz not null,
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  about jsonb,
  notes jsonb
) with (fillfactor = 10);

-- A run's recorded need of a person. `call` is the step's input, its undo, and whether it is the
-- pivot: what an operator needs who gives its result or another input.
create table incidents (
  incident_id uuid primary key,
  run_id uuid not null references runs (run_id) on delete cascade,
  class text not null,
  step text,
  occurrence int,
  call jsonb,
  message text not null,
  fingerprint text not null,
  opened_at timestamptz not null default now(),
  resolved_at timestamptz,
  resolution text,
  check ((resolved_at is null) = (resolution is null))
);

create unique index incidents_open on incidents (run_id) where resolved_at is null;

create index incidents_by_fingerprint on incidents (fingerprint, opened_at);

-- Every operator action, written in the transaction that carries it out.
create table operator_actions (
  action_id uuid primary key,
  run_id uuid not null references runs (run_id) on delete cascade,
  verb text not null,
  actor text not null,
  reason text not null,
  before jsonb not null,
  after jsonb not null,
  bulk_id uuid,
  request_id text,
  at timestamptz not null default now()
);

create index operator_actions_by_run on operator_actions (run_id, at);

create index operator_actions_by_time on operator_actions (at, action_id);

create index operator_actions_by_actor on operator_actions (actor, at, action_id);

-- Live runs that are being made good, or were told to before their pivot with nothing under way that may be it: they
-- can be undone by what is recorded alone, without the code that they were started with. `offset 0` keeps each look to
-- one run: nothing is hashed.
create view turning_back as
select k.run_id
from tasks k
where (
    select s.kind
    from steps s
    where s.run_id = k.run_id and s.kind in ('compensating', 'resumed')
    order by s.seq desc
    limit 1
  ) = 'compensating'
  or exists (
    select 1
    from signals g
    where g.run_id = k.run_id and g.kind in ('$cancel', '$compensate')
    offset 0
  )
  and not exists (
    select 1
    from steps s
    where s.run_id = k.run_id and s.pivot and s.kind in ('done', 'skipped')
    offset 0
  )
  and not exists (
    select 1
    from steps s
    cross join lateral jsonb_to_recordset(s.next) i(name text, occurrence int, pivot boolean)
    where s.run_id = k.run_id and i.pivot
      and not exists (
        select 1
        from steps d
        where d.run_id = k.run_id and d.kind = 'rejected' and d.name = i.name
          and d.occurrence = i.occurrence
      )
    offset 0
  );

-- The state that a person sees: of the queue while the run lives, of its end afterwards.
create view run_states as
select
  r.run_id,
  r.workflow,
  r.workflow_id,
  r.version,
  coalesce(r.ended_state, k.state) as state,
  r.started_at,
  r.ended_at,
  k.owner,
  k.due_at,
  k.waits,
  k.tries,
  k.incident_id,
  k.crashes,
  r.attributes
from runs r
left join tasks k on k.run_id = r.run_id;
