//go:build e2e

// Command benchnodes runs three servers on one throw-away PostgreSQL and measures how long a revocation at one takes until
// another refuses, and how many rotations a second they do together:
//
//	go run -tags e2e ./e2e/benchnodes -binary ./symbolon
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"symbolon/internal/secret"
	"symbolon/internal/store/postgres/pgtest"
)

const (
	servers  = 3
	rounds   = 300
	warm     = 20 // rounds before them, until every server has its connections
	clients  = 16
	rotating = 5 * time.Second
)

const conf = `listen: 127.0.0.1:%d
data: %s
store: %s
base_url: http://tokens.localhost
master_key_file: %s
log_level: error
services:
  - name: samples
    dialect: sesar
    path: /webservices
    json_path: /api
    pairs: 100000
`

func main() {
	binary := flag.String("binary", "./symbolon", "the program to measure")
	flag.Parse()
	if err := run(*binary); err != nil {
		fmt.Fprintln(os.Stderr, "benchnodes:", err)
		os.Exit(1)
	}
}

func run(binary string) error {
	pg, err := pgtest.Start() // with every flush
	if err != nil {
		return err
	}
	defer pg.Close()
	dir, err := os.MkdirTemp("", "symbolon-benchnodes-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := pg.Create("symbolon"); err != nil {
		return err
	}
	master := base64.StdEncoding.EncodeToString(secret.Random(32))
	if err := os.WriteFile(filepath.Join(dir, "master.key"), []byte(master), 0o600); err != nil {
		return err
	}
	var bases []string
	for i := range servers {
		base, stop, err := start(binary, dir, i, pg.URL("symbolon"))
		if err != nil {
			return err
		}
		defer stop()
		bases = append(bases, base)
	}
	key, err := apiKey(binary, filepath.Join(dir, "0.yaml"))
	if err != nil {
		return err
	}
	return errors.Join(revocations(bases, key), rotations(bases, key))
}

// start starts a server and returns its address once it serves.
func start(binary, dir string, i int, store string) (base string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	port := ln.Addr().(*net.TCPAddr).Port
	ln.Close()
	file := filepath.Join(dir, fmt.Sprintf("%d.yaml", i))
	text := fmt.Sprintf(conf, port, filepath.Join(dir, fmt.Sprint(i)), store, filepath.Join(dir, "master.key"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.Command(binary, "serve", "--config", file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("starting a server: %w", err)
	}
	return strings.TrimPrefix(strings.TrimSpace(line), "serving on "), stop, nil
}

func apiKey(binary, config string) (string, error) {
	for _, args := range [][]string{{"account", "add", "ada"}, {"apikey", "create", "--account", "ada", "--name", "bench", "--json"}} {
		out, err := exec.Command(binary, append(args, "--config", config)...).Output()
		if err != nil {
			return "", fmt.Errorf("symbolon %s: %w", strings.Join(args, " "), err)
		}
		var made struct{ Key string }
		if json.Unmarshal(out, &made) == nil && made.Key != "" {
			return made.Key, nil
		}
	}
	return "", errors.New("no API key was made")
}

var client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: clients}}

func call(method, url, bearer, body string) (int, []byte, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

type pair struct{ Access, Refresh string }

func newPair(base, key string) (p pair, err error) {
	status, b, err := call("POST", base+"/api/auth/token/", key, "")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("a pair for an API key: %d %s", status, b)
	}
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(b)).Decode(&p)
	}
	return p, err
}

// revocations revokes at the first server, and asks another every half millisecond until it refuses.
func revocations(bases []string, key string) error {
	var after, since []time.Duration
	for i := range warm + rounds {
		other := bases[1+i%(len(bases)-1)]
		p, err := newPair(bases[0], key)
		if err != nil {
			return err
		}
		if status, b, err := call("GET", other+"/symbolon/verify/samples", p.Access, ""); err != nil || status != http.StatusOK {
			return fmt.Errorf("a good token gets %d %s %v", status, b, err)
		}
		asked := time.Now()
		if status, b, err := call("POST", bases[0]+"/api/auth/token/blacklist/", "", `{"refresh":"`+p.Refresh+`"}`); err != nil || status/100 != 2 {
			return fmt.Errorf("revoking: %d %s %v", status, b, err)
		}
		answered := time.Now()
		for {
			status, _, err := call("GET", other+"/symbolon/verify/samples", p.Access, "")
			if err != nil {
				return err
			}
			if status == http.StatusUnauthorized {
				break
			}
			time.Sleep(time.Millisecond / 2) // who asks without pause takes the cores from those who tell
		}
		refused := time.Now()
		if i < warm {
			continue
		}
		after, since = append(after, refused.Sub(answered)), append(since, refused.Sub(asked))
	}
	fmt.Printf("%d revocations, until another server has refused\n", rounds)
	quantiles("from the answer to the revocation", after)
	quantiles("from asking for it", since)
	return nil
}

func quantiles(what string, all []time.Duration) {
	slices.Sort(all)
	at := func(q float64) time.Duration { return all[int(q*float64(len(all)-1))].Round(10 * time.Microsecond) }
	fmt.Printf("  %-36s p50 %s  p99 %s  max %s\n", what, at(0.5), at(0.99), at(1))
}

// rotations lets clients refresh as fast as they can, each its own chain, at all servers in turn.
func rotations(bases []string, key string) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var times []time.Duration
	var failed error
	over := time.Now().Add(rotating)
	for i := range clients {
		p, err := newPair(bases[0], key)
		if err != nil {
			return err
		}
		wg.Go(func() {
			for n := i; time.Now().Before(over); n++ {
				begin := time.Now()
				status, b, err := call("POST", bases[n%len(bases)]+"/webservices/refresh_token.php", "", `{"refresh":"`+p.Refresh+`"}`)
				took := time.Since(begin)
				if err == nil && status == http.StatusOK {
					err = json.Unmarshal(b, &p)
				} else if err == nil {
					err = fmt.Errorf("a rotation gets %d %s", status, b)
				}
				mu.Lock()
				times, failed = append(times, took), errors.Join(failed, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	fmt.Printf("%d rotations by %d clients at %d servers: %.0f a second\n", len(times), clients, len(bases), float64(len(times))/rotating.Seconds())
	quantiles("one rotation", times)
	return nil
}
