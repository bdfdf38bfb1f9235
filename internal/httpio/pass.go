package httpio

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// Decide answers a request of which nothing but the head has been read, or returns the handler that
// takes it over. The Request has no body and an empty Query, and may be changed.
type Decide func(r *http.Request, req *Request) (Response, http.Handler)

// Pass turns d into an http.Handler under the given route name for the log. What it answers itself is
// sent as by Handle; what is taken over is only watched: its panics become a 500 while nothing has been
// sent, and its line in the log is written at its end.
func (a *Adapter) Pass(route string, d Decide) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := a.now()
		req := a.head(r)
		req.route = route
		if resp, next := a.decide(r, d, req); next == nil {
			a.finish(w, r, req, resp, start)
		} else {
			a.watch(w, r, req, next, start)
		}
	})
}

func (a *Adapter) decide(r *http.Request, d Decide, req *Request) (resp Response, next http.Handler) {
	defer func() {
		if v := recover(); v != nil {
			a.logPanic(r, req, v)
			resp, next = a.failure(http.StatusInternalServerError), nil
		}
	}()
	return d(r, req)
}

func (a *Adapter) watch(w http.ResponseWriter, r *http.Request, req *Request, next http.Handler, start time.Time) {
	seen := &watcher{ResponseWriter: w}
	defer func() { a.logRequest(r, req, seen.status, seen.bytes, false, start) }()
	defer func() {
		if v := recover(); v != nil {
			a.logPanic(r, req, v)
			if seen.status == 0 {
				a.answer(seen, r, req, a.failure(http.StatusInternalServerError))
			}
		}
	}()
	next.ServeHTTP(seen, r)
}

// watcher notes what an answer was.
type watcher struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *watcher) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watcher) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Hijack hands the connection over, as for a WebSocket.
func (w *watcher) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.status = http.StatusSwitchingProtocols
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap lets http.ResponseController reach the connection.
func (w *watcher) Unwrap() http.ResponseWriter { return w.ResponseWriter }
