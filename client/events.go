package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// position is a place in the server's feed of revocations: a number within an epoch.
type position struct{ epoch, seq int64 }

// parsePosition reads EPOCH:SEQ.
func parsePosition(text string) (position, bool) {
	epoch, seq, ok := strings.Cut(text, ":")
	e, err1 := strconv.ParseInt(epoch, 10, 64)
	s, err2 := strconv.ParseInt(seq, 10, 64)
	return position{e, s}, ok && err1 == nil && err2 == nil && e >= 0 && s >= 0
}

func (p position) String() string { return fmt.Sprintf("%d:%d", p.epoch, p.seq) }

const (
	maxEventLine = 64 << 10
	// silence is how long a stream may say nothing before it is taken for dead.
	silence = 45 * time.Second
)

// events follows the server's event stream. It only ever makes tokens worse: a grant that has ended is refused at once,
// and everything else that happens has the lists fetched, which alone say that a token is good.
type events struct {
	v       *Verifier
	address string
	secret  string
	client  *http.Client

	last    position                 // only the goroutine of run reads and writes it
	seen    atomic.Pointer[position] // newest that the lists should contain; nil at first
	recent  atomic.Pointer[sync.Map] // :: grant → true, those that have ended
	before  atomic.Pointer[sync.Map] // the same, of the time before turned
	turned  time.Time
	longest atomic.Int64 // ttl of any list
}

func newEvents(v *Verifier, address, secret string) *events {
	own := *v.client
	own.Timeout = 0 // a stream does not end
	e := &events{v: v, address: address, secret: secret, client: &own, turned: time.Now()}
	e.recent.Store(new(sync.Map))
	e.before.Store(new(sync.Map))
	return e
}

// hasEnded reports whether the stream has told that the token's grant ended.
func (e *events) hasEnded(c *Claims) bool {
	if _, ended := e.recent.Load().Load(c.Grant); ended {
		return true
	}
	_, ended := e.before.Load().Load(c.Grant)
	return ended
}

// ahead reports whether the stream has told of more than is in the list. Without a stream it has not.
func (e *events) ahead(l *statusList) bool {
	if e == nil {
		return false
	}
	p := e.seen.Load()
	return p != nil && (p.epoch != l.feed.epoch || p.seq > l.feed.seq)
}

// run keeps a connection until ctx ends.
func (e *events) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		begin := time.Now()
		err := e.connect(ctx)
		if time.Since(begin) > longestWait {
			failures = 0
		}
		failures++
		if ctx.Err() == nil {
			e.v.log.WarnContext(ctx, "checking tokens: the event stream broke; the lists go on", "service", e.v.service, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(backoff(failures), longestWait)):
		}
	}
}

// connect reads one connection to its end, which is always an error.
func (e *events) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+e.secret)
	if e.last != (position{}) {
		req.Header.Set("Last-Event-ID", e.last.String())
	}
	watch := time.AfterFunc(silence, cancel)
	defer watch.Stop()
	resp, err := e.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if got, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); resp.StatusCode != http.StatusOK || got != "text/event-stream" {
		return fmt.Errorf("%s answered %d", e.address, resp.StatusCode)
	}
	return e.read(resp.Body, func() { watch.Reset(silence) })
}

// event is one of a stream (HTML standard §9.2).
type event struct{ id, name, data string }

// read takes the events of a stream until it breaks; alive is called for each sign of life.
func (e *events) read(stream io.Reader, alive func()) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(make([]byte, 0, 4<<10), maxEventLine)
	var next event
	for lines.Scan() {
		alive()
		line := lines.Text()
		if line == "" {
			if err := e.take(next); err != nil {
				return err
			}
			next = event{}
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			next.id = value
		case "event":
			next.name = value
		case "data":
			if len(next.data)+len(value) > maxEventLine {
				return errors.New("an event is too long")
			}
			next.data += value
		}
	}
	return errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}

// take believes one event: its number must be the next.
func (e *events) take(x event) error {
	if x == (event{}) {
		return nil // a comment
	}
	at, ok := parsePosition(x.id)
	if !ok {
		return errors.New("an event has no position")
	}
	last := e.last
	e.last = at
	switch {
	case x.name == "heartbeat" && at == last:
	case at != (position{last.epoch, last.seq + 1}): // the first, a reset, or one before it was skipped
		e.lookAnew(at)
	case x.name == "other": // of no concern to who checks tokens
	case x.name == "grant":
		e.end(x.data, at)
	default: // not_before, keys, or what we do not know
		e.lookAnew(at)
	}
	return nil
}

// end refuses a grant from now on.
func (e *events) end(data string, at position) {
	o, err := parseObject([]byte(data), "grant")
	if grant, ok := o.integer("grant"); err == nil && ok {
		e.turn()
		e.recent.Load().Store(grant, true)
		e.seen.Store(&at)
		return
	}
	e.lookAnew(at)
}

// turn forgets grants that every list which is still believed has.
func (e *events) turn() {
	if keep := time.Duration(e.longest.Load()) + listSlack; keep > listSlack && time.Since(e.turned) > keep {
		e.before.Store(e.recent.Swap(new(sync.Map)))
		e.turned = time.Now()
	}
}

// lookAnew has the keys fetched, and the lists until they contain what the stream has told.
func (e *events) lookAnew(at position) {
	e.seen.Store(&at)
	e.v.keys.hurry()
	for _, f := range *e.v.known.Load() {
		f.hurry()
	}
}

// learn takes note of how long lists are believed.
func (e *events) learn(l *statusList) {
	if e != nil && int64(l.ttl) > e.longest.Load() {
		e.longest.Store(int64(l.ttl))
	}
}
