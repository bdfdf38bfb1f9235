//go:build e2e

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"symbolon/e2e/load"
)

const (
	beginMark = "<!-- begin of what `make bench-growth` writes -->"
	endMark   = "<!-- end of what `make bench-growth` writes -->"
)

func (r *report) text(took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", r.engine.name())
	r.starting(&b)
	r.rotating(&b)
	r.verifying(&b)
	r.growing(&b)
	fmt.Fprintf(&b, "All of it took %s.\n\n", took.Round(time.Second))
	return b.String()
}

func (r *report) starting(b *strings.Builder) {
	fmt.Fprint(b, "| grants | revoked | database | serving after | first answer after | CPU until then | resident idle | after load |\n|---|---|---|---|---|---|---|---|\n")
	fmt.Fprintf(b, "| none, new folder | | | %s | %s | %s | %s | |\n", span(r.fresh.ready), span(r.fresh.answered), each(r.fresh.cpu), mib(r.fresh.idle))
	for _, s := range r.sizes {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", short(s.grants), short(s.grants/10), mib(s.whole),
			span(s.begun.ready), span(s.begun.answered), each(s.begun.cpu), mib(s.begun.idle), mib(s.loaded))
	}
	fmt.Fprintln(b)
}

func (r *report) rotating(b *strings.Builder) {
	fmt.Fprintf(b, "| grants | | rotations/s | p50 | p99 | server CPU | of the floor | of %s grants | CPU beside those |\n|---|---|---|---|---|---|---|---|---|\n", short(r.sizes[0].grants))
	for _, s := range r.sizes {
		first := s.first
		if first == nil {
			first = &s
		}
		row := func(what string, of, beside *load.Result) {
			cpu, ratio := "", ""
			if of.CPU > 0 {
				cpu, ratio = us(of.CPUEach()), fmt.Sprintf("%.2f", float64(of.CPUEach())/float64(beside.CPUEach()))
			}
			fmt.Fprintf(b, "| %s | %s | %.0f | %s | %s | %s | %.2f | %.2f | %s |\n", short(s.grants), what, of.Rate(), ms(of.Quantile(0.5)), ms(of.Quantile(0.99)),
				cpu, of.Rate()/s.floor.Rate(), of.Rate()/beside.Rate(), ratio)
		}
		row("floor", &s.floor, &first.floor)
		row("1 client", &s.one, &first.one)
		row(fmt.Sprintf("%d clients", crowd), &s.all, &first.all)
	}
	fmt.Fprintln(b)
}

func (r *report) verifying(b *strings.Builder) {
	if len(r.asked) == 0 {
		return
	}
	fmt.Fprint(b, "| verifying a token met before | requests/s | p50 | p99 | server CPU | CPU beside none revoked |\n|---|---|---|---|---|---|\n")
	for i := range r.asked {
		a := &r.asked[i]
		fmt.Fprintf(b, "| %s | %.0f | %s | %s | %s | %.3f |\n", a.what, a.result.Rate(), ms(a.result.Quantile(0.5)), ms(a.result.Quantile(0.99)),
			us(a.result.CPUEach()), float64(a.result.CPUEach())/float64(r.asked[0].result.CPUEach()))
	}
	fmt.Fprintln(b)
}

func (r *report) growing(b *strings.Builder) {
	g := r.grown
	rotations := float64(g.served + g.raw)
	fmt.Fprintf(b, "%d refreshes and %d rotations of the floor among %s grants:\n\n| | rows before | after | bytes before | after | bytes for a million rotations |\n|---|---|---|---|---|---|\n",
		g.served, g.raw, short(r.sizes[0].grants))
	for _, t := range append([]string{""}, tables...) {
		name, rows := t, fmt.Sprintf("%d | %d", g.rowsBefore[t], g.rowsAfter[t])
		if t == "" {
			name, rows = "whole database", "|"
		}
		fmt.Fprintf(b, "| %s | %s | %d | %d | %.0f |\n", name, rows, g.before[t], g.after[t], float64(g.after[t]-g.before[t])/rotations*1e6)
	}
	fmt.Fprintln(b)
}

func each(cpu time.Duration) string { return (cpu / starts).Round(time.Millisecond).String() }

// span is the middle of some times, and the longest.
func span(times []time.Duration) string {
	sorted := slices.Sorted(slices.Values(times))
	return fmt.Sprintf("%s (most %s)", sorted[len(sorted)/2].Round(time.Millisecond), sorted[len(sorted)-1].Round(time.Millisecond))
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1e3) }
func us(d time.Duration) string { return fmt.Sprintf("%.0f µs", d.Seconds()*1e6) }
func mib(n int64) string        { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

// short is a number in thousands or millions, where it is a whole number of them.
func short(n int) string {
	switch {
	case n > 0 && n%1_000_000 == 0:
		return fmt.Sprintf("%d M", n/1_000_000)
	case n > 0 && n%1000 == 0:
		return fmt.Sprintf("%d k", n/1000)
	}
	return fmt.Sprint(n)
}
