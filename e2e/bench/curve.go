//go:build e2e

package main

import (
	"time"
)

// point is what some clients at once had of a path.
type point struct {
	clients  int
	rate     float64
	p50, p99 time.Duration
}

// curve rotates with more and more clients at once.
func (b *bench) curve(into *report) error {
	for n := 1; n <= 128; n *= 2 {
		x, err := chains(b.server, b.apiKey, n, nil)
		if err != nil {
			return err
		}
		if err := x.turn(2 * b.turn); err != nil {
			return err
		}
		r := &x.result
		into.curve = append(into.curve, point{n, r.Rate(), r.Quantile(0.5), r.Quantile(0.99)})
	}
	return nil
}
