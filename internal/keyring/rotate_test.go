package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"symbolon/internal/jws"
)

const hour = time.Hour

// rotating is a want whose key signs for ten hours, is published two hours before, and verifies for one after.
func rotating(purpose Purpose, alg string) Want {
	return Want{Service: "samples", Purpose: purpose, Alg: alg, Rotate: 10 * hour, Lead: 2 * hour, Lifetime: hour}
}

// ring is keys under a clock.
type ring struct {
	*testing.T
	*Keys
	store *fakeStore
	now   time.Time
	live  bool // tokens without an end
}

func newRing(t *testing.T, wants ...Want) *ring {
	t.Helper()
	r := &ring{T: t, store: newFake(), now: birth}
	r.Keys = r.another(wants...)
	return r
}

// another is a second server on the same store.
func (r *ring) another(wants ...Want) *Keys {
	r.Helper()
	k, err := Open(r.Context(), r.store, only(testMaster(r.T, 1)), wants, func() time.Time { return r.now })
	r.must(err)
	return k
}

func (r *ring) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// pass lets time pass, and the keys be tended.
func (r *ring) pass(d time.Duration) {
	r.Helper()
	r.now = r.now.Add(d)
	r.must(r.Tend(r.Context(), r.now, r.busy))
}

func (r *ring) busy(context.Context, string, time.Time, time.Time) (bool, error) { return r.live, nil }

// states are those of a purpose's keys, oldest first.
func (r *ring) states(purpose Purpose) string {
	var all []string
	for _, k := range r.List() {
		if k.Purpose == purpose {
			all = append(all, k.State)
		}
	}
	return strings.Join(all, " ")
}

func (r *ring) want(purpose Purpose, states string) {
	r.Helper()
	if got := r.states(purpose); got != states {
		r.Errorf("after %v the keys are %s, want %s", r.now.Sub(birth), got, states)
	}
}

// token is one that is born now.
func (r *ring) token(k *Keys, purpose Purpose) (jws.Token, time.Time) {
	r.Helper()
	signer, _, err := k.Signer("samples", purpose, r.now.Truncate(time.Second))
	r.must(err)
	text, err := jws.Sign(fmt.Appendf(nil, `{"alg":%q}`, signer.Alg()), []byte("{}"), signer)
	r.must(err)
	parsed, err := jws.Parse(text)
	r.must(err)
	return parsed, r.now.Truncate(time.Second)
}

func TestKeysRotateByThemselves(t *testing.T) {
	r := newRing(t, rotating(Access, ES256))
	r.pass(8*hour - 1)
	r.want(Access, "signing")
	r.pass(1)
	r.want(Access, "signing published")
	_, first, err := r.Signer("samples", Access, r.now)
	r.must(err)
	public := r.Public("samples")
	if len(public) != 2 {
		t.Errorf("%d keys are public, want the next one too", len(public))
	}
	r.pass(2*hour - 1)
	r.want(Access, "signing published")
	old, born := r.token(r.Keys, Access)
	r.pass(1)
	r.want(Access, "verifying signing")
	_, second, err := r.Signer("samples", Access, r.now)
	r.must(err)
	if second == first || second != public[0].KID && second != public[1].KID {
		t.Errorf("%s signs, after %s", second, first)
	}
	if _, kid, err := r.Signer("samples", Access, born); err != nil || kid != first {
		t.Errorf("a token that is minted again gets the key %s, %v; had %s", kid, err, first)
	}
	r.pass(hour - 1)
	r.want(Access, "verifying signing")
	if _, err := r.Verify("samples", old, bornAt(born)); err != nil {
		t.Errorf("a token of the old key, not yet at its end: %v", err)
	}
	r.pass(1)
	r.want(Access, "gone signing")
	if _, err := r.Verify("samples", old, bornAt(born)); !errors.Is(err, jws.ErrSignature) {
		t.Errorf("a token of a key that is gone: %v", err)
	}
	if _, kid, err := r.Signer("samples", Access, born); err != nil || kid != second {
		t.Errorf("a key that is gone signs: %s, %v", kid, err)
	}
	if sealed := r.store.keys[1].Sealed; len(sealed) != 0 {
		t.Error("the secret of a key that is gone is still there")
	}
}

