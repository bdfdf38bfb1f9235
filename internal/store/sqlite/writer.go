package sqlite

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"symbolon/internal/store/sqlstore"
)

const (
	maxBatch = 128  // verbs in one transaction
	maxQueue = 4096 // verbs waiting for the writer; more wait to get into the queue
)

// writer is the one goroutine that changes the file. It never waits for company: a batch is whatever came while the one
// before it was being committed.
type writer struct {
	db      *DB
	session *session
	serve   bool
	queue   chan *job
	stopped chan struct{} // closed when run has returned
}

// job is one verb on its way. Whoever sets claimed decides: the writer, that it runs, or its caller, that it does not.
type job struct {
	ctx     context.Context
	fn      func(sqlstore.Tx) error
	claimed atomic.Bool
	refusal error      // the verb's own answer, held back until the batch is committed
	done    chan error // of capacity 1; written once, by the writer, if it has claimed the job
}

func newWriter(d *DB, s *session, serve bool) *writer {
	return &writer{db: d, session: s, serve: serve, queue: make(chan *job, maxQueue), stopped: make(chan struct{})}
}

func (w *writer) write(ctx context.Context, fn func(sqlstore.Tx) error) error {
	j := &job{ctx: ctx, fn: fn, done: make(chan error, 1)}
	select {
	case w.queue <- j:
	case <-ctx.Done():
	case <-w.stopped:
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		if j.claimed.CompareAndSwap(false, true) {
			return fmt.Errorf("waiting to write: %w", ctx.Err())
		}
	case <-w.stopped:
		if j.claimed.CompareAndSwap(false, true) {
			return w.db.unavailable(errClosed)
		}
	}
	return <-j.done
}

func (w *writer) run() {
	defer close(w.stopped)
	for !w.db.isClosed() {
		select {
		case <-w.db.closed:
		case j := <-w.queue:
			w.settle(w.collect(j))
		}
	}
}

// collect lets goroutines that are ready to run go first: clients just answered often come back at once, and their next
// verbs then share this batch's commit.
func (w *writer) collect(first *job) []*job {
	runtime.Gosched()
	batch := []*job{first}
	for len(batch) < maxBatch {
		select {
		case j := <-w.queue:
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// settle runs one batch and answers it: nobody is told anything before the COMMIT has returned.
func (w *writer) settle(waiting []*job) {
	jobs, err := w.batch(waiting)
	if err != nil {
		w.session.rollback()
		err = w.db.unavailable(err)
		w.db.log.Warn("write batch failed", "verbs", len(jobs), "error", err)
	}
	for _, j := range jobs {
		if err != nil {
			j.done <- err
		} else {
			j.done <- j.refusal
		}
	}
}

// batch runs the verbs that have not been withdrawn in one transaction and returns them; any error fails them all.
func (w *writer) batch(waiting []*job) ([]*job, error) {
	if w.serve {
		w.db.turn.yield()
	} else {
		if err := w.db.turn.take(); err != nil {
			return claim(waiting), err
		}
		defer w.db.turn.give()
	}
	err := w.session.begin(context.Background(), "BEGIN IMMEDIATE")
	jobs := claim(waiting)
	if err != nil {
		return jobs, err
	}
	for _, j := range jobs {
		if err := w.verb(j); err != nil {
			return jobs, err
		}
	}
	return jobs, w.session.commit()
}

// claim takes the jobs whose callers still want them; from then on a caller waits for the outcome.
func claim(waiting []*job) []*job {
	var jobs []*job
	for _, j := range waiting {
		if j.ctx.Err() == nil && j.claimed.CompareAndSwap(false, true) {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// verb runs one verb in a savepoint of its own; a refusal undoes that savepoint and is no error of the batch.
func (w *writer) verb(j *job) error {
	ctx := context.Background()
	if err := w.session.exec(ctx, "SAVEPOINT verb"); err != nil {
		return fmt.Errorf("setting savepoint: %w", err)
	}
	err := w.session.run(ctx, w.db.log, j.fn)
	if err != nil && !sqlstore.IsRefusal(err) {
		return err
	}
	if j.refusal = err; err != nil {
		if err := w.session.exec(ctx, "ROLLBACK TO verb"); err != nil {
			return fmt.Errorf("undoing refused verb: %w", err)
		}
	}
	if err := w.session.exec(ctx, "RELEASE verb"); err != nil {
		return fmt.Errorf("releasing savepoint: %w", err)
	}
	return nil
}
