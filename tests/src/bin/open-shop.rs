//! Opens a shop for a judge who is not written in Rust, says where it is, and closes it when standard
//! input ends.

use std::io::{Read, Write};

use makegood_tests::Shop;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let shop = Shop::plan().open().await;
    shop.product("tea", 100).await;
    let [customer, admin, service] =
        [shop.person("customer").await, shop.person("admin").await, shop.person("service").await];
    let where_it_is = serde_json::json!({
        "api": shop.api.url(""),
        "gateway": shop.gateway(""),
        "keys": shop.keys(),
        "tokens": {
            "customer": customer.token(), "admin": admin.token(), "service": service.token(),
        },
        "orders": {
            "paid": customer.buy(&[("tea", 2)]).await, "placed": customer.place(&[("tea", 1)]).await,
        },
        "log": shop.logs().join("api.log"),
    });
    writeln!(std::io::stdout(), "{where_it_is}")?;
    let mut rest = Vec::new();
    tokio::task::spawn_blocking(move || std::io::stdin().read_to_end(&mut rest)).await??;
    drop(shop);
    Ok(())
}
