//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	killWorkers   = 6
	killsAtLeast  = 24
	killRotations = 1000
	killPatience  = 2 * time.Minute
	killWindow    = time.Second // the replay window, so short that it explains nothing
)

// chain is one grant as its client sees it.
type chain struct {
	tokens []string // :: generation → acknowledged refresh token
	broken bool     // the last request was sent and got no answer
}

// tally is what the workers did together.
type tally struct {
	rotations, broken, healed, same, ancestors int
}

// killWorker is one client; it belongs to one goroutine at a time.
type killWorker struct {
	t       *testing.T
	rng     *rand.Rand
	key     string
	chain   chain
	retired []chain // left alive, and looked at again at the end
	tally
}

// TestKill ends the server with SIGKILL at random moments under rotations. No
// rotation that a client saw is lost, no ancestor comes back to life, and a client
// whose answer was lost gets the very pair that was made for it.
func TestKill(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	s := startDev(t, dir)
	workers := killTeam(t, s, seed)
	if code := s.stop(t); code != 0 {
		t.Fatalf("stopping ended with %d", code)
	}
	configure(t, dir, "replay_window: 1m", "replay_window: "+killWindow.String())

	begin, kills := time.Now(), 0
	var killed time.Time
	for ; kills < killsAtLeast || sum(workers).rotations < killRotations; kills++ {
		if t.Failed() || time.Since(begin) > killPatience {
			t.Fatalf("after %d kills and %s: %+v", kills, time.Since(begin), sum(workers))
		}
		s = restart(t, dir)
		later := kills%2 == 1 // then the window has passed before anyone asks again
		killed = killUnder(s, workers, killed, later, time.Duration(rng.IntN(120))*time.Millisecond)
	}
	s = restart(t, dir)
	for _, w := range workers {
		w.heal(s, killed, true)
		w.retired = append(w.retired, w.chain)
		for _, c := range w.retired {
			w.examine(s, c)
		}
	}
	total := sum(workers)
	t.Logf("%d kills, %s: %d rotations acknowledged, %d answers broken off, %d of those clients healed, "+
		"%d after the window by the same pair twice, %d ancestors refused", kills, time.Since(begin).Round(time.Second),
		total.rotations, total.broken, total.healed, total.same, total.ancestors)
	if total.broken != total.healed {
		t.Errorf("%d answers were broken off and %d clients healed", total.broken, total.healed)
	}
	if total.same == 0 {
		t.Error("no lost answer was asked for after the window: the run shows nothing of the crash rule")
	}
}

// killTeam gives each worker an account, an API key and a chain.
func killTeam(t *testing.T, s *server, seed uint64) []*killWorker {
	var workers []*killWorker
	for i := range killWorkers {
		name := "worker-" + strconv.Itoa(i)
		commandOn(t, s, 0, "account", "add", name)
		key := data[apikey](t, s, "apikey", "create", "--account", name, "--name", "e2e").Key
		w := &killWorker{t: t, rng: rand.New(rand.NewPCG(seed, uint64(i)+1)), key: key}
		w.begin(s)
		workers = append(workers, w)
	}
	return workers
}

func sum(workers []*killWorker) tally {
	var all tally
	for _, w := range workers {
		all.rotations += w.rotations
		all.broken += w.broken
		all.healed += w.healed
		all.same += w.same
		all.ancestors += w.ancestors
	}
	return all
}

// killUnder lets the workers rotate, kills the server under them a while after
// they have healed, and returns when that was.
func killUnder(s *server, workers []*killWorker, before time.Time, later bool, after time.Duration) time.Time {
	var healing, working sync.WaitGroup
	healing.Add(len(workers))
	for _, w := range workers {
		working.Go(func() {
			func() {
				defer healing.Done()
				w.heal(s, before, later)
				w.renew(s)
			}()
			for !w.t.Failed() && w.rotate(s) {
			}
		})
	}
	healing.Wait()
	time.Sleep(after)
	killed := time.Now()
	s.kill()
	working.Wait()
	return killed
}

func (w *killWorker) begin(s *server) {
	w.chain = chain{tokens: []string{s.pair(w.t, w.key).member("refresh")}}
}

func (c chain) newest() string { return c.tokens[len(c.tokens)-1] }

// rotate presents the newest token; false means that the server is gone.
func (w *killWorker) rotate(s *server) bool {
	r, err := s.refresh(w.chain.newest())
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return false
	case err != nil:
		w.chain.broken = true
		w.broken++
		return false
	case r.status != http.StatusOK:
		w.t.Errorf("the newest token of a chain of %d: %d %s", len(w.chain.tokens), r.status, r.body)
		return false
	}
	w.rotations++
	w.chain.tokens = append(w.chain.tokens, r.member("refresh"))
	return true
}

// heal asks once more for an answer that the last kill broke off. When the pair
// turns out to have been made before the kill, asking twice must give it twice.
func (w *killWorker) heal(s *server, killed time.Time, later bool) {
	if !w.chain.broken {
		return
	}
	w.chain.broken = false
	if later {
		time.Sleep(time.Until(killed.Add(killWindow + 200*time.Millisecond)))
	}
	r, err := s.refresh(w.chain.newest())
	if err != nil || r.status != http.StatusOK {
		w.t.Errorf("retrying after a lost answer: %d %s %v", r.status, r.body, err)
		return
	}
	w.healed++
	w.rotations++
	if later && madeBefore(w.t, r, killed) {
		again, err := s.refresh(w.chain.newest())
		if err != nil || again.status != http.StatusOK || again.body != r.body {
			w.t.Errorf("retrying twice after a lost answer gave\n%s and then\n%d %s %v", r.body, again.status, again.body, err)
		}
		w.same++
	}
	w.chain.tokens = append(w.chain.tokens, r.member("refresh"))
}

// madeBefore reports whether a pair was made before the server was killed. It is
// asked for pairs seen more than a second later, so that whole seconds suffice.
func madeBefore(t *testing.T, r reply, killed time.Time) bool {
	iat, ok := claims(t, r.member("refresh"))["iat"].(float64)
	if !ok {
		t.Errorf("a refresh token has no iat: %s", r.body)
	}
	return int64(iat) <= killed.Unix()
}

// renew now and then puts a chain aside, or ends it by presenting an ancestor.
func (w *killWorker) renew(s *server) {
	if w.t.Failed() || len(w.chain.tokens) < 4 {
		return
	}
	switch {
	case w.rng.IntN(3) == 0:
		w.examine(s, w.chain)
	case len(w.retired) < 2:
		w.retired = append(w.retired, w.chain)
	default:
		return
	}
	w.begin(s)
}

// examine shows that the newest token of a chain works, and that an ancestor does
// not and ends the chain, as the replay of a stolen token must.
func (w *killWorker) examine(s *server, c chain) {
	if len(c.tokens) < 3 {
		return
	}
	r, err := s.refresh(c.newest())
	if err != nil || r.status != http.StatusOK {
		w.t.Errorf("an acknowledged rotation is lost: generation %d gets %d %s %v", len(c.tokens)-1, r.status, r.body, err)
	}
	w.rotations++
	old := w.rng.IntN(len(c.tokens) - 1)
	for _, refused := range []struct{ what, token string }{
		{fmt.Sprintf("generation %d of %d", old, len(c.tokens)), c.tokens[old]},
		{"the successor of a chain that a replay has ended", r.member("refresh")},
	} {
		if got, err := s.refresh(refused.token); err != nil || got.status != http.StatusUnauthorized {
			w.t.Errorf("%s gets %d %s %v", refused.what, got.status, got.body, err)
		}
	}
	w.ancestors++
}
