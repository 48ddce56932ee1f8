-- Why:    what the example sagas keep: trips, accounts, and the orders and stock of warehouses.
-- Change: tables of the examples' own.   Locks: none, all tables are new.
-- Deploy: before the first run.          Undo: drop them.

-- A trip is inserted with the start of its run; its end is written by the run.
create table trips (
  trip_id text primary key,
  traveller text not null,
  status text not null default 'PLANNED' check (status in ('PLANNED', 'CONFIRMED', 'CALLED_OFF')),
  note text
);

create table accounts (
  user_id uuid primary key,
  email text not null unique,
  status text not null default 'PENDING' check (status in ('PENDING', 'ACTIVE'))
);

create table split_orders (
  order_id text primary key,
  status text not null default 'OPEN' check (status in ('OPEN', 'SHIPPED', 'CALLED_BACK'))
);

-- What is on the van. A parcel that is called back leaves its row behind nowhere: the stock has it.
create table parcels (
  parcel_id uuid primary key,
  order_id text not null,
  warehouse text not null,
  sku text not null,
  quantity bigint not null check (quantity > 0)
);

create index parcels_by_order on parcels (order_id);

-- One row for all who want the same thing: the hot row of the fan-out.
create table warehouse_stock (
  warehouse text not null,
  sku text not null,
  available bigint not null check (available >= 0),
  primary key (warehouse, sku)
) with (fillfactor = 50);
