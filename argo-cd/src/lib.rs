//! Argo CD as a library: desired tree, live graph, diff, sync in phases and waves, health, as plans.
