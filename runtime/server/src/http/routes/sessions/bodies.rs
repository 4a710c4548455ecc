//! The bodies of events, for the description of the API. The reader of lines parses the bodies.

use utoipa::ToSchema;

/// A session, in the owner's words. Further text fields become its attributes.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what the reader of lines reads")]
pub(crate) struct SessionBody {
    /// The owner's id of the session.
    #[schema(min_length = 1, max_length = 128, pattern = "^[!-~]+$", example = "s1")]
    id: String,
    /// The session's tenant: the token's, else `default`.
    #[schema(min_length = 1, max_length = 32, pattern = "^[a-z0-9-]+$")]
    tenant: Option<String>,
    /// The owner's stable name for the conversation.
    key: Option<String>,
    /// The owner's agent.
    agent_id: Option<String>,
    /// The program that owns the session.
    owner_kind: Option<String>,
    /// The session's working directory.
    cwd: Option<String>,
    /// When the session began, e.g. `2026-11-21T07:00:00.000Z`.
    started_at: Option<String>,
}

/// A start.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what the reader of lines reads")]
pub(crate) struct StartBody {
    session: SessionBody,
    /// The source of the start, in the owner's word.
    source: Option<String>,
    /// The id of the session that this one continues.
    resumed_from: Option<String>,
}

/// An end.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what the reader of lines reads")]
pub(crate) struct EndBody {
    /// Why the session ended, e.g. `reset`.
    #[schema(example = "reset")]
    reason: Option<String>,
    /// When the session ended, e.g. `2026-11-21T07:00:00.000Z`. Default: now.
    ended_at: Option<String>,
    /// Messages in the conversation.
    message_count: Option<u32>,
    /// The session that replaces this one.
    next_session_id: Option<String>,
}

/// A compaction.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what the reader of lines reads")]
pub(crate) struct CompactionBody {
    /// `before` or `after`.
    phase: CompactionWord,
    /// Messages before the compaction.
    message_count: Option<u32>,
    /// Messages that the compaction removed.
    compacted_count: Option<u32>,
    /// Tokens in the context.
    token_count: Option<u32>,
}

/// Whether a compaction is about to happen, or has happened.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "it describes what the reader of lines reads")]
pub(crate) enum CompactionWord {
    /// The compaction is about to happen.
    Before,
    /// The compaction has happened.
    After,
}
