//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// keyWatch notes when each key was first published, and when a token first named it.
type keyWatch struct {
	mu        sync.Mutex
	published map[string]time.Time // :: kid → first seen in the JWKS
	used      map[string]time.Time // :: kid → first token under it
}

func (w *keyWatch) note(m map[string]time.Time, kid string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := m[kid]; !known {
		m[kid] = time.Now()
	}
}

// look reads the JWKS until told to stop.
func (w *keyWatch) look(s *server, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(50 * time.Millisecond):
		}
		r, err := try("GET", s.base+"/symbolon/keys/samples/jwks.json", "")
		var set struct{ Keys []struct{ KID string } }
		if err != nil || json.Unmarshal([]byte(r.body), &set) != nil {
			continue
		}
		for _, k := range set.Keys {
			w.note(w.published, k.KID)
		}
	}
}

func kidOf(token string) string {
	head, _, _ := strings.Cut(token, ".")
	text, _ := base64.RawURLEncoding.DecodeString(head)
	var h struct{ KID string }
	_ = json.Unmarshal(text, &h)
	return h.KID
}

// rotating uses and refreshes a pair until told to stop; every answer must be 200.
func (w *keyWatch) rotating(s *server, pair *issued, stop <-chan struct{}) (calls int, err error) {
	for {
		select {
		case <-stop:
			return calls, nil
		default:
		}
		r, err := s.refresh(pair.Refresh)
		if err != nil || r.status != 200 {
			return calls, fmt.Errorf("refresh: %d %s %w", r.status, r.body, err)
		}
		before := pair.Access
		pair.Access, pair.Refresh = r.member("access"), r.member("refresh")
		w.note(w.used, kidOf(pair.Access))
		for _, access := range []string{before, pair.Access} {
			r, err := try("GET", s.base+"/webservices/credentials_service_v2.php", "", "Authorization", "Bearer "+access)
			if err != nil || r.status != 200 {
				return calls, fmt.Errorf("use: %d %s %w", r.status, r.body, err)
			}
		}
		calls += 3
	}
}

// TestRotationUnderLoad changes all keys every two seconds, under load, through a kill: no good token is refused, and
// each key is published before it signs.
func TestRotationUnderLoad(t *testing.T) {
	dir := t.TempDir()
	startDev(t, dir).stop(t)
	configure(t, dir, "key_rotation: 90d", "key_rotation: 2s")
	s := restart(t, dir)
	w := &keyWatch{published: map[string]time.Time{}, used: map[string]time.Time{}}
	pairs := make([]issued, 4)
	for i := range pairs {
		name := fmt.Sprintf("load%d", i)
		commandOn(t, s, 0, "account", "add", name, "--type", "person")
		pairs[i] = data[issued](t, s, "token", "issue", "--service", "samples", "--account", name)
	}
	total := 0
	for _, kill := range []bool{true, false} {
		stop := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() { w.look(s, stop) })
		for i := range pairs {
			all.Go(func() {
				calls, err := w.rotating(s, &pairs[i], stop)
				w.mu.Lock()
				defer w.mu.Unlock()
				total += calls
				if err != nil {
					t.Errorf("worker %d: %v", i, err)
				}
			})
		}
		time.Sleep(7 * time.Second)
		close(stop)
		all.Wait()
		if kill {
			s.kill()
			s = restart(t, dir)
		}
	}
	if len(w.used) < 4 {
		t.Errorf("%d keys signed in 14 s", len(w.used))
	}
	late := 0
	for kid, used := range w.used {
		if published, ok := w.published[kid]; !ok || published.After(used) {
			late++
		}
	}
	if late > 2 { // those that signed when the looking began, once for each start
		t.Errorf("%d of %d keys signed before they were published", late, len(w.used))
	}
	t.Logf("%d calls under %d keys", total, len(w.used))
}

// readList is a reader of status lists that shares nothing with us.
const readList = `
import sys, json, zlib, base64
def b64(s): return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))
token, lst = sys.stdin.read().split()
status = json.loads(b64(token.split(".")[1]))["status"]["status_list"]
head, body = (json.loads(b64(part)) for part in lst.split(".")[:2])
assert head["typ"] == "statuslist+jwt" and head["alg"] == "ES256", head
assert body["sub"] == status["uri"] and body["status_list"]["bits"] == 1 and body["exp"] - body["iat"] == body["ttl"], body
bits = zlib.decompress(b64(body["status_list"]["lst"]))
print(bits[status["idx"] // 8] >> (status["idx"] % 8) & 1)
`

// TestStatusListInPython: revoked or not, as another program reads it.
func TestStatusListInPython(t *testing.T) {
	s := startDev(t, t.TempDir())
	commandOn(t, s, 0, "account", "add", "listed", "--type", "person")
	for _, service := range []string{"samples", "ecology", "collections", "warehouse"} {
		got := data[issued](t, s, "token", "issue", "--service", service, "--account", "listed")
		bit := func() string {
			var c struct {
				Status struct {
					List struct{ URI string } `json:"status_list"`
				}
			}
			text, err := json.Marshal(claims(t, got.Access))
			if err != nil || json.Unmarshal(text, &c) != nil {
				t.Fatal(err)
			}
			python := exec.Command("python3", "-c", readList)
			python.Stdin = strings.NewReader(got.Access + " " + call(t, "GET", c.Status.List.URI, "").body)
			out, err := python.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return strings.TrimSpace(string(out))
		}
		if b := bit(); b != "0" {
			t.Errorf("%s: a good token has the bit %s", service, b)
		}
		commandOn(t, s, 0, "token", "revoke", "--grant", fmt.Sprint(got.Grant))
		took := within(t, 10*time.Second, "the bit is set", func() bool { return bit() == "1" })
		t.Logf("%s: in the list after %s", service, took.Round(time.Millisecond))
	}
}

// TestStolenKey removes the key under a server that runs.
func TestStolenKey(t *testing.T) {
	s := startDev(t, t.TempDir())
	commandOn(t, s, 0, "account", "add", "robbed", "--type", "person")
	got := data[issued](t, s, "token", "issue", "--service", "samples", "--account", "robbed")
	if r := s.use(t, got.Access); r.status != 200 {
		t.Fatalf("a good token: %d %s", r.status, r.body)
	}
	commandOn(t, s, 0, "signing-key", "retire", "--now", "--yes", kidOf(got.Access))
	took := within(t, 10*time.Second, "what the stolen key signed is refused", func() bool { return s.use(t, got.Access).status == 401 })
	t.Logf("refused after %s", took.Round(time.Millisecond))
	r, err := s.refresh(got.Refresh)
	if err != nil || r.status != 200 {
		t.Fatalf("refresh: %d %s %v", r.status, r.body, err)
	}
	if r := s.use(t, r.member("access")); r.status != 200 {
		t.Errorf("a token of the new key: %d %s", r.status, r.body)
	}
}
