//go:build e2e

package main

import (
	"fmt"
	"time"

	"symbolon/e2e/load"
)

const rounds = 3 // turns that each measurement takes, so that a busy moment hits all

// sized is what was measured at one size.
type sized struct {
	grants          int
	begun           begun
	loaded          int64 // resident after the load
	whole           int64 // bytes of the database
	floor, one, all load.Result
	first           *sized // the first size, measured in the same turns; nil for the first itself
}

// asked is what verifications cost at one size.
type asked struct {
	what   string
	result load.Result
}

// grown is how large the first size's database was before and after all its rotations.
type grown struct {
	before, after         map[string]int64 // :: table → bytes; "" is the whole
	rowsBefore, rowsAfter map[string]int64
	served, raw           int
}

type report struct {
	engine engine
	fresh  begun
	sizes  []sized
	asked  []asked
	grown  grown
}

// measure keeps the first size in one database and lets another grow. Servers on both run at once, and take turns.
func measure(o options, e engine) (*report, error) {
	r := &report{engine: e}
	if err := r.measureFresh(o); err != nil {
		return nil, err
	}
	first, err := newPlace(e, "first")
	if err != nil {
		return nil, err
	}
	if err := first.grow(o.binary, o.sizes[0], true); err != nil {
		return nil, err
	}
	if r.grown.before, r.grown.rowsBefore, err = first.sizes(); err != nil {
		return nil, err
	}
	s := sized{grants: first.grants, whole: r.grown.before[""]}
	if s.begun, err = first.begin(o.binary); err != nil {
		return nil, err
	}
	defer func() { first.server.Kill() }()
	if err := turns(o, map[*place]*sized{first: &s}); err != nil {
		return nil, err
	}
	r.sizes = append(r.sizes, s)
	if err := r.measureGrowing(o, first); err != nil {
		return nil, err
	}
	if err := first.server.Stop(); err != nil {
		return nil, err
	}
	r.grown.served, r.grown.raw = first.asked, first.raw
	r.grown.after, r.grown.rowsAfter, err = first.sizes()
	return r, err
}

// measureFresh starts on a new folder and a new database each time.
func (r *report) measureFresh(o options) error {
	for i := range starts {
		p, err := newPlace(r.engine, fmt.Sprintf("fresh%d", i))
		if err != nil {
			return err
		}
		if err := p.firstAnswer(o.binary, &r.fresh); err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		if err := p.start(o.binary); err != nil {
			return err
		}
		time.Sleep(settle)
		if r.fresh.idle, err = p.server.Resident(); err != nil {
			return err
		}
		if err := p.server.Stop(); err != nil {
			return err
		}
	}
	return nil
}

func (r *report) measureGrowing(o options, first *place) error {
	if len(o.sizes) == 1 {
		return nil
	}
	p, err := newPlace(r.engine, "grows")
	if err != nil {
		return err
	}
	for i, grants := range o.sizes[1:] {
		if err := p.grow(o.binary, grants, true); err != nil {
			return err
		}
		s := sized{grants: grants, first: &sized{grants: first.grants}}
		if s.whole, _, err = r.engine.size(p.database); err != nil {
			return err
		}
		if s.begun, err = p.begin(o.binary); err != nil {
			return err
		}
		if err := turns(o, map[*place]*sized{first: s.first, p: &s}); err != nil {
			p.server.Kill()
			return err
		}
		r.sizes = append(r.sizes, s)
		if i == len(o.sizes)-2 {
			err = r.measureAsked(o, first, p)
		}
		if err != nil {
			p.server.Kill()
			return err
		}
		if err := p.server.Stop(); err != nil {
			return err
		}
	}
	return nil
}

// turns measures rotations at several places, never two at once.
func turns(o options, places map[*place]*sized) error {
	for range rounds {
		for p, s := range places {
			if err := turn(o, &s.floor, p.floor, func() (time.Duration, error) { return 0, nil }); err != nil {
				return err
			}
			if err := turn(o, &s.one, func() ([]func() error, func(), error) { return p.clients(1) }, p.server.CPU); err != nil {
				return err
			}
			if err := turn(o, &s.all, func() ([]func() error, func(), error) { return p.clients(crowd) }, p.server.CPU); err != nil {
				return err
			}
			var err error
			if s.loaded, err = p.server.Resident(); err != nil {
				return err
			}
		}
	}
	return nil
}

func turn(o options, r *load.Result, connect func() ([]func() error, func(), error), cpu func() (time.Duration, error)) error {
	workers, closeAll, err := connect()
	if err != nil {
		return err
	}
	defer closeAll()
	return r.Turn(workers, o.turn, cpu)
}

// met is how many grants' tokens are asked about.
const met = 64

// measureAsked verifies tokens that the server has met, where nothing is revoked and at two sizes.
func (r *report) measureAsked(o options, first, grows *place) error {
	none, err := newPlace(r.engine, "none")
	if err != nil {
		return err
	}
	if err := none.grow(o.binary, 1000, false); err != nil {
		return err
	}
	if err := none.start(o.binary); err != nil {
		return err
	}
	defer func() { none.server.Kill() }()
	places := []*place{none, first, grows}
	workers := make([][]func() error, len(places))
	for i, p := range places {
		tokens, err := p.access(met)
		if err != nil {
			return err
		}
		var done func()
		if workers[i], done, err = connect(p.server.Addr, crowd, asking(tokens)); err != nil {
			return err
		}
		defer done()
		revoked := p.grants / 10
		if p == none {
			revoked = 0
		}
		r.asked = append(r.asked, asked{what: fmt.Sprintf("%s grants, %s revoked", short(p.grants), short(revoked))})
		var warm load.Result
		if err := warm.Turn(workers[i], o.turn/3, p.server.CPU); err != nil {
			return err
		}
	}
	for range 2 * rounds {
		for i, p := range places {
			if err := r.asked[i].result.Turn(workers[i], o.turn, p.server.CPU); err != nil {
				return err
			}
		}
	}
	return nil
}

// asking presents tokens in turn to the gate.
func asking(tokens []string) func(*load.Conn) func() error {
	requests := make([][]byte, len(tokens))
	for i, t := range tokens {
		requests[i] = load.Get("/symbolon/verify/samples", "Authorization: Bearer "+t)
	}
	return func(c *load.Conn) func() error {
		n := 0
		return func() error {
			n++
			_, err := c.Expect(200, requests[n%len(requests)])
			return err
		}
	}
}

// sizes reads bytes and rows of the tables and the whole; no server runs.
func (p *place) sizes() (bytes, rows map[string]int64, err error) {
	whole, bytes, err := p.engine.size(p.database)
	if err != nil {
		return nil, nil, err
	}
	bytes[""] = whole
	db, _, err := p.engine.open(p.database)
	if err != nil {
		return nil, nil, err
	}
	defer db.Close()
	rows = map[string]int64{}
	for _, t := range tables {
		var n int64
		if err := db.QueryRow("SELECT COUNT(*) FROM " + t).Scan(&n); err != nil {
			return nil, nil, fmt.Errorf("counting %s: %w", t, err)
		}
		rows[t] = n
	}
	return bytes, rows, nil
}
