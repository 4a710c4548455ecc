// A Lastword plugin.

#include "plugin.h"
#include "text.h"

static text_t line;

// Called when a session has ended, at least once. True means done. For false, set `error->tag` to …_RETRY, to be called again
// later with the same `delivery.id`, or to …_FATAL when this would not help; and say why, with
// `plugin_string_dup(&error->val.retry, "…")`.
bool exports_plugin_session_end(plugin_session_end_event_t *event, plugin_hook_error_t *error) {
    (void)error;
    text_add_bytes(&line, event->session.id.ptr, event->session.id.len);
    text_add(&line, " ended at ");
    text_add_bytes(&line, event->ended_at.ptr, event->ended_at.len);
    text_print(&line);
    return true;
}
