package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// The engine's verbs with the real store (SQLite, every flush), keys and formats, and without HTTP. `make microbench` runs
// them; the names are what benchstat compares by, so they stay.

const (
	crowd       = 16  // goroutines of what is measured with many at once
	benchPeople = 256 // so that nobody has many grants
)

// bench is a service that runs, and its people.
type bench struct {
	*testing.B
	*App
	ids []int64
}

func newBench(b *testing.B) *bench {
	b.ReportAllocs()
	conf := config.Dev(b.TempDir(), "127.0.0.1:8080")
	conf.Services[0].Pairs = 100_000 // no pair ends because another is made
	ctx := b.Context()
	a, err := Open(ctx, Options{Config: conf, Now: time.Now, Log: slog.New(slog.DiscardHandler), Serve: true, Hasher: cheap()})
	if err != nil {
		b.Fatal(err)
	}
	if err := a.Engine.Start(ctx); err != nil {
		b.Fatal(err)
	}
	if _, err := a.Keys.Legacy(ctx, "ecology"); err != nil { // else it is made beside what is measured
		b.Fatal(err)
	}
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { a.Engine.Follow(following) })
	b.Cleanup(func() {
		stop()
		wg.Wait()
		a.Close()
	})
	x := &bench{B: b, App: a, ids: make([]int64, benchPeople)}
	x.together(benchPeople, func(i int) error {
		acc, err := a.Accounts.Add(ctx, operator, account.New{Name: fmt.Sprintf("person-%d", i), Type: account.Person, Display: "Ada Example"})
		x.ids[i] = acc.ID
		return err
	})
	return x
}

// must ends a measurement whose verb failed: an error is no fast answer.
func (x *bench) must(err error) {
	if err != nil {
		x.Fatal(err)
	}
}

// together prepares n things, many at once.
func (x *bench) together(n int, do func(i int) error) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 4 * crowd {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					x.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if x.Failed() {
		x.FailNow()
	}
}

// atOnce measures do in the goroutines of a crowd; it is given each number once.
func (x *bench) atOnce(do func(i int) error) {
	x.SetParallelism(crowd / 2) // of each of two cores, where GOMAXPROCS is 2
	var next atomic.Int64
	x.ResetTimer()
	x.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := do(int(next.Add(1)) - 1); err != nil {
				x.Error(err)
				return
			}
		}
	})
}

func (x *bench) issue(service string, i int) (token.Tokens, error) {
	return x.Engine.Issue(context.Background(), token.Operator(),
		token.IssueRequest{Service: service, Kind: token.Pair, Account: x.ids[i%benchPeople], Label: "bench"})
}

func (x *bench) pair(service string) token.Tokens {
	t, err := x.issue(service, 0)
	x.must(err)
	return t
}

func BenchmarkIssue(b *testing.B) {
	x, i := newBench(b), 0
	for b.Loop() {
		_, err := x.issue("samples", i)
		x.must(err)
		i++
	}
}

func BenchmarkIssueAtOnce(b *testing.B) {
	x := newBench(b)
	x.atOnce(func(i int) error {
		_, err := x.issue("samples", i)
		return err
	})
}

// rotate moves a chain on by one.
func (x *bench) rotate(refresh secret.Text) (secret.Text, error) {
	t, err := x.Engine.Refresh(context.Background(), token.Caller{}, token.RefreshRequest{Service: "samples", Token: refresh.Reveal()})
	return t.Refresh, err
}

func BenchmarkRefreshRotating(b *testing.B) {
	x := newBench(b)
	refresh, err := x.pair("samples").Refresh, error(nil)
	for b.Loop() {
		refresh, err = x.rotate(refresh)
		x.must(err)
	}
}

func BenchmarkRefreshRotatingAtOnce(b *testing.B) {
	x := newBench(b)
	chains := make(chan secret.Text, 8*crowd)
	for range cap(chains) {
		chains <- x.pair("samples").Refresh
	}
	x.atOnce(func(int) error {
		refresh, err := x.rotate(<-chains)
		chains <- refresh
		return err
	})
}

