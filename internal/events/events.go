// Package events streams the feed to servers that check tokens without calling us (server-sent events, HTML standard
// §9.2): what makes tokens worse, numbered, a moment after it happened.
//
// A stream can be continued from a number (Last-Event-ID), and says event: reset where it cannot. Each event has the
// next number but heartbeats, which repeat the last one: so a hole shows. A server that has no news itself says so and
// closes the stream.
package events

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// Source is the feed. NewsSince and Place are as those of token.Engine.
type Source interface {
	NewsSince(ctx context.Context, p token.Position, limit int) (token.News, error)
	Place(grant int64) token.StatusRef
}

const (
	// maxStreams bounds the streams at one time.
	maxStreams = 256
	// batch is how many entries are read at a time.
	batch = 500
	// writeTime is how long a follower may take to read what he is sent before he is left.
	writeTime = 10 * time.Second
)

// Stream is the handler of the stream. All fields are set before the first request.
type Stream struct {
	Source Source
	// Key is the SHA-256 of the secret that followers present as bearer; the zero value lets nobody in.
	Key [sha256.Size]byte
	// Beat is the longest silence: then comes a heartbeat.
	Beat time.Duration
	// Stop, when closed, ends all streams.
	Stop <-chan struct{}
	// Addr is the client's address, for the log.
	Addr func(*http.Request) netip.Addr
	Log  *slog.Logger

	open atomic.Int64
}

// ServeHTTP answers GET with a stream; without the credential it says 401, or 403 where there is none to have.
func (s *Stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status := s.refusal(r); status != 0 {
		refuse(w, status)
		return
	}
	if s.open.Add(1) > maxStreams {
		s.open.Add(-1)
		refuse(w, http.StatusServiceUnavailable)
		return
	}
	defer s.open.Add(-1)
	log := s.Log.With("route", r.Pattern, "addr", s.Addr(r).String())
	start := time.Now()
	log.Info("an event stream begins")
	f := &follower{s: s, w: w, control: http.NewResponseController(w)}
	err := f.follow(r.Context(), r.Header.Get("Last-Event-ID"))
	log.Info("an event stream ends", "sent", f.sent, "seconds", int(time.Since(start).Seconds()), "because", fmt.Sprint(err))
}

// refusal is the status for who gets no stream, 0 for who does.
func (s *Stream) refusal(r *http.Request) int {
	if r.Method != http.MethodGet {
		return http.StatusMethodNotAllowed
	}
	if s.Key == ([sha256.Size]byte{}) {
		return http.StatusForbidden
	}
	kind, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(secret))
	if !strings.EqualFold(kind, "Bearer") || subtle.ConstantTimeCompare(sum[:], s.Key[:]) != 1 {
		return http.StatusUnauthorized
	}
	return 0
}

func refuse(w http.ResponseWriter, status int) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/problem+json")
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusMethodNotAllowed:
		h.Set("Allow", "GET")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	// Whoever is gone before the refusal misses nothing.
	_, _ = w.Write(httpio.JSON(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
	}{http.StatusText(status), status}))
}

// follower is one stream.
type follower struct {
	s       *Stream
	w       http.ResponseWriter
	control *http.ResponseController
	at      token.Position
	sent    int
}

var (
	errStopped = errors.New("the server stops")
	errNoNews  = errors.New("this server has no news itself")
)

// follow sends what there is until somebody ends it.
func (f *follower) follow(ctx context.Context, last string) error {
	if err := f.begin(ctx, last); err != nil {
		return err
	}
	beat := time.NewTicker(f.s.Beat)
	defer beat.Stop()
	for due := false; ; {
		news, err := f.news(ctx)
		switch {
		case err != nil:
		case len(news.Entries) > 0:
			err = f.entries(news)
		case due:
			due, err = false, f.beat(news)
		}
		if err != nil {
			return err
		}
		if len(news.Entries) == batch {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.s.Stop:
			return errStopped
		case <-news.More:
		case <-beat.C:
			due = true
		}
	}
}

