-- Why:    each comparison of the books with the gateway says what it found, fixed and flagged; what the gateway paid out is kept line by line.
-- Change: tables reconcile_reports, reconcile_findings, payout_lines; webhook_events gets an index for its retention.
-- Locks:  none, all new.   Deploy: expand.   Undo: forward-only.

-- One row for each comparison. At most one is open: that is what keeps two from running at once.
create table reconcile_reports (
  report_id    uuid        primary key,
  kind         text        not null check (kind in ('BOOKS', 'PAYOUTS')),
  looked_since timestamptz not null,
  started_at   timestamptz not null default now(),
  ended_at     timestamptz,
  outcome      text        check (outcome in ('DONE', 'ABANDONED')),
  asked        bigint      not null default 0 check (asked >= 0),
  found        bigint      not null default 0 check (found >= 0),
  fixed        bigint      not null default 0 check (fixed >= 0),
  flagged      bigint      not null default 0 check (flagged >= 0),
  constraint reconcile_reports_add_up check (found = fixed + flagged),
  constraint reconcile_reports_end_with_an_outcome check ((ended_at is null) = (outcome is null))
);

create unique index reconcile_reports_one_open on reconcile_reports (kind) where ended_at is null;

create index reconcile_reports_by_time on reconcile_reports (started_at desc);

-- What a comparison found: put right, or left for a person.
create table reconcile_findings (
  report_id uuid   not null references reconcile_reports on delete cascade,
  kind      text   not null check (length(kind) between 1 and 100),
  subject   text   not null check (length(subject) between 1 and 200),
  outcome   text   not null check (outcome in ('FIXED', 'FLAGGED')),
  detail    text   not null check (length(detail) <= 2000),
  primary key (report_id, kind, subject)
);

-- What the gateway says it paid out or took back, as it stands beside our books.
create table payout_lines (
  gateway_id   text        primary key check (length(gateway_id) between 1 and 128),
  kind         text        not null check (kind in ('PAYMENT', 'REFUND', 'OTHER')),
  payout_id    text,
  amount_minor bigint      not null,
  fee_minor    bigint      not null default 0,
  tax_minor    bigint      not null default 0,
  currency     text        not null check (currency ~ '^[A-Z]{3}$'),
  day          date        not null,
  state        text        not null check (state in ('MATCHED', 'BROKEN')),
  detail       text        not null default '' check (length(detail) <= 2000),
  seen_at      timestamptz not null default now()
);

create index payout_lines_broken on payout_lines (day) where state = 'BROKEN';

create index webhook_events_done on webhook_events (processed_at)
  where state in ('SIGNALLED', 'IGNORED');
