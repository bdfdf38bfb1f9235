//go:build e2e

package load

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// answerTime is the most that one answer may take.
const answerTime = 30 * time.Second

// Conn is one kept-alive HTTP/1.1 connection. net/http would cost as much as the server; this writes one request and reads one
// answer, which must have a Content-Length.
type Conn struct {
	conn net.Conn
	in   *bufio.Reader
}

// Dial connects to a server.
func Dial(addr string) (*Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return &Conn{conn: conn, in: bufio.NewReaderSize(conn, 16<<10)}, nil
}

// Close closes the connection.
func (c *Conn) Close() error { return c.conn.Close() }

// Get is the text of a request without body; each header is a line, such as "Accept: text/html".
func Get(path string, headers ...string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: tokens.localhost\r\n%s\r\n", path, lines(headers))
}

// Post is the text of a request with a body.
func Post(path, contentType, body string, headers ...string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: tokens.localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s",
		path, contentType, len(body), lines(headers), body)
}

func lines(headers []string) string {
	var b strings.Builder
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return b.String()
}

// Do sends the text of a request and returns the answer to it.
func (c *Conn) Do(request []byte) (status int, body []byte, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return 0, nil, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, fmt.Errorf("sending: %w", err)
	}
	length := 0
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, fmt.Errorf("receiving: %w", err)
		}
		switch text := strings.TrimRight(string(line), "\r\n"); {
		case text == "":
			body := make([]byte, length)
			_, err := io.ReadFull(c.in, body)
			return status, body, err
		case strings.HasPrefix(text, "HTTP/1.1 ") && len(text) >= 12:
			status, err = strconv.Atoi(text[9:12])
		case strings.HasPrefix(text, "Content-Length: "):
			length, err = strconv.Atoi(text[16:])
		}
		if err != nil {
			return 0, nil, fmt.Errorf("reading an answer: %w", err)
		}
	}
}

// Expect sends the text of a request and refuses every answer but one with this status.
func (c *Conn) Expect(want int, request []byte) ([]byte, error) {
	status, body, err := c.Do(request)
	if err == nil && status != want {
		err = fmt.Errorf("answered %d, not %d: %.300s", status, want, body)
	}
	return body, err
}

// ErrEnough ends a worker that has nothing more to ask. It is no failure.
var ErrEnough = errors.New("nothing more to ask")

// Result is what some workers did, in one turn or several.
type Result struct {
	Took  time.Duration   // wall time of the turns
	Times []time.Duration // of good answers
	CPU   time.Duration   // of what they asked
}

// Rate is good answers a second.
func (r *Result) Rate() float64 { return float64(len(r.Times)) / max(r.Took.Seconds(), 1e-9) }

// CPUEach is the CPU time of one good answer.
func (r *Result) CPUEach() time.Duration { return r.CPU / time.Duration(max(1, len(r.Times))) }

// Quantile is the time that the part q of the good answers took at most.
func (r *Result) Quantile(q float64) time.Duration {
	if len(r.Times) == 0 {
		return 0
	}
	slices.Sort(r.Times)
	return r.Times[int(q*float64(len(r.Times)-1))]
}

// Turn lets all workers work for d, each one call after the other, and adds what they did. cpu says what was used so far.
// A call that fails ends its worker, and is returned: errors are not fast answers.
func (r *Result) Turn(workers []func() error, d time.Duration, cpu func() (time.Duration, error)) error {
	before, err := cpu()
	if err != nil {
		return err
	}
	begin := time.Now()
	times, errs := make([][]time.Duration, len(workers)), make([]error, len(workers))
	var wg sync.WaitGroup
	for i, work := range workers {
		wg.Go(func() { times[i], errs[i] = repeat(work, begin.Add(d)) })
	}
	wg.Wait()
	r.Took += time.Since(begin)
	after, err := cpu()
	r.CPU += after - before
	r.Times = append(r.Times, slices.Concat(times...)...)
	return errors.Join(append(errs, err)...)
}

func repeat(work func() error, end time.Time) (times []time.Duration, err error) {
	for {
		begin := time.Now()
		if !begin.Before(end) {
			return times, nil
		}
		switch err := work(); {
		case errors.Is(err, ErrEnough):
			return times, nil
		case err != nil:
			return times, err
		}
		times = append(times, time.Since(begin))
	}
}
