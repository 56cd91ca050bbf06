//! exec, attach, port-forward: what goes on inside of containers, for `kubectl` and the `ws` feature of `kube`.
//!
//! | container | exec | attach | port-forward |
//! |---|---|---|---|
//! | local process | runs the command beside it, in its directory and environment | its output from now on | to the port of this machine |
//! | by script | what [`PodStreams::on_exec`] says, otherwise the command is not found | its log from now on | what [`PodStreams::on_port`] says, otherwise refused |
//!
//! ```text
//!  WebSocket ──┬─ v5, v4.channel.k8s.io ─► exec, attach, port-forward
//!              └─ SPDY/3.1+portforward.k8s.io ─┐
//!  SPDY/3.1 ───────────────────────────────────┴─► exec, attach, port-forward
//! ```

mod channels;
mod exec;
mod forward;
mod script;
mod spdy;
mod target;
mod upgrade;
mod websocket;

pub(crate) use forward::connect;
pub use script::{ExecAnswer, ExecHandler, ExecIo, ExecRequest, PodStreams, PortAnswer, PortHandler, PortRequest};
pub(crate) use target::{Opened, RunningProcess};
pub(crate) use upgrade::{Ticket, Upgrade};
