// Package httpio stands between net/http and the dialects: it reads a whole request
// under limits, calls a handler that knows nothing of sockets, and writes the whole
// answer. It owns what every wire shares: the client's address, request ids, panics,
// answers known to be lost, the request log, form bodies, bearer headers and the
// encodings of answers. It knows no dialect, no engine and no store.
package httpio

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	defaultMaxBody = 1 << 20
	maxParams      = 64
	bodyTimeout    = 30 * time.Second
	lostTimeout    = 5 * time.Second
)

// Handler answers one request; it maps its own errors to Responses. The context is the
// request's and ends when the client goes away.
type Handler func(ctx context.Context, r *Request) Response

// Response is one whole answer. A Status outside 200-599, the zero value too, is sent
// as 500. A nil Content-Type stays absent: nothing is sniffed.
type Response struct {
	Status int
	Header http.Header // names in the canonical form of net/http; the adapter only reads it
	Body   []byte

	// Lost, if not nil, is called once, under a context of its own, when the answer
	// is known not to have reached the client. Not being called proves nothing.
	Lost func(context.Context)
}

// Adapter turns Handlers into http.Handlers. Its fields are set before the first
// request; Log is required, the others may be zero.
type Adapter struct {
	Log *slog.Logger

	// Trusted lists the peers whose X-Forwarded-For is believed; empty means none.
	Trusted []netip.Prefix

	// MaxBody is the largest request body in bytes; 0 means 1 MiB.
	MaxBody int64

	// Errors gives the dialect's answer for 400 (query or body cannot be read), 408
	// (body too slow), 413 and 500 (panic); nil means an empty body.
	Errors func(status int) Response

	// Now measures durations for the log; nil means time.Now.
	Now func() time.Time
}

// Handle wraps h: limits, reading, panics, lost answers, the log line. A panic with
// http.ErrAbortHandler passes through.
func (a *Adapter) Handle(h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := a.now()
		req, status := a.read(w, r)
		var resp Response
		if status == 0 {
			resp = a.call(r, h, req)
		} else {
			resp = a.failure(status)
		}
		a.finish(w, r, req, resp, start)
	})
}

// finish answers, and writes the line in the log.
func (a *Adapter) finish(w http.ResponseWriter, r *http.Request, req *Request, resp Response, start time.Time) {
	resp = sendable(resp)
	lost := a.answer(w, r, req, resp)
	a.logRequest(r, req, resp.Status, int64(len(resp.Body)), lost, start)
}

// Addr is the client's address, the zero Addr when the peer has none: for what cannot be a Handler.
func (a *Adapter) Addr(r *http.Request) netip.Addr {
	peer, _ := parseAddr(r.RemoteAddr)
	return clientAddr(peer, r.Header["X-Forwarded-For"], a.Trusted)
}

func (a *Adapter) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

func (a *Adapter) failure(status int) Response {
	if a.Errors == nil {
		return Response{Status: status}
	}
	return a.Errors(status)
}

// head makes a Request of what stands before the body, without the query.
func (a *Adapter) head(r *http.Request) *Request {
	peer, _ := parseAddr(r.RemoteAddr)
	req := &Request{
		Method:  strings.ToUpper(r.Method),
		Path:    r.URL.Path,
		Target:  r.RequestURI,
		Header:  r.Header,
		Addr:    clientAddr(peer, r.Header["X-Forwarded-For"], a.Trusted),
		Trusted: contains(a.Trusted, peer),
		Agent:   printable(r.UserAgent()),
		ID:      newID(),
		route:   r.Pattern,
		routed:  r,
	}
	if req.Method == http.MethodHead {
		req.Method = http.MethodGet
	}
	return req
}

// read makes the Request; a status other than 0 says why it cannot be handled.
func (a *Adapter) read(w http.ResponseWriter, r *http.Request) (*Request, int) {
	req := a.head(r)
	query, ok := parsePairs(r.URL.RawQuery, maxParams)
	if !ok {
		return req, http.StatusBadRequest
	}
	req.Query = query
	body, status := a.readBody(w, r)
	req.Body = body
	return req, status
}

// readBody reads to the end, so that net/http watches the connection while the
// handler runs.
func (a *Adapter) readBody(w http.ResponseWriter, r *http.Request) ([]byte, int) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, 0
	}
	limit := a.MaxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	// A socket's deadline is in the machine's time, whatever clock is injected. After
	// the body net/http lifts it. A writer that has no deadlines is fine.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return nil, bodyStatus(err)
	}
	return body, 0
}

func bodyStatus(err error) int {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	default:
		return http.StatusBadRequest
	}
}

func (a *Adapter) call(r *http.Request, h Handler, req *Request) (resp Response) {
	defer func() {
		if v := recover(); v != nil {
			a.logPanic(r, req, v)
			resp = a.failure(http.StatusInternalServerError)
		}
	}()
	return h(r.Context(), req)
}

// parsePairs reads a query or an urlencoded body without any leniency: bad escapes,
// semicolons and more than limit pairs are refused.
func parsePairs(raw string, limit int) (url.Values, bool) {
	if raw == "" {
		return nil, true
	}
	if strings.Count(raw, "&") >= limit {
		return nil, false
	}
	values, err := url.ParseQuery(raw)
	return values, err == nil
}

// newID is a number for logs. It need not be hard to guess: nobody is let in for knowing it.
func newID() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], rand.Uint64())
	return string(hex.AppendEncode(make([]byte, 0, 2*len(b)), b[:]))
}
