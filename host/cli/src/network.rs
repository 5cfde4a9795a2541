//! What is given to Actions of the network: the origins that they may send requests to.

use clap::Args;
use vestibule::http::{HttpSettings, IpNet, Origin};

/// What Actions may use of the network.
#[derive(Clone, Debug, Args)]
pub(crate) struct Network {
    /// An origin that the Actions may send HTTP requests to: https://api.example.com
    #[arg(long, value_name = "ORIGIN")]
    allow: Vec<Origin>,
    /// A network that requests may go to although the Internet can't reach it, 127.0.0.0/8 for
    /// instance; there, they may also be http
    #[arg(long, value_name = "CIDR")]
    allow_network: Vec<IpNet>,
}

impl Network {
    /// The origins that a binding allows.
    pub(crate) fn origins(&self) -> impl Iterator<Item = Origin> {
        self.allow.iter().cloned()
    }

    /// How the host sends requests.
    pub(crate) fn settings(&self) -> HttpSettings {
        HttpSettings { allowed_networks: self.allow_network.clone(), ..HttpSettings::default() }
    }
}
