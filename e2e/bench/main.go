//go:build e2e

// Command bench measures how many rotations a second the real binary does over
// HTTP, beside what SQLite alone does on the same disk in the same run:
//
//	go run -tags e2e ./e2e/bench -binary ./symbolon
//
// Only the ratios travel from one machine to another. docs/performance.md says
// how to read them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

const (
	crowd      = 16 // workers and writers in the second half of each comparison
	maxSeconds = 10
)

func main() {
	binary := flag.String("binary", "./symbolon", "the program to measure")
	seconds := flag.Int("seconds", 5, "length of each of the four measurements, at most 10")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := run(ctx, *binary, time.Duration(min(max(*seconds, 1), maxSeconds))*time.Second); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures in an order that lets nothing run beside anything else.
func run(ctx context.Context, binary string, each time.Duration) error {
	dir, err := os.MkdirTemp("", "symbolon-bench-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	flush, err := flushTime(dir)
	if err != nil {
		return err
	}
	served, err := measureServer(ctx, binary, dir, each)
	if err != nil {
		return err
	}
	raw, err := rawSQLite(ctx, dir, each)
	if err != nil {
		return err
	}
	grouped, err := groupCommit(ctx, dir, each)
	if err != nil {
		return err
	}
	fmt.Printf("%s\nfdatasync of 8 kB: median %s\n\n", machine(), flush.Round(time.Microsecond))
	return table(served, []floor{{"SQLite alone, 1 writer", raw}, {fmt.Sprintf("our store's Write, %d goroutines", crowd), grouped}})
}

// floor is what rotations cost without us.
type floor struct {
	name string
	rate float64
}

// table prints the floors, and each measurement beside both of them.
func table(served []result, floors []floor) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\trotations/s\tp50\tp99\terrors\tserver CPU/request\tof SQLite alone\tof our store\t")
	for _, f := range floors {
		fmt.Fprintf(w, "%s\t%.0f\t\t\t\t\t%.2f\t%.2f\t\n", f.name, f.rate, f.rate/floors[0].rate, f.rate/floors[1].rate)
	}
	for _, r := range served {
		fmt.Fprintf(w, "HTTP, %d workers\t%.0f\t%s\t%s\t%d\t%s\t%.2f\t%.2f\t\n", r.workers, r.rate(),
			r.quantile(0.50), r.quantile(0.99), r.errors, r.cpu.Round(time.Microsecond), r.rate()/floors[0].rate, r.rate()/floors[1].rate)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range served {
		if r.errors > 0 {
			return fmt.Errorf("%d of %d answers with %d workers were not a new pair: the rates mean nothing", r.errors, r.errors+len(r.times), r.workers)
		}
	}
	return nil
}

// result is one measurement of the server.
type result struct {
	workers int
	took    time.Duration
	times   []time.Duration // of good answers, sorted
	errors  int
	cpu     time.Duration // of the server, for each request
}

func (r result) rate() float64 { return float64(len(r.times)) / r.took.Seconds() }

func (r result) quantile(q float64) time.Duration {
	if len(r.times) == 0 {
		return 0
	}
	return r.times[int(q*float64(len(r.times)-1))].Round(10 * time.Microsecond)
}

// machine names what the absolute figures belong to.
func machine() string {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				model = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	busy := "?"
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		busy, _, _ = strings.Cut(string(load), " ")
	}
	return fmt.Sprintf("%s, %d cores, %s/%s, %s, load average %s at the end", model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), busy)
}

// flushTime is the disk's own price of making a commit durable.
func flushTime(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, "flush")
	if err != nil {
		return 0, fmt.Errorf("timing the disk: %w", err)
	}
	defer f.Close()
	block := make([]byte, 8<<10)
	var times []time.Duration
	for range 200 {
		begin := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, fmt.Errorf("timing the disk: %w", err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0, fmt.Errorf("timing the disk: %w", err)
		}
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
