package events

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/token"
)

const secret = "a-secret-of-the-verifiers"

// source is a feed of epoch 3 that a test writes; the first entries have been purged.
type source struct {
	mu      sync.Mutex
	first   int64
	entries []token.Entry
	stale   error
	more    chan struct{}
}

func (s *source) NewsSince(_ context.Context, p token.Position, limit int) (token.News, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	head := token.Position{Epoch: 3, Seq: s.first + int64(len(s.entries)) - 1}
	n := token.News{Head: head, Age: 20 * time.Millisecond, More: s.more}
	switch {
	case s.stale != nil:
		return n, s.stale
	case p.Epoch != 3 || p.Seq > head.Seq || p.Seq < s.first-1:
		return n, token.ErrNoPosition
	}
	n.Entries = s.entries[p.Seq-s.first+1:]
	n.Entries = n.Entries[:min(limit, len(n.Entries))]
	return n, nil
}

func (*source) Place(grant int64) token.StatusRef {
	return token.StatusRef{Index: grant + 1000, URI: "https://t.example/symbolon/status/0"}
}

func (s *source) add(entries ...token.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range entries {
		x.Seq = s.first + int64(len(s.entries))
		s.entries = append(s.entries, x)
	}
	close(s.more)
	s.more = make(chan struct{})
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stale = err
	close(s.more)
	s.more = make(chan struct{})
}

type fixture struct {
	*testing.T
	source *source
	stream *Stream
	stop   chan struct{}
	server *httptest.Server
}

func newFixture(t *testing.T, beat time.Duration) *fixture {
	f := &fixture{T: t, source: &source{first: 41, more: make(chan struct{})}, stop: make(chan struct{})}
	f.stream = &Stream{Source: f.source, Key: sha256.Sum256([]byte(secret)), Beat: beat, Stop: f.stop,
		Addr: func(*http.Request) netip.Addr { return netip.Addr{} }, Log: slog.New(slog.DiscardHandler)}
	f.server = httptest.NewServer(f.stream)
	t.Cleanup(f.server.Close)
	return f
}

func (f *fixture) get(headers ...string) *http.Response {
	f.Helper()
	r, err := http.NewRequestWithContext(f.Context(), http.MethodGet, f.server.URL, nil)
	if err != nil {
		f.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { resp.Body.Close() })
	return resp
}

// reader reads one stream's events, each as one line.
type reader struct {
	f     *fixture
	lines *bufio.Scanner
}

func (f *fixture) follow(last string) *reader {
	f.Helper()
	headers := []string{"Authorization", "Bearer " + secret}
	if last != "" {
		headers = append(headers, "Last-Event-ID", last)
	}
	resp := f.get(headers...)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		f.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	return &reader{f, bufio.NewScanner(resp.Body)}
}

// next is the next event, "" at the end.
func (r *reader) next() string {
	var parts []string
	for r.lines.Scan() {
		if r.lines.Text() == "" {
			return strings.Join(parts, " ")
		}
		parts = append(parts, r.lines.Text())
	}
	return ""
}

func (r *reader) want(events ...string) {
	r.f.Helper()
	for _, want := range events {
		if diff := cmp.Diff(want, r.next()); diff != "" {
			r.f.Fatalf("event (-want +got):\n%s", diff)
		}
	}
}

func TestStream(t *testing.T) {
	f := newFixture(t, time.Hour)
	f.source.add(token.Entry{Kind: token.EntryGrant, Grant: 6})
	at := time.Unix(1000, 0)
	r := f.follow("")
	r.want(`event: heartbeat id: 3:41 data: {"age_ms":20}`)
	f.source.add(token.Entry{Kind: token.EntryGrant, Grant: 7, Service: "samples"}, token.Entry{Kind: token.EntryStale, Grant: 8})
	f.source.add(token.Entry{Kind: token.EntryNotBefore, Service: "samples", At: at}, token.Entry{Kind: token.EntryKeys, Service: "ecology"},
		token.Entry{Kind: token.EntryCutoff, Service: "ecology", Name: "uid=a\nb", At: at, Until: at.Add(time.Hour)})
	r.want(`event: grant id: 3:42 data: {"grant":7,"service":"samples","status_list":{"idx":1007,"uri":"https://t.example/symbolon/status/0"}}`,
		`event: other id: 3:43 data: {}`,
		`event: not_before id: 3:44 data: {"service":"samples","at":1000}`,
		`event: keys id: 3:45 data: {"service":"ecology"}`,
		`event: cutoff id: 3:46 data: {"service":"ecology","name":"uid=a\nb","at":1000,"until":4600}`)
}

