package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// listening starts to serve e on a free port; the channel gets what Serve returns.
func listening(t *testing.T, e *env, ctx context.Context, ready func(context.Context) error) (addr string, done chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan error, 1)
	go func() { done <- e.app.Serve(ctx, ln, ready) }()
	return ln.Addr().String(), done
}

func TestServeFinishesWhatIsInFlight(t *testing.T) {
	e := newEnv(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready := make(chan bool)
	addr, done := listening(t, e, ctx, func(context.Context) error { close(ready); return nil })
	<-ready
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := object("refresh", e.issue("samples", e.ada.ID).Refresh.Reveal())
	fmt.Fprintf(conn, "POST /webservices/refresh_token.php HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	in := bufio.NewReader(conn)
	// The server asks for the body: the request has begun.
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatal(line, err)
	}
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	stop()
	for !strings.Contains(e.log.String(), "stopping: finishing the requests in flight") {
		if len(done) > 0 {
			t.Fatal("the server did not wait")
		}
	}
	fmt.Fprint(conn, body)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("got %d", resp.StatusCode)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

func TestServeReturnsWhatReadyReturns(t *testing.T) {
	e := newEnv(t, nil)
	refused := errors.New("not today")
	addr, done := listening(t, e, t.Context(), func(context.Context) error { return refused })
	if err := <-done; !errors.Is(err, refused) {
		t.Errorf("got %v, want %v", err, refused)
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("the port is still open")
	}
}

func TestServeWithoutAStore(t *testing.T) {
	e := newEnv(t, nil)
	if err := e.app.Close(); err != nil {
		t.Fatal(err)
	}
	_, done := listening(t, e, t.Context(), func(context.Context) error { return errors.New("ready in spite of that") })
	wantText(t, <-done, "service key of (ecology|collections|samples|warehouse): .*the store is closed")
}
