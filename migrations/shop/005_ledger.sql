-- Why:    every movement of money is written twice, balanced, and never changed afterwards.
-- Change: tables ledger_transactions, ledger_entries; balance and append-only as triggers.
-- Locks:  none, all new.   Deploy: expand.   Undo: forward-only.

-- payment_ref is the gateway's payment id for money in, the refund's id for money out.
create table ledger_transactions (
  ledger_transaction_id uuid        primary key,
  tenant_id             text        not null,
  order_id              uuid,
  job_id                uuid,
  kind                  text        not null
                        check (kind in ('CAPTURE', 'REFUND', 'REFUND_REVERSAL', 'STRAY_CAPTURE',
                                       'STRAY_REFUND', 'STRAY_REFUND_REVERSAL')),
  payment_ref           text        not null check (length(payment_ref) between 1 and 128),
  at                    timestamptz not null default now(),
  unique (payment_ref, kind),
  constraint ledger_transactions_belong_to_one check (num_nonnulls(order_id, job_id) = 1)
);

create index ledger_transactions_by_order on ledger_transactions (order_id);

create table ledger_entries (
  ledger_transaction_id uuid   not null references ledger_transactions,
  entry_no              bigint not null check (entry_no >= 1),
  account               text   not null
                        check (account in ('GATEWAY', 'CASH', 'SALES', 'TAX', 'PLATFORM_FEE',
                                           'PROCESSING_FEE', 'VENDOR_PAYABLE', 'CUSTOMER_CREDIT')),
  debit_minor           bigint not null default 0 check (debit_minor >= 0),
  credit_minor          bigint not null default 0 check (credit_minor >= 0),
  currency              text   not null check (currency ~ '^[A-Z]{3}$'),
  primary key (ledger_transaction_id, entry_no),
  constraint ledger_entries_one_side check ((debit_minor > 0) <> (credit_minor > 0))
);

-- Sees the rows of one statement: all entries of a transaction are inserted together.
create function refuse_unbalanced() returns trigger language plpgsql as $$
begin
  if exists (
    select from added
    group by ledger_transaction_id, currency
    having sum(debit_minor) <> sum(credit_minor)
  ) then
    raise exception 'ledger transaction is not balanced' using errcode = '23514';
  end if;
  return null;
end
$$;

create trigger ledger_entries_balance after insert on ledger_entries
  referencing new table as added
  for each statement execute function refuse_unbalanced();

create trigger ledger_transactions_only_grow
  before update or delete or truncate on ledger_transactions
  for each statement execute function refuse_change();

create trigger ledger_entries_only_grow before update or delete or truncate on ledger_entries
  for each statement execute function refuse_change();
