package httpio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime"
	"strconv"
	"time"
)

// sendable replaces an answer that net/http would panic on.
func sendable(resp Response) Response {
	if resp.Status < 200 || resp.Status > 599 {
		return Response{Status: http.StatusInternalServerError, Lost: resp.Lost}
	}
	return resp
}

// answer writes resp and reports whether it is known to be lost. A cancelled request
// is answered all the same: the client may only have closed its sending side.
func (a *Adapter) answer(w http.ResponseWriter, r *http.Request, req *Request, resp Response) bool {
	gone := r.Context().Err() != nil
	setHeader(w.Header(), req.ID, resp)
	err := send(w, resp)
	lost := gone || err != nil
	if lost && resp.Lost != nil {
		a.callLost(r, req, resp.Lost)
	}
	return lost
}

// What most answers have; whoever changes a header replaces such a slice.
var (
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
)

func setHeader(h http.Header, id string, resp Response) {
	h["Cache-Control"] = noStore
	h["Content-Type"] = nil // present but empty: net/http neither sniffs nor sends it
	maps.Copy(h, resp.Header)
	h["X-Content-Type-Options"] = noSniff
	own := []string{id, strconv.Itoa(len(resp.Body))}
	h["X-Request-Id"] = own[:1:1]
	if hasBody(resp.Status) {
		h["Content-Length"] = own[1:]
	}
}

// send flushes, because only then does a broken connection show. net/http itself keeps
// the body of an answer to HEAD back.
func send(w http.ResponseWriter, resp Response) error {
	w.WriteHeader(resp.Status)
	if hasBody(resp.Status) {
		if _, err := w.Write(resp.Body); err != nil {
			return fmt.Errorf("writing the answer: %w", err)
		}
	}
	err := http.NewResponseController(w).Flush()
	if err == nil || errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return fmt.Errorf("flushing the answer: %w", err)
}

func hasBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

func (a *Adapter) callLost(r *http.Request, req *Request, lost func(context.Context)) {
	defer func() {
		if v := recover(); v != nil {
			a.logPanic(r, req, v)
		}
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), lostTimeout)
	defer cancel()
	lost(ctx)
}

// logRequest names the route, never the path or the query: those may hold secrets.
func (a *Adapter) logRequest(r *http.Request, req *Request, status int, bytes int64, lost bool, start time.Time) {
	if !a.Log.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", knownMethod(r.Method)),
		slog.String("route", req.route),
		slog.Int("status", status),
		slog.Int64("duration_ms", a.now().Sub(start).Milliseconds()),
		slog.Int64("bytes", bytes),
		slog.String("request_id", req.ID),
		slog.String("addr", req.Addr.String()),
	}
	if lost {
		attrs = append(attrs, slog.Bool("answer_lost", true))
	}
	a.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
}

// logPanic passes http.ErrAbortHandler on and logs any other panic.
func (a *Adapter) logPanic(r *http.Request, req *Request, v any) {
	if v == http.ErrAbortHandler {
		panic(v)
	}
	a.Log.LogAttrs(r.Context(), slog.LevelError, "panic",
		slog.String("method", knownMethod(r.Method)),
		slog.String("route", req.route),
		slog.String("request_id", req.ID),
		slog.String("panic", panicText(v)),
		slog.Any("stack", callers()),
	)
}

// panicText keeps the text of the runtime's own errors; any other value may quote what
// a client sent, so only its type is told.
func panicText(v any) string {
	if err, ok := v.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("value of type %T", v)
}

// callers lists functions and lines; unlike debug.Stack it shows no argument.
func callers() []string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs[:])])
	var list []string
	for {
		frame, more := frames.Next()
		list = append(list, frame.Function+":"+strconv.Itoa(frame.Line))
		if !more {
			return list
		}
	}
}

// methods are those the log names; anything else is a text of the client's choice.
var methods = map[string]struct{}{ // :: method →
	http.MethodGet: {}, http.MethodHead: {}, http.MethodPost: {}, http.MethodPut: {}, http.MethodPatch: {},
	http.MethodDelete: {}, http.MethodOptions: {}, http.MethodTrace: {}, http.MethodConnect: {},
}

func knownMethod(method string) string {
	if _, ok := methods[method]; ok {
		return method
	}
	return "other"
}
