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
    /// What is compared with the gateway.
    pub enum ReportKind("kind of report") {
        /// Payments, stock and runs.
        Books = "BOOKS",
        /// What the gateway paid out.
        Payouts = "PAYOUTS",
    }
}

words! {
    /// How a comparison ended.
    pub enum ReportOutcome("outcome of a report") {
        /// It looked at everything.
        Done = "DONE",
        /// Its run did not come to its end.
        Abandoned = "ABANDONED",
    }
}

words! {
    /// What became of something that did not agree.
    pub enum FindingOutcome("outcome of a finding") {
        /// Put right, or handed to the saga that puts it right.
        Fixed = "FIXED",
        /// Left for a person.
        Flagged = "FLAGGED",
    }
}

words! {
    /// What a line of a payout is about.
    pub enum PayoutKind("kind of payout line") {
        /// A payment that was captured.
        Payment = "PAYMENT",
        /// A refund that was taken back.
        Refund = "REFUND",
        /// Anything else: fees, adjustments.
        Other = "OTHER",
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

words! {
    /// What somebody may do in the console; each may do what those before it may.
    pub enum Rank("rank") {
        /// Looks; sees no personal data.
        Viewer = "viewer",
        /// Also mends runs, one or many.
        Operator = "operator",
        /// Also ends runs without undoing them, and others' sessions.
        Admin = "admin",
    }
}
