// Package storetest is the suite that every store passes, whole: what the
// engine relies on, with contention, failing statements, crashes and clocks
// that jump. A store's own test calls Run and can leave nothing out.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/keyring"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

// Store is everything a store does.
type Store interface {
	token.Store
	account.Store
	keyring.Store
	NewEpoch(context.Context, sqlstore.EpochVerb) (token.Position, error)
	Applications(ctx context.Context, service string, from, to time.Time) ([]token.Grant, error)
	Audit(context.Context, audit.Filter) ([]audit.Event, error)
	Close() error
}

// Options say what to open. Opening a Dir again opens what was stored there.
type Options struct {
	Dir      string
	Services []*token.Service
	Now      func() time.Time
	Clock    func() time.Time      // what a shared database's own clock shows; nil means Now
	Fault    func(op string) error // asked before each statement and before COMMIT; its error counts as the engine's
}

// Engine is what the suite is run on.
type Engine struct {
	// Open opens a store for one test; it fails the test rather than return nil. The suite closes it.
	Open func(*testing.T, Options) Store
	// Copy makes a Dir of what is stored in another, which may be open: what a crash at that moment would leave.
	Copy func(from, to string) error
	// Raw gives a snapshot of a store that Open opened, without its verbs.
	Raw func(Store, func(sqlstore.Tx) error) error
	// Explain, before a statement, makes it tell its plan; through Raw it prefers indexes however small the tables.
	Explain string
	// Tables is a statement that lists the names of the tables.
	Tables string
}

// Run runs the suite.
func Run(t *testing.T, engine Engine) {
	for _, group := range []map[string]func(*kit){issueTests, rotateTests, lostTests, revokeTests, clockTests,
		purgeTests, feedTests, faultTests, crashTests, accountTests, browserTests, auditTests,
		identityTests, joinTests, passwordTests, replaceTests, activityTests,
		keyTests, modelTests, historyTests, nodeTests, rowTests, countTests, loadTests} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(newKit(t, engine))
			})
		}
	}
}

// start is when every test begins; it is not at a full second.
var start = time.Date(2026, 3, 1, 10, 0, 0, 250_000_000, time.UTC)

const day = 24 * time.Hour

// kit is one test's store, clock and services.
type kit struct {
	*testing.T
	Store
	engine Engine
	opts   Options
	nonces int64

	mu    sync.Mutex
	time  time.Time
	fault func(op string) error
}

func newKit(t *testing.T, engine Engine) *kit {
	k := &kit{T: t, engine: engine, time: start}
	k.opts = Options{Dir: t.TempDir(), Services: services(), Now: k.now, Fault: k.inject}
	k.Store = engine.Open(t, k.opts)
	t.Cleanup(func() { k.must(k.Close()) })
	return k
}

func (k *kit) now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.time
}

// pass moves the clock, also back.
func (k *kit) pass(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.time = k.time.Add(d)
}

func (k *kit) inject(op string) error {
	k.mu.Lock()
	fault := k.fault
	k.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(op)
}

// failWith puts a fault in force; nil takes it away.
func (k *kit) failWith(fault func(op string) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fault = fault
}

// reopen closes the store and opens it again.
func (k *kit) reopen() {
	k.Helper()
	k.must(k.Close())
	k.Store = k.engine.Open(k.T, k.opts)
}

func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// refused wants a refusal with the code and leaves any other error to stop the test.
func (k *kit) refused(err error, want token.Code) {
	k.Helper()
	var refusal *token.Error
	if !errors.As(err, &refusal) || refusal.Code != want {
		k.Errorf("error is %v, want the refusal %q", err, want)
	}
}

func equal[T comparable](k *kit, what string, got, want T) {
	k.Helper()
	if got != want {
		k.Errorf("%s is %v, want %v", what, got, want)
	}
}

var (
	ctx      = context.Background()
	operator = token.Operator()
	by       = account.By{Actor: "operator", Addr: "192.0.2.1", Agent: "storetest"}
)

// The services: samples rotates, ecology refreshes without a store and names persons, staff rotates for one group.
func services() []*token.Service {
	return []*token.Service{
		{Name: "samples", Rotates: true, AccessLifetime: day, RefreshLifetime: 30 * day, ReplayWindow: time.Minute,
			Limits: map[token.GrantKind]int{token.Pair: 5, token.Session: 100}, TakesKeys: true},
		{Name: "ecology", AccessLifetime: 8 * time.Hour, Cap: 30 * day, TakesKeys: true, NamesLive: 8 * time.Hour,
			NewSubject: func(s token.Subject) string { return "EDI-" + s.Name },
			Names:      func(s token.Subject) []string { return []string{"uid=" + s.Name} }},
		{Name: "staff", Rotates: true, AccessLifetime: day, RefreshLifetime: 30 * day, ReplayWindow: time.Minute,
			Groups: []string{"staff"}},
	}
}

// person makes an active account of a person.
func (k *kit) person(name string) int64 {
	k.Helper()
	return k.account(name, account.Person)
}

