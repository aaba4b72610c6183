//! The built-in load test: buyers by the thousand against a server, and a verdict on what it promised them.

pub mod prepare;
pub mod scenario;
