//! The bodies of events, for the description of the API. The reader of lines parses the bodies.

use utoipa::ToSchema;

/// A session, as an owner says it. Other fields that are texts become its attributes.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what the reader of lines reads")]
pub(crate) struct SessionBody {
    /// The owner's id of it.
    #[schema(min_length = 1, max_length = 128, pattern = "^[!-~]+$", example = "s1")]
    id: String,
    /// Its tenant: the token's, else `default`.
    #[schema(min_length = 1, max_length = 32, pattern = "^[a-z0-9-]+$")]
    tenant: Option<String>,
    /// The owner's stable name for the conversation.
    key: Option<String>,
    /// Which agent of the owner.
    agent_id: Option<String>,
    /// The program that owns it.
    owner_kind: Option<String>,
    /// Its working directory.
    cwd: Option<String>,
    /// When it began, e.g. `2026-11-21T07:00:00.000Z`.
    started_at: Option<String>,
}

/// A start.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what the reader of lines reads")]
pub(crate) struct StartBody {
    session: SessionBody,
    /// How it began, in the owner's word.
    source: Option<String>,
    /// The id of the session that it continues.
    resumed_from: Option<String>,
}

/// An end.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what the reader of lines reads")]
pub(crate) struct EndBody {
    /// Why it ended, e.g. `reset`.
    #[schema(example = "reset")]
    reason: Option<String>,
    /// When, e.g. `2026-11-21T07:00:00.000Z`; now, if it is missing.
    ended_at: Option<String>,
    /// Messages in the conversation.
    message_count: Option<u32>,
    /// The session that replaces it.
    next_session_id: Option<String>,
}

/// A compaction.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what the reader of lines reads")]
pub(crate) struct CompactionBody {
    /// `before` or `after`.
    phase: CompactionWord,
    /// Messages before it.
    message_count: Option<u32>,
    /// Messages that it took away.
    compacted_count: Option<u32>,
    /// Tokens in the context.
    token_count: Option<u32>,
}

/// Whether a compaction is about to happen, or has happened.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "it describes what the reader of lines reads")]
pub(crate) enum CompactionWord {
    /// It is about to happen.
    Before,
    /// It has happened.
    After,
}
