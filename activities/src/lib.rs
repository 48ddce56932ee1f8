//! Side effects, one file per resource: the business words. The SQL is in `store`.

mod batch;
pub mod gateway;
pub mod hints;
pub mod late_money;
pub mod ledger;
pub mod notify;
pub mod orders;
pub mod payments;
pub mod reconcile;
pub mod refund_sweep;
pub mod refunding;
pub mod refunds;
pub mod settlement;
pub mod stock;

use std::sync::Arc;

use makegood::Registry;

use gateway::Gateway;

/// Adds every activity of the shop to a worker's registry.
pub fn register(registry: Registry, gateway: Arc<dyn Gateway>) -> Registry {
    registry
        .activity(stock::ReserveStock)
        .activity(stock::ReleaseStock)
        .activity(payments::CreateGatewayOrder(Arc::clone(&gateway)))
        .activity(payments::OpenPayment)
        .activity(payments::ReadPayment(Arc::clone(&gateway)))
        .activity(payments::CapturePayment(Arc::clone(&gateway)))
        .activity(settlement::SettlePayment)
        .activity(late_money::FindLateMoney(Arc::clone(&gateway)))
        .activity(late_money::JudgeLateMoney)
        .activity(late_money::AskPerson)
        .activity(late_money::ReviveOrder)
        .activity(refunds::ReturnCaptures(Arc::clone(&gateway)))
        .activity(refunds::FindKept)
        .activity(refunds::ReturnStrays(Arc::clone(&gateway)))
        .activity(refunds::RecordReturns)
        .activity(orders::CloseOrder)
        .activity(notify::AnnounceOrder)
        .activity(refunding::AskRefund(Arc::clone(&gateway)))
        .activity(refunding::ReadRefund(Arc::clone(&gateway)))
        .activity(refunding::BookRefund)
        .activity(refunding::FindRefund)
        .activity(refunding::LookAfterRefund)
        .activity(refunding::CloseRefund)
        .activity(refund_sweep::FindUnwatched)
        .activity(refund_sweep::ListRefunds(Arc::clone(&gateway)))
        .activity(refund_sweep::CompareRefunds)
        .activity(refund_sweep::WatchRefunds)
        .activity(reconcile::OpenReport)
        .activity(reconcile::FindAwaited)
        .activity(reconcile::AskGateway(Arc::clone(&gateway)))
        .activity(reconcile::ListCaptures(Arc::clone(&gateway)))
        .activity(reconcile::FindUnknown)
        .activity(reconcile::ReadReceipts(Arc::clone(&gateway)))
        .activity(reconcile::MatchReceipts)
        .activity(reconcile::ListPayouts(gateway))
        .activity(reconcile::CheckPayouts)
        .activity(reconcile::FindOverdue)
        .activity(reconcile::CheckBooks)
        .activity(reconcile::RecordFindings)
        .activity(reconcile::CloseReport)
}