func TestStreamGoesOnFromANumber(t *testing.T) {
	f := newFixture(t, time.Hour)
	for i := range int64(2*batch + 10) {
		f.source.add(token.Entry{Kind: token.EntryGrant, Grant: 100 + i})
	}
	r := f.follow("3:40")
	for i := range int64(2*batch + 10) {
		at := token.Position{Epoch: 3, Seq: 41 + i}
		if got := r.next(); !strings.HasPrefix(got, "event: grant id: "+at.String()+" ") {
			t.Fatalf("event %d is %s", i, got)
		}
	}
}

func TestReset(t *testing.T) {
	f := newFixture(t, time.Hour)
	f.source.add(token.Entry{Kind: token.EntryGrant, Grant: 7})
	for _, last := range []string{"3:39", "3:42", "2:41", "4:41", "x", "3", "-3:41", "3:41 ", "999999999999999999:1", "3:1e1"} {
		r := f.follow(last)
		if last == "3:41 " { // HTTP itself trims it
			continue
		}
		r.want(`event: reset id: 3:41 data: {}`)
	}
	r := f.follow("2:1")
	r.want(`event: reset id: 3:41 data: {}`)
	f.source.add(token.Entry{Kind: token.EntryKeys})
	r.want(`event: keys id: 3:42 data: {"service":""}`)
}

func TestHeartbeats(t *testing.T) {
	f := newFixture(t, 5*time.Millisecond)
	f.source.add(token.Entry{Kind: token.EntryGrant, Grant: 7})
	r := f.follow("3:41")
	r.want(`event: heartbeat id: 3:41 data: {"age_ms":20}`, `event: heartbeat id: 3:41 data: {"age_ms":20}`)
}

// TestNoNewsEndsTheStream: a follower must not take silence for good news.
func TestNoNewsEndsTheStream(t *testing.T) {
	f := newFixture(t, time.Hour)
	r := f.follow("")
	r.want(`event: heartbeat id: 3:40 data: {"age_ms":20}`)
	f.source.fail(errors.New("no news"))
	r.want(`event: stale id: 3:40 data: {}`, "")
	if resp := f.get("Authorization", "Bearer "+secret); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

func TestStopEndsTheStreams(t *testing.T) {
	f := newFixture(t, time.Hour)
	r := f.follow("")
	r.next()
	close(f.stop)
	r.want("")
}

func TestRefused(t *testing.T) {
	f := newFixture(t, time.Hour)
	for name, headers := range map[string][]string{
		"nothing":     nil,
		"another":     {"Authorization", "Bearer " + secret + "x"},
		"a part":      {"Authorization", "Bearer " + secret[1:]},
		"another way": {"Authorization", "Basic " + secret},
		"empty":       {"Authorization", "Bearer "},
	} {
		if resp := f.get(headers...); resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: %d %v", name, resp.StatusCode, resp.Header)
		}
	}
	resp, err := http.Post(f.server.URL, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET" {
		t.Errorf("POST: %d", resp.StatusCode)
	}
	f.stream.Key = [32]byte{}
	if resp := f.get("Authorization", "Bearer "); resp.StatusCode != 403 {
		t.Errorf("without a secret in the configuration: %d", resp.StatusCode)
	}
}

func TestTooManyStreams(t *testing.T) {
	f := newFixture(t, time.Hour)
	f.stream.open.Store(maxStreams)
	if resp := f.get("Authorization", "Bearer "+secret); resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "5" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	f.stream.open.Store(maxStreams - 1)
	f.follow("").next()
}