// robot makes an active account of an application.
func (k *kit) robot(name string) int64 {
	k.Helper()
	return k.account(name, account.Application)
}

func (k *kit) account(name, kind string) int64 {
	k.Helper()
	a, err := k.AddAccount(ctx, account.AddVerb{By: by, Now: k.now(), Name: name, Type: kind, Display: "Ada Example",
		Email: name + "@example.org", PasswordHash: "$hash"})
	k.must(err)
	return a.ID
}

// verb asks for a grant as the engine would.
func (k *kit) verb(kind token.GrantKind, service string, account int64) token.IssueVerb {
	k.mu.Lock()
	k.nonces++
	nonce := k.nonces
	k.mu.Unlock()
	now := k.now()
	g := token.Grant{Account: account, Service: service, Kind: kind, Nonce: nonce}
	switch {
	case kind == token.APIKey:
		g.ExpiresAt = now.Add(90 * day)
		g.Cap = g.ExpiresAt
	case kind == token.Application:
	case kind == token.Browser:
		g.ExpiresAt, g.Cap = now.Add(12*time.Hour), now.Add(7*day)
	case service == "ecology":
		g.Cap = now.Add(30 * day)
		g.ExpiresAt = g.Cap
	default:
		g.ExpiresAt = now.Truncate(time.Second).Add(30 * day)
	}
	return token.IssueVerb{By: token.Caller{Actor: "account", Account: account, Addr: "192.0.2.7", Agent: "script"}, Now: now, Grant: g}
}

func (k *kit) issue(kind token.GrantKind, service string, account int64) token.Grant {
	k.Helper()
	return k.issueVerb(k.verb(kind, service, account)).Grant
}

func (k *kit) issueVerb(v token.IssueVerb) token.Issued {
	k.Helper()
	out, err := k.Issue(ctx, v)
	k.must(err)
	return out
}

// present is the verb that presents the grant's refresh token of a generation.
func (k *kit) present(g token.Grant, generation int64) token.RotateVerb {
	return token.RotateVerb{By: token.Caller{Actor: "token"}, Now: k.now(), Service: g.Service, Grant: g.ID, Nonce: g.Nonce,
		Generation: generation, Lifetime: 30 * day, Window: time.Minute, Replay: token.RefuseReplay}
}

func (k *kit) rotateVerb(v token.RotateVerb) token.Rotated {
	k.Helper()
	r, err := k.Rotate(ctx, v)
	k.must(err)
	return r
}

// rotate presents a generation under policy refuse and wants the outcome.
func (k *kit) rotate(g token.Grant, generation int64, want token.Outcome) token.Rotated {
	k.Helper()
	r := k.rotateVerb(k.present(g, generation))
	if r.Outcome != want {
		k.Errorf("generation %d presented: outcome is %q, want %q", generation, r.Outcome, want)
	}
	return r
}

func (k *kit) revoke(v token.RevokeVerb) token.Ended {
	k.Helper()
	v.Now = k.now()
	if v.By == (token.Caller{}) {
		v.By = operator
	}
	if v.Reason == "" {
		v.Reason = "test"
	}
	ended, err := k.Revoke(ctx, v)
	k.must(err)
	return ended
}

func (k *kit) grant(id int64) token.Grant {
	k.Helper()
	g, err := k.Grant(ctx, id)
	k.must(err)
	return g
}

// live returns the numbers of the live grants a filter matches, ascending.
func (k *kit) live(f token.Filter) []int64 {
	k.Helper()
	f.Live, f.Now = true, k.now()
	all, err := k.List(ctx, f)
	k.must(err)
	ids := make([]int64, len(all))
	for i, g := range all {
		ids[len(all)-1-i] = g.ID
	}
	return ids
}

// events are the audit lines about a grant, 0 for any, newest first.
func (k *kit) events(grant int64) []audit.Event {
	k.Helper()
	all, err := k.Audit(ctx, audit.Filter{Grant: grant})
	k.must(err)
	return all
}

// lines counts the audit lines of a kind about a grant, 0 for any.
func (k *kit) lines(kind audit.Kind, grant int64) int {
	k.Helper()
	n := 0
	for _, e := range k.events(grant) {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// entries is the whole feed.
func (k *kit) entries() []token.Entry {
	k.Helper()
	all, _, err := k.Since(ctx, 0, 1_000_000)
	k.must(err)
	return all
}

// inFeed counts the feed's entries that match.
func (k *kit) inFeed(match func(token.Entry) bool) int {
	k.Helper()
	n := 0
	for _, e := range k.entries() {
		if match(e) {
			n++
		}
	}
	return n
}

func ofGrant(kind token.EntryKind, id int64) func(token.Entry) bool {
	return func(e token.Entry) bool { return e.Kind == kind && e.Grant == id }
}

// together runs n functions at once and waits.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	ready := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-ready
			do(i)
		})
	}
	close(ready)
	all.Wait()
}

func name(prefix string, i int) string { return fmt.Sprintf("%s%03d", prefix, i) }
