-- Why:    what the gateway told us is kept before it is acted on; what we announce goes out after.
-- Change: tables webhook_events, outbox.
-- Locks:  none, all new.   Deploy: expand.   Undo: forward-only.

-- Only events whose signature was right get a row.
create table webhook_events (
  event_id           text        primary key check (length(event_id) between 1 and 200),
  gateway            text        not null check (length(gateway) between 1 and 40),
  event_type         text        not null check (length(event_type) between 1 and 200),
  gateway_order_id   text,
  gateway_payment_id text,
  raw_body           bytea       not null check (octet_length(raw_body) <= 1048576),
  state              text        not null default 'RECEIVED'
                     check (state in ('RECEIVED', 'SIGNALLED', 'IGNORED', 'UNMATCHED')),
  attempts           bigint      not null default 0 check (attempts >= 0),
  received_at        timestamptz not null default now(),
  processed_at       timestamptz
);

create index webhook_events_waiting on webhook_events (received_at)
  where state in ('RECEIVED', 'UNMATCHED');

create table outbox (
  message_id uuid        primary key,
  tenant_id  text        not null,
  topic      text        not null check (length(topic) between 1 and 200),
  key        text        not null,
  payload    jsonb       not null check (pg_column_size(payload) <= 262144),
  created_at timestamptz not null default now(),
  sent_at    timestamptz
) with (autovacuum_vacuum_scale_factor = 0.02);

create index outbox_unsent on outbox (message_id) where sent_at is null;