// TestNothingIsRefusedWhileKeysRotate has two servers, of which one hears of each change late, and tokens that name
// no key.
func TestNothingIsRefusedWhileKeysRotate(t *testing.T) {
	fast := func(purpose Purpose) Want {
		return Want{Service: "samples", Purpose: purpose, Alg: HS256, Rotate: 2 * time.Second, Lead: time.Second, Lifetime: 10 * time.Second}
	}
	wants := []Want{fast(Access), fast(Refresh)}
	r := newRing(t, wants...)
	late := r.another(wants...)
	type made struct {
		jws.Token
		born    time.Time
		purpose Purpose
	}
	var tokens []made
	for i := range 200 {
		r.pass(100 * time.Millisecond)
		for _, k := range []*Keys{r.Keys, late} {
			for _, purpose := range []Purpose{Access, Refresh} {
				token, born := r.token(k, purpose)
				tokens = append(tokens, made{token, born, purpose})
			}
		}
		tokens = slices.DeleteFunc(tokens, func(m made) bool { return r.now.Sub(m.born) >= 9*time.Second })
		for _, k := range []*Keys{r.Keys, late} {
			for _, m := range tokens {
				if got, err := k.Verify("samples", m.Token, bornAt(m.born)); err != nil || got != m.purpose {
					t.Fatalf("after %v, a %s token of %v ago: %s, %v", r.now.Sub(birth), m.purpose, r.now.Sub(m.born), got, err)
				}
			}
		}
		if i%10 == 9 {
			r.must(late.Reload(r.Context()))
		}
	}
	if n := len(r.List()); n < 15 {
		t.Errorf("%d keys: they did not rotate", n)
	}
}

func TestTwoServersRotateToOneKey(t *testing.T) {
	r := newRing(t, rotating(Access, ES256))
	other := r.another(rotating(Access, ES256))
	for range 30 {
		r.now = r.now.Add(hour)
		both := make(chan error, 2)
		for _, k := range []*Keys{r.Keys, other} {
			go func() { both <- k.Tend(context.Background(), r.now, r.busy) }()
		}
		r.must(errors.Join(<-both, <-both))
		r.must(errors.Join(r.Reload(t.Context()), other.Reload(t.Context())))
		_, a, err := r.Signer("samples", Access, r.now)
		r.must(err)
		_, b, err := other.Signer("samples", Access, r.now)
		r.must(err)
		if a != b {
			t.Fatalf("after %v they sign with %s and %s", r.now.Sub(birth), a, b)
		}
	}
	if n := len(r.List()); n != 5 {
		t.Errorf("%d keys after 30 hours, want the MAC key, three that signed and the next: %s", n, r.states(Access))
	}
}

func TestWhatDoesNotRotate(t *testing.T) {
	pinned := rotating(Access, HS256)
	pinned.Pinned = []byte(strings.Repeat("p", 32))
	never := rotating(Refresh, HS256)
	never.Rotate = 0
	r := newRing(t, pinned, never)
	for range 5 {
		r.pass(100 * hour)
	}
	r.want(Access, "signing")
	r.want(Refresh, "signing")
	r.want(MAC, "signing")
	if _, _, err := r.Rotate(t.Context(), Act{"operator", r.now}, "samples", Access); !errors.Is(err, ErrNoRotation) {
		t.Errorf("a key from a file rotates: %v", err)
	}
	if _, _, err := r.Rotate(t.Context(), Act{"operator", r.now}, "nobody", Access); !errors.Is(err, ErrNoKey) {
		t.Errorf("a key that is not there rotates: %v", err)
	}
	next, signs, err := r.Rotate(t.Context(), Act{"operator", r.now}, "samples", Refresh)
	if err != nil || next.State != StatePublished || !signs.Equal(r.now.Add(2*hour)) {
		t.Errorf("on command: %+v at %v, %v", next, signs, err)
	}
	again, _, err := r.Rotate(t.Context(), Act{"operator", r.now}, "samples", Refresh)
	if err != nil || again.KID != next.KID {
		t.Errorf("a second command made another key: %v", err)
	}
	r.pass(2 * hour)
	r.want(Refresh, "verifying signing")
}

// TestAFileEndsWhatWasPublished: a key that was to follow our own must not replace one from a file.
func TestAFileEndsWhatWasPublished(t *testing.T) {
	r := newRing(t, rotating(Access, HS256))
	r.pass(8 * hour)
	r.want(Access, "signing published")
	pinned := rotating(Access, HS256)
	pinned.Pinned = []byte(strings.Repeat("p", 32))
	r.Keys = r.another(pinned)
	r.pass(10 * hour)
	r.want(Access, "gone gone signing")
}

// TestKeyOfEndlessTokensStays until the last of them has ended.
func TestKeyOfEndlessTokensStays(t *testing.T) {
	w := rotating(Access, HS256)
	w.Endless = true
	r := newRing(t, w)
	r.live = true
	token, born := r.token(r.Keys, Access)
	for range 20 {
		r.pass(2 * hour)
	}
	if got := r.states(Access); strings.Contains(got, StateGone) {
		t.Fatalf("the keys are %s", got)
	}
	if _, err := r.Verify("samples", token, bornAt(born)); err != nil {
		t.Errorf("a token without an end: %v", err)
	}
	r.live = false
	r.pass(0)
	if _, err := r.Verify("samples", token, bornAt(born)); !errors.Is(err, jws.ErrSignature) {
		t.Errorf("nobody has such a token, and its key is %s: %v", r.states(Access), err)
	}
}

