//! `/v1/nodes`: the cluster that the daemon is a node of.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::access::Needs;
use crate::cluster::ClusterStatus;
use crate::http::caller::Caller;
use crate::http::problem::Problem;
use crate::shared::Shared;

/// Returns the nodes of the cluster, and who has which journal. For operators of every tenant.
#[utoipa::path(
    get,
    path = "/v1/nodes",
    responses((status = 200, description = "What this node knows of the cluster", body = ClusterStatus))
)]
pub(crate) async fn show_nodes(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
) -> Result<Json<ClusterStatus>, Problem> {
    caller.needs_all_tenants(Needs::Operate)?;
    let missing = || {
        let detail = "this daemon is no node of a cluster: its journal is not on jetstream";
        Problem::new(StatusCode::NOT_FOUND, "no_cluster", detail)
    };
    shared.cluster_status().map(Json).ok_or_else(missing)
}
