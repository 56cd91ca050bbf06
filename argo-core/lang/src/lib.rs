//! The languages that manifests are written in, read exactly as Go reads them.
