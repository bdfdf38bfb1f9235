//go:build e2e

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"symbolon/e2e/load"
)

// side is the service or its floor on one path.
type side struct {
	workers []func() error
	cpu     func() (time.Duration, error)
	result  load.Result
	rates   []float64       // of each turn
	each    []time.Duration // CPU of each turn's good answers
}

func (s *side) turn(d time.Duration) error {
	var r load.Result
	if err := r.Turn(s.workers, d, s.cpu); err != nil {
		return err
	}
	if len(r.Times) == 0 {
		return errors.New("nothing was left to ask: take fewer or shorter turns")
	}
	s.rates, s.each = append(s.rates, r.Rate()), append(s.each, r.CPUEach())
	s.result.Took += r.Took
	s.result.CPU += r.CPU
	s.result.Times = append(s.result.Times, r.Times...)
	return nil
}

// row is one path beside its floor.
type row struct {
	path, against string
	byCPU, byRate float64 // least share of the floor that is aimed at; 0 where none is
	ours, floor   *side
}

func (x *row) measure(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := x.floor.turn(d); err != nil {
		return fmt.Errorf("the floor: %w", err)
	}
	return x.ours.turn(d)
}

// cpuShare is the floor's CPU of one answer as a part of ours, in each round, sorted.
func (x *row) cpuShare() []float64 {
	var all []float64
	for i := range x.ours.each {
		all = append(all, float64(x.floor.each[i])/float64(max(1, x.ours.each[i])))
	}
	slices.Sort(all)
	return all
}

// rateShare is our rate as a part of the floor's, in each round, sorted.
func (x *row) rateShare() []float64 {
	var all []float64
	for i := range x.ours.rates {
		all = append(all, x.ours.rates[i]/x.floor.rates[i])
	}
	slices.Sort(all)
	return all
}

// ofServer makes workers that ask a server, each on a connection of its own.
func ofServer(s *load.Server, n int, make func(i int, c *load.Conn) func() error) (*side, error) {
	x := &side{cpu: s.CPU}
	for i := range n {
		c, err := load.Dial(s.Addr)
		if err == nil { // a connection that has not asked anything is closed after seconds
			_, err = c.Expect(200, load.Get("/healthz"))
		}
		if err != nil {
			return nil, err
		}
		x.workers = append(x.workers, make(i, c))
	}
	return x, nil
}

// asking makes workers that send the same request again and again.
func asking(s *load.Server, n int, request []byte) (*side, error) {
	return ofServer(s, n, func(_ int, c *load.Conn) func() error {
		return func() error {
			_, err := c.Expect(200, request)
			return err
		}
	})
}

// inProcess makes workers of this program.
func inProcess(workers []func() error) *side {
	return &side{workers: workers, cpu: ownCPU}
}
