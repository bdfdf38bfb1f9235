//go:build e2e

package e2e

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
)

// traffic is clients that rotate and verify at all servers of a cluster until they are told to end. Each has a grant of its
// own and asks again where it got no answer, so that no refusal is its own fault.
type traffic struct {
	c     *cluster
	all   []*story
	begin time.Time
	ended chan struct{}
	work  sync.WaitGroup

	unserved atomic.Int64 // verifications without an answer, or with 503

	mu     sync.Mutex
	ending map[*story]bool // by us
}

func startTraffic(c *cluster, name string, grants int) *traffic {
	c.t.Helper()
	seed := uint64(time.Now().UnixNano())
	c.t.Logf("seed %d", seed)
	l := &traffic{c: c, ended: make(chan struct{}), ending: map[*story]bool{}}
	for i := range grants {
		name := name + "-" + strconv.Itoa(i)
		access, refresh := c.pair(name)
		l.all = append(l.all, &story{name: name, newest: refresh, access: []string{access}, tokens: map[int64]string{0: refresh}})
	}
	l.begin = time.Now()
	for i, x := range l.all {
		l.work.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for l.goesOn() && l.turn(x, i, c.any(r)) {
				time.Sleep(time.Duration(r.IntN(10)) * time.Millisecond)
			}
		})
	}
	return l
}

func (l *traffic) goesOn() bool {
	select {
	case <-l.ended:
		return false
	default:
		return !l.c.t.Failed()
	}
}

func (l *traffic) endedByUs(x *story) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending[x]
}

// turn uses the newest pair and rotates it, at a server that is asked again until it answers or is gone. It reports whether
// the grant lives.
func (l *traffic) turn(x *story, i int, s *server) bool {
	t := l.c.t
	switch yes, other := s.accepts(x.access[len(x.access)-1]); {
	case yes:
	case other == "" && !l.endedByUs(x) && !l.mayExpire(x):
		t.Errorf("%s: its newest access token is refused", x.name)
	case other != "" && !strings.Contains(other, "connection refused"):
		l.unserved.Add(1)
		x.lost = append(x.lost, other)
	}
	token := x.newest
	for {
		over := x.over()
		last := x.refresh(t, s, i, token, l.begin)
		switch {
		case last.refused && !l.endedByUs(x):
			t.Errorf("%s: its newest refresh token is refused", x.name)
			return false
		case !last.unknown && !last.unsent && !last.refused && over:
			t.Errorf("%s: rotated although its end was acknowledged before", x.name)
		case last.refused:
			return false
		case last.unknown && l.goesOn() && s.running():
			time.Sleep(50 * time.Millisecond)
			continue
		}
		return true
	}
}

// over reports whether the end of the grant has been acknowledged.
func (x *story) over() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.ended.IsZero()
}

// mayExpire reports whether the newest access token has come to its end.
func (l *traffic) mayExpire(x *story) bool {
	return time.Now().Unix() >= int64(claims(l.c.t, x.access[len(x.access)-1])["exp"].(float64))
}

// disable ends the grant of a story that was not chosen before.
func (l *traffic) disable(i int) {
	x := l.all[i]
	l.mu.Lock()
	l.ending[x] = true
	l.mu.Unlock()
	x.disable(l.c, l.begin)
}

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
		if s.slowest > 5*time.Second+slack { // what a verb may take, which connecting is a part of
			t.Errorf("%s waited %s for an answer", s.name, s.slowest)
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
