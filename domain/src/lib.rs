//! Commerce words: ids, money, prices, statuses and their transition tables. Pure and synchronous.
