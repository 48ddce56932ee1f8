//! The words of what is kept about stock, captures, webhooks and people.
//! Never a transition: those tables stand with the statuses.

use crate::words::words;

words! {
    /// What became of a hold.
    pub enum HoldState("state of a hold") {
        /// The stock is set aside.
        Held = "HELD",
        /// The stock was sold.
        Finalised = "FINALISED",
        /// The stock went back on sale without having been sold.
        Released = "RELEASED",
        /// The stock was sold, and went back on sale when the order was called off.
        Restocked = "RESTOCKED",
    }
}

words! {
    /// What became of a captured payment.
    pub enum Disposition("disposition of a capture") {
        /// Nobody has decided yet.
        Open = "OPEN",
        /// An order keeps it.
        Fulfilled = "FULFILLED",
        /// It goes back, or has gone back.
        Refunded = "REFUNDED",
        /// A person decides.
        Review = "REVIEW",
    }
}

words! {
    /// What was done about a webhook.
    pub enum WebhookState("state of a webhook") {
        /// Kept, nothing done yet.
        Received = "RECEIVED",
        /// Handed to its run as a signal.
        Signalled = "SIGNALLED",
        /// Of no interest.
        Ignored = "IGNORED",
        /// About something we do not know, perhaps not yet.
        Unmatched = "UNMATCHED",
    }
}

words! {
    /// What somebody may do.
    pub enum Role("role") {
        /// Buys.
        Customer = "customer",
        /// Sells.
        Vendor = "vendor",
        /// Inspects and repairs.
        Admin = "admin",
        /// Another system of ours.
        Service = "service",
    }
}
