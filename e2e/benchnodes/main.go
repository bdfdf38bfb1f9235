//go:build e2e

// Command benchnodes runs three servers on one throw-away PostgreSQL and measures how long a revocation at one takes until
// another refuses, and how many rotations a second they do together:
//
//	go run -tags e2e ./e2e/benchnodes -binary ./symbolon
package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"symbolon/e2e/load"
	"symbolon/internal/secret"
	"symbolon/internal/store/postgres/pgtest"
)

const (
	servers     = 3
	warm        = 50  // revocations before those that count, until every server has its connections
	revocations = 500 // at everySecond
	everySecond = 100
	clients     = 16
	rotating    = 5 * time.Second
)

const settings = `store: %s
base_url: http://tokens.localhost
master_key_file: %s
log_level: error
services:
  - {name: samples, dialect: sesar, path: /webservices, json_path: /api, pairs: 100000}
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
	master := filepath.Join(dir, "master.key")
	if err := os.WriteFile(master, []byte(base64.StdEncoding.EncodeToString(secret.Random(32))), 0o600); err != nil {
		return err
	}
	var all []*load.Server
	for i := range servers {
		own := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(own, 0o700); err != nil {
			return err
		}
		s, err := load.Start(binary, own, fmt.Sprintf(settings, pg.URL("symbolon"), master))
		if err != nil {
			return err
		}
		defer s.Kill()
		all = append(all, s)
	}
	key, err := all[0].APIKey("ada")
	if err != nil {
		return err
	}
	return errors.Join(revoke(all, key), rotate(all, key))
}

// revoke revokes at the first server at a steady rate, each pair while another server, which has met its token, is asked
// every half millisecond until it refuses.
func revoke(all []*load.Server, key string) error {
	first, err := load.Dial(all[0].Addr)
	if err != nil {
		return err
	}
	defer first.Close()
	var pairs []load.Pair
	var others []*load.Conn
	for i := range warm + revocations {
		p, err := load.NewPair(first, key)
		if err != nil {
			return err
		}
		other, err := load.Dial(all[1+i%(len(all)-1)].Addr)
		if err != nil {
			return err
		}
		defer other.Close()
		if _, err := other.Expect(http.StatusOK, p.Ask()); err != nil {
			return fmt.Errorf("a good token: %w", err)
		}
		pairs, others = append(pairs, p), append(others, other)
	}
	after, since := make([]time.Duration, len(pairs)), make([]time.Duration, len(pairs))
	errs := make([]error, len(pairs))
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / everySecond)
	defer tick.Stop()
	for i, p := range pairs {
		<-tick.C
		asked := time.Now()
		if err := p.Revoke(first); err != nil {
			return fmt.Errorf("revoking: %w", err)
		}
		answered := time.Now()
		wg.Go(func() {
			refused, err := untilRefused(others[i], p)
			after[i], since[i], errs[i] = refused.Sub(answered), refused.Sub(asked), err
		})
	}
	wg.Wait()
	fmt.Printf("%d revocations at %d a second, until another server has refused\n", revocations, everySecond)
	quantiles("from the answer to the revocation", after[warm:])
	quantiles("from asking for it", since[warm:])
	return errors.Join(errs...)
}

func untilRefused(c *load.Conn, p load.Pair) (time.Time, error) {
	for {
		status, _, err := c.Do(p.Ask())
		if err != nil || status == http.StatusUnauthorized {
			return time.Now(), err
		}
		time.Sleep(time.Millisecond / 2) // who asks without pause takes the cores from those who tell
	}
}

func quantiles(what string, all []time.Duration) {
	slices.Sort(all)
	at := func(q float64) time.Duration { return all[int(q*float64(len(all)-1))].Round(10 * time.Microsecond) }
	fmt.Printf("  %-36s p50 %s  p99 %s  max %s\n", what, at(0.5), at(0.99), at(1))
}

// rotate lets clients refresh as fast as they can, each its own chain, at all servers in turn.
func rotate(all []*load.Server, key string) error {
	var workers []func() error
	for i := range clients {
		var at []*load.Conn
		for _, s := range all {
			c, err := load.Dial(s.Addr)
			if err != nil {
				return err
			}
			defer c.Close()
			at = append(at, c)
		}
		p, err := load.NewPair(at[0], key)
		if err != nil {
			return err
		}
		n := i
		workers = append(workers, func() error {
			n++
			out, err := at[n%len(at)].Expect(http.StatusOK, load.Post("/webservices/refresh_token.php", "application/json", `{"refresh":"`+p.Refresh+`"}`))
			if err == nil {
				err = json.Unmarshal(out, &p)
			}
			return err
		})
	}
	var r load.Result
	if err := r.Turn(workers, rotating, all[0].CPU); err != nil {
		return err
	}
	fmt.Printf("%d rotations by %d clients at %d servers: %.0f a second\n", len(r.Times), clients, len(all), r.Rate())
	quantiles("one rotation", r.Times)
	return nil
}
