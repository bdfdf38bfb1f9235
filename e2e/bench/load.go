//go:build e2e

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// clockTick is the unit of /proc/PID/stat, 100 a second on every Linux.
const clockTick = 10 * time.Millisecond

// target is the running server.
type target struct {
	binary, dir, addr string
	pid               int
}

// startServer runs the program on a fresh folder, as it ships, and connects one
// client and many; the returned function stops it.
func startServer(ctx context.Context, binary, dir string) ([]*clients, func(), error) {
	cmd := exec.CommandContext(ctx, binary, "serve", "--dev", "--listen", "127.0.0.1:0", "--data", dir+"/data")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SYMBOLON_") })
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("starting %s: %w", binary, err)
	}
	stop := func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	addr, err := printed(out)
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("starting %s: %w", binary, err)
	}
	s := &target{binary: binary, dir: dir + "/data", addr: addr, pid: cmd.Process.Pid}
	var served []*clients
	for _, n := range []int{1, crowd} {
		c, err := s.connect(ctx, n)
		if err != nil {
			stop()
			return nil, nil, err
		}
		served = append(served, c)
	}
	return served, stop, nil
}

// printed reads what a development server prints, and returns its address.
func printed(out io.Reader) (addr string, err error) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("reading what it prints: %w", err)
		}
		if a, ok := strings.CutPrefix(line, "serving on http://"); ok {
			addr = strings.TrimSpace(a)
		}
		if strings.HasPrefix(line, "  symbolon account list") {
			return addr, nil
		}
	}
}

// clients are workers that ask one server at the same time, and what that gave.
type clients struct {
	name    string
	server  *target
	workers []*worker
	took    time.Duration
	times   []time.Duration // of good answers
	errors  int
	cpu     time.Duration // of the server
}

func (c *clients) rate() float64 { return float64(len(c.times)) / c.took.Seconds() }

func (c *clients) cpuEach() time.Duration { return c.cpu / time.Duration(max(1, len(c.times))) }

// quantile needs sorted times.
func (c *clients) quantile(q float64) time.Duration {
	if len(c.times) == 0 {
		return 0
	}
	return c.times[int(q*float64(len(c.times)-1))].Round(10 * time.Microsecond)
}

// connect makes n workers, each with an account, a chain and a connection of its own.
func (s *target) connect(ctx context.Context, n int) (*clients, error) {
	c := &clients{name: fmt.Sprintf("HTTP, %d at once", n), server: s}
	for i := range n {
		w, err := s.worker(ctx, fmt.Sprintf("bench-%d-%d", n, i))
		if err != nil {
			return nil, err
		}
		c.workers = append(c.workers, w)
	}
	return c, nil
}

// measure lets all workers work for a while.
func (c *clients) measure(d time.Duration) error {
	before, err := c.server.cpu()
	if err != nil {
		return err
	}
	begin := time.Now()
	var wg sync.WaitGroup
	for _, w := range c.workers {
		wg.Go(func() { w.work(begin.Add(d)) })
	}
	wg.Wait()
	c.took += time.Since(begin)
	after, err := c.server.cpu()
	c.cpu += after - before
	c.errors = 0
	for _, w := range c.workers {
		c.errors += w.errors
		c.times, w.times = append(c.times, w.times...), nil
	}
	return err
}

// cpu is what the server has used so far, in user and kernel mode.
func (s *target) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	if err != nil {
		return 0, fmt.Errorf("reading the server's CPU time: %w", err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading the server's CPU time: %q", stat)
	}
	user, errUser := strconv.Atoi(fields[11])
	kernel, errKernel := strconv.Atoi(fields[12])
	return time.Duration(user+kernel) * clockTick, errors.Join(errUser, errKernel)
}

// worker is one client with one chain. net/http would cost as much as the server;
// this writes one request and reads one answer.
type worker struct {
	addr   string
	conn   net.Conn
	in     *bufio.Reader
	token  string
	once   func() error // one request and its good answer
	times  []time.Duration
	errors int
}

func (s *target) worker(ctx context.Context, name string) (*worker, error) {
	if _, err := s.command(ctx, "account", "add", name); err != nil {
		return nil, err
	}
	out, err := s.command(ctx, "token", "issue", "--service", "samples", "--account", name)
	if err != nil {
		return nil, err
	}
	var pair struct{ Refresh string }
	if err := json.Unmarshal(out, &pair); err != nil {
		return nil, fmt.Errorf("reading a pair: %w", err)
	}
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	w := &worker{addr: s.addr, conn: conn, in: bufio.NewReader(conn), token: pair.Refresh}
	w.once = w.refresh
	return w, nil
}

func (s *target) command(ctx context.Context, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, s.binary, append(args, "--json", "--data", s.dir)...).Output()
	if err != nil {
		return nil, fmt.Errorf("running %s %s: %w", s.binary, strings.Join(args, " "), err)
	}
	return out, nil
}

// work asks until the end; the first answer that is not good ends it.
func (w *worker) work(end time.Time) {
	for w.errors == 0 && time.Now().Before(end) {
		begin := time.Now()
		if err := w.once(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			w.errors++
			return
		}
		w.times = append(w.times, time.Since(begin))
	}
}

func (w *worker) refresh() error {
	body := `{"refresh":"` + w.token + `"}`
	_, err := fmt.Fprintf(w.conn, "POST /webservices/refresh_token.php HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n%s", w.addr, len(body), body)
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	status, answer, err := w.answer()
	if err != nil {
		return fmt.Errorf("receiving: %w", err)
	}
	_, rest, ok := strings.Cut(answer, `"refresh":"`)
	token, _, closed := strings.Cut(rest, `"`)
	if status != "200" || !ok || !closed {
		return fmt.Errorf("answered %s: no pair", status)
	}
	w.token = token
	return nil
}

// answer reads an answer that has a Content-Length.
func (w *worker) answer() (status, body string, err error) {
	length := 0
	for {
		line, err := w.in.ReadString('\n')
		if err != nil {
			return "", "", err
		}
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
			b := make([]byte, length)
			_, err := io.ReadFull(w.in, b)
			return status, string(b), err
		case strings.HasPrefix(line, "HTTP/1.1 "):
			status = fields[1]
		case fields[0] == "Content-Length:":
			if length, err = strconv.Atoi(fields[1]); err != nil {
				return "", "", err
			}
		}
	}
}
