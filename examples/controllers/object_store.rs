//! An object store in memory: as much of S3 as artifacts need, for tests on a cluster.
//!
//! cargo run --example object-store -- [ADDRESS]   (default 127.0.0.1:9000)

use anyhow::{Context as _, Result};
use argo_examples::fixtures::s3::ObjectStore;

#[tokio::main]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let address = address.parse().with_context(|| format!("{address} is no address with a port"))?;
    let store = ObjectStore::start(address).await?;
    println!("{} is any bucket's", store.address);
    tokio::signal::ctrl_c().await?;
    Ok(())
}
