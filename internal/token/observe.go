package token

import (
	"math/bits"
	"time"
)

// Observer is told what the engine does, for metrics. Its methods answer at once and may be called from many goroutines.
type Observer interface {
	// Verb is told of each verb: what came of it ("ok", or its code's name), and how long it took.
	Verb(name, result string, took time.Duration)
	// Replay is told of each refresh token that was not the present one.
	Replay(Outcome)
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Verb(string, string, time.Duration) {}
func (nobody) Replay(Outcome)                     {}

// done tells of a verb; it is deferred, and err is then what the verb returns.
func (e *Engine) done(verb string, begun time.Time, err *error) {
	result := "ok"
	if *err != nil {
		result = CodeOf(*err).String()
	}
	e.observer.Verb(verb, result, e.now().Sub(begun))
}

// News says how far this process has followed the feed, and when it last knew that there was no more; the zero time means
// that it does not vouch.
func (e *Engine) News() (seq int64, confirmed time.Time) {
	if c := e.news.confirmed.Load(); c != nil {
		return c.position.Seq, c.at
	}
	return 0, time.Time{}
}

// RevokedBits counts the grants that this process knows to be revoked.
func (e *Engine) RevokedBits() int {
	n := 0
	for _, b := range *e.ended.blocks.Load() {
		for i := range b {
			n += bits.OnesCount64(b[i].Load())
		}
	}
	return n
}
