package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const right, wrong = "correct horse", "battery staple"

// bench is a directory over a fake store with a clock to turn.
type bench struct {
	*Directory
	store  *fakeStore
	hasher *Hasher
	clock  atomic.Int64 // since start, ns
	hashes atomic.Int64
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{store: newFakeStore(), hasher: NewHasher(cheap)}
	plain := b.hasher.derive
	b.hasher.derive = func(password, salt []byte, cost Cost, size int) []byte {
		b.hashes.Add(1)
		return plain(password, salt, cost, size)
	}
	b.Directory = NewDirectory(b.store, b.hasher, func() time.Time { return start.Add(time.Duration(b.clock.Load())) })
	for _, n := range []New{
		{Name: "Maria", Type: Person, Password: right},
		{Name: "nopass", Type: Application},
		{Name: "gone", Type: Person, Password: right},
	} {
		if _, err := b.Add(t.Context(), operator, n); err != nil {
			t.Fatal(err)
		}
	}
	gone := b.store.accounts["gone"]
	gone.Status = Disabled
	b.store.accounts["gone"] = gone
	b.reset()
	return b
}

func (b *bench) reset() {
	b.store.calls, b.store.verbs = nil, nil
	b.hashes.Store(0)
}

func (b *bench) advance(d time.Duration) { b.clock.Add(int64(d)) }

func (b *bench) try(t *testing.T, addr, name, password string) error {
	t.Helper()
	_, err := b.SignIn(t.Context(), By{Actor: "account", Addr: addr}, name, password)
	return err
}

func (b *bench) expect(t *testing.T, addr, name, password string, want error) {
	t.Helper()
	if err := b.try(t, addr, name, password); !errors.Is(err, want) {
		t.Fatalf("sign-in of %q from %s: got %v, want %v", name, addr, err, want)
	}
}

func TestSignIn(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"Maria", "maria", "MARIA"} {
		id, err := b.SignIn(t.Context(), operator, name, right)
		if err != nil || id != 1 {
			t.Errorf("SignIn(%q) = %d, %v, want 1", name, id, err)
		}
	}
}

