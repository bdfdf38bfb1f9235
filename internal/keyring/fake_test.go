package keyring

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// fakeStore keeps keys in memory with the guarantees of Store.
type fakeStore struct {
	mu   sync.Mutex
	name string
	keys []Key
	fail error // what AddKey and ReplaceKey answer
}

var _ Store = (*fakeStore)(nil)

func newFake() *fakeStore { return &fakeStore{name: "installation-1"} }

func (f *fakeStore) Keys(context.Context) ([]Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.keys), nil
}

func (f *fakeStore) signing(service string, purpose Purpose) int {
	return f.in(service, purpose, StateSigning)
}

func (f *fakeStore) in(service string, purpose Purpose, state string) int {
	return slices.IndexFunc(f.keys, func(k Key) bool {
		return k.Service == service && k.Purpose == purpose && k.State == state
	})
}

func (f *fakeStore) insert(k Key) Key {
	k.ID = int64(len(f.keys) + 1)
	f.keys = append(f.keys, k)
	return k
}

func (f *fakeStore) AddKey(_ context.Context, k Key) (Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return Key{}, f.fail
	}
	if i := f.signing(k.Service, k.Purpose); i >= 0 {
		return f.keys[i], nil
	}
	return f.insert(k), nil
}

func (f *fakeStore) ReplaceKey(_ context.Context, old int64, until time.Time, k Key) (Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return Key{}, f.fail
	}
	i := f.signing(k.Service, k.Purpose)
	if i < 0 {
		return Key{}, errors.New("nothing to replace")
	}
	if f.keys[i].ID != old {
		return f.keys[i], nil
	}
	f.keys[i].State, f.keys[i].SignUntil, f.keys[i].VerifyUntil = StateVerifying, k.CreatedAt, until
	return f.insert(k), nil
}

func (f *fakeStore) PublishKey(_ context.Context, _ Act, k Key) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil && f.in(k.Service, k.Purpose, StatePublished) < 0 {
		f.insert(k)
	}
	return f.fail
}

func (f *fakeStore) PromoteKey(_ context.Context, a Act, next, old int64, until time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, o := &f.keys[next-1], &f.keys[old-1]
	if f.fail == nil && n.State == StatePublished && o.State == StateSigning {
		o.State, o.SignUntil, o.VerifyUntil = StateVerifying, a.At, until
		n.State, n.SignFrom = StateSigning, a.At
	}
	return f.fail
}

func (f *fakeStore) RemoveKey(_ context.Context, a Act, id int64, instead *Key) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	gone := func(k *Key) { k.State, k.VerifyUntil, k.Sealed = StateGone, a.At, nil }
	k := f.keys[id-1]
	if k.State == StateSigning {
		if next := f.in(k.Service, k.Purpose, StatePublished); next >= 0 {
			gone(&f.keys[next])
		}
		f.insert(*instead)
	}
	gone(&f.keys[id-1])
	return nil
}

func (f *fakeStore) Reseal(_ context.Context, _ Act, seals []Seal) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range seals {
		if !bytes.Equal(f.keys[s.ID-1].Sealed, s.Was) {
			return false, nil
		}
	}
	for _, s := range seals {
		f.keys[s.ID-1].Sealed, f.keys[s.ID-1].Master = s.Now, s.Master
	}
	return true, nil
}

func (f *fakeStore) Installation(context.Context) (string, error) { return f.name, nil }

// edit changes one stored key, as someone with access to the database might.
func (f *fakeStore) edit(service string, purpose Purpose, change func(*Key)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.keys[f.signing(service, purpose)])
}

var birth = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func testMaster(t *testing.T, fill byte) Master {
	t.Helper()
	m, err := NewMaster(slices.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// only is a master key that does not change.
func only(m Master) Masters { return func() ([]Master, error) { return []Master{m}, nil } }

func mustOpen(t *testing.T, store Store, now time.Time, wants ...Want) *Keys {
	t.Helper()
	k, err := Open(t.Context(), store, only(testMaster(t, 1)), wants, at(now))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var (
	samplesAccess  = Want{Service: "samples", Purpose: Access, Alg: ES256}
	samplesRefresh = Want{Service: "samples", Purpose: Refresh, Alg: HS256}
	ecologyAccess  = Want{Service: "ecology", Purpose: Access, Alg: ES256}
	ecologyLegacy  = Want{Service: "ecology", Purpose: Legacy, Alg: RSAMD5}
)
