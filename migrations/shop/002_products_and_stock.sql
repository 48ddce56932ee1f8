-- Why:    what is sold, how much of it there is, and who holds it; no sale beyond what was received.
-- Change: tables products, inventory, holds, hold_lines, stock_movements.
-- Locks:  none, all new.   Deploy: expand.   Undo: forward-only.

create table products (
  tenant_id        text        not null references tenants,
  sku              text        not null check (sku ~ '^[A-Za-z0-9._-]{1,64}$'),
  name             text        not null check (length(name) between 1 and 200),
  unit_price_minor bigint      not null check (unit_price_minor >= 0),
  currency         text        not null check (currency ~ '^[A-Z]{3}$'),
  is_active        boolean     not null default true,
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now(),
  primary key (tenant_id, sku)
);

create trigger products_touch before update on products
  for each row execute function touch_updated_at();

-- The hottest rows of a sale: half-empty pages and no second index keep updates in place.
create table inventory (
  tenant_id text   not null,
  sku       text   not null,
  received  bigint not null default 0 check (received >= 0),
  available bigint not null default 0 check (available >= 0),
  reserved  bigint not null default 0 check (reserved >= 0),
  sold      bigint not null default 0 check (sold >= 0),
  total     bigint not null generated always as (received - sold) stored,
  primary key (tenant_id, sku),
  foreign key (tenant_id, sku) references products,
  constraint inventory_adds_up check (available + reserved + sold = received)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- No foreign key to orders or products: locking their rows for each hold would queue the buyers.
create table holds (
  hold_id    uuid        primary key,
  order_id   uuid        not null,
  tenant_id  text        not null,
  state      text        not null default 'HELD'
             check (state in ('HELD', 'FINALISED', 'RELEASED', 'RESTOCKED')),
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  ended_at   timestamptz,
  constraint holds_end_with_a_time check ((state = 'HELD') = (ended_at is null))
) with (fillfactor = 85);

create unique index holds_one_live_per_order on holds (order_id)
  where state in ('HELD', 'FINALISED');

create index holds_expiring on holds (expires_at) where state = 'HELD';

create table hold_lines (
  hold_id  uuid   not null references holds,
  sku      text   not null,
  quantity bigint not null check (quantity > 0),
  primary key (hold_id, sku)
);

create table stock_movements (
  movement_id     bigint      generated always as identity primary key,
  tenant_id       text        not null,
  sku             text        not null,
  hold_id         uuid,
  kind            text        not null
                  check (kind in ('RECEIVE', 'RESERVE', 'FINALISE', 'RELEASE', 'RESTOCK', 'ADJUST')),
  received_delta  bigint      not null default 0,
  available_delta bigint      not null default 0,
  reserved_delta  bigint      not null default 0,
  sold_delta      bigint      not null default 0,
  actor           text        not null default 'system',
  reason          text        not null default '',
  at              timestamptz not null default now(),
  unique (hold_id, sku, kind),
  constraint stock_movements_hold_kinds
    check ((hold_id is null) = (kind in ('RECEIVE', 'ADJUST'))),
  constraint stock_movements_add_up
    check (available_delta + reserved_delta + sold_delta = received_delta)
);

create index stock_movements_by_sku on stock_movements (tenant_id, sku, movement_id);

create trigger stock_movements_only_grow before update or delete or truncate on stock_movements
  for each statement execute function refuse_change();
