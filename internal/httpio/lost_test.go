package httpio

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lostCall is what a Lost callback saw of its context.
type lostCall struct {
	Err      error
	Deadline bool
}

func recordLost(calls chan<- lostCall) func(context.Context) {
	return func(ctx context.Context) {
		deadline, has := ctx.Deadline()
		calls <- lostCall{ctx.Err(), has && time.Until(deadline) <= lostTimeout}
	}
}

// wantOneLost waits for the handler to end, then counts the calls.
func wantOneLost(t *testing.T, srv *httptest.Server, calls chan lostCall) {
	t.Helper()
	select {
	case got := <-calls:
		if diff := cmp.Diff(lostCall{nil, true}, got); diff != "" {
			t.Error(diff)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Lost was not called")
	}
	srv.Close()
	if n := len(calls); n != 0 {
		t.Errorf("Lost was called %d times more", n)
	}
}

func dial(t *testing.T, srv *httptest.Server, request string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

const postX = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"

func TestLostWhenClientLeavesWhileHandlerRuns(t *testing.T) {
	for _, tc := range []struct {
		name  string
		leave func(*net.TCPConn) error
	}{
		{"close", (*net.TCPConn).Close},
		{"reset", func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, logs := newAdapter()
			calls := make(chan lostCall, 8)
			running := make(chan struct{})
			srv := httptest.NewServer(a.Handle(func(ctx context.Context, r *Request) Response {
				close(running)
				<-ctx.Done()
				return Response{Status: 200, Body: []byte("late"), Lost: recordLost(calls)}
			}))
			defer srv.Close()
			conn := dial(t, srv, postX)
			<-running
			if err := tc.leave(conn); err != nil {
				t.Fatal(err)
			}
			wantOneLost(t, srv, calls)
			if !strings.Contains(logs.String(), "answer_lost=true") {
				t.Errorf("log: %s", logs)
			}
		})
	}
}

func TestLostWhenWritingFails(t *testing.T) {
	a, _ := newAdapter()
	calls := make(chan lostCall, 8)
	srv := httptest.NewServer(a.Handle(func(context.Context, *Request) Response {
		return Response{Status: 200, Body: make([]byte, 64<<20), Lost: recordLost(calls)}
	}))
	defer srv.Close()
	conn := dial(t, srv, postX)
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(conn.SetLinger(0), conn.Close()); err != nil {
		t.Fatal(err)
	}
	wantOneLost(t, srv, calls)
}

// brokenFlush is a writer whose connection breaks when it is flushed.
type brokenFlush struct {
	*httptest.ResponseRecorder
	err error
}

func (b brokenFlush) FlushError() error { return b.err }

func TestLostWhenFlushingFails(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		lost int
	}{
		{"flushed", nil, 0},
		{"no flushing here", http.ErrNotSupported, 0},
		{"broken pipe", net.ErrClosed, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, _ := newAdapter()
			calls := make(chan lostCall, 8)
			h := a.Handle(func(context.Context, *Request) Response {
				return Response{Status: 200, Lost: recordLost(calls)}
			})
			h.ServeHTTP(brokenFlush{httptest.NewRecorder(), tc.err}, httptest.NewRequest("POST", "/", nil))
			if len(calls) != tc.lost {
				t.Errorf("Lost was called %d times, want %d", len(calls), tc.lost)
			}
		})
	}
}

func TestDeliveredAnswersAreNotLost(t *testing.T) {
	a, _ := newAdapter()
	var lost atomic.Int32
	srv := httptest.NewServer(a.Handle(func(context.Context, *Request) Response {
		return Response{Status: 200, Body: []byte("ok"), Lost: func(context.Context) { lost.Add(1) }}
	}))
	defer srv.Close()
	for range 200 {
		conn := dial(t, srv, postX)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := bodyOf(t, resp); got != "ok" {
			t.Fatalf("body %q", got)
		}
		conn.Close()
	}
	srv.Close()
	if n := lost.Load(); n != 0 {
		t.Errorf("%d delivered answers counted as lost", n)
	}
}

func TestHalfClosedClientStillGetsItsAnswer(t *testing.T) {
	a, _ := newAdapter()
	srv := httptest.NewServer(a.Handle(func(ctx context.Context, _ *Request) Response {
		<-ctx.Done()
		return Response{Status: 200, Body: []byte("ok")}
	}))
	defer srv.Close()
	conn := dial(t, srv, postX)
	defer conn.Close()
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := bodyOf(t, resp); got != "ok" {
		t.Errorf("body %q", got)
	}
}

func TestLostMayPanic(t *testing.T) {
	a, logs := newAdapter()
	h := a.Handle(func(context.Context, *Request) Response {
		return Response{Status: 200, Lost: func(context.Context) { panic(canary) }}
	})
	h.ServeHTTP(brokenFlush{httptest.NewRecorder(), net.ErrClosed}, httptest.NewRequest("POST", "/", nil))
	if !strings.Contains(logs.String(), `panic="value of type string"`) || strings.Contains(logs.String(), canary) {
		t.Errorf("log: %s", logs)
	}
}

// pipeListener serves one in-memory connection, so that time can be synctest's.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// exchange sends request to a server made by Server and returns the answer and how
// long it took in the bubble's time.
func exchange(t *testing.T, h http.Handler, request string) (string, time.Duration) {
	t.Helper()
	l := &pipeListener{make(chan net.Conn, 1), make(chan struct{})}
	srv := Server("", h)
	go srv.Serve(l)
	defer srv.Close()
	client, server := net.Pipe()
	defer client.Close()
	l.conns <- server
	start := time.Now()
	if _, err := io.WriteString(client, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	return fmt.Sprintf("%d %s close=%v", resp.StatusCode, bodyOf(t, resp), resp.Close), took
}

func TestSlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := newAdapter()
		got, took := exchange(t, a.Handle(ok), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx")
		if want := `408 {"status":408} close=true`; got != want || took != bodyTimeout {
			t.Errorf("got %s after %v, want %s after %v", got, took, want, bodyTimeout)
		}
	})
}

func TestSlowHandlerKeepsItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := newAdapter()
		h := a.Handle(func(ctx context.Context, r *Request) Response {
			time.Sleep(bodyTimeout + 15*time.Second)
			return Response{Status: 200, Body: fmt.Append(nil, "context: ", ctx.Err())}
		})
		got, _ := exchange(t, h, postX)
		if want := "200 context: <nil> close=false"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestBrokenBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := newAdapter()
		got, _ := exchange(t, a.Handle(ok), "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
		if want := `400 {"status":400} close=true`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
