//! What `sabot up` may override.

use std::net::IpAddr;
use std::path::PathBuf;

use sabot_common::units::Speed;

/// Options of one run; what they leave open is the project's to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpOptions {
    /// The project's directory; without one the project is empty.
    pub dir: Option<PathBuf>,
    /// A file of settings and declarations to use instead of the project's `sabot.yaml`.
    pub config: Option<PathBuf>,
    /// Port of the API; 0 takes any free one.
    pub port: Option<u16>,
    /// Address to listen on.
    pub bind: Option<IpAddr>,
    /// Where data is kept; `.sabot` in the project by default.
    pub data_dir: Option<PathBuf>,
    /// Leave the pages out.
    pub no_ui: bool,
    /// Delete what earlier runs left.
    pub fresh: bool,
    /// Replay speed, instead of what sources say.
    pub speed: Option<Speed>,
    /// Allow listening beyond loopback without a token.
    pub insecure: bool,
}
