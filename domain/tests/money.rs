//! Money: golden cases and properties.
#![expect(clippy::unwrap_used, reason = "test helpers stop at the first fault")]

use domain::{CartLine, Currency, Money, MoneyError, PricedLine, PricedOrder, PricingError};
use proptest::prelude::*;
use rust_decimal::Decimal;

fn usd(minor: i64) -> Money {
    Money::from_minor(minor, Currency::Usd)
}

fn line(sku: &str, unit: Money, quantity: i64) -> PricedLine {
    PricedLine {
        sku: sku.parse().unwrap(),
        name: sku.to_owned(),
        unit_price: unit,
        quantity: quantity.try_into().unwrap(),
    }
}

#[test]
fn halves_round_up_to_the_minor_unit() {
    let rounded = |text: &str| Money::rounded(text.parse().unwrap(), Currency::Usd).unwrap();
    assert_eq!(rounded("8.655"), usd(866), "a half goes up");
    assert_eq!(rounded("8.6549"), usd(865), "less than a half goes down");
    assert_eq!(rounded("-8.655"), usd(-866), "a negative half goes away from zero");
    let yen = Money::rounded("10.5".parse().unwrap(), Currency::Jpy).unwrap();
    assert_eq!(yen.minor(), 11, "a yen has no minor unit");
    let tax = usd(10_820).at_rate("0.08".parse().unwrap()).unwrap();
    assert_eq!(tax, usd(866), "8 percent of 108.20 is 8.656, so 8.66");
}

#[test]
fn money_has_one_json_form() {
    let text = r#"{"amount":"116.86","currency":"INR"}"#;
    let money = Money::from_minor(11_686, Currency::Inr);
    assert_eq!(serde_json::to_string(&money).unwrap(), text, "amount is a decimal string");
    assert_eq!(serde_json::from_str::<Money>(text).unwrap(), money, "and reads back");
    for bad in [
        r#"{"amount":116.86,"currency":"INR"}"#,
        r#"{"amount":"116.861","currency":"INR"}"#,
        r#"{"amount":"1e2","currency":"INR"}"#,
        r#"{"amount":"","currency":"INR"}"#,
        r#"{"amount":"1.00","currency":"XXX"}"#,
        r#"{"amount":"1.00"}"#,
    ] {
        assert!(serde_json::from_str::<Money>(bad).is_err(), "{bad} must be refused");
    }
}

#[test]
fn sums_that_do_not_fit_or_mix_currencies_are_refused() {
    assert_eq!(usd(i64::MAX).checked_add(usd(1)), Err(MoneyError::OutOfRange));
    assert_eq!(usd(i64::MIN).checked_sub(usd(1)), Err(MoneyError::OutOfRange));
    assert_eq!(usd(i64::MAX).checked_mul(2), Err(MoneyError::OutOfRange));
    assert!(matches!(
        usd(1).checked_add(Money::from_minor(1, Currency::Inr)),
        Err(MoneyError::MixedCurrency { left: Currency::Usd, right: Currency::Inr })
    ));
    assert_eq!(Money::rounded(Decimal::MAX, Currency::Usd), Err(MoneyError::OutOfRange));
}

#[test]
fn an_order_costs_its_lines_and_the_tax() {
    let lines = vec![line("A", usd(1_999), 3), line("B", usd(500), 1)];
    let order = PricedOrder::price(lines, Currency::Usd, Decimal::new(8, 2)).unwrap();
    assert_eq!(order.subtotal(), usd(6_497), "3 x 19.99 + 5.00");
    assert_eq!(order.tax(), usd(520), "5.1976 rounds to 5.20");
    assert_eq!(order.total(), usd(7_017), "total is subtotal plus tax");
}

#[test]
fn orders_that_cannot_be_priced_are_refused() {
    let price = |lines| PricedOrder::price(lines, Currency::Usd, Decimal::ZERO);
    assert_eq!(price(vec![]), Err(PricingError::NoLines));
    assert!(matches!(price(vec![line("A", usd(-1), 1)]), Err(PricingError::NegativePrice(_))));
    let rupee = Money::from_minor(1, Currency::Inr);
    assert!(matches!(price(vec![line("A", rupee, 1)]), Err(PricingError::Money(_))));
    assert!(matches!(price(vec![line("A", usd(i64::MAX), 2)]), Err(PricingError::Money(_))));
}

#[test]
fn lines_of_one_sku_are_added_up_and_sorted() {
    let cart = |sku: &str, units: i64| CartLine {
        sku: sku.parse().unwrap(),
        quantity: units.try_into().unwrap(),
    };
    let sorted = CartLine::sorted([cart("B", 1), cart("A", 2), cart("B", 3)]).unwrap();
    assert_eq!(sorted, [cart("A", 2), cart("B", 4)], "one line a sku, in the order of locking");
    assert!(CartLine::sorted([cart("A", 1_000_000), cart("A", 1)]).is_err(), "too many");
}

fn currencies() -> impl Strategy<Value = Currency> {
    prop::sample::select(Currency::ALL.to_vec())
}

proptest! {
    #[test]
    fn every_amount_survives_text_json_and_decimal(minor: i64, currency in currencies()) {
        let money = Money::from_minor(minor, currency);
        let text = money.to_decimal().to_string();
        prop_assert_eq!(Money::parse(&text, currency), Ok(money));
        prop_assert_eq!(Money::rounded(money.to_decimal(), currency), Ok(money));
        let json = serde_json::to_string(&money).unwrap();
        prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
    }

    #[test]
    fn rounding_is_never_off_by_more_than_half_a_unit(
        mantissa in -1_000_000_000_000_i64..1_000_000_000_000,
        scale in 0_u32..9,
        currency in currencies(),
    ) {
        let exact = Decimal::new(mantissa, scale);
        let rounded = Money::rounded(exact, currency).unwrap();
        let half = Decimal::new(5, currency.exponent() + 1);
        prop_assert!((rounded.to_decimal() - exact).abs() <= half);
    }

    #[test]
    fn adding_and_taking_away_gives_the_first_amount(
        left in -1_000_000_000_i64..1_000_000_000,
        right in -1_000_000_000_i64..1_000_000_000,
    ) {
        let sum = usd(left).checked_add(usd(right)).unwrap();
        prop_assert_eq!(sum.checked_sub(usd(right)), Ok(usd(left)));
    }
}
