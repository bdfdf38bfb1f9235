package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"symbolon/internal/token"
)

const (
	mostTogether = 64              // rotations in one statement
	patience     = 4 * time.Second // until a rotation that was not sent gives up
	mostWait     = 5 * time.Second // until every rotation has an outcome, if only that it is not known
)

// together makes rotations share statements. One is on its way at a time, and those that come meanwhile are the next: the
// busier it is, the more of them one round trip and one flush are for, and one that comes alone waits for nobody.
type together struct {
	send func([]*rotation) // sets the outcome of each

	mu      sync.Mutex
	waiting []*rotation
	sending bool
}

// rotation is one that waits for its outcome.
type rotation struct {
	token.RotateVerb
	until time.Time
	done  chan struct{} // closed when what follows is set
	moved token.Grant
	err   error
}

var errStuck = fmt.Errorf("%w: the rotations before this one have not ended for %s", ErrUnavailable, patience)

// rotate waits for the outcome. The end of ctx, and patience, withdraw a rotation that has not been sent.
func (t *together) rotate(ctx context.Context, rv token.RotateVerb) (token.Grant, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errStuck)
	defer cancel()
	r := &rotation{RotateVerb: rv, until: time.Now().Add(mostWait), done: make(chan struct{})}
	if t.join(r) {
		go t.run()
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if t.withdraw(r) {
			return token.Grant{}, fmt.Errorf("waiting to write: %w", context.Cause(ctx))
		}
		<-r.done
	}
	return r.moved, r.err
}

// join reports whether nobody sends yet.
func (t *together) join(r *rotation) (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = append(t.waiting, r)
	first = !t.sending
	t.sending = true
	return first
}

func (t *together) withdraw(r *rotation) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiting, r)
	if i < 0 {
		return false
	}
	t.waiting = slices.Delete(t.waiting, i, i+1)
	return true
}

// run sends until nobody waits.
func (t *together) run() {
	for batch := t.take(); batch != nil; batch = t.take() {
		t.send(batch)
		for _, r := range batch {
			close(r.done)
		}
	}
}

func (t *together) take() []*rotation {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sending = len(t.waiting) > 0; !t.sending {
		return nil
	}
	n := min(len(t.waiting), mostTogether)
	batch := slices.Clone(t.waiting[:n])
	t.waiting = slices.Delete(t.waiting, 0, n)
	return batch
}

// rotateGrants is rotateGrant for many. It waits for no lock, so that no grant holds up the others: one that another verb has
// in its hands counts as not moved. What is always true of p makes the planner expect one row, as it would for so few if
// it looked: else it would plan each time anew, which takes as long as all the rest.
var rotateGrants = `WITH p AS MATERIALIZED (
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bytea[], $8::text[])
			WITH ORDINALITY AS p(p_id, p_nonce, p_generation, p_service, p_now, p_end, p_retry, p_addr, p_place) WHERE p_id > 0 AND p_end > 0),
	free AS MATERIALIZED (SELECT id AS free FROM grants JOIN p ON id = p_id FOR NO KEY UPDATE OF grants SKIP LOCKED)
	` + moving("FROM p JOIN free ON free = p_id", "p_id", "p_nonce", "p_generation", "p_service", "p_now", "p_end", "p_retry", "p_addr", "$9") + ", p_place"

// rotateTogether runs the statement and sets the outcome of each: errNotMoved for every one that moved nothing. Of two with one
// grant and generation one moves it.
func (s *Store) rotateTogether(batch []*rotation) {
	moved, err := s.moveAll(batch)
	for i, r := range batch {
		g, ok := moved[int64(i)+1]
		switch {
		case err != nil:
			r.err = fmt.Errorf("moving to next generation: %w", err)
		case !ok:
			r.err = errNotMoved
		default:
			r.moved = g
		}
	}
}

// moveAll returns the grants that moved, by the place, from 1 on, of the rotation that moved them.
func (s *Store) moveAll(batch []*rotation) (map[int64]token.Grant, error) {
	var ids, nonces, generations, nows, ends []int64
	var services, addrs []string
	var retries [][]byte
	for _, r := range batch {
		now, end := moveTimes(r.RotateVerb)
		ids, nonces, generations = append(ids, r.Grant), append(nonces, r.Nonce), append(generations, r.Generation)
		nows, ends = append(nows, now), append(ends, end)
		services, addrs, retries = append(services, r.Service), append(addrs, r.By.Addr), append(retries, r.RetryKey)
	}
	moved := map[int64]token.Grant{}
	// No client's going away may end what others wait for. The first has waited longest.
	ctx, cancel := context.WithDeadline(context.Background(), batch[0].until)
	defer cancel()
	err := s.db.(remote).WriteOne(ctx, func(tx Tx) error {
		clear(moved)
		return each(tx, func(row scanner) error {
			var place int64
			g, err := scanGrant(beside{row, []any{&place}})
			moved[place] = g
			return err
		}, rotateGrants, ids, nonces, generations, services, nows, ends, retries, addrs, idOrNull(s.run.Load()))
	})
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return moved, err
}
