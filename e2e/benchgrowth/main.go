//go:build e2e

// Command benchgrowth fills both stores with more and more accounts, grants and revocations, and measures at each size how
// the real binary starts, how much memory it has, and what a rotation and a verification cost:
//
//	go run -tags e2e ./e2e/benchgrowth -binary ./symbolon
//
// docs/performance.md says how to read what it prints; -write puts it there.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"symbolon/e2e/load"
)

// Each size has a fifth as many accounts, and a tenth of its grants is revoked. The first is the measure of the others.
const defaultSizes = "100000,1000000,5000000,10000000"

type options struct {
	binary string
	dir    string
	sizes  []int
	turn   time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "./symbolon", "the program to measure")
	flag.DurationVar(&o.turn, "turn", 1500*time.Millisecond, "length of each turn of a measurement")
	sizes := flag.String("sizes", defaultSizes, "numbers of grants, rising; each a multiple of 1000")
	stores := flag.String("stores", "sqlite,postgres", "which stores")
	write := flag.Bool("write", false, "write what is printed into docs/performance.md, under Growth")
	flag.Parse()
	text, err := run(o, *sizes, strings.Split(*stores, ","))
	fmt.Print(text)
	if err == nil && *write {
		err = load.Publish("docs/performance.md", beginMark, endMark, text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchgrowth:", err)
		os.Exit(1)
	}
}

func run(o options, sizes string, stores []string) (text string, err error) {
	if o.sizes, err = numbers(sizes); err != nil {
		return "", err
	}
	if o.dir, err = os.MkdirTemp("", "symbolon-growth-"); err != nil {
		return "", fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(o.dir)
	text = load.Machine() + " at the beginning.\n\n"
	for _, name := range stores {
		begin := time.Now()
		open, ok := map[string]func(string) (engine, error){"sqlite": newSQLite, "postgres": newPostgres}[name]
		if !ok {
			return text, fmt.Errorf("there is no store %q: name sqlite, postgres or both", name)
		}
		e, err := open(filepath.Join(o.dir, name))
		if err != nil {
			return text, err
		}
		r, err := measure(o, e)
		if err := errors.Join(err, e.close()); err != nil {
			return text, fmt.Errorf("%s: %w", name, err)
		}
		text += r.text(time.Since(begin))
	}
	return text, nil
}

// numbers reads the sizes.
func numbers(list string) (all []int, err error) {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1000 || n%1000 != 0 || n > maxGrants || len(all) > 0 && n <= all[len(all)-1] {
			return nil, fmt.Errorf("sizes are rising multiples of 1000 up to %d, not %q", maxGrants, list)
		}
		all = append(all, n)
	}
	return all, nil
}