func TestRemove(t *testing.T) {
	r := newRing(t, rotating(Access, ES256))
	r.pass(8 * hour)
	token, born := r.token(r.Keys, Access)
	_, kid, err := r.Signer("samples", Access, r.now)
	r.must(err)
	found, err := r.Find(kid)
	r.must(err)
	before := r.Version()
	r.must(r.Remove(t.Context(), Act{"operator", r.now}, found.ID))
	r.want(Access, "gone gone signing")
	if _, err := r.Verify("samples", token, bornAt(born)); !errors.Is(err, jws.ErrSignature) {
		t.Errorf("a token of the removed key: %v", err)
	}
	if r.Version() == before {
		t.Error("what was verified before is still believed")
	}
	fresh, born := r.token(r.Keys, Access)
	if _, err := r.Verify("samples", fresh, bornAt(born)); err != nil {
		t.Errorf("a token of the new key: %v", err)
	}
	if _, err := r.Find(kid); !errors.Is(err, ErrUnknownKID) {
		t.Errorf("a key that is gone is found: %v", err)
	}
	if err := r.Remove(t.Context(), Act{"operator", r.now}, 4711); !errors.Is(err, ErrUnknownKID) {
		t.Errorf("a key that never was: %v", err)
	}
}

func TestRemoveOfAPinnedKey(t *testing.T) {
	pinned := rotating(Access, HS256)
	pinned.Pinned = []byte(strings.Repeat("p", 32))
	r := newRing(t, pinned)
	if err := r.Remove(t.Context(), Act{"operator", r.now}, r.List()[1].ID); !errors.Is(err, ErrNoRotation) {
		t.Errorf("the key of a file is removed: %v", err)
	}
	other := rotating(Access, HS256)
	other.Pinned = []byte(strings.Repeat("q", 32))
	old, born := r.token(r.Keys, Access)
	r.now = r.now.Add(time.Minute)
	r.Keys = r.another(other)
	if _, err := r.Verify("samples", old, bornAt(born)); err != nil {
		t.Fatalf("a token of the former file: %v", err)
	}
	r.must(r.Remove(t.Context(), Act{"operator", r.now}, r.List()[1].ID))
	if _, err := r.Verify("samples", old, bornAt(born)); !errors.Is(err, jws.ErrSignature) {
		t.Errorf("a token of the former file, removed: %v", err)
	}
}

// TestRewrap changes the master key under a server that runs.
func TestRewrap(t *testing.T) {
	r := newRing(t, rotating(Access, ES256), rotating(Refresh, HS256))
	one, two := testMaster(t, 1), testMaster(t, 2)
	there := []Master{one}
	running, err := Open(t.Context(), r.store, func() ([]Master, error) { return there, nil },
		[]Want{rotating(Access, ES256), rotating(Refresh, HS256)}, func() time.Time { return r.now })
	r.must(err)
	token, born := r.token(running, Access)
	n, err := r.Rewrap(t.Context(), Act{"operator", r.now}, two)
	if err != nil || n != 3 {
		t.Fatalf("%d keys, %v", n, err)
	}
	for _, key := range r.store.keys {
		if key.Master != two.Name() {
			t.Errorf("key %d is under %s", key.ID, key.Master)
		}
	}
	open := func(m Master) error {
		_, err := Open(t.Context(), r.store, only(m), nil, at(r.now))
		return err
	}
	if err := open(two); err != nil {
		t.Errorf("the new master key: %v", err)
	}
	if err := open(one); !errors.Is(err, ErrUnopenable) {
		t.Errorf("the old master key: %v", err)
	}
	r.must(running.Reload(t.Context()))
	if _, err := running.Verify("samples", token, bornAt(born)); err != nil {
		t.Errorf("the server that runs: %v", err)
	}
	r.now = r.now.Add(8 * hour)
	if err := running.Tend(t.Context(), r.now, r.busy); !errors.Is(err, ErrNoMaster) {
		t.Errorf("a new key under the old master key: %v", err)
	}
	there = append(there, two)
	r.must(running.Tend(t.Context(), r.now, r.busy))
	if err := open(two); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	if n, err := r.Rewrap(t.Context(), Act{"operator", r.now}, one); err == nil || n != 0 {
		t.Errorf("who does not have the present master key sealed %d keys anew", n)
	}
}
