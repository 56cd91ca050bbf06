//! `argo-exec`: what runs in the containers of a workflow's pods.

use std::process::ExitCode;

fn main() -> ExitCode {
    // One thread does: everything waits most of the time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let code = match runtime {
        Ok(runtime) => runtime.block_on(argo_workflows::exec::run::main(std::env::args().skip(1).collect())),
        Err(error) => {
            eprintln!("Error: {error}");
            argo_workflows::exec::run::FAILED
        }
    };
    // Not by return: a thread that waits for a file must not hold the container open.
    std::process::exit(code)
}
