//go:build e2e

package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"symbolon/e2e/load"
	"symbolon/internal/account"
)

// rows is every path, in the order of the report. Rotations come before tokens that nobody has checked: they make them.
func (b *bench) rows() (all []*row, err error) {
	for _, make := range []func() ([]*row, error){b.rotations, b.remoteRotations, b.checks, b.pairRefreshes, b.exchange, b.published, b.logins} {
		some, err := make()
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// chain makes a worker that refreshes a pair of samples, and presents the token that it got before. Access tokens go to made
// while there is room.
func chain(c *load.Conn, refresh string, made chan<- string) func() error {
	return func() error {
		text, err := c.Expect(200, load.Post("/webservices/refresh_token.php", "application/json", `{"refresh":"`+refresh+`"}`))
		if err != nil {
			return err
		}
		var access string
		if access, refresh = member(text, `"access":"`), member(text, `"refresh":"`); refresh == "" {
			return fmt.Errorf("an answer without a pair: %.300s", text)
		}
		select {
		case made <- access:
		default:
		}
		return nil
	}
}

// member cuts a text out of a flat JSON object.
func member(text []byte, name string) string {
	_, rest, _ := bytes.Cut(text, []byte(name))
	value, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(value)
}

// chains makes n of them on a server.
func chains(s *load.Server, key string, n int, made chan<- string) (*side, error) {
	var failed error
	x, err := ofServer(s, n, func(_ int, c *load.Conn) func() error {
		p, err := load.NewPair(c, key)
		if err != nil {
			failed = err
		}
		return chain(c, p.Refresh, made)
	})
	if err == nil {
		err = failed
	}
	return x, err
}

func (b *bench) rotations() ([]*row, error) {
	b.unseen = make(chan string, 100_000)
	raw, closeRaw, err := rawSQLite(b.ctx, b.dir+"/raw.db")
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, closeRaw)
	var all []*row
	for _, x := range []struct {
		n    int
		goal float64
	}{{1, 0.5}, {crowd, 1}, {64, 1}} {
		ours, err := chains(b.server, b.apiKey, x.n, b.unseen)
		if err != nil {
			return nil, err
		}
		all = append(all, &row{path: fmt.Sprintf("rotation, SQLite, %d at once", x.n), against: "one raw rotation a transaction",
			byRate: x.goal, ours: ours, floor: inProcess([]func() error{raw})})
	}
	return all, nil
}

func (b *bench) remoteRotations() ([]*row, error) {
	key, err := b.remote.APIKey("demo")
	if err != nil {
		return nil, err
	}
	ours, err := chains(b.remote, key, crowd, nil)
	if err != nil {
		return nil, err
	}
	floor, err := b.rawPostgres(4 * runtime.GOMAXPROCS(0)) // as many connections as the server's pool has
	if err != nil {
		return nil, err
	}
	ours.cpu, floor.cpu = b.withPostgres(b.remote.CPU), b.withPostgres(ownCPU)
	return []*row{{path: fmt.Sprintf("rotation, PostgreSQL, %d at once", crowd), against: "one-statement rotation, same connections", byCPU: 0.6, byRate: 0.5,
		ours: ours, floor: floor}}, nil
}

// withPostgres adds what the database has used.
func (b *bench) withPostgres(cpu func() (time.Duration, error)) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		own, err := cpu()
		if err != nil {
			return 0, err
		}
		database, err := load.TreeCPU(b.pg.PID())
		return own + database, err
	}
}

const (
	floorSeen = "/0"
	floorNew  = "/1"
	floorEDI  = "/2"
	floorKey  = "/3"
	floorJWKS = "/4"
	floorList = "/5"
)

const verify = "/symbolon/verify/samples"