// begin sends the header and where the stream stands: where the follower was, or at the head.
func (f *follower) begin(ctx context.Context, last string) error {
	head, err := f.s.Source.NewsSince(ctx, token.Position{}, batch)
	if err != nil && !errors.Is(err, token.ErrNoPosition) {
		refuse(f.w, http.StatusServiceUnavailable)
		return err
	}
	h := f.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	h.Set("X-Content-Type-Options", "nosniff")
	f.w.WriteHeader(http.StatusOK)
	if last == "" {
		f.at = head.Head
		return f.beat(head)
	}
	f.at = parse(last)
	return f.flush(nil) // the header, though there may be nothing to tell yet
}

// position is how an event's number is written.
var position = regexp.MustCompile(`^([0-9]{1,18}):([0-9]{1,18})$`)

// parse gives a number that is none a position that is none.
func parse(id string) token.Position {
	m := position.FindStringSubmatch(id)
	if m == nil {
		return token.Position{Epoch: -1}
	}
	// Eighteen digits always fit.
	epoch, _ := strconv.ParseInt(m[1], 10, 64)
	seq, _ := strconv.ParseInt(m[2], 10, 64)
	return token.Position{Epoch: epoch, Seq: seq}
}

// news asks for what follows. A position that the feed does not go on from is said and left behind.
func (f *follower) news(ctx context.Context) (token.News, error) {
	news, err := f.s.Source.NewsSince(ctx, f.at, batch)
	switch {
	case errors.Is(err, token.ErrNoPosition):
		f.at = news.Head
		if err := f.send("reset", "{}"); err != nil {
			return token.News{}, err
		}
		return f.s.Source.NewsSince(ctx, f.at, batch)
	case err != nil:
		if sent := f.send("stale", "{}"); sent != nil {
			return token.News{}, sent
		}
		return token.News{}, errNoNews
	}
	return news, nil
}

// beat tells that there is nothing more, and how long ago this server knew that.
func (f *follower) beat(news token.News) error {
	return f.send("heartbeat", fmt.Sprintf(`{"age_ms":%d}`, max(0, news.Age.Milliseconds())))
}

func (f *follower) entries(news token.News) error {
	var b bytes.Buffer
	for _, x := range news.Entries {
		f.at.Seq = x.Seq
		name, data := f.describe(x)
		write(&b, f.at, name, string(httpio.JSON(data)))
	}
	f.sent += len(news.Entries)
	return f.flush(b.Bytes())
}

// describe words an entry. One that changes nothing for who checks tokens elsewhere is sent without its content, so
// that no number is missing.
func (f *follower) describe(x token.Entry) (name string, data any) {
	switch x.Kind {
	case token.EntryGrant:
		return "grant", struct {
			Grant   int64           `json:"grant"`
			Service string          `json:"service"`
			List    token.StatusRef `json:"status_list"`
		}{x.Grant, x.Service, f.s.Source.Place(x.Grant)}
	case token.EntryNotBefore:
		return "not_before", struct {
			Service string `json:"service"`
			At      int64  `json:"at"`
		}{x.Service, x.At.Unix()}
	case token.EntryCutoff:
		return "cutoff", struct {
			Service string `json:"service"`
			Name    string `json:"name"`
			At      int64  `json:"at"`
			Until   int64  `json:"until"`
		}{x.Service, x.Name, x.At.Unix(), x.Until.Unix()}
	case token.EntryKeys:
		return "keys", struct {
			Service string `json:"service"`
		}{x.Service}
	}
	return "other", struct{}{}
}

func (f *follower) send(name, data string) error {
	var b bytes.Buffer
	write(&b, f.at, name, data)
	return f.flush(b.Bytes())
}

func write(b *bytes.Buffer, at token.Position, name, data string) {
	fmt.Fprintf(b, "event: %s\nid: %s\ndata: %s\n\n", name, at, data)
}

// flush gives up on a follower who does not read. The deadline is the socket's, in the machine's time.
func (f *follower) flush(text []byte) error {
	if err := f.control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("setting a deadline: %w", err)
	}
	if _, err := f.w.Write(text); err != nil {
		return fmt.Errorf("writing events: %w", err)
	}
	if err := f.control.Flush(); err != nil {
		return fmt.Errorf("flushing events: %w", err)
	}
	return nil
}
