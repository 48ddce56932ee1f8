//! What dev is told on the command line.

use std::path::PathBuf;

use clap::Args;

/// Run the whole shop on this machine for development, until Ctrl-C.
///
/// Starts a private PostgreSQL, the gateway sandbox, the API and a worker, and puts a few products
/// on sale. Begins anew each time.
#[derive(Debug, Clone, Args)]
pub(crate) struct DevArgs {
    /// Where the API listens.
    #[arg(long, env = "MAKEGOOD_API_BIND", value_name = "ADDRESS")]
    #[arg(default_value = "127.0.0.1:8080")]
    pub(crate) api_bind: String,

    /// Where the worker's health and metrics are.
    #[arg(long, env = "MAKEGOOD_WORKER_BIND", value_name = "ADDRESS")]
    #[arg(default_value = "127.0.0.1:8081")]
    pub(crate) worker_bind: String,

    /// Where the gateway sandbox listens.
    #[arg(long, env = "MAKEGOOD_SANDBOX_BIND", value_name = "ADDRESS")]
    #[arg(default_value = "127.0.0.1:8090")]
    pub(crate) sandbox_bind: String,

    /// Where the data is kept [default: makegood/dev in the user's state folder, for root in
    /// /var/lib].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,

    /// Keep the orders of the last time. The sandbox forgets its own: an order that still awaits its
    /// payment will need a person.
    #[arg(long)]
    pub(crate) keep: bool,
}

impl DevArgs {
    /// The folder of the data.
    pub(crate) fn folder(&self) -> PathBuf {
        let home = || std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        // PostgreSQL never runs as root, and the account it gets cannot enter root's own folder.
        let state = if rustix::process::geteuid().is_root() {
            Some(PathBuf::from("/var/lib"))
        } else {
            state.filter(|path| path.is_absolute()).or_else(|| Some(home()?.join(".local/state")))
        };
        let state = || state.unwrap_or_else(std::env::temp_dir);
        self.data.clone().unwrap_or_else(|| state().join("makegood").join("dev"))
    }
}
