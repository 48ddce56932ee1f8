-- Why:    people sign in to the console under their own names, and what they do there is kept.
-- Change: tables operators, console_sessions, sign_in_attempts, console_actions.
-- Locks:  none, all new.   Deploy: expand.   Undo: forward-only.

-- Who may sign in to the console. Nobody is deleted: their actions name them.
create table operators (
  name            text        primary key check (name ~ '^[a-z0-9][a-z0-9._@-]{0,62}$'),
  password_hash   text        not null,
  rank            text        not null check (rank in ('viewer', 'operator', 'admin')),
  disabled_at     timestamptz,
  created_at      timestamptz not null default now(),
  password_set_at timestamptz not null default now()
);

-- One row for each browser that is signed in. Of its token only the hash is kept.
create table console_sessions (
  token_hash bytea       primary key check (octet_length(token_hash) = 32),
  session_id uuid        not null unique,
  operator   text        not null references operators on delete cascade,
  csrf       text        not null check (length(csrf) >= 32),
  address    text        not null check (length(address) <= 64),
  agent      text        not null check (length(agent) <= 300),
  created_at timestamptz not null default now(),
  seen_at    timestamptz not null default now(),
  expires_at timestamptz not null
);

create index console_sessions_by_operator on console_sessions (operator, seen_at);

-- How often somebody tried in vain to sign in: under a name, or from an address.
create table sign_in_attempts (
  subject  text        primary key check (length(subject) between 1 and 140),
  attempts bigint      not null default 0 check (attempts >= 0),
  last_at  timestamptz not null default now()
);

create index sign_in_attempts_by_time on sign_in_attempts (last_at);

-- What was done in the console, refused attempts too; of attempts to sign in those that had not to wait. A verb that was carried out on a run stands in
-- the run's own operator_actions.
create table console_actions (
  action_id  uuid        primary key,
  at         timestamptz not null default now(),
  actor      text        not null check (length(actor) between 1 and 200),
  verb       text        not null check (length(verb) between 1 and 60),
  target     text        not null check (length(target) <= 300),
  outcome    text        not null check (outcome in ('done', 'refused')),
  reason     text        not null check (length(reason) <= 2000),
  before     jsonb,
  after      jsonb,
  request_id text,
  -- Where the request came from.
  address    text        check (length(address) <= 64)
);

create index console_actions_by_time on console_actions (at, action_id);

create trigger console_actions_only_grow before update or delete or truncate on console_actions
  for each statement execute function refuse_change();
