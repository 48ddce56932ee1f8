-- Why:    money asked for, money that came in, money sent back; an order is paid at most once.
-- Change: tables payments, gateway_captures, refunds; the payment's transition table as a trigger.
-- Locks:  none, all new.   Deploy: expand.   Undo: forward-only.

-- A stray is money that came beside the order's own payment and is to go back.
-- The workflow is that of the attempt that awaits the money: whoever has news of it tells that one.
create table payments (
  payment_id         uuid        primary key,
  tenant_id          text        not null,
  order_id           uuid        not null references orders,
  workflow_id        text        not null,
  gateway            text        not null check (length(gateway) between 1 and 40),
  gateway_order_id   text        not null check (length(gateway_order_id) between 1 and 128),
  gateway_payment_id text        check (length(gateway_payment_id) between 1 and 128),
  status             text        not null default 'PENDING'
                     check (status in ('PENDING', 'COD_DUE', 'SUCCESS', 'FAILED',
                                       'PARTIALLY_REFUNDED', 'REFUNDED')),
  stray              boolean     not null default false,
  amount_minor       bigint      not null check (amount_minor > 0),
  currency           text        not null check (currency ~ '^[A-Z]{3}$'),
  failure_code       text        check (length(failure_code) between 1 and 200),
  created_at         timestamptz not null default now(),
  updated_at         timestamptz not null default now(),
  unique (order_id, gateway_payment_id),
  constraint payments_paid_by_something
    check (status not in ('SUCCESS', 'PARTIALLY_REFUNDED', 'REFUNDED')
           or gateway_payment_id is not null)
) with (fillfactor = 80);

-- A failed payment frees its gateway order, because money may still come in there later.
create unique index payments_one_per_gateway_order on payments (gateway, gateway_order_id)
  where not stray and status <> 'FAILED';

create unique index payments_one_open_per_order on payments (order_id)
  where not stray and status in ('PENDING', 'COD_DUE');

-- A refunded payment still counts: an order that was paid is not paid again.
create unique index payments_one_success_per_order on payments (order_id)
  where not stray and status in ('SUCCESS', 'PARTIALLY_REFUNDED', 'REFUNDED');

create index payments_open on payments (created_at) where status = 'PENDING';

create index payments_by_gateway_order on payments (gateway_order_id);

-- The pairs are those of the domain's table; a test compares all of them.
create function guard_payment_status() returns trigger language plpgsql as $$
begin
  if (old.status, new.status) not in (
    ('PENDING', 'SUCCESS'), ('PENDING', 'FAILED'),
    ('COD_DUE', 'SUCCESS'), ('COD_DUE', 'FAILED'),
    ('SUCCESS', 'PARTIALLY_REFUNDED'), ('SUCCESS', 'REFUNDED'),
    ('PARTIALLY_REFUNDED', 'REFUNDED'), ('PARTIALLY_REFUNDED', 'SUCCESS'),
    ('REFUNDED', 'PARTIALLY_REFUNDED'), ('REFUNDED', 'SUCCESS')
  ) then
    raise exception 'a payment may not go from % to %', old.status, new.status
      using errcode = '23514';
  end if;
  return new;
end
$$;

create trigger payments_guard_status before update of status on payments
  for each row when (old.status is distinct from new.status)
  execute function guard_payment_status();

create trigger payments_touch before update on payments
  for each row execute function touch_updated_at();

-- Every captured payment that the shop learns of; the audit asks what became of each.
create table gateway_captures (
  gateway_payment_id text        primary key,
  gateway_order_id   text        not null,
  order_id           uuid,
  amount_minor       bigint      not null check (amount_minor > 0),
  currency           text        not null check (currency ~ '^[A-Z]{3}$'),
  disposition        text        not null default 'OPEN'
                     check (disposition in ('OPEN', 'FULFILLED', 'REFUNDED', 'REVIEW')),
  refund_id          uuid,
  at                 timestamptz not null default now(),
  updated_at         timestamptz not null default now(),
  constraint gateway_captures_refunded_by_a_refund
    check (disposition <> 'REFUNDED' or refund_id is not null),
  constraint gateway_captures_fulfil_an_order
    check (disposition <> 'FULFILLED' or order_id is not null)
);

create index gateway_captures_unsettled on gateway_captures (at)
  where disposition in ('OPEN', 'REVIEW');

create index gateway_captures_by_order on gateway_captures (order_id);

create trigger gateway_captures_touch before update on gateway_captures
  for each row execute function touch_updated_at();

-- asked_minor is null when all that was left was asked for; override_reason says why an admin went
-- past the shop's policy. Nobody watches an unwatched one until the sweep finds it.
create table refunds (
  refund_id          uuid        primary key,
  order_id           uuid        not null,
  gateway_payment_id text        not null references gateway_captures,
  gateway_refund_id  text        unique,
  amount_minor       bigint      not null check (amount_minor > 0),
  asked_minor        bigint      check (asked_minor > 0),
  currency           text        not null check (currency ~ '^[A-Z]{3}$'),
  status             text        not null default 'PENDING'
                     check (status in ('PENDING', 'PROCESSED', 'FAILED')),
  idempotency_key    text        not null unique,
  reason             text        not null check (length(reason) between 1 and 2000),
  override_reason    text        check (length(override_reason) between 1 and 2000),
  actor              text        not null check (length(actor) between 1 and 200),
  failure_code       text        check (length(failure_code) between 1 and 200),
  watched            boolean     not null default false,
  created_at         timestamptz not null default now(),
  updated_at         timestamptz not null default now(),
  constraint refunds_processed_at_the_gateway
    check (status <> 'PROCESSED' or gateway_refund_id is not null),
  constraint refunds_fail_with_a_code check (status <> 'FAILED' or failure_code is not null)
);

create index refunds_by_payment on refunds (gateway_payment_id);

create index refunds_by_order on refunds (order_id);

create index refunds_unwatched on refunds (created_at) where status = 'PENDING' and not watched;

-- The pairs are those of the domain's table; a test compares all of them. What was asked for, by
-- whom and why stays as it was written down.
create function guard_refund() returns trigger language plpgsql as $$
begin
  if old.status <> new.status and (old.status, new.status) not in (
    ('PENDING', 'PROCESSED'), ('PENDING', 'FAILED'), ('PROCESSED', 'FAILED')
  ) then
    raise exception 'a refund may not go from % to %', old.status, new.status
      using errcode = '23514';
  end if;
  if (old.refund_id, old.order_id, old.gateway_payment_id, old.amount_minor, old.currency,
      old.idempotency_key, old.reason, old.actor)
       is distinct from
     (new.refund_id, new.order_id, new.gateway_payment_id, new.amount_minor, new.currency,
      new.idempotency_key, new.reason, new.actor)
     or old.override_reason is distinct from new.override_reason
     or old.asked_minor is distinct from new.asked_minor
     or (old.gateway_refund_id is not null
         and old.gateway_refund_id is distinct from new.gateway_refund_id) then
    raise exception 'what a refund was asked for does not change' using errcode = '23514';
  end if;
  return new;
end
$$;

create trigger refunds_guard before update on refunds
  for each row execute function guard_refund();

create trigger refunds_touch before update on refunds
  for each row execute function touch_updated_at();
