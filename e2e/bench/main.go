//go:build e2e

// Command bench measures the real binary over HTTP, each path beside its floor: what the same work costs without us, on the
// same machine in the same run.
//
//	go run -tags e2e ./e2e/bench -binary ./symbolon [-write docs]
//
// Only the ratios travel from one machine to another. docs/performance.md says how to read them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"symbolon/e2e/load"
)

// What it writes stands between these in docs/performance.md.
const (
	beginMark = "<!-- begin of what `make bench` writes -->"
	endMark   = "<!-- end of what `make bench` writes -->"
)

// limit ends a run that hangs.
const limit = 10 * time.Minute

func main() {
	o := options{}
	flag.StringVar(&o.binary, "binary", "./symbolon", "the program to measure")
	flag.DurationVar(&o.turn, "turn", time.Second, "length of one turn; each measurement has several")
	flag.IntVar(&o.rounds, "rounds", 5, "turns of each measurement")
	flag.StringVar(&o.only, "only", "", "measure only the paths that match this regular expression")
	flag.StringVar(&o.write, "write", "", "folder of performance.md, to write the tables and plots into")
	flag.StringVar(&o.profiles, "profiles", "", "measure the hottest paths alone, with a program built with -tags profile, and write their profiles to this folder")
	floor := flag.Bool("floor", false, "be the bare server, which is measured beside the program")
	flag.Parse()
	if *floor {
		serveFloor()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	run := o.run
	if o.profiles != "" {
		run = o.profile
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	binary, only, write, profiles string
	turn                          time.Duration
	rounds                        int
}

// run measures, prints and writes.
func (o options) run(ctx context.Context) error {
	r, err := o.measure(ctx)
	if err != nil {
		return err
	}
	text := r.text()
	fmt.Print(text)
	if o.write == "" {
		return nil
	}
	return errors.Join(r.plots(o.write), load.Publish(o.write+"/performance.md", beginMark, endMark, text))
}

// measure measures in turns, never two things at once.
func (o options) measure(ctx context.Context) (*report, error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	dir, err := os.MkdirTemp("", "symbolon-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	r := &report{}
	if r.flush, err = flushTime(dir); err != nil {
		return nil, err
	}
	b := &bench{ctx: ctx, options: o, dir: dir}
	defer b.close()
	if err := b.open(); err != nil {
		return nil, err
	}
	if r.rows, err = b.chosen(only); err != nil {
		return nil, err
	}
	for n := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", n+1, o.rounds)
		for _, x := range r.rows {
			if err := x.measure(ctx, o.turn); err != nil {
				return nil, fmt.Errorf("%s: %w", x.path, err)
			}
		}
	}
	for name, measure := range map[string]func(*report) error{"revoke to refused": b.refused, "flood": b.flood, "curve": b.curve} {
		if only.MatchString(name) {
			if err := measure(r); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	r.pid, r.remotePID = b.server.PID, b.remote.PID
	r.starts, err = b.ended()
	return r, err
}

// chosen are the rows whose path matches.
func (b *bench) chosen(only *regexp.Regexp) (some []*row, err error) {
	all, err := b.rows()
	for _, x := range all {
		if only.MatchString(x.path) {
			some = append(some, x)
		}
	}
	return some, err
}
