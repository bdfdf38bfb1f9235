//go:build e2e

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"symbolon/e2e/load"
)

// report is everything that one run has measured.
type report struct {
	flush          time.Duration
	rows           []*row
	refused        refusals
	flood          flooded
	curve          []point
	starts         starts
	pid, remotePID int // of the servers on SQLite and on PostgreSQL
}

// text is the report in Markdown.
func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at the end; fdatasync of 8 kB: median %s.\n\n", load.Machine(), r.flush.Round(time.Microsecond))
	fmt.Fprintln(&b, "| path | floor | rate | floor's rate | p50 | p99 | CPU | floor's CPU | share by CPU | share by rate | goal |")
	fmt.Fprintln(&b, "|---|---|---|---|---|---|---|---|---|---|---|")
	for _, x := range r.rows {
		o, f := &x.ours.result, &x.floor.result
		fmt.Fprintf(&b, "| %s | %s | %.0f/s | %.0f/s | %s | %s | %s | %s | %s | %s | %s |\n", x.path, x.against, o.Rate(), f.Rate(),
			short(o.Quantile(0.5)), short(o.Quantile(0.99)), short(o.CPUEach()), short(f.CPUEach()),
			shares(x.cpuShare()), shares(x.rateShare()), x.goal())
	}
	fmt.Fprintln(&b)
	r.others(&b)
	return b.String()
}

// others are the figures without a floor.
func (r *report) others(b *strings.Builder) {
	fmt.Fprintln(b, "| | measured | goal |\n|---|---|---|")
	if n := len(r.refused.client); n > 0 {
		fmt.Fprintf(b, "| revoke to refused, same server, %d at %d a second | %d taken once more | none |\n", n, everySecond, r.refused.same)
		fmt.Fprintf(b, "| revoke to refused, client library with the stream | p50 %s, p99 %s, most %s | p99 50 ms |\n", short(r.refused.client[n/2]),
			short(r.refused.client[n*99/100]), short(r.refused.client[n-1]))
	}
	if f := r.flood; f.alone > 0 {
		fmt.Fprintf(b, "| verify, p99, 4 at once: alone, and beside 64 who sign in | %s, %s: %.1f times | 3 times |\n", short(f.alone), short(f.among),
			float64(f.among)/float64(f.alone))
	}
	s := r.starts
	fmt.Fprintf(b, "| start on an empty folder | median %s of %d, %s to %s | 80 ms |\n", short(median(s.empty)), len(s.empty), short(s.empty[0]), short(s.empty[len(s.empty)-1]))
	fmt.Fprintf(b, "| start once more | median %s, %s to %s | 40 ms |\n", short(median(s.again)), short(s.again[0]), short(s.again[len(s.again)-1]))
	fmt.Fprintf(b, "| resident, idle and after all of this | %.1f MiB, %.1f MiB | 25 MiB, 45 MiB |\n", mib(s.idle), mib(s.loaded))
	fmt.Fprintf(b, "| binary, stripped | %.1f MB | 30 MB |\n", float64(s.binary)/1e6)
	if len(r.curve) == 0 {
		return
	}
	fmt.Fprintln(b, "\n| rotation, SQLite, clients at once | rate | p50 | p99 |\n|---|---|---|---|")
	for _, p := range r.curve {
		fmt.Fprintf(b, "| %d | %.0f/s | %s | %s |\n", p.clients, p.rate, short(p.p50), short(p.p99))
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// shares are the median of the rounds, and how far they lie apart.
func shares(all []float64) string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(all), all[0], all[len(all)-1])
}

func (x *row) goal() string {
	var all []string
	for _, g := range []struct {
		by    string
		least float64
	}{{"CPU", x.byCPU}, {"rate", x.byRate}} {
		if g.least > 0 {
			all = append(all, fmt.Sprintf("%.2f by %s", g.least, g.by))
		}
	}
	return strings.Join(all, ", ")
}

// median sorts what it is given.
func median[T int64 | float64 | time.Duration](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}

// short rounds a duration to three digits.
func short(d time.Duration) string {
	for unit := time.Duration(1); ; unit *= 10 {
		if d < 1000*unit {
			return strings.Replace(d.Round(unit).String(), "µs", " µs", 1)
		}
	}
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
	return median(times), nil
}
