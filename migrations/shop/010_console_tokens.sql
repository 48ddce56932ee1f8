-- Why:    an operator's commands reach the API from elsewhere, under the operator's own name and rank.
-- Change: table console_tokens.   Locks: none, the table is new.
-- Deploy: expand; the previous binary ignores it.   Undo: forward-only.

-- Personal tokens of those who may sign in to the console. Of a token only the hash is kept. One that
-- has ended is kept for a while, so that whoever uses it is told why it does not work.
create table console_tokens (
  token_hash bytea       primary key check (octet_length(token_hash) = 32),
  operator   text        not null references operators on delete cascade,
  name       text        not null check (name ~ '^[a-z0-9][a-z0-9._@-]{0,62}$'),
  rank       text        not null check (rank in ('viewer', 'operator', 'admin')),
  created_at timestamptz not null default now(),
  used_at    timestamptz,
  expires_at timestamptz not null,
  revoked_at timestamptz
);

-- What the audit calls a token is one token at a time.
create unique index console_tokens_by_name on console_tokens (operator, name)
  where revoked_at is null;
