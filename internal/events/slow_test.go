package events

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"symbolon/internal/token"
)

// stuck is a connection whose other end does not read: what is written after room bytes waits until the deadline.
type stuck struct {
	*httptest.ResponseRecorder
	room     int
	deadline time.Time
}

func (s *stuck) SetWriteDeadline(t time.Time) error {
	s.deadline = t
	return nil
}

func (s *stuck) FlushError() error { return nil }

func (s *stuck) Write(text []byte) (int, error) {
	if s.room -= len(text); s.room >= 0 {
		return s.ResponseRecorder.Write(text)
	}
	if wait := time.Until(s.deadline); wait <= 0 || wait > writeTime {
		panic("a write would wait for ever, or for longer than it may")
	}
	return 0, os.ErrDeadlineExceeded
}

// A follower who does not read is given up, and its place is free again.
func TestSlowFollowerIsGivenUp(t *testing.T) {
	f := newFixture(t, time.Hour)
	for range 200 {
		f.source.add(token.Entry{Kind: token.EntryGrant, Grant: 7, Service: "samples"})
	}
	for range maxStreams + 1 {
		w := &stuck{ResponseRecorder: httptest.NewRecorder(), room: 4 << 10}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/symbolon/events", nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		r.Header.Set("Last-Event-ID", "3:40")
		f.stream.ServeHTTP(w, r) // returns, or the test hangs
		if w.Code != http.StatusOK || w.room >= 0 {
			t.Fatalf("got %d, room for %d: %.200s", w.Code, w.room, w.Body.String())
		}
	}
	if n := f.stream.open.Load(); n != 0 {
		t.Errorf("%d streams are counted as open", n)
	}
}
