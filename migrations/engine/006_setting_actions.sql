-- Why:    who paused a queue or fired a schedule, and why, is asked as often as who ended a run.
-- Change: table setting_actions.
-- Locks:  none, all new.   Deploy: expand.   Undo: forward-only.

-- What an operator did to a queue or a schedule. Only ever added.
create table setting_actions (
  action_id uuid primary key,
  subject text not null check (subject in ('queue', 'schedule')),
  name text not null,
  verb text not null,
  actor text not null,
  reason text not null,
  before jsonb not null,
  after jsonb not null,
  -- The request that asked for it.
  request_id text,
  at timestamptz not null default now()
);

create index setting_actions_by_name on setting_actions (subject, name, at);

create index setting_actions_by_time on setting_actions (at, action_id);
