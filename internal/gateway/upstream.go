package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"symbolon/internal/httpio"
)

// upstream is the server behind.
type upstream struct {
	url       *url.URL
	timeout   time.Duration
	transport *http.Transport
	buffers   buffers
}

const (
	maxDial           = 10 * time.Second
	maxExpect         = 5 * time.Second
	maxResponseHeader = 256 << 10
	idleConnections   = 64
)

// newUpstream takes an origin. Whatever stands still for timeout ends: the beginning of an answer, and each
// write to the server or to the client. There is no limit to the whole.
func newUpstream(origin string, timeout time.Duration) *upstream {
	at, err := url.Parse(origin)
	if err != nil {
		panic("gateway: an upstream that was not checked")
	}
	dialer := &net.Dialer{Timeout: min(timeout, maxDial)}
	return &upstream{url: at, timeout: timeout, transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &moving{c, timeout}, nil
		},
		TLSHandshakeTimeout:    min(timeout, maxDial),
		ResponseHeaderTimeout:  timeout,
		ExpectContinueTimeout:  min(timeout, maxExpect),
		MaxResponseHeaderBytes: maxResponseHeader,
		MaxIdleConnsPerHost:    idleConnections,
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true, // an answer goes on as it is
	}}
}

// moving is a connection none of whose writes may stand still.
type moving struct {
	net.Conn
	timeout time.Duration
}

// Write writes p or fails after the timeout.
func (c *moving) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// buffers are those that bodies are copied through.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

// Get returns a buffer that no one else has.
func (b *buffers) Get() []byte {
	if v, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return v[:]
	}
	return make([]byte, bufferSize)
}

// Put takes a buffer of Get back.
func (b *buffers) Put(p []byte) { b.pool.Put((*[bufferSize]byte)(p)) }

// Protects reports whether a server stands behind this gate.
func (g *Gate) Protects() bool { return g.proxy != nil }

// Pass decides about a request to the server behind, and hands it on.
func (g *Gate) Pass(r *http.Request, req *httpio.Request) (httpio.Response, http.Handler) {
	ctx := r.Context()
	t, err := parseTarget(req.Target)
	if err != nil || r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return g.dialect.Failed(http.StatusBadRequest), nil
	}
	asked, err := g.rule(req.Method, t.path)
	if err != nil {
		return g.refused(ctx, req, err, httpio.Credential{}), nil
	}
	if err := g.aim(req, t); err != nil {
		return g.refused(ctx, req, err, httpio.Credential{}), nil
	}
	v, err := g.decide(ctx, req, asked)
	if err != nil {
		return g.refused(ctx, req, err, v.credential), nil
	}
	identity, err := g.onward(ctx, r.Header, v)
	if err != nil {
		return g.refused(ctx, req, err, v.credential), nil
	}
	return httpio.Response{}, g.handOn(req, t, identity)
}

// handOn is the proxy for one request that may go on.
func (g *Gate) handOn(req *httpio.Request, t target, onward http.Header) http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport:     g.proxy.transport,
		BufferPool:    &g.proxy.buffers,
		FlushInterval: -1, // events are sent when they happen
		ErrorLog:      slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
		Rewrite:       func(p *httputil.ProxyRequest) { g.rewrite(p, req, t, onward) },
		ModifyResponse: func(resp *http.Response) error {
			resp.Header.Set("X-Request-Id", req.ID)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { g.unreachable(w, r, req, err) },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stream := newStream(w, r, g.proxy.timeout)
		defer stream.end()
		proxy.ServeHTTP(stream, stream.request)
	})
}

// rewrite makes the request for the server behind: the target that was decided about, the headers that were
// decided, and of what belongs to the connection an upgrade to WebSocket alone. What the client wished away
// in its Connection header is gone from p.Out by now, so what is ours is put in last.
func (g *Gate) rewrite(p *httputil.ProxyRequest, req *httpio.Request, t target, onward http.Header) {
	out := p.Out
	out.URL = &url.URL{Scheme: g.proxy.url.Scheme, Host: g.proxy.url.Host, Path: t.path, RawPath: t.raw, RawQuery: g.places.Strip(t.query)}
	out.Method = strings.ToUpper(p.In.Method)
	out.Host = p.In.Host
	out.Trailer = nil
	if !strings.EqualFold(out.Header.Get("Upgrade"), "websocket") {
		out.Header.Del("Upgrade")
		out.Header.Del("Connection")
		out.Header.Del("Http2-Settings")
	}
	g.headers.strip(out.Header)
	out.Header.Del("Authorization")
	out.Header.Del("Cookie")
	for name, values := range onward {
		out.Header[name] = values
	}
	if req.Addr.IsValid() {
		out.Header.Set("X-Forwarded-For", req.Addr.String())
	}
	out.Header.Set("X-Forwarded-Host", p.In.Host)
	out.Header.Set("X-Forwarded-Proto", g.scheme)
	out.Header.Set("X-Request-Id", req.ID)
}

// unreachable answers for a server behind that does not: 504 when it takes too long, else 502.
func (g *Gate) unreachable(w http.ResponseWriter, r *http.Request, req *httpio.Request, err error) {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	status := http.StatusBadGateway
	if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
		status = http.StatusGatewayTimeout
	}
	g.log.ErrorContext(r.Context(), "the server behind does not answer", "status", status, "err", err, "request_id", req.ID)
	resp := g.dialect.Failed(status)
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Request-Id", req.ID)
	w.WriteHeader(status)
	_, _ = w.Write(resp.Body) // who does not read it cannot be helped
}

// stream moves the deadlines of the client's connection along with what moves on it, so that neither a long
// upload nor a long answer is cut off, and one that stands still is. A socket's deadline is in the machine's
// time, whatever clock is injected.
type stream struct {
	http.ResponseWriter
	request    *http.Request
	controller *http.ResponseController
	timeout    time.Duration
}

func newStream(w http.ResponseWriter, r *http.Request, timeout time.Duration) *stream {
	s := &stream{ResponseWriter: w, request: r, controller: http.NewResponseController(w), timeout: timeout}
	if r.Body == nil || r.Body == http.NoBody {
		return s
	}
	// Else net/http would throw away what is left of the body when the answer begins.
	_ = s.controller.EnableFullDuplex()
	s.request = r.Clone(r.Context())
	s.request.Body = &upload{r.Body, s}
	return s
}

// WriteHeader gives the client the timeout for the head, which is sent before anything is written.
func (s *stream) WriteHeader(status int) {
	_ = s.controller.SetWriteDeadline(time.Now().Add(s.timeout))
	s.ResponseWriter.WriteHeader(status)
}

// Write gives the client the timeout for each piece.
func (s *stream) Write(p []byte) (int, error) {
	_ = s.controller.SetWriteDeadline(time.Now().Add(s.timeout))
	return s.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// end leaves time for the last piece, which net/http writes.
func (s *stream) end() { _ = s.controller.SetWriteDeadline(time.Now().Add(s.timeout)) }

// upload is the body of a request.
type upload struct {
	io.ReadCloser
	stream *stream
}

// Read gives the client the timeout for each piece; after the last one net/http lifts the deadline. A connection
// that has none is fine.
func (u *upload) Read(p []byte) (int, error) {
	_ = u.stream.controller.SetReadDeadline(time.Now().Add(u.stream.timeout))
	return u.ReadCloser.Read(p)
}
