//go:build e2e

// Command soak lets the real binary work for an hour, gently, and takes it down now and then:
//
//	go run -tags e2e ./e2e/soak -binary ./symbolon [-for 1h] [-store sqlite|postgres|both] [-workers 8]
//
// Workers hold tokens of all four dialects, refresh and use them, end them in every way there is, and check each answer against
// what must be: what lives is accepted, and what has ended never again. Servers are stopped in good order and killed, on SQLite
// and on PostgreSQL with two of them; keys rotate; old rows are made older, so that they are purged within the hour. In the last
// 35 % of the time nothing is restarted, and what grows then is a leak. It ends with 1 for any finding.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "./symbolon", "the program to soak")
	flag.DurationVar(&o.length, "for", time.Hour, "how long, 20s at least")
	flag.StringVar(&o.store, "store", "both", "sqlite, postgres or both")
	flag.IntVar(&o.workers, "workers", 8, "clients of each store")
	flag.Parse()
	findings, err := o.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
	if findings > 0 {
		fmt.Printf("\n%d findings\n", findings)
		os.Exit(1)
	}
	fmt.Println("\nno findings")
}

type options struct {
	binary, store string
	length        time.Duration
	workers       int
}

// plan is what follows from the length.
type plan struct {
	length, access, refresh, cap, rotation, restartEvery, ageEvery, sampleEvery time.Duration
	begin                                                                       time.Time
	endEvery                                                                    int // of so many steps of a worker one ends something
}

func (o options) plan() plan {
	of := func(share int, least, most time.Duration) time.Duration {
		return min(max(o.length/time.Duration(share), least), most).Round(time.Second)
	}
	return plan{length: o.length, begin: time.Now(),
		access: of(20, 6*time.Second, 3*time.Minute), refresh: of(10, 10*time.Second, 6*time.Minute), cap: of(5, 15*time.Second, 12*time.Minute),
		rotation: of(12, 4*time.Second, 5*time.Minute), restartEvery: of(30, 2*time.Second, 2*time.Minute),
		ageEvery: of(20, 3*time.Second, 3*time.Minute), sampleEvery: max(o.length/180, 500*time.Millisecond),
		endEvery: int(of(60, 20*time.Second, time.Minute) / time.Second)}
}

// quiet is when the time without restarts begins in which leaks are looked for.
func (p plan) quiet() time.Time { return p.begin.Add(p.length * 65 / 100) }

// over is when the workers stop.
func (p plan) over() time.Time { return p.begin.Add(p.length) }

// run soaks and prints what it found; err is of what kept it from soaking.
func (o options) run() (findings int, err error) {
	stores := []string{o.store}
	switch {
	case o.store == "both":
		stores = []string{"sqlite", "postgres"}
	case o.store != "sqlite" && o.store != "postgres":
		return 0, fmt.Errorf("-store %q is not known; say sqlite, postgres or both", o.store)
	case o.length < 20*time.Second || o.workers < 1:
		return 0, fmt.Errorf("-for is 20s at least, and -workers 1")
	}
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "symbolon-soak-")
	if err != nil {
		return 0, fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := writeSecrets(dir); err != nil {
		return 0, fmt.Errorf("writing secrets: %w", err)
	}
	r := newReport()
	go func() {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
		<-asked
		r.stop()
	}()
	var all sync.WaitGroup
	for _, name := range stores {
		s, err := newStage(name, o.binary, dir, o.plan(), r)
		if err != nil {
			return 0, fmt.Errorf("starting on %s: %w", name, err)
		}
		defer s.close()
		all.Go(func() { s.soak(o.workers) })
	}
	all.Wait()
	return r.print(), nil
}

// soak runs everything that goes on at one store until the plan is over, and judges what was measured.
func (s *stage) soak(workers int) {
	if err := s.populate(workers); err != nil {
		s.report.fail("%s: preparing: %v", s.name, err)
		return
	}
	verifiers, err := s.newVerifiers()
	if err != nil {
		s.report.fail("%s: %v", s.name, err)
		return
	}
	s.plan.begin = time.Now()
	var all sync.WaitGroup
	for i := range workers {
		w := newWorker(s, i, verifiers)
		all.Go(w.work)
	}
	m := newMeter(s)
	all.Go(s.restarts)
	all.Go(m.measure)
	all.Go(m.age)
	all.Wait()
	for _, v := range verifiers {
		if err := v.Close(); err != nil {
			s.report.fail("%s: closing a verifier: %v", s.name, err)
		}
	}
	if s.running(time.Now().Add(time.Minute)) {
		m.judge()
	}
	s.judgeLogs()
}

// judgeLogs takes every error that a server logged for a finding: no client here causes one.
func (s *stage) judgeLogs() {
	for i, n := range s.nodes {
		for _, line := range errorLines(n.logged.String()) {
			s.report.fail("%s: server %d logged: %s", s.name, i, line)
		}
	}
}