// What cannot sign in does the same work for every reason: the same calls in
// the same order, and one hash of the same cost.
func TestRefusalsTakeOnePath(t *testing.T) {
	for name, c := range map[string]struct {
		account, password string
		id                int64
	}{
		"wrong password":            {"maria", wrong, 1},
		"empty password":            {"maria", "", 1},
		"password too long":         {"maria", strings.Repeat("x", maxPassword+1), 1},
		"unknown account":           {"nobody", right, 0},
		"no password":               {"nopass", right, 0},
		"no password, none given":   {"nopass", "", 0},
		"disabled account":          {"gone", right, 0},
		"disabled, wrong password":  {"gone", wrong, 0},
		"empty name":                {"", right, 0},
		"not a name":                {"maria\x00", right, 0},
		"Kelvin sign, not a k":      {"\u212a", right, 0},
		"name of a megabyte":        {strings.Repeat("x", 1<<20), right, 0},
		"both empty":                {"", "", 0},
		"name of a person in space": {" maria", right, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			var costs []Cost
			plain := b.hasher.derive
			b.hasher.derive = func(password, salt []byte, cost Cost, size int) []byte {
				costs = append(costs, cost)
				return plain(password, salt, cost, size)
			}
			id, err := b.SignIn(t.Context(), operator, c.account, c.password)
			if id != 0 || err != error(ErrBadCredentials) {
				t.Errorf("got %d, %v, want 0, the bare %v", id, err, ErrBadCredentials)
			}
			if diff := cmp.Diff([]string{"Attempts", "Attempts", "Password", "Failed"}, b.store.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]any{operator, c.id}, b.store.verbs); diff != "" {
				t.Errorf("audited (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]Cost{cheap}, costs); diff != "" {
				t.Errorf("hashings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTenFailuresThenOneAMinute(t *testing.T) {
	for _, name := range []string{"maria", "nobody", "not a name"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			for range freeFailures {
				b.expect(t, "192.0.2.7", name, wrong, ErrBadCredentials)
				b.advance(time.Second)
			}
			for range 3 {
				b.reset()
				b.expect(t, "192.0.2.7", name, right, ErrTooMany)
				if n := b.hashes.Load(); n != 0 {
					t.Errorf("a refused try cost %d hashes, want none", n)
				}
				b.advance(slowInterval - 2*time.Second)
				b.expect(t, "192.0.2.7", name, right, ErrTooMany)
				b.advance(time.Second)
				b.expect(t, "192.0.2.7", name, wrong, ErrBadCredentials) // the one try
				b.advance(time.Second)
			}
		})
	}
}

func TestTooManySaysWhen(t *testing.T) {
	b := newBench(t)
	for range freeFailures {
		b.expect(t, "192.0.2.7", "maria", wrong, ErrBadCredentials)
	}
	b.advance(15 * time.Second)
	var got *Error
	if err := b.try(t, "192.0.2.7", "maria", right); !errors.As(err, &got) {
		t.Fatalf("got %v, want an *Error", err)
	}
	want := &Error{Kind: TooMany, RetryAfter: 45 * time.Second, Text: "too many failed sign-ins; try again in 45 seconds"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOwnerElsewhereIsNotKeptOut(t *testing.T) {
	b := newBench(t)
	for range freeFailures {
		b.expect(t, "2001:db8:0:1::bad", "maria", wrong, ErrBadCredentials)
	}
	b.expect(t, "2001:db8:0:1::bad", "maria", right, ErrTooMany)
	b.expect(t, "2001:db8:0:1:ffff::1", "MARIA", right, ErrTooMany) // same /64, other spelling
	b.expect(t, "2001:db8:0:2::1", "maria", right, nil)
	b.expect(t, "192.0.2.9", "maria", right, nil)
	b.expect(t, "2001:db8:0:1::bad", "maria", right, ErrTooMany) // another's success clears nothing here
	b.expect(t, "2001:db8:0:1::bad", "nobody", right, ErrBadCredentials)
}

func TestSuccessClearsTheCount(t *testing.T) {
	b := newBench(t)
	for range 3 {
		for range freeFailures - 1 {
			b.expect(t, "192.0.2.7", "maria", wrong, ErrBadCredentials)
		}
		b.expect(t, "192.0.2.7", "maria", right, nil)
	}
	b.reset()
	b.expect(t, "192.0.2.7", "maria", right, nil)
	if diff := cmp.Diff([]string{"Attempts", "Attempts", "Password"}, b.store.calls); diff != "" {
		t.Errorf("calls of a sign-in with nothing to clear (-want +got):\n%s", diff)
	}
}

func TestFailuresAreForgotten(t *testing.T) {
	b := newBench(t)
	for range freeFailures {
		b.expect(t, "192.0.2.7", "maria", wrong, ErrBadCredentials)
	}
	b.advance(failureWindow + time.Second)
	for range freeFailures {
		b.expect(t, "192.0.2.7", "maria", wrong, ErrBadCredentials)
	}
	b.expect(t, "192.0.2.7", "maria", right, ErrTooMany)
}

func TestClockThatWentBackKeepsNobodyOut(t *testing.T) {
	b := newBench(t)
	for range freeFailures {
		b.expect(t, "192.0.2.7", "maria", wrong, ErrBadCredentials)
	}
	b.advance(-365 * 24 * time.Hour)
	b.expect(t, "192.0.2.7", "maria", right, nil)
}

// Guesses sent at once get no more tries than guesses sent in turn.
func TestParallelGuessesAreCounted(t *testing.T) {
	b := newBench(t)
	b.hasher.slots = make(chan struct{}, 1)
	var tooMany, bad atomic.Int64
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			err := b.try(t, "192.0.2.7", "maria", fmt.Sprint(wrong, i))
			switch {
			case errors.Is(err, ErrTooMany):
				tooMany.Add(1)
			case errors.Is(err, ErrBadCredentials):
				bad.Add(1)
			default:
				t.Errorf("got %v, want too many or bad credentials", err)
			}
		})
	}
	wg.Wait()
	if bad.Load() != freeFailures || tooMany.Load() != 60-freeFailures || b.hashes.Load() != freeFailures {
		t.Errorf("%d bad, %d too many, %d hashes; want %d, %d, %d",
			bad.Load(), tooMany.Load(), b.hashes.Load(), freeFailures, 60-freeFailures, freeFailures)
	}
}

func TestHangingUpDoesNotMakeGuessingFree(t *testing.T) {
	b := newBench(t)
	ctx, hangUp := context.WithCancel(t.Context())
	plain := b.hasher.derive
	b.hasher.derive = func(password, salt []byte, cost Cost, size int) []byte {
		hangUp()
		return plain(password, salt, cost, size)
	}
	if _, err := b.SignIn(ctx, operator, "maria", wrong); !errors.Is(err, ErrBadCredentials) {
		t.Fatalf("got %v, want %v", err, ErrBadCredentials)
	}
	if got := b.store.attempts[attemptKey("maria", operator.Addr)].failures; got != 1 {
		t.Errorf("%d failures noted, want 1", got)
	}
}

// A store that is down is neither a success nor bad credentials.
func TestStoreFailures(t *testing.T) {
	for call, c := range map[string]struct{ password, want string }{
		"Attempts":  {right, "reading failed sign-ins: the store is down"},
		"Password":  {right, "reading password: the store is down"},
		"Failed":    {wrong, "noting failed sign-in: the store is down"},
		"Succeeded": {right, "noting sign-in: the store is down"},
	} {
		t.Run(call, func(t *testing.T) {
			b := newBench(t)
			b.expect(t, "192.0.2.7", "maria", wrong, ErrBadCredentials)
			b.store.failing[call] = true
			id, err := b.SignIn(t.Context(), By{Addr: "192.0.2.7"}, "maria", c.password)
			if id != 0 || !errors.Is(err, errDown) || err.Error() != c.want {
				t.Errorf("got %d, %v, want 0, %s", id, err, c.want)
			}
		})
	}
}

func TestUnreadableHash(t *testing.T) {
	b := newBench(t)
	b.store.hashes["maria"] = "plain secret"
	const want = "checking password of account 1: the stored password hash is not argon2id in PHC form; set the password anew"
	if err := b.try(t, "192.0.2.7", "maria", right); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestSource(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7":             "192.0.2.7",
		"::ffff:192.0.2.7":      "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":  "2001:db8:1:2::/64",
		"2001:DB8:1:2::":        "2001:db8:1:2::/64",
		"fe80::1%eth0":          "fe80::/64",
		"::1":                   "::/64",
		"":                      "",
		"not an address at all": "not an address at all",
	} {
		if got := source(addr); got != want {
			t.Errorf("source(%q) = %q, want %q", addr, got, want)
		}
	}
}

func TestAttemptKeySaysNothing(t *testing.T) {
	// printf 'maria\x00192.0.2.7' | sha256sum
	const want = "93e4dfa1c1ca6f43730942a46a8560af4db1d312f71eb03e3dd44469349ed9c6"
	if got := attemptKey("Maria", "192.0.2.7"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A hash of no password, or of one longer than any may be, lets nobody in.
func TestHashOfWhatIsNoPassword(t *testing.T) {
	for name, password := range map[string]string{"empty": "", "too long": strings.Repeat("x", maxPassword+1)} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			hash, err := b.hasher.Hash(t.Context(), password)
			if err != nil {
				t.Fatal(err)
			}
			b.store.hashes["maria"] = hash
			b.expect(t, "192.0.2.7", "maria", password, ErrBadCredentials)
		})
	}
}
