// Package export_wit_world has the hook: it sends every session that ended to a webhook, signed. The bindings look for the
// hooks in a package of this name.
//
// Each call runs in a fresh sandbox: a global variable is not kept from one call to the next.
package export_wit_world

import (
	"fmt"
	"strconv"
	"time"

	"wit_component/lastword_hooks_types"
	"wit_component/wasi_config_store"
	"wit_component/webhook"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Answer is what a hook returns: nothing, or an error that says whether to call again.
type Answer = wit.Result[wit.Unit, lastword_hooks_types.HookError]

// SessionEnd is the hook.
func SessionEnd(event lastword_hooks_types.SessionEndEvent) Answer {
	url, secret := setting("webhook-url"), setting("webhook-secret")
	if url == "" || secret == "" {
		// Trying again would not help: somebody has to configure it, and can then have it delivered again.
		return fatal("the settings webhook-url and webhook-secret are needed")
	}
	body, err := webhook.Body(facts(event))
	if err != nil {
		return fatal(err.Error())
	}
	sentAt := strconv.FormatInt(time.Now().Unix(), 10)
	status, err := post(url, body, map[string]string{
		// The same at every attempt: the server sees what it has already.
		"idempotency-key":   event.Delivery.Id,
		"webhook-timestamp": sentAt,
		"webhook-signature": webhook.Signature(secret, sentAt, body),
	})
	if err != nil {
		return retry(fmt.Sprintf("no answer from %s: %v", url, err))
	}
	switch text := fmt.Sprintf("%s answered %d", url, status); webhook.Judge(status) {
	case webhook.Done:
		// Whatever is printed becomes a log event of the runtime.
		fmt.Println(event.Session.Id, "sent:", text)
		return wit.Ok[wit.Unit, lastword_hooks_types.HookError](wit.Unit{})
	case webhook.TryAgain:
		return retry(text)
	default:
		return fatal(text)
	}
}

// "Call again later, with the same delivery id."
func retry(why string) Answer {
	return wit.Err[wit.Unit](lastword_hooks_types.MakeHookErrorRetry(why))
}

// "Trying again would not help."
func fatal(why string) Answer {
	return wit.Err[wit.Unit](lastword_hooks_types.MakeHookErrorFatal(why))
}

// A setting of the operator's, with the grant `config`; "" if there is none.
func setting(name string) string {
	value := wasi_config_store.Get(name)
	if value.IsErr() {
		return ""
	}
	return value.Ok().SomeOr("")
}

func facts(event lastword_hooks_types.SessionEndEvent) webhook.Facts {
	facts := webhook.Facts{
		Delivery:   event.Delivery.Id,
		Tenant:     event.Session.Tenant,
		Session:    event.Session.Id,
		Generation: event.Session.Generation,
		EndedAt:    event.EndedAt,
		Reason:     webhook.Reason(event.Reason.Tag()),
	}
	if event.Reason.Tag() == lastword_hooks_types.EndReasonOther {
		// A word of the owner's that has no case of its own.
		facts.Reason = event.Reason.Other()
	}
	if event.DurationMs.IsSome() {
		ms := event.DurationMs.Some()
		facts.DurationMs = &ms
	}
	return facts
}
