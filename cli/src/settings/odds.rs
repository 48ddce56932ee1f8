//! The odds of the sandbox's faults, written as `create_order.drop_after=20,webhooks.lose=5`.

use gateway_sandbox::{CallOdds, Odds, Operation, WebhookOdds};
use serde_json::Value;

use super::Faults;

const VARIABLE: &str = "MAKEGOOD_SANDBOX_ODDS";
const NEXT: &str = "write WHERE.FAULT=NUMBER, such as create_order.drop_after=20,webhooks.lose=5; \
                    `makegood gateway-sandbox --help` has every word";

/// Reads the odds; an empty text has none.
pub(crate) fn read(text: &str, faults: &mut Faults) -> Option<Odds> {
    let mut odds = Odds::default();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        if let Err(why) = add(&mut odds, item) {
            faults.add(VARIABLE, format!("{why}: {item}"), NEXT);
            return None;
        }
    }
    Some(odds)
}

fn add(odds: &mut Odds, item: &str) -> Result<(), &'static str> {
    let (name, number) = item.split_once('=').ok_or("lacks a number")?;
    let (place, fault) = name.trim().split_once('.').ok_or("lacks a fault")?;
    let number: u64 = number.trim().parse().map_err(|_| "has no whole number")?;
    match place {
        "calls" => add_call(&mut odds.calls, fault, number),
        "webhooks" => add_webhook(&mut odds.webhooks, fault, number),
        operation => {
            let operation: Operation =
                serde_json::from_value(Value::from(operation)).map_err(|_| "names no operation")?;
            add_call(odds.by_operation.entry(operation).or_default(), fault, number)
        }
    }
}

fn add_call(odds: &mut CallOdds, fault: &str, number: u64) -> Result<(), &'static str> {
    match fault {
        "hang_ms" => odds.hang_ms = number,
        "delay_min_ms" => odds.delay_ms.min_ms = number,
        "delay_max_ms" => odds.delay_ms.max_ms = number,
        "drop_before" => odds.drop_before_per_mille = per_mille(number)?,
        "drop_after" => odds.drop_after_per_mille = per_mille(number)?,
        "hang_after" => odds.hang_after_per_mille = per_mille(number)?,
        "error" => odds.error_per_mille = per_mille(number)?,
        "delay" => odds.delay_per_mille = per_mille(number)?,
        _ => return Err("names no fault of calls"),
    }
    Ok(())
}

fn add_webhook(odds: &mut WebhookOdds, fault: &str, number: u64) -> Result<(), &'static str> {
    match fault {
        "delay_min_ms" => odds.delay_ms.min_ms = number,
        "delay_max_ms" => odds.delay_ms.max_ms = number,
        "lose" => odds.lose_per_mille = per_mille(number)?,
        "duplicate" => odds.duplicate_per_mille = per_mille(number)?,
        "reorder" => odds.reorder_per_mille = per_mille(number)?,
        "delay" => odds.delay_per_mille = per_mille(number)?,
        _ => return Err("names no fault of webhooks"),
    }
    Ok(())
}

fn per_mille(number: u64) -> Result<u16, &'static str> {
    u16::try_from(number).ok().filter(|n| *n <= 1_000).ok_or("is more than 1000 of 1000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_of_calls_operations_and_webhooks_are_read() {
        let text = "calls.error=5, create_order.drop_after=20,create_order.hang_ms=6000,\
                    webhooks.lose=1000,webhooks.delay_max_ms=50";
        let odds = read(text, &mut Faults::default()).unwrap();
        assert_eq!(odds.calls.error_per_mille, 5);
        let create = odds.by_operation[&Operation::CreateOrder];
        assert_eq!((create.drop_after_per_mille, create.hang_ms), (20, 6_000));
        assert_eq!(odds.webhooks.lose_per_mille, 1_000);
        assert_eq!(odds.webhooks.delay_ms.max_ms, 50);
    }

    #[test]
    fn what_is_no_odds_is_refused() {
        for text in ["x", "calls.error", "calls.eror=1", "sell.error=1", "webhooks.lose=1001"] {
            assert!(read(text, &mut Faults::default()).is_none(), "{text} is refused");
        }
    }
}
