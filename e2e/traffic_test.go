//go:build e2e

package e2e

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// traffic is clients that rotate, verify and revoke at all servers of a cluster until they are told to end.
type traffic struct {
	c     *cluster
	all   []*story
	begin time.Time
	ended chan struct{}
	work  sync.WaitGroup
}

// startTraffic gives each of so many grants two clients.
func startTraffic(c *cluster, grants int) *traffic {
	c.t.Helper()
	seed := uint64(time.Now().UnixNano())
	c.t.Logf("seed %d", seed)
	l := &traffic{c: c, ended: make(chan struct{})}
	for i := range grants {
		name := "load-" + strconv.Itoa(i)
		access, refresh := c.pair(name)
		l.all = append(l.all, &story{name: name, newest: refresh, access: []string{access}, tokens: map[int64]string{0: refresh}})
	}
	l.begin = time.Now()
	for i := range 2 * grants {
		l.work.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for l.goesOn(c.t) {
				l.all[i%grants].play(c.t, c, c.any(r), r, i, l.begin)
			}
		})
	}
	return l
}

func (l *traffic) goesOn(t *testing.T) bool {
	select {
	case <-l.ended:
		return false
	default:
		return !t.Failed()
	}
}

// disable ends the grant of a story that was not chosen before.
func (l *traffic) disable(i int) { l.all[i].disable(l.c, l.begin) }

// end waits for the clients and wants the history of each grant to be one of one line: at most one live successor, no
// acknowledged rotation lost, nothing good refused, nothing ended revived.
func (l *traffic) end() (calls, unknown int) {
	t := l.c.t
	t.Helper()
	close(l.ended)
	l.work.Wait()
	for _, s := range l.all {
		for _, op := range s.history {
			calls++
			if op.Output.(result).unknown {
				unknown++
			}
		}
		if got := porcupine.CheckOperationsTimeout(stories.ToModel(), s.history, 20*time.Second); got != porcupine.Ok {
			t.Errorf("the history of %s, %d calls: %v", s.name, len(s.history), got)
		}
	}
	if calls < 10*len(l.all) {
		t.Errorf("%d calls: too little happened, the run shows nothing", calls)
	}
	l.c.endsHold(l.all)
	return calls, unknown
}
