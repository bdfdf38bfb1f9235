//go:build e2e

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
)

// serveBare answers every request with 200 and nothing, as net/http alone does, until it is killed.
func serveBare() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		fmt.Println(ln.Addr())
		err = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "0")
		}))
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// startAsking starts the bare server, and connects as many clients to it as to the gate of a service, each with a
// token that the server has met. The returned function stops it.
func startAsking(ctx context.Context, s *target) ([]*clients, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("finding this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "-bare")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("starting the bare server: %w", err)
	}
	stop := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("starting the bare server: %w", err)
	}
	printed, err := s.command(ctx, "token", "issue", "--service", "ecology", "--account", "demo")
	var token struct{ Access string }
	if err == nil {
		err = json.Unmarshal(printed, &token)
	}
	bare := &target{addr: strings.TrimSpace(addr), pid: cmd.Process.Pid}
	var all []*clients
	for _, n := range []int{1, crowd} {
		for _, at := range []struct {
			name string
			*target
		}{{"bare net/http", bare}, {"/symbolon/verify", s}} {
			if err != nil {
				break
			}
			var c *clients
			c, err = at.asking(fmt.Sprintf("%s, %d at once", at.name, n), n, token.Access)
			all = append(all, c)
		}
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	return all, stop, nil
}

// asking makes n workers that ask whether a request with the token may go on.
func (s *target) asking(name string, n int, token string) (*clients, error) {
	c := &clients{name: name, server: s}
	request := []byte("GET /symbolon/verify/ecology HTTP/1.1\r\nHost: " + s.addr + "\r\nCookie: edi-token=" + token + "\r\n\r\n")
	for range n {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return nil, fmt.Errorf("connecting: %w", err)
		}
		w := &worker{addr: s.addr, conn: conn, in: bufio.NewReader(conn)}
		w.once = func() error {
			if _, err := conn.Write(request); err != nil {
				return fmt.Errorf("sending: %w", err)
			}
			status, _, err := w.answer()
			if err == nil && status != "200" {
				err = fmt.Errorf("answered %s", status)
			}
			return err
		}
		c.workers = append(c.workers, w)
	}
	return c, nil
}

// askedTable prints each pair, the bare server first.
func askedTable(asked []*clients) error {
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\trequests/s\tp50\tp99\terrors\tserver CPU/request\tof bare\t")
	failed := 0
	for i, c := range asked {
		slices.Sort(c.times)
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%s\t%d\t%s\t%.2f\t\n", c.name, c.rate(), c.quantile(0.50), c.quantile(0.99), c.errors,
			c.cpuEach().Round(100), c.rate()/asked[i-i%2].rate())
		failed += c.errors
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d answers were not a yes: the rates mean nothing", failed)
	}
	return nil
}
