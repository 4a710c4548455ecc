// Package webhook says what is sent and what answers mean. It imports nothing of the plugin, so its tests run on any machine.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Facts are what is sent of a session.
type Facts struct {
	Delivery   string  `json:"delivery"`
	Tenant     string  `json:"tenant"`
	Session    string  `json:"session"`
	Generation uint32  `json:"generation"`
	Reason     string  `json:"reason"`
	EndedAt    string  `json:"ended_at"`
	DurationMs *uint32 `json:"duration_ms"`
}

// In the order of the contract.
var reasons = [...]string{
	"new", "reset", "idle", "daily", "compaction", "deleted", "shutdown", "restart", "clear", "resume", "logout",
	"user-exit", "completed", "aborted", "error", "timeout", "crashed", "unknown", "other",
}

// Reason is the contract's word for a case of `end-reason`.
func Reason(tag uint8) string {
	return reasons[tag]
}

// Body is what is sent.
func Body(facts Facts) ([]byte, error) {
	return json.Marshal(facts)
}

// Signature proves to the server who sent it and when: nobody else knows the secret.
func Signature(secret, sentAt string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(sentAt))
	mac.Write([]byte("."))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Verdict is what to do after an answer.
type Verdict int

const (
	// Done: the server has it.
	Done Verdict = iota
	// TryAgain: another time it may take it.
	TryAgain
	// GiveUp: it does not want it.
	GiveUp
)

// Judge says what a status means.
func Judge(status int) Verdict {
	switch {
	case status >= 200 && status < 300:
		return Done
	case status == 408 || status == 429 || status >= 500:
		return TryAgain
	default:
		return GiveUp
	}
}
