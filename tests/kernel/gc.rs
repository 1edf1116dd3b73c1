//! What `jns gc` removes and what it keeps, among real namespaces and processes.

mod attacks;
mod instances;
mod joins;
mod ledger;
mod linger;
mod pins;
mod scene;
mod vault;
