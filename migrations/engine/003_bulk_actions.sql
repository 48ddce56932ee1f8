-- Why:    a repair of many runs is one decision: its selection is frozen, its pace is set, each run
--         has its result, and it goes on after a crash of whoever carries it out.
-- Change: tables bulk_actions, bulk_items.
-- Locks:  none, all new.   Deploy: expand.   Undo: forward-only.

-- One decision about many runs.
create table bulk_actions (
  bulk_id uuid primary key,
  verb jsonb not null,
  selection jsonb not null,
  actor text not null,
  reason text not null,
  per_second int not null check (per_second between 1 and 1000),
  state text not null default 'FROZEN'
    check (state in ('FROZEN', 'RUNNING', 'DONE', 'CANCELLED')),
  created_at timestamptz not null default now(),
  -- Who goes on with it when the process that carries it out is gone; nobody does by himself if there is none.
  keeper text,
  begun_at timestamptz,
  ended_at timestamptz,
  cancelled_by text,
  cancelled_why text,
  check ((state in ('DONE', 'CANCELLED')) = (ended_at is not null)),
  check ((state = 'CANCELLED') = (cancelled_by is not null)),
  check ((cancelled_by is null) = (cancelled_why is null))
);

create index bulk_actions_by_start on bulk_actions (created_at);

-- The runs that were selected when it was frozen, and what became of each.
create table bulk_items (
  bulk_id uuid not null references bulk_actions (bulk_id) on delete cascade,
  run_id uuid not null,
  outcome text check (outcome in ('done', 'ordered', 'refused', 'failed')),
  why text,
  action_id uuid,
  at timestamptz,
  primary key (bulk_id, run_id),
  check ((outcome is null) = (at is null)),
  check (coalesce(outcome in ('done', 'ordered'), false) = (action_id is not null)),
  check (coalesce(outcome in ('refused', 'failed'), false) = (why is not null))
);

create index bulk_items_left on bulk_items (bulk_id, run_id) where outcome is null;
