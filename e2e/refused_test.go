//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// statusTTL is the server's status_ttl in TestRevokeToRefused. SYMBOLON_STATUS_TTL sets it, as it would the server's.
func statusTTL(t *testing.T) time.Duration {
	text := os.Getenv("SYMBOLON_STATUS_TTL")
	if text == "" {
		return 10 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("SYMBOLON_STATUS_TTL: %v", err)
	}
	return d
}

// TestRevokeToRefused measures how long after the answer to a revocation another program's Verifier still takes the token.
// It prints the figures of docs/performance.md, and holds what is promised: the list's ttl.
func TestRevokeToRefused(t *testing.T) {
	const credential = "the verifiers' secret of this test"
	ttl, file := statusTTL(t), filepath.Join(t.TempDir(), "verifier.key")
	save(t, file, []byte(credential+"\n"))
	s := configured(t, "status_ttl: 1m", "status_ttl: "+ttl.String(), `verifier_key_file: ""`, "verifier_key_file: "+file)
	commandOn(t, s, 0, "account", "add", "watched")
	watchers := map[string]*holder{
		"event stream": startHolder(t, "watch", s.base, "samples", credential),
		"status list":  startHolder(t, "watch", s.base, "samples"),
	}
	took := map[string][]time.Duration{}
	for range 4 {
		endPairs(t, s, watchers, ttl/4, took)
	}
	for what := range watchers {
		report(t, fmt.Sprintf("by %s, status_ttl %s", what, ttl), took[what])
		if longest := slices.Max(took[what]); longest > ttl {
			t.Errorf("by %s a token was still taken %s after its revocation", what, longest)
		}
	}
}

// endPairs ends five pairs, as many as an account may have, at random moments within a time, and notes how long each
// watcher took their tokens after that.
func endPairs(t *testing.T, s *server, watchers map[string]*holder, within time.Duration, took map[string][]time.Duration) {
	t.Helper()
	pairs := make([]issued, 5)
	for i := range pairs {
		pairs[i] = data[issued](t, s, "token", "issue", "--service", "samples", "--account", "watched")
		for what, w := range watchers {
			if got := w.says(t, pairs[i].Access); !strings.HasPrefix(got, "good ") {
				t.Fatalf("by %s a token that was just made is %q", what, got)
			}
		}
	}
	revoked := map[string]time.Time{} // :: access token → when the revocation was answered
	for _, p := range pairs {
		time.Sleep(rand.N(2 * within / time.Duration(len(pairs))))
		r := call(t, "POST", s.base+"/api/auth/token/blacklist/", `{"refresh":"`+p.Refresh+`"}`, "Content-Type", "application/json")
		if r.status != 200 {
			t.Fatalf("revoking: %d %s", r.status, r.body)
		}
		revoked[p.Access] = time.Now()
	}
	for what, w := range watchers {
		for range pairs {
			said := strings.Fields(w.line(t)) // refused TOKEN NANOSECONDS
			at, err := strconv.ParseInt(said[2], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			took[what] = append(took[what], max(0, time.Unix(0, at).Sub(revoked[said[1]])))
		}
	}
}

func report(t *testing.T, what string, took []time.Duration) {
	t.Helper()
	slices.Sort(took)
	at := func(part float64) time.Duration {
		return took[int(part*float64(len(took)-1))].Round(100 * time.Microsecond)
	}
	t.Logf("%s: %d revocations, refused after: least %s, median %s, p90 %s, most %s", what, len(took), at(0), at(0.5), at(0.9), at(1))
}
