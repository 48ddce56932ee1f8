-- Why:    what a customer ordered, at which prices, and every status it went through.
-- Change: tables orders, order_items, order_events; the transition table as a trigger.
-- Locks:  none, all new.   Deploy: expand.   Undo: forward-only.

create table orders (
  order_id       uuid        primary key,
  tenant_id      text        not null,
  order_number   text        not null check (length(order_number) between 1 and 40),
  user_id        uuid        not null references users,
  status         text        not null default 'PENDING'
                 check (status in ('PENDING', 'RESERVED', 'PAID', 'CONFIRMED', 'READY', 'SHIPPED',
                                   'DELIVERED', 'COMPLETED', 'FAILED', 'CANCELLED', 'EXPIRED',
                                   'REFUNDED')),
  reason_code    text        check (length(reason_code) between 1 and 100),
  reason_detail  text        check (length(reason_detail) <= 2000),
  currency       text        not null check (currency ~ '^[A-Z]{3}$'),
  subtotal_minor bigint      not null check (subtotal_minor >= 0),
  tax_minor      bigint      not null check (tax_minor >= 0),
  total_minor    bigint      not null check (total_minor >= 0),
  attempt        bigint      not null default 1 check (attempt >= 1),
  version        bigint      not null default 1 check (version >= 1),
  workflow_id    text        not null,
  idempotency_key text       check (length(idempotency_key) between 8 and 128),
  retry_keys     text[]      not null default '{}',
  expires_at     timestamptz not null,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),
  paid_at        timestamptz,
  unique (tenant_id, order_number),
  unique (user_id, idempotency_key),
  constraint orders_total_is_its_parts check (total_minor = subtotal_minor + tax_minor),
  constraint orders_fail_with_a_reason check (status <> 'FAILED' or reason_code is not null)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

create index orders_by_user on orders (user_id, order_id desc);

create index orders_by_status on orders (tenant_id, status, order_id desc);

create index orders_expiring on orders (expires_at) where status = 'RESERVED';

-- The pairs are those of the domain's table; a test compares all of them.
create function guard_order_status() returns trigger language plpgsql as $$
begin
  if (old.status, new.status) not in (
    ('PENDING', 'RESERVED'), ('PENDING', 'FAILED'), ('PENDING', 'CANCELLED'),
    ('RESERVED', 'PAID'), ('RESERVED', 'CONFIRMED'), ('RESERVED', 'FAILED'),
    ('RESERVED', 'EXPIRED'), ('RESERVED', 'CANCELLED'),
    ('PAID', 'CONFIRMED'), ('PAID', 'SHIPPED'), ('PAID', 'CANCELLED'), ('PAID', 'REFUNDED'),
    ('CONFIRMED', 'SHIPPED'), ('CONFIRMED', 'READY'), ('CONFIRMED', 'COMPLETED'),
    ('CONFIRMED', 'CANCELLED'), ('CONFIRMED', 'REFUNDED'), ('CONFIRMED', 'PAID'),
    ('READY', 'COMPLETED'), ('READY', 'CANCELLED'),
    ('SHIPPED', 'DELIVERED'), ('SHIPPED', 'FAILED'),
    ('FAILED', 'PENDING'), ('FAILED', 'REFUNDED'), ('EXPIRED', 'PENDING'),
    ('REFUNDED', 'PAID'), ('REFUNDED', 'CONFIRMED'), ('REFUNDED', 'FAILED')
  ) then
    raise exception 'an order may not go from % to %', old.status, new.status
      using errcode = '23514';
  end if;
  if new.status = 'PAID' then
    new.paid_at := coalesce(old.paid_at, now());
  end if;
  return new;
end
$$;

create trigger orders_guard_status before update of status on orders
  for each row when (old.status is distinct from new.status)
  execute function guard_order_status();

create trigger orders_touch before update on orders
  for each row execute function touch_updated_at();

create table order_items (
  order_id         uuid   not null references orders on delete cascade,
  line_no          bigint not null check (line_no >= 1),
  sku              text   not null,
  name             text   not null,
  unit_price_minor bigint not null check (unit_price_minor >= 0),
  quantity         bigint not null check (quantity > 0),
  line_total_minor bigint not null,
  primary key (order_id, line_no),
  constraint order_items_total_is_price_by_quantity
    check (line_total_minor = unit_price_minor * quantity)
);

create table order_events (
  event_id    bigint      generated always as identity primary key,
  order_id    uuid        not null,
  from_status text,
  to_status   text        not null,
  actor       text        not null check (length(actor) between 1 and 200),
  reason      text,
  at          timestamptz not null default now()
);

create index order_events_by_order on order_events (order_id, event_id);

create trigger order_events_only_grow before update or delete or truncate on order_events
  for each statement execute function refuse_change();
