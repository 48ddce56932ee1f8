//! What must hold of payments, captures, refunds and the ledger.

use super::Check;

pub(super) const CHECKS: &[Check] = &[
    Check {
        invariant: "every ledger transaction balances",
        sql: "select t.ledger_transaction_id::text as subject,
                     'debit ' || coalesce(sum(e.debit_minor), 0) || ', credit '
                       || coalesce(sum(e.credit_minor), 0) as detail
              from ledger_transactions t
              left join ledger_entries e on e.ledger_transaction_id = t.ledger_transaction_id
              group by t.ledger_transaction_id, e.currency
              having coalesce(sum(e.debit_minor), 0) <> coalesce(sum(e.credit_minor), 0)
                  or count(e.entry_no) = 0
              limit 100",
    },
    Check {
        invariant: "every order's ledger sums to zero",
        sql: "select t.order_id::text as subject,
                     e.currency || ' ' || sum(e.debit_minor - e.credit_minor) as detail
              from ledger_transactions t
              join ledger_entries e on e.ledger_transaction_id = t.ledger_transaction_id
              where t.order_id is not null
              group by t.order_id, e.currency
              having sum(e.debit_minor - e.credit_minor) <> 0
              limit 100",
    },
    Check {
        invariant: "an order is paid at most once",
        sql: "select p.order_id::text as subject, count(*) || ' paid payments' as detail
              from payments p
              where not p.stray and p.status in ('SUCCESS', 'PARTIALLY_REFUNDED', 'REFUNDED')
              group by p.order_id
              having count(*) > 1
              limit 100",
    },
    Check {
        invariant: "a gateway order belongs to one order",
        sql: "select p.gateway || '/' || p.gateway_order_id as subject,
                     count(distinct p.order_id) || ' orders' as detail
              from payments p
              group by p.gateway, p.gateway_order_id
              having count(distinct p.order_id) > 1
              limit 100",
    },
    Check {
        invariant: "a paid order has its payment, in full",
        sql: "select o.order_id::text as subject, o.status || ' without its payment' as detail
              from orders o
              where o.paid_at is not null
                and not exists (
                  select from payments p
                  where p.order_id = o.order_id and not p.stray
                    and p.status in ('SUCCESS', 'PARTIALLY_REFUNDED', 'REFUNDED')
                    and p.amount_minor = o.total_minor and p.currency = o.currency
                )
              limit 100",
    },
    Check {
        invariant: "a payment that was paid has an order that was paid",
        sql: "select p.payment_id::text as subject,
                     p.status || ' for order ' || o.order_id || ', which is ' || o.status as detail
              from payments p
              join orders o on o.order_id = p.order_id
              where not p.stray and p.status in ('SUCCESS', 'PARTIALLY_REFUNDED', 'REFUNDED')
                and o.paid_at is null
                and o.status not in ('DELIVERED', 'COMPLETED')
              limit 100",
    },
    Check {
        invariant: "a called-off order keeps no money",
        sql: "select p.payment_id::text as subject,
                     p.status || ' for order ' || o.order_id || ', which is ' || o.status as detail
              from payments p
              join orders o on o.order_id = p.order_id
              where p.status in ('SUCCESS', 'PARTIALLY_REFUNDED')
                and (p.stray or o.status in ('CANCELLED', 'EXPIRED', 'REFUNDED'))
                and p.amount_minor <> (
                  select coalesce(sum(r.amount_minor), 0)
                  from refunds r
                  where r.gateway_payment_id = p.gateway_payment_id and r.status <> 'FAILED'
                )
              limit 100",
    },
    Check {
        invariant: "a payment that was paid is in the ledger",
        sql: "select p.payment_id::text as subject,
                     'no ledger transaction of its amount for ' || p.gateway_payment_id as detail
              from payments p
              where p.status in ('SUCCESS', 'PARTIALLY_REFUNDED', 'REFUNDED')
                and not exists (
                  select from ledger_transactions t
                  join ledger_entries e on e.ledger_transaction_id = t.ledger_transaction_id
                  where t.payment_ref = p.gateway_payment_id
                    and t.kind = case when p.stray then 'STRAY_CAPTURE' else 'CAPTURE' end
                    and t.order_id = p.order_id
                    and e.currency = p.currency
                  group by t.ledger_transaction_id
                  having sum(e.debit_minor) = p.amount_minor
                )
              limit 100",
    },
    Check {
        invariant: "a capture in the ledger is a payment",
        sql: "select t.ledger_transaction_id::text as subject,
                     t.kind || ' of ' || t.payment_ref || ' without a paid payment' as detail
              from ledger_transactions t
              where t.kind in ('CAPTURE', 'STRAY_CAPTURE') and t.order_id is not null
                and not exists (
                  select from payments p
                  where p.gateway_payment_id = t.payment_ref and p.order_id = t.order_id
                    and p.stray = (t.kind = 'STRAY_CAPTURE')
                    and p.status in ('SUCCESS', 'PARTIALLY_REFUNDED', 'REFUNDED')
                )
              limit 100",
    },
    Check {
        invariant: "no capture stays open when its order has ended",
        sql: "select c.gateway_payment_id as subject,
                     'OPEN, order ' || coalesce(o.order_id || ' is ' || o.status, 'unknown') as detail
              from gateway_captures c
              left join orders o on o.order_id = c.order_id
              where c.disposition = 'OPEN'
                and coalesce(o.status, '') not in ('PENDING', 'RESERVED')
              limit 100",
    },
    Check {
        invariant: "a fulfilled capture is the order's payment",
        sql: "select c.gateway_payment_id as subject,
                     'FULFILLED, but no payment of order ' || c.order_id || ' agrees' as detail
              from gateway_captures c
              where c.disposition = 'FULFILLED'
                and not exists (
                  select from payments p
                  where p.order_id = c.order_id and p.gateway_payment_id = c.gateway_payment_id
                    and not p.stray
                    and p.status in ('SUCCESS', 'PARTIALLY_REFUNDED', 'REFUNDED')
                    and p.amount_minor = c.amount_minor and p.currency = c.currency
                )
              limit 100",
    },
    Check {
        invariant: "a refunded capture goes back in full",
        sql: "select c.gateway_payment_id as subject,
                     'REFUNDED, but ' || coalesce(sum(r.amount_minor), 0) || ' of '
                       || c.amount_minor || ' go back' as detail
              from gateway_captures c
              left join refunds r on r.gateway_payment_id = c.gateway_payment_id
                and r.status <> 'FAILED' and r.currency = c.currency
              where c.disposition = 'REFUNDED'
              group by c.gateway_payment_id, c.amount_minor
              having coalesce(sum(r.amount_minor), 0) <> c.amount_minor
              limit 100",
    },
    Check {
        invariant: "no more goes back than came in",
        sql: "select c.gateway_payment_id as subject,
                     sum(r.amount_minor) || ' of ' || c.amount_minor || ' go back' as detail
              from gateway_captures c
              join refunds r on r.gateway_payment_id = c.gateway_payment_id
              where r.status <> 'FAILED'
              group by c.gateway_payment_id, c.amount_minor
              having sum(r.amount_minor) > c.amount_minor
              limit 100",
    },
    Check {
        invariant: "a refund that was made is in the ledger",
        sql: "select r.refund_id::text as subject,
                     'PROCESSED without its ledger transaction' as detail
              from refunds r
              where r.status = 'PROCESSED'
                and not exists (
                  select from ledger_transactions t
                  join ledger_entries e on e.ledger_transaction_id = t.ledger_transaction_id
                  where t.payment_ref = r.refund_id::text
                    and t.kind in ('REFUND', 'STRAY_REFUND') and e.currency = r.currency
                  group by t.ledger_transaction_id
                  having sum(e.debit_minor) = r.amount_minor
                )
              limit 100",
    },
    Check {
        invariant: "a refund that failed is not in the ledger",
        sql: "select r.refund_id::text as subject,
                     'FAILED, and ' || sum(e.credit_minor - e.debit_minor)
                       || ' left the gateway for it' as detail
              from refunds r
              join ledger_transactions t on t.payment_ref = r.refund_id::text
              join ledger_entries e on e.ledger_transaction_id = t.ledger_transaction_id
              where r.status = 'FAILED' and e.account = 'GATEWAY'
              group by r.refund_id
              having sum(e.credit_minor - e.debit_minor) <> 0
              limit 100",
    },
    Check {
        invariant: "a payment says how much of it went back",
        sql: "select p.payment_id::text as subject,
                     p.status || ', and ' || back.minor || ' of ' || p.amount_minor
                       || ' went back' as detail
              from payments p
              cross join lateral (
                select coalesce(sum(r.amount_minor), 0) as minor
                from refunds r
                where r.gateway_payment_id = p.gateway_payment_id and r.status = 'PROCESSED'
              ) back
              where p.status in ('SUCCESS', 'PARTIALLY_REFUNDED', 'REFUNDED')
                and p.status <> case
                  when back.minor >= p.amount_minor then 'REFUNDED'
                  when back.minor > 0 then 'PARTIALLY_REFUNDED'
                  else 'SUCCESS' end
              limit 100",
    },
    Check {
        invariant: "a refunded order gave all of its money back",
        sql: "select o.order_id::text as subject, 'REFUNDED, and its payment is not' as detail
              from orders o
              where o.status = 'REFUNDED'
                and not exists (
                  select from payments p
                  where p.order_id = o.order_id and not p.stray and p.status = 'REFUNDED'
                )
              limit 100",
    },
    Check {
        invariant: "the gateway owes what came in for an order less what went back",
        sql: "select coalesce(books.order_id, money.order_id)::text as subject,
                     'the ledger says ' || coalesce(books.minor, 0) || ', payments and refunds '
                       || coalesce(money.minor, 0) as detail
              from (
                select t.order_id, sum(e.debit_minor - e.credit_minor) as minor
                from ledger_transactions t
                join ledger_entries e on e.ledger_transaction_id = t.ledger_transaction_id
                where e.account = 'GATEWAY' and t.order_id is not null
                group by t.order_id
              ) books
              full join (
                select moved.order_id, sum(moved.minor) as minor
                from (
                  select p.order_id, p.amount_minor as minor
                  from payments p
                  where p.status in ('SUCCESS', 'PARTIALLY_REFUNDED', 'REFUNDED')
                  union all
                  select r.order_id, -r.amount_minor
                  from refunds r
                  where r.status = 'PROCESSED'
                ) moved
                group by moved.order_id
              ) money on money.order_id = books.order_id
              where coalesce(books.minor, 0) <> coalesce(money.minor, 0)
              limit 100",
    },
];