// BenchmarkRefreshExtending is that of EDI's token, which reads no store; the pasta-token is not the engine's.
func BenchmarkRefreshExtending(b *testing.B) {
	x := newBench(b)
	access := x.pair("ecology").Access
	for b.Loop() {
		t, err := x.Engine.Refresh(context.Background(), token.Caller{},
			token.RefreshRequest{Service: "ecology", Token: access.Reveal(), Accept: []token.Kind{token.Access}})
		x.must(err)
		access = t.Access
	}
}

func BenchmarkVerifySeen(b *testing.B) {
	for _, service := range []string{"samples", "ecology", "collections", "warehouse"} {
		b.Run(service, func(b *testing.B) {
			x := newBench(b)
			access := x.pair(service).Access.Reveal()
			for b.Loop() {
				_, err := x.Engine.Verify(context.Background(), service, access, token.Access)
				x.must(err)
			}
		})
	}
}

// BenchmarkVerifyNew checks tokens that differ in their grant, which need not exist.
func BenchmarkVerifyNew(b *testing.B) {
	for _, service := range []string{"samples", "ecology", "collections", "warehouse"} {
		b.Run(service, func(b *testing.B) {
			x := newBench(b)
			holder, err := x.Engine.Identify(context.Background(), service, x.pair(service).Access.Reveal())
			x.must(err)
			tokens := make([]string, b.N)
			x.together(b.N, func(i int) error {
				h := holder
				h.Claims.Grant = int64(i + 1)
				t, err := x.Engine.Lend(service, h, time.Hour)
				tokens[i] = t.Access.Reveal()
				return err
			})
			b.ResetTimer()
			for _, text := range tokens {
				_, err := x.Engine.Verify(context.Background(), service, text, token.Access)
				x.must(err)
			}
		})
	}
}

// BenchmarkIdentify is what /symbolon/verify asks.
func BenchmarkIdentify(b *testing.B) {
	x := newBench(b)
	access := x.pair("samples").Access.Reveal()
	for b.Loop() {
		_, err := x.Engine.Identify(context.Background(), "samples", access)
		x.must(err)
	}
}

func (x *bench) key() secret.Text {
	key, _, err := x.Engine.MakeKey(context.Background(), token.Operator(), token.KeyRequest{Account: x.ids[0], Label: "bench", To: time.Now().AddDate(1, 0, 0)})
	x.must(err)
	return key
}

func BenchmarkIdentifyKey(b *testing.B) {
	x := newBench(b)
	key := x.key()
	for b.Loop() {
		_, err := x.Engine.IdentifyKey(context.Background(), "samples", key)
		x.must(err)
	}
}

func BenchmarkExchange(b *testing.B) {
	x := newBench(b)
	key := x.key()
	for b.Loop() {
		_, err := x.Engine.Exchange(context.Background(), token.Caller{}, "ecology", key)
		x.must(err)
	}
}

// grants are b.N grants of many people, to be ended.
func (x *bench) grants() []int64 {
	all := make([]int64, x.N)
	x.together(x.N, func(i int) error {
		t, err := x.issue("samples", i)
		all[i] = t.Grant.ID
		return err
	})
	return all
}

func (x *bench) revoke(grant int64) error {
	_, err := x.Engine.Revoke(context.Background(), token.Operator(), token.RevokeRequest{Grant: grant, Reason: "bench"})
	return err
}

func BenchmarkRevoke(b *testing.B) {
	x := newBench(b)
	all := x.grants()
	b.ResetTimer()
	for _, grant := range all {
		x.must(x.revoke(grant))
	}
}

func BenchmarkRevokeAtOnce(b *testing.B) {
	x := newBench(b)
	all := x.grants()
	x.atOnce(func(i int) error { return x.revoke(all[i]) })
}