// checks are questions whether a request may go on, with tokens that were met before and tokens that were not.
func (b *bench) checks() ([]*row, error) {
	c, err := load.Dial(b.server.Addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	p, err := load.NewPair(c, b.apiKey)
	if err != nil {
		return nil, err
	}
	logged, err := b.logging.Command("token", "issue", "--service", "samples", "--account", "demo")
	var elsewhere load.Pair
	if err == nil {
		err = json.Unmarshal(logged, &elsewhere)
	}
	if err == nil {
		err = b.teachChecks(p)
	}
	if err != nil {
		return nil, err
	}
	many, errMany := b.seen("%d at once", b.server, crowd, 0.8, p)
	one, errOne := b.seen("%d at once", b.server, 1, 0.8, p)
	slow, errSlow := b.seen("%d at once, each request logged", b.logging, crowd, 0, elsewhere)
	fresh, errFresh := b.fresh(p)
	return []*row{many, one, slow, fresh}, errors.Join(errMany, errOne, errSlow, errFresh)
}

// teachChecks gives the bare server the answer to the pair's question, on a path without and one with a signature to check.
func (b *bench) teachChecks(p load.Pair) error {
	seen, err := copyOf(b.server, "GET", verify, p.Access, "")
	if err != nil {
		return err
	}
	unseen := seen
	unseen.Work = "verify"
	if unseen.X, unseen.Y, err = publicKey(b.server, "samples"); err != nil {
		return err
	}
	return errors.Join(teach(b.floor, floorSeen, seen), teach(b.floor, floorNew, unseen))
}

func (b *bench) seen(how string, s *load.Server, n int, goal float64, p load.Pair) (*row, error) {
	ours, err := asking(s, n, p.Ask())
	if err != nil {
		return nil, err
	}
	floor, err := asking(b.floor, n, load.Get(floorSeen, "Authorization: Bearer "+p.Access))
	return &row{path: "verify, token seen before, " + fmt.Sprintf(how, n), against: "bare handler, same answer", byCPU: goal, ours: ours, floor: floor}, err
}

func (b *bench) fresh(p load.Pair) (*row, error) {
	ours, err := ofServer(b.server, crowd, func(_ int, c *load.Conn) func() error {
		return func() error {
			select {
			case token := <-b.unseen:
				_, err := c.Expect(200, load.Pair{Access: token}.Ask())
				return err
			default:
				return load.ErrEnough
			}
		}
	})
	if err != nil {
		return nil, err
	}
	floor, err := asking(b.floor, crowd, load.Get(floorNew, "Authorization: Bearer "+p.Access))
	return &row{path: fmt.Sprintf("verify, token new, %d at once", crowd), against: "bare handler + raw ES256 verify", byCPU: 0.8, ours: ours, floor: floor}, err
}

// pairRefreshes are refreshes at ecology: of both tokens, the legacy one signed anew, and of the edi-token alone.
func (b *bench) pairRefreshes() ([]*row, error) {
	both, err := b.bothRefreshed()
	if err != nil {
		return nil, err
	}
	alone := fmt.Sprintf(`{"pasta-token":null,"edi-token":"%s"}`, b.pairs[0].edi)
	a, err := copyOf(b.server, "POST", "/auth/v1/token/refresh", "", alone)
	if err != nil {
		return nil, err
	}
	a.Work = "verify+sign"
	if a.X, a.Y, err = publicKey(b.server, "ecology"); err != nil {
		return nil, err
	}
	if err := teach(b.floor, floorEDI, a); err != nil {
		return nil, err
	}
	ours, err := asking(b.server, crowd, load.Post("/auth/v1/token/refresh", "application/json", alone))
	if err != nil {
		return nil, err
	}
	floor, err := asking(b.floor, crowd, load.Post(floorEDI, "application/json", alone, "Authorization: Bearer "+b.pairs[0].edi))
	return []*row{both, {path: fmt.Sprintf("EDI refresh, legacy not asked for, %d at once", crowd), against: "bare handler + ES256 verify + sign", byCPU: 0.8, ours: ours, floor: floor}}, err
}

func (b *bench) bothRefreshed() (*row, error) {
	var next atomic.Int64
	used := make([]int64, len(b.pairs)) // :: person → minute in which the legacy text was last signed
	ours, err := ofServer(b.server, crowd, func(_ int, c *load.Conn) func() error {
		return func() error {
			i := int(next.Add(1)) % len(b.pairs)
			minute := time.Now().Unix() / 60
			if atomic.SwapInt64(&used[i], minute) == minute {
				return load.ErrEnough // the signature would be remembered
			}
			text, err := c.Expect(200, load.Post("/auth/v1/token/refresh", "application/json",
				fmt.Sprintf(`{"pasta-token":"%s","edi-token":"%s"}`, b.pairs[i].pasta, b.pairs[i].edi)))
			if err == nil && !bytes.Contains(text, []byte(`"pasta-token": "`)) {
				err = fmt.Errorf("an answer without a legacy token: %.300s", text)
			}
			return err
		}
	})
	if err != nil {
		return nil, err
	}
	floor, err := rawPairs()
	return &row{path: fmt.Sprintf("EDI pair refresh, RSA signed, %d at once", crowd), against: "raw pair of signatures, each core", byRate: 0.95,
		ours: ours, floor: floor}, err
}

// rawPairs checks and makes both signatures of a pair, on every core.
func rawPairs() (*side, error) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	legacy, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	sum, old := sha256.Sum256([]byte("edi-token")), md5.Sum([]byte("pasta-token"))
	once := func() error {
		sig, err := ecdsa.SignASN1(rand.Reader, ec, sum[:])
		if err != nil || !ecdsa.VerifyASN1(&ec.PublicKey, sum[:], sig) {
			return fmt.Errorf("ES256: %w", err)
		}
		if sig, err = rsa.SignPKCS1v15(nil, legacy, crypto.MD5, old[:]); err != nil {
			return err
		}
		return rsa.VerifyPKCS1v15(&legacy.PublicKey, crypto.MD5, old[:], sig)
	}
	var workers []func() error
	for range runtime.GOMAXPROCS(0) {
		workers = append(workers, once)
	}
	return inProcess(workers), nil
}

