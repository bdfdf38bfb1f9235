//go:build e2e

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"symbolon/e2e/load"
)

const settings = `store: %s
base_url: http://tokens.localhost
log_level: error
services:
  - {name: samples, dialect: sesar, path: /webservices, json_path: /api}
`

const (
	crowd  = 16 // clients at once
	starts = 5
	settle = 3 * time.Second // until a server that nobody asks has done what it does after its start
)

// place is one database, the server on it, and what is known of its grants.
type place struct {
	engine   engine
	database string
	settings string
	grants   int
	mint     *mint
	server   *load.Server

	mu          sync.Mutex
	generations []uint16 // :: grant → its present generation; none has two users at once
	asked, raw  int      // rotations begun by clients, and without us
}

// newPlace lets the server make an empty database and its keys.
func newPlace(e engine, database string) (*place, error) {
	p := &place{engine: e, database: database, generations: []uint16{0}}
	dir := e.folder(database)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	address, err := e.address(database)
	if err != nil {
		return nil, err
	}
	p.settings = fmt.Sprintf(settings, address)
	return p, nil
}

// grow fills the database up to a number of grants; its server does not run.
func (p *place) grow(binary string, grants int, revoked bool) error {
	if p.mint == nil {
		if err := p.start(binary); err != nil {
			return err
		}
		if err := p.server.Stop(); err != nil {
			return err
		}
		var err error
		if p.mint, err = newMint(p.engine.folder(p.database)); err != nil {
			return err
		}
	}
	begin := time.Now()
	if err := fill(p.engine, p.database, p.grants, grants, revoked); err != nil {
		return fmt.Errorf("filling: %w", err)
	}
	fmt.Fprintf(os.Stderr, "%s, database %s: filled to %d grants in %s\n", p.engine.name(), p.database, grants, time.Since(begin).Round(time.Second))
	p.grants = grants
	for len(p.generations) <= grants {
		p.generations = append(p.generations, generation)
	}
	return nil
}

func (p *place) start(binary string) (err error) {
	p.server, err = load.Start(binary, p.engine.folder(p.database), p.settings)
	return err
}

// stride leads through any number of places that has no prime factors but 2 and 5, and meets each once.
const stride = 6_700_417

// pick returns the next grant of a part of each ten of them, far from the last one. Revoked ones are never picked.
func (p *place) pick(n *int, part []int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := *n * stride % (p.grants / 10 * len(part))
	*n++
	return i/len(part)*10 + part[i%len(part)]
}

// Clients and the floor share the table, but no row. Four of each ten are a number of rows that stride fits.
var (
	askedPart = []int{1, 3, 5, 7}
	rawPart   = []int{2, 4, 6, 8}
)

// rotate presents the refresh token of the next grant and returns the answer.
func (p *place) rotate(c *load.Conn) ([]byte, error) {
	grant := p.pick(&p.asked, askedPart)
	text, err := p.mint.refresh(grant, int64(p.generations[grant]))
	if err != nil {
		return nil, err
	}
	body, err := c.Expect(200, load.Post("/webservices/refresh_token.php", "application/json", `{"refresh":"`+text+`"}`))
	if err != nil {
		return nil, fmt.Errorf("rotating grant %d: %w", grant, err)
	}
	p.generations[grant]++
	return body, nil
}

// clients are n workers that rotate at the server.
func (p *place) clients(n int) (workers []func() error, closeAll func(), err error) {
	return connect(p.server.Addr, n, func(c *load.Conn) func() error {
		return func() error {
			_, err := p.rotate(c)
			return err
		}
	})
}

// connect makes n workers with a connection each.
func connect(addr string, n int, work func(*load.Conn) func() error) (workers []func() error, closeAll func(), err error) {
	var conns []*load.Conn
	closeAll = func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
	for range n {
		c, err := load.Dial(addr)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		conns = append(conns, c)
		workers = append(workers, work(c))
	}
	return workers, closeAll, nil
}

// access returns n access tokens of as many grants.
func (p *place) access(n int) (tokens []string, err error) {
	c, err := load.Dial(p.server.Addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for range n {
		body, err := p.rotate(c)
		if err != nil {
			return nil, err
		}
		_, rest, _ := strings.Cut(string(body), `"access":"`)
		text, _, found := strings.Cut(rest, `"`)
		if !found {
			return nil, errors.New("an answer to a rotation holds no access token")
		}
		tokens = append(tokens, text)
	}
	return tokens, nil
}

// rotation is what a refresh must make durable at the least.
const rotation = `UPDATE grants SET generation = generation + 1, rotated_at = $3, answer_lost = 0, expires_at = $4, dead_at = $4
	WHERE id = $1 AND generation = $2 AND service = 'samples' AND revoked_at IS NULL AND expires_at > $3
	RETURNING id, nonce, account_id, generation, issued_at, rotated_at, expires_at`

// floor are workers that rotate without us, each transaction one row; as many as the server has connections.
func (p *place) floor() (workers []func() error, closeAll func(), err error) {
	db, conns, err := p.engine.open(p.database)
	if err != nil {
		return nil, nil, err
	}
	statement, err := db.Prepare(rotation)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	for range conns {
		workers = append(workers, func() error { return p.rotateRaw(statement) })
	}
	return workers, func() { _ = statement.Close(); _ = db.Close() }, nil
}

func (p *place) rotateRaw(statement *sql.Stmt) error {
	grant := p.pick(&p.raw, rawPart)
	now := time.Now()
	var out [7]int64
	err := statement.QueryRowContext(context.Background(), grant, p.generations[grant], now.UnixMilli(), now.AddDate(0, 0, 30).UnixMilli()).
		Scan(&out[0], &out[1], &out[2], &out[3], &out[4], &out[5], &out[6])
	if err != nil {
		return fmt.Errorf("rotating row %d: %w", grant, err)
	}
	p.generations[grant]++
	return nil
}

// begun is what several starts of a server took, and the memory it then has.
type begun struct {
	ready, answered []time.Duration // until it said that it serves, and until a client had its first answer
	cpu             time.Duration   // of all the starts
	idle            int64
}

// begin starts the server several times, and leaves it running.
func (p *place) begin(binary string) (b begun, err error) {
	for range starts {
		if err := p.firstAnswer(binary, &b); err != nil {
			return b, err
		}
	}
	if err := p.start(binary); err != nil {
		return b, err
	}
	time.Sleep(settle)
	b.idle, err = p.server.Resident()
	return b, err
}

func (p *place) firstAnswer(binary string, b *begun) error {
	begin := time.Now()
	if err := p.start(binary); err != nil {
		return err
	}
	c, err := load.Dial(p.server.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if p.grants == 0 {
		_, err = c.Expect(200, load.Get("/readyz"))
	} else {
		_, err = p.rotate(c)
	}
	b.answered = append(b.answered, time.Since(begin))
	b.ready = append(b.ready, p.server.Took)
	cpu, errCPU := p.server.CPU()
	b.cpu += cpu
	return errors.Join(err, errCPU, p.server.Stop())
}
