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
	"errors"
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
	rounds     = 5  // turns that each measurement takes, so that a busy minute hits them all
	maxSeconds = 10
)

func main() {
	binary := flag.String("binary", "./symbolon", "the program to measure")
	seconds := flag.Int("seconds", 5, "length of each of the four measurements, at most 10")
	bare := flag.Bool("bare", false, "be the server that does nothing, which is measured beside the program")
	flag.Parse()
	if *bare {
		serveBare()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := run(ctx, *binary, time.Duration(min(max(*seconds, 1), maxSeconds))*time.Second); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures in turns, never two things at once.
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
	floors, closeFloors, err := openFloors(ctx, dir)
	if err != nil {
		return err
	}
	defer closeFloors()
	served, stop, err := startServer(ctx, binary, dir)
	if err != nil {
		return err
	}
	defer stop()
	asked, stopBare, err := startAsking(ctx, served[0].server)
	if err != nil {
		return err
	}
	defer stopBare()
	for range rounds {
		for _, f := range floors {
			if err := f.measure(each / rounds); err != nil {
				return err
			}
		}
		for _, c := range append(slices.Clone(served), asked...) {
			if err := c.measure(each / rounds); err != nil {
				return err
			}
		}
	}
	fmt.Printf("%s\nfdatasync of 8 kB: median %s\n\n", machine(), flush.Round(time.Microsecond))
	return errors.Join(table(floors, served), askedTable(asked))
}

// table prints the floors, and each measurement of the server beside both of them.
func table(floors []*floor, served []*clients) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\trotations/s\tp50\tp99\terrors\tserver CPU/request\tof SQLite alone\tof our store\t")
	for _, f := range floors {
		fmt.Fprintf(w, "%s\t%.0f\t\t\t\t\t%.2f\t%.2f\t\n", f.name, f.rate(), f.rate()/floors[0].rate(), f.rate()/floors[1].rate())
	}
	failed := 0
	for _, c := range served {
		slices.Sort(c.times)
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%s\t%d\t%s\t%.2f\t%.2f\t\n", c.name, c.rate(), c.quantile(0.50), c.quantile(0.99),
			c.errors, c.cpuEach().Round(time.Microsecond), c.rate()/floors[0].rate(), c.rate()/floors[1].rate())
		failed += c.errors
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d answers were not a new pair: the rates mean nothing", failed)
	}
	return nil
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
