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
	floor := flag.Bool("floor", false, "be the bare server, which is measured beside the program")
	flag.Parse()
	if *floor {
		serveFloor()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	binary, only, write string
	turn                time.Duration
	rounds              int
}

// run measures in turns, never two things at once.
func (o options) run(ctx context.Context) error {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	dir, err := os.MkdirTemp("", "symbolon-bench-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	r := &report{}
	if r.flush, err = flushTime(dir); err != nil {
		return err
	}
	b := &bench{ctx: ctx, options: o, dir: dir}
	defer b.close()
	if err := b.open(); err != nil {
		return err
	}
	rows, err := b.rows()
	if err != nil {
		return err
	}
	for _, x := range rows {
		if only.MatchString(x.path) {
			r.rows = append(r.rows, x)
		}
	}
	for n := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", n+1, o.rounds)
		for _, x := range r.rows {
			if err := x.measure(ctx, o.turn); err != nil {
				return fmt.Errorf("%s: %w", x.path, err)
			}
		}
	}
	if only.MatchString("revoke to refused") {
		if r.refused, err = b.refused(); err != nil {
			return err
		}
	}
	if only.MatchString("flood") {
		if r.flood, err = b.flood(); err != nil {
			return err
		}
	}
	if only.MatchString("curve") {
		if r.curve, err = b.curve(); err != nil {
			return err
		}
	}
	if r.starts, err = b.ended(); err != nil {
		return err
	}
	text := r.text()
	fmt.Print(text)
	if o.write == "" {
		return nil
	}
	return errors.Join(r.plots(o.write), replaceBetween(o.write+"/performance.md", text))
}
