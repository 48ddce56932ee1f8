-- Why:    every shop is a tenant with its presets, and everything that acts has an account.
-- Change: tables tenants, users; functions touch_updated_at, refuse_change used by later files.
-- Locks:  none, all new.   Deploy: expand.   Undo: forward-only.

create function touch_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end
$$;

-- Guards tables that only grow; corrections are new rows.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % refused', tg_table_name, lower(tg_op)
    using errcode = '23514';
end
$$;

create table tenants (
  tenant_id        text        primary key check (tenant_id ~ '^[a-z][a-z0-9-]{0,40}$'),
  name             text        not null check (length(name) between 1 and 200),
  currency         text        not null check (currency ~ '^[A-Z]{3}$'),
  tax_basis_points bigint      not null default 0 check (tax_basis_points between 0 and 10000),
  hold_secs        bigint      not null default 1800 check (hold_secs between 1 and 604800),
  late_money       text        not null default 'rereserve_then_fulfil'
                   check (late_money in ('rereserve_then_fulfil', 'always_refund', 'manual_review')),
  capture          text        not null default 'automatic'
                   check (capture in ('automatic', 'manual')),
  max_attempts     bigint      not null default 3 check (max_attempts between 1 and 100),
  customers_refund     boolean not null default true,
  refund_window_secs   bigint  not null default 2592000
                       check (refund_window_secs between 0 and 15552000),
  refund_basis_points  bigint  not null default 10000
                       check (refund_basis_points between 0 and 10000),
  is_active        boolean     not null default true,
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now()
);

create trigger tenants_touch before update on tenants
  for each row execute function touch_updated_at();

insert into tenants (tenant_id, name, currency) values ('retail', 'Retail', 'INR');

create table users (
  user_id       uuid        primary key,
  tenant_id     text        not null references tenants,
  email         text        not null check (email ~ '^[^@\s]+@[^@\s]+$' and length(email) <= 254),
  password_hash text        not null,
  role          text        not null check (role in ('customer', 'vendor', 'admin', 'service')),
  is_active     boolean     not null default true,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now()
);

create unique index users_by_email on users (tenant_id, lower(email));

create trigger users_touch before update on users
  for each row execute function touch_updated_at();
