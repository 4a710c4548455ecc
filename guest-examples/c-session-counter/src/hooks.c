// A plugin that counts how sessions end: one counter for each reason, in key-value storage.
//
// A hook is an ordinary function. Each call runs in a fresh sandbox, so a static variable is not kept from one call to the
// next, and what a hook allocates need not be freed: the whole memory goes with the call.

#include "plugin.h"
#include "text.h"

// In the order of the contract, whose numbers they are.
static const char *const REASONS[] = {
    [LASTWORD_HOOKS_TYPES_END_REASON_NEW] = "new",
    [LASTWORD_HOOKS_TYPES_END_REASON_RESET] = "reset",
    [LASTWORD_HOOKS_TYPES_END_REASON_IDLE] = "idle",
    [LASTWORD_HOOKS_TYPES_END_REASON_DAILY] = "daily",
    [LASTWORD_HOOKS_TYPES_END_REASON_COMPACTION] = "compaction",
    [LASTWORD_HOOKS_TYPES_END_REASON_DELETED] = "deleted",
    [LASTWORD_HOOKS_TYPES_END_REASON_SHUTDOWN] = "shutdown",
    [LASTWORD_HOOKS_TYPES_END_REASON_RESTART] = "restart",
    [LASTWORD_HOOKS_TYPES_END_REASON_CLEAR] = "clear",
    [LASTWORD_HOOKS_TYPES_END_REASON_RESUME] = "resume",
    [LASTWORD_HOOKS_TYPES_END_REASON_LOGOUT] = "logout",
    [LASTWORD_HOOKS_TYPES_END_REASON_USER_EXIT] = "user-exit",
    [LASTWORD_HOOKS_TYPES_END_REASON_COMPLETED] = "completed",
    [LASTWORD_HOOKS_TYPES_END_REASON_ABORTED] = "aborted",
    [LASTWORD_HOOKS_TYPES_END_REASON_ERROR] = "error",
    [LASTWORD_HOOKS_TYPES_END_REASON_TIMEOUT] = "timeout",
    [LASTWORD_HOOKS_TYPES_END_REASON_CRASHED] = "crashed",
    [LASTWORD_HOOKS_TYPES_END_REASON_UNKNOWN] = "unknown",
    // A word of the owner's own: there is no end to them, so they share one counter.
    [LASTWORD_HOOKS_TYPES_END_REASON_OTHER] = "other",
};

// The texts that an answer or a line of the log is made of; zero at the beginning of every call.
static text_t key, line, excuse;

// Answers `retry`: call again later, with the same delivery id.
static bool retry(const char *what, const wasi_keyvalue_store_error_t *error, plugin_hook_error_t *answer) {
    text_add(&excuse, what);
    switch (error->tag) {
    case WASI_KEYVALUE_STORE_ERROR_NO_SUCH_STORE:
        text_add(&excuse, ": there is no store");
        break;
    case WASI_KEYVALUE_STORE_ERROR_ACCESS_DENIED:
        text_add(&excuse, ": access denied");
        break;
    default:
        text_add(&excuse, ": ");
        text_add_bytes(&excuse, error->val.other.ptr, error->val.other.len);
    }
    answer->tag = LASTWORD_HOOKS_TYPES_HOOK_ERROR_RETRY;
    // A copy: the bindings free it when it has been read.
    plugin_string_dup_n(&answer->val.retry, excuse.bytes, excuse.length);
    return false;
}

// The hook. True means "done, never call again for this delivery"; false comes with an answer in `*error`.
bool exports_plugin_session_end(plugin_session_end_event_t *event, plugin_hook_error_t *error) {
    const char *reason = REASONS[event->reason.tag];
    text_add(&key, "ends/");
    text_add(&key, reason);

    // Every tenant has a space of its own. Its name is "".
    plugin_string_t name = {.ptr = (uint8_t *)"", .len = 0};
    wasi_keyvalue_store_own_bucket_t bucket;
    wasi_keyvalue_store_error_t refused;
    if (!wasi_keyvalue_store_open(&name, &bucket, &refused)) {
        return retry("cannot open the store", &refused, error);
    }

    // A delivery may be attempted more than once, and is counted once all the same: what a call writes is kept together
    // with its success, and discarded otherwise.
    plugin_string_t counter = {.ptr = (uint8_t *)key.bytes, .len = key.length};
    uint64_t count;
    if (!wasi_keyvalue_atomics_increment(wasi_keyvalue_store_borrow_bucket(bucket), &counter, 1, &count, &refused)) {
        return retry("cannot count", &refused, error);
    }

    text_add_bytes(&line, event->session.id.ptr, event->session.id.len);
    text_add(&line, " ended by ");
    text_add(&line, reason);
    text_add(&line, ", so far ");
    text_add_number(&line, count);
    text_print(&line);
    return true;
}
