package webhook

import "testing"

func TestTheBodyHasWhatIsKnown(t *testing.T) {
	body, err := Body(Facts{Delivery: "k.1/session-end/w", Tenant: "acme", Session: "s1", Generation: 2, Reason: Reason(1), EndedAt: "2026-11-21T07:12:30.000Z"})
	expected := `{"delivery":"k.1/session-end/w","tenant":"acme","session":"s1","generation":2,"reason":"reset","ended_at":"2026-11-21T07:12:30.000Z","duration_ms":null}`
	if err != nil || string(body) != expected {
		t.Errorf("%s, %v", body, err)
	}
}

func TestASignatureIsOfTheSecretTheTimeAndTheBody(t *testing.T) {
	// printf '1795244400.{}' | openssl dgst -sha256 -hmac secret
	expected := "sha256=9cb3cccb61601376713d84556881e4605d41123d90ab4384bac5d221adecd3fe"
	if signature := Signature("secret", "1795244400", []byte("{}")); signature != expected {
		t.Error(signature)
	}
	if Signature("secret", "1795244401", []byte("{}")) == expected || Signature("other", "1795244400", []byte("{}")) == expected {
		t.Error("the time and the secret make no difference")
	}
}

func TestWhatMayPassIsTriedAgain(t *testing.T) {
	for status, expected := range map[int]Verdict{200: Done, 204: Done, 301: GiveUp, 400: GiveUp, 404: GiveUp, 408: TryAgain, 429: TryAgain, 500: TryAgain, 503: TryAgain} {
		if verdict := Judge(status); verdict != expected {
			t.Errorf("%d: %d", status, verdict)
		}
	}
}
