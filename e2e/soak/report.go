//go:build e2e

package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// report gathers what all stages did and found.
type report struct {
	begin time.Time

	mu       sync.Mutex
	done     map[string]int // :: what was asked and how it came out → how often
	findings []string
	found    map[string]int // :: kind of finding → how often
	tables   []string
	stopped  chan struct{}
	stops    []time.Duration
	kills    []time.Duration
}

// maxFindings is how many of a kind are kept in words; all are counted.
const maxFindings = 10

func newReport() *report {
	return &report{begin: time.Now(), done: map[string]int{}, found: map[string]int{}, stopped: make(chan struct{})}
}

// fail notes a finding, and says it at once: nobody waits an hour for the first.
func (r *report) fail(format string, args ...any) {
	text := time.Since(r.begin).Round(time.Millisecond).String() + " " + strings.TrimSpace(fmt.Sprintf(format, args...))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found[format]++
	if r.found[format] <= maxFindings {
		r.findings = append(r.findings, text)
		fmt.Fprintln(os.Stderr, "FOUND", text)
	}
}

// stop ends the run early: somebody asked for it, or nothing is left to measure. It is called once.
func (r *report) stop() { close(r.stopped) }

// sleep is time.Sleep, but for the end of the run.
func (r *report) sleep(d time.Duration) {
	select {
	case <-r.stopped:
	case <-time.After(d):
	}
}

// running is whether a stage goes on.
func (r *report) running(over time.Time) bool {
	select {
	case <-r.stopped:
		return false
	default:
		return time.Now().Before(over)
	}
}

// count counts something that was done.
func (r *report) count(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[what]++
}

func (r *report) restarted(kill bool, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if kill {
		r.kills = append(r.kills, took)
	} else {
		r.stops = append(r.stops, took)
	}
}

// table keeps lines of cells, the first being the head, for the end.
func (r *report) table(title string, lines [][]string) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, cells := range lines {
		fmt.Fprintln(w, strings.Join(cells, "\t")+"\t")
	}
	_ = w.Flush() // to memory
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tables = append(r.tables, title+"\n"+b.String())
}

// print prints everything, and returns how much was found.
func (r *report) print() (found int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Printf("%s of soaking\n", time.Since(r.begin).Round(time.Second))
	for _, what := range slices.Sorted(maps.Keys(r.done)) {
		fmt.Printf("  %8d  %s\n", r.done[what], what)
	}
	for name, all := range map[string][]time.Duration{"stops in good order": r.stops, "kills": r.kills} {
		if len(all) > 0 {
			slices.Sort(all)
			fmt.Printf("  %8d  %s, serving again after %s at most, %s in the middle\n", len(all), name,
				all[len(all)-1].Round(time.Millisecond), all[len(all)/2].Round(time.Millisecond))
		}
	}
	slices.Sort(r.tables)
	for _, t := range r.tables {
		fmt.Printf("\n%s", t)
	}
	for _, f := range r.findings {
		fmt.Println("FOUND", f)
	}
	for _, n := range r.found {
		found += n
	}
	return found
}

// errorLines are the lines of a log that tell of an error, without their times, each once.
func errorLines(log string) []string {
	var all []string
	for line := range strings.Lines(log) {
		if at := strings.Index(line, "level=ERROR"); at >= 0 || strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			all = append(all, strings.TrimSpace(line[max(at, 0):]))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
