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

// measureServer runs the program on a fresh folder, as it ships, and rotates on it.
func measureServer(ctx context.Context, binary, dir string, each time.Duration) ([]result, error) {
	cmd := exec.CommandContext(ctx, binary, "serve", "--dev", "--listen", "127.0.0.1:0", "--data", dir+"/data")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SYMBOLON_") })
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", binary, err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("starting %s: it said %q: %w", binary, first, err)
	}
	for line := first; err == nil && !strings.HasPrefix(line, "  symbolon"); { // the last line of many
		line, err = lines.ReadString('\n')
	}
	addr := strings.TrimSpace(strings.TrimPrefix(first, "serving on http://"))
	s := &target{binary: binary, dir: dir + "/data", addr: addr, pid: cmd.Process.Pid}
	var results []result
	for _, workers := range []int{1, crowd} {
		r, err := s.measure(ctx, workers, each)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

// measure lets workers rotate, each on a chain and a connection of its own.
func (s *target) measure(ctx context.Context, workers int, each time.Duration) (result, error) {
	var all []*worker
	for i := range workers {
		w, err := s.worker(ctx, fmt.Sprintf("bench-%d-%d", workers, i))
		if err != nil {
			return result{}, err
		}
		defer w.conn.Close()
		all = append(all, w)
	}
	before, err := s.cpu()
	if err != nil {
		return result{}, err
	}
	begin := time.Now()
	var wg sync.WaitGroup
	for _, w := range all {
		wg.Go(func() { w.rotate(begin.Add(each)) })
	}
	wg.Wait()
	r := result{workers: workers, took: time.Since(begin)}
	after, err := s.cpu()
	if err != nil {
		return result{}, err
	}
	for _, w := range all {
		r.times = append(r.times, w.times...)
		r.errors += w.errors
	}
	slices.Sort(r.times)
	r.cpu = (after - before) / time.Duration(max(1, len(r.times)))
	return r, nil
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
	return &worker{addr: s.addr, conn: conn, in: bufio.NewReader(conn), token: pair.Refresh}, nil
}

func (s *target) command(ctx context.Context, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, s.binary, append(args, "--json", "--data", s.dir)...).Output()
	if err != nil {
		return nil, fmt.Errorf("running %s %s: %w", s.binary, strings.Join(args, " "), err)
	}
	return out, nil
}

// rotate refreshes until the end; the first answer that is not a pair ends it.
func (w *worker) rotate(end time.Time) {
	for time.Now().Before(end) {
		begin := time.Now()
		next, err := w.refresh()
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			w.errors++
			return
		}
		w.times = append(w.times, time.Since(begin))
		w.token = next
	}
}

func (w *worker) refresh() (string, error) {
	body := `{"refresh":"` + w.token + `"}`
	_, err := fmt.Fprintf(w.conn, "POST /webservices/refresh_token.php HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n%s", w.addr, len(body), body)
	if err != nil {
		return "", fmt.Errorf("sending: %w", err)
	}
	status, answer, err := w.answer()
	if err != nil {
		return "", fmt.Errorf("receiving: %w", err)
	}
	_, rest, ok := strings.Cut(answer, `"refresh":"`)
	token, _, closed := strings.Cut(rest, `"`)
	if status != "200" || !ok || !closed {
		return "", fmt.Errorf("answered %s: no pair", status)
	}
	return token, nil
}

// answer reads an answer that has a Content-Length.
func (w *worker) answer() (status, body string, err error) {
	line, err := w.in.ReadString('\n')
	if err != nil {
		return "", "", err
	}
	fields := strings.Fields(line)
	length := 0
	for err == nil && len(fields) > 0 {
		if strings.EqualFold(fields[0], "Content-Length:") {
			length, err = strconv.Atoi(fields[1])
		} else if strings.HasPrefix(fields[0], "HTTP/") {
			status = fields[1]
		}
		if line, err = w.in.ReadString('\n'); err == nil {
			fields = strings.Fields(line)
		}
	}
	if err != nil {
		return "", "", err
	}
	b := make([]byte, length)
	_, err = io.ReadFull(w.in, b)
	return status, string(b), err
}
