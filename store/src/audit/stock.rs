//! What must hold of stock, holds and the statuses of orders.

use super::Check;

pub(super) const CHECKS: &[Check] = &[
    Check {
        invariant: "stock counters add up",
        sql: "select i.tenant_id || '/' || i.sku as subject,
                     'received ' || i.received || ', available ' || i.available || ', reserved '
                       || i.reserved || ', sold ' || i.sold as detail
              from inventory i
              where i.available + i.reserved + i.sold <> i.received
                 or least(i.available, i.reserved, i.sold) < 0
              limit 100",
    },
    Check {
        invariant: "replayed movements equal the counters",
        sql: "select coalesce(i.tenant_id || '/' || i.sku, m.tenant_id || '/' || m.sku) as subject,
                     'movements give received ' || coalesce(m.received, 0) || ', available '
                       || coalesce(m.available, 0) || ', reserved ' || coalesce(m.reserved, 0)
                       || ', sold ' || coalesce(m.sold, 0) as detail
              from inventory i
              full join (
                select tenant_id, sku, sum(received_delta) as received,
                       sum(available_delta) as available, sum(reserved_delta) as reserved,
                       sum(sold_delta) as sold
                from stock_movements
                group by tenant_id, sku
              ) m on m.tenant_id = i.tenant_id and m.sku = i.sku
              where coalesce(i.received, 0) <> coalesce(m.received, 0)
                 or coalesce(i.available, 0) <> coalesce(m.available, 0)
                 or coalesce(i.reserved, 0) <> coalesce(m.reserved, 0)
                 or coalesce(i.sold, 0) <> coalesce(m.sold, 0)
              limit 100",
    },
    Check {
        invariant: "reserved equals what is held",
        sql: "select i.tenant_id || '/' || i.sku as subject,
                     'reserved ' || i.reserved || ', held ' || coalesce(h.held, 0) as detail
              from inventory i
              left join (
                select h.tenant_id, l.sku, sum(l.quantity) as held
                from holds h
                join hold_lines l on l.hold_id = h.hold_id
                where h.state = 'HELD'
                group by h.tenant_id, l.sku
              ) h on h.tenant_id = i.tenant_id and h.sku = i.sku
              where i.reserved <> coalesce(h.held, 0)
              limit 100",
    },
    Check {
        invariant: "only waiting orders hold stock",
        sql: "select h.hold_id::text as subject,
                     'HELD for order ' || h.order_id || ', which is '
                       || coalesce(o.status, 'missing') as detail
              from holds h
              left join orders o on o.order_id = h.order_id
              where h.state = 'HELD'
                and coalesce(o.status, '') not in ('PENDING', 'RESERVED')
              limit 100",
    },
    Check {
        invariant: "no stock is held a day past its time",
        sql: "select h.hold_id::text as subject,
                     'HELD for order ' || h.order_id || ' until ' || h.expires_at as detail
              from holds h
              where h.state = 'HELD' and h.expires_at < now() - interval '1 day'
              limit 100",
    },
    Check {
        invariant: "stock is sold only with a committed order",
        sql: "select h.hold_id::text as subject,
                     'FINALISED for order ' || h.order_id || ', which is '
                       || coalesce(o.status, 'missing') as detail
              from holds h
              left join orders o on o.order_id = h.order_id
              where h.state = 'FINALISED'
                and coalesce(o.status, '') not in (
                  'PAID', 'CONFIRMED', 'READY', 'SHIPPED', 'DELIVERED', 'COMPLETED', 'REFUNDED')
                and not (
                  o.status is not distinct from 'FAILED'
                  and exists (
                    select from order_events e
                    where e.order_id = h.order_id and e.from_status = 'SHIPPED'
                  )
                )
              limit 100",
    },
    Check {
        invariant: "committed orders have their stock sold",
        sql: "select o.order_id::text as subject,
                     o.status || ' without a finalised hold' as detail
              from orders o
              where o.status in ('PAID', 'CONFIRMED', 'READY', 'SHIPPED', 'DELIVERED', 'COMPLETED')
                and not exists (
                  select from holds h
                  where h.order_id = o.order_id and h.state = 'FINALISED'
                )
              limit 100",
    },
    Check {
        invariant: "a hold takes what the order's lines say",
        sql: "select h.hold_id::text as subject,
                     'order ' || h.order_id || ' and its live hold differ' as detail
              from holds h
              where h.state in ('HELD', 'FINALISED')
                and exists (
                  select from (
                    select i.sku, sum(i.quantity) as quantity
                    from order_items i
                    where i.order_id = h.order_id
                    group by i.sku
                  ) wanted
                  full join hold_lines l on l.hold_id = h.hold_id and l.sku = wanted.sku
                  where (l.hold_id = h.hold_id or l.hold_id is null)
                    and wanted.quantity is distinct from l.quantity
                )
              limit 100",
    },
    Check {
        invariant: "the last event of an order says its status",
        sql: "select o.order_id::text as subject,
                     o.status || ', but the last event says '
                       || coalesce(e.to_status, 'nothing') as detail
              from orders o
              left join lateral (
                select e.to_status
                from order_events e
                where e.order_id = o.order_id
                order by e.event_id desc
                limit 1
              ) e on true
              where o.status is distinct from e.to_status
              limit 100",
    },
];
