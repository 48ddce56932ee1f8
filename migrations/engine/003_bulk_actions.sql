-- Why:    a repair of many runs is one decision: its selection is frozen, its pace is set, each run
--         has its result, and it goes on after a crash of whoever carries it out.
-- Change: view run_facts, tables bulk_actions and bulk_items, view bulk_standings.
-- Locks:  none, all new.   Deploy: expand.   Undo: forward-only.

-- What an operator's verb has to know of a run before it decides. Which way it goes is read from its record.
create view run_facts as
select
  r.run_id,
  coalesce(r.ended_state, k.state, '') as state,
  k.owner is not null as held,
  exists (
    select 1
    from steps s
    where s.run_id = r.run_id and s.pivot and s.kind in ('done', 'skipped')
  ) or exists (
    select 1
    from steps s
    cross join lateral jsonb_to_recordset(s.next) i(name text, occurrence int, pivot boolean)
    where s.run_id = r.run_id and i.pivot
      and not exists (
        select 1
        from steps d
        where d.run_id = r.run_id and d.kind = 'rejected' and d.name = i.name
          and d.occurrence = i.occurrence
      )
  ) as pivoted,
  coalesce((
    select s.kind = 'compensating'
    from steps s
    where s.run_id = r.run_id and s.kind in ('compensating', 'resumed')
    order by s.seq desc
    limit 1
  ), false) as unwinding,
  exists (
    select 1
    from steps s
    where s.run_id = r.run_id and s.kind in ('undone', 'waived', 'closed')
  ) as undone,
  coalesce((select max(s.seq) + 1 from steps s where s.run_id = r.run_id), 0) as next_seq,
  coalesce(k.epoch, 0) as epoch,
  i.incident_id,
  r.workflow,
  r.workflow_id,
  r.version,
  coalesce(k.lane, r.lane) as lane,
  r.parent_run_id,
  r.input,
  json_strip_nulls(json_build_object(
    'state', coalesce(r.ended_state, k.state),
    'owner', k.owner,
    'due_at', k.due_at,
    'waits', k.waits,
    'tries', k.tries,
    'incident', case when i.incident_id is not null then json_build_object(
      'id', i.incident_id, 'class', i.class, 'step', i.step, 'message', i.message) end
  )) as standing
from runs r
left join tasks k on k.run_id = r.run_id
left join incidents i on i.run_id = r.run_id and i.resolved_at is null;

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
  -- When it can be begun no more: whoever confirmed it later would decide about runs that nobody looked at.
  expires_at timestamptz not null default now() + interval '1 hour',
  -- Who goes on with it when the process that carries it out is gone; nobody does by himself if there is none.
  keeper text,
  -- Whoever carries it out, and until when nobody else may. Renewed in the transaction of each run.
  driver uuid,
  driven_until timestamptz,
  -- How many runs were selected, and what became of them.
  total bigint not null default 0,
  done bigint not null default 0,
  ordered bigint not null default 0,
  refused bigint not null default 0,
  changed bigint not null default 0,
  failed bigint not null default 0,
  ended_at timestamptz,
  cancelled_by text,
  cancelled_why text,
  check ((state in ('DONE', 'CANCELLED')) = (ended_at is not null)),
  check ((state = 'CANCELLED') = (cancelled_by is not null)),
  check ((cancelled_by is null) = (cancelled_why is null)),
  check ((driver is null) = (driven_until is null)),
  check (done + ordered + refused + changed + failed <= total)
);

create index bulk_actions_by_start on bulk_actions (created_at);

-- The runs that were selected when it was frozen, and what became of each. `version` names the run as it stood then.
create table bulk_items (
  bulk_id uuid not null references bulk_actions (bulk_id) on delete cascade,
  run_id uuid not null,
  version text not null,
  outcome text check (outcome in ('done', 'ordered', 'refused', 'changed', 'failed')),
  why text,
  action_id uuid,
  at timestamptz,
  primary key (bulk_id, run_id),
  check ((outcome is null) = (at is null)),
  check (coalesce(outcome in ('done', 'ordered'), false) = (action_id is not null)),
  check (coalesce(outcome in ('refused', 'changed', 'failed'), false) = (why is not null))
);

create index bulk_items_left on bulk_items (bulk_id, run_id) where outcome is null;

-- Bulk actions as people see them. What was selected is left out: that may be a hundred thousand ids.
create view bulk_standings as
select
  bulk_id,
  verb,
  actor,
  reason,
  per_second,
  case when state = 'FROZEN' and expires_at <= now() then 'EXPIRED' else state end as state,
  created_at,
  expires_at,
  ended_at,
  cancelled_by,
  cancelled_why,
  total,
  done,
  ordered,
  refused,
  changed,
  failed
from bulk_actions;
