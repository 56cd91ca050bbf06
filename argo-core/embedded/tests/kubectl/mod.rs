//! kubectl against the HTTPS face: transcripts of sessions, recorded against a real cluster.
//!
//! A transcript is a list of command lines (`$ …`, run by `sh`) with what they print, after everything that differs from run to run
//! (ages, uids, addresses, hashes of names) is replaced by a placeholder. Each transcript has a cluster and a namespace of its own.
//! kubectl's words differ between its minor versions: with another one than [`RECORDED_WITH`] only successes and failures are compared.
//!
//! `KUBECTL_SWEEP_KUBECONFIG=<kubeconfig>` runs them against that cluster as well; with `KUBECTL_SWEEP_RECORD=1` its answers are written
//! into the transcripts. Those whose first line says `# by hand` need a script for the containers: recorded are this cluster's answers, for
//! somebody to read.

mod normal;
mod session;

use session::{Session, Target};

/// The kubectl that the transcripts were recorded with.
const RECORDED_WITH: &str = "1.32";

macro_rules! transcripts {
    ($($name:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            check(stringify!($name), include_str!(concat!(stringify!($name), ".txt"))).await;
        })*

        /// Whoever adds a transcript adds its test.
        #[test]
        fn no_transcript_is_forgotten() {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl");
            for file in std::fs::read_dir(folder).expect("the folder of transcripts") {
                let file = file.expect("a file").file_name().into_string().expect("a name");
                if let Some(name) = file.strip_suffix(".txt") {
                    assert!([$(stringify!($name)),*].contains(&name), "{file} has no test");
                }
            }
        }
    };
}

transcripts! {
    admission change cluster create describe explain get helm inside rollout
}

async fn check(name: &str, transcript: &str) {
    let Some(version) = session::kubectl_version() else {
        eprintln!("skipped: kubectl is not installed");
        return;
    };
    if name == "helm" && !session::installed("helm") {
        eprintln!("skipped: helm is not installed");
        return;
    }
    let exact = version == RECORDED_WITH;
    if !exact {
        eprintln!(
            "kubectl {version}: only successes and failures are compared, the texts are those of {RECORDED_WITH}"
        );
    }
    let by_hand = transcript.starts_with("# by hand");
    if let (Ok(kubeconfig), false) = (std::env::var("KUBECTL_SWEEP_KUBECONFIG"), by_hand) {
        let real = Session::open(name, Target::Real(kubeconfig.into())).await;
        let answers = real.run(transcript).await;
        real.close().await;
        if std::env::var_os("KUBECTL_SWEEP_RECORD").is_some() {
            write(name, transcript, &answers);
            return;
        }
        session::compare(name, "the real cluster", transcript, &answers, exact);
    }
    let embedded = Session::open(name, Target::Embedded).await;
    let answers = embedded.run(transcript).await;
    if by_hand && std::env::var_os("KUBECTL_SWEEP_RECORD").is_some() {
        write(name, transcript, &answers);
        return;
    }
    session::compare(name, "this one", transcript, &answers, exact);
}

fn write(name: &str, transcript: &str, answers: &[String]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/kubectl/{name}.txt"));
    std::fs::write(path, session::written(transcript, answers)).expect("written");
}
