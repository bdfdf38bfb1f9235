//go:build e2e

package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What a flood of sign-ins may do to checking tokens: the aim is 3 times the time it takes
// alone. A busy machine is given more before the test fails.
const (
	flood      = 500
	generosity = 4 * 3
	noise      = 100 * time.Millisecond
)

// TestSignInFlood sends 500 wrong passwords at once and checks tokens meanwhile: hashing
// leaves a core to the others, and everybody gets an answer.
func TestSignInFlood(t *testing.T) {
	s := startDev(t, t.TempDir())
	r := command(t, "", "token", "issue", "--service", "samples", "--account", "demo", "--json", "--data", s.dir)
	_, access, ok := strings.Cut(r.out, `"access":"`)
	if !ok {
		t.Fatalf("no token in %s%s", r.out, r.err)
	}
	access, _, _ = strings.Cut(access, `"`)

	alone := s.checking(t, access, func() bool { return true }, 300)
	var left atomic.Int32
	left.Store(flood)
	var statuses sync.Map // :: status → true
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: flood}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var wg sync.WaitGroup
	for i := range flood {
		wg.Go(func() {
			defer left.Add(-1)
			resp, err := client.PostForm(s.base+"/symbolon/sign-in", url.Values{"name": {"nobody" + string(rune('a'+i%26))}, "password": {"wrong password"}})
			if err != nil {
				t.Errorf("a sign-in got no answer: %v", err)
				return
			}
			resp.Body.Close()
			statuses.Store(resp.StatusCode, true)
		})
	}
	flooded := s.checking(t, access, func() bool { return left.Load() > flood/10 }, 5000)
	wg.Wait()
	statuses.Range(func(status, _ any) bool {
		if code := status.(int); code != 401 && code != 429 && code != 503 {
			t.Errorf("a wrong password got %d", code)
		}
		return true
	})
	a, b := quantile(alone, 0.99), quantile(flooded, 0.99)
	t.Logf("checking a token, p99: %v alone, %v among %d sign-ins: %.1f times; p50 %v and %v; %d checks", a, b, flood, float64(b)/float64(a),
		quantile(alone, 0.5), quantile(flooded, 0.5), len(flooded))
	if b > generosity*a+noise {
		t.Errorf("p99 went from %v to %v", a, b)
	}
}

// checking uses the token as long as it should, at most so often, and returns how long each
// use took. Each must be a 200.
func (s *server) checking(t *testing.T, access string, on func() bool, most int) (took []time.Duration) {
	t.Helper()
	for len(took) < most && on() {
		begin := time.Now()
		code, _ := s.status(t, "GET", "/symbolon/verify/samples", access, "")
		took = append(took, time.Since(begin))
		if code != 200 {
			t.Fatalf("checking a token: %d", code)
		}
	}
	return took
}

func quantile(times []time.Duration, q float64) time.Duration {
	slices.Sort(times)
	if len(times) == 0 {
		return 0
	}
	return times[int(q*float64(len(times)-1))]
}