// exchange is tokens for an API key; within a minute the legacy text repeats.
func (b *bench) exchange() ([]*row, error) {
	body := `{"key":"` + b.apiKey + `"}`
	a, err := copyOf(b.server, "POST", "/auth/v1/key", "", body)
	if err != nil {
		return nil, err
	}
	a.Work = "hash+sign"
	if err := teach(b.floor, floorKey, a); err != nil {
		return nil, err
	}
	ours, err := asking(b.server, crowd, load.Post("/auth/v1/key", "application/json", body))
	if err != nil {
		return nil, err
	}
	floor, err := asking(b.floor, crowd, load.Post(floorKey, "application/json", body))
	return []*row{{path: fmt.Sprintf("API key to tokens, legacy remembered, %d at once", crowd), against: "SHA-256 + ES256 sign behind net/http", byCPU: 0.8, ours: ours, floor: floor}}, err
}

// published is what everybody may fetch.
func (b *bench) published() (all []*row, err error) {
	for _, x := range []struct{ name, path, floor string }{{"JWKS", "/.well-known/jwks.json", floorJWKS}, {"status list", "/symbolon/status/0", floorList}} {
		a, err := copyOf(b.server, "GET", x.path, "", "")
		if err != nil {
			return nil, err
		}
		if err := teach(b.floor, x.floor, a); err != nil {
			return nil, err
		}
		ours, err := asking(b.server, crowd, load.Get(x.path))
		if err != nil {
			return nil, err
		}
		floor, err := asking(b.floor, crowd, load.Get(x.floor))
		if err != nil {
			return nil, err
		}
		all = append(all, &row{path: fmt.Sprintf("%s, %d at once", x.name, crowd), against: "bare handler, same bytes", byCPU: 0.9, ours: ours, floor: floor})
	}
	return all, nil
}

// logins are sign-ins by password at warehouse, whose floor is the hash alone, on as many cores as the server gives to it.
func (b *bench) logins() ([]*row, error) {
	const at = "/api/users/login"
	request := load.Post(at, "application/json", `{"username":"demo","password":"`+password+`"}`)
	ours, err := asking(b.server, 4, request)
	if err != nil {
		return nil, err
	}
	hash := func() error {
		_ = argon2.IDKey([]byte(password), []byte("sixteen bytes of"), account.DefaultCost.Time, account.DefaultCost.Memory, account.DefaultCost.Threads, 32)
		return nil
	}
	var workers []func() error
	for range max(1, runtime.GOMAXPROCS(0)-1) {
		workers = append(workers, hash)
	}
	return []*row{{path: "password login, 4 at once", against: "argon2id alone, cores - 1 at once", byRate: 0.95, ours: ours, floor: inProcess(workers)}}, nil
}
