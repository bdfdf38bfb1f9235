package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Keys are the opened keys of an installation. All methods are safe for concurrent use and, but for Reload and
// Legacy, answer from memory.
type Keys struct {
	store        Store
	masters      Masters
	installation string // the installation's name, to which seals are bound
	now          func() time.Time
	set          atomic.Pointer[set]
	sealers      atomic.Pointer[[]sealer]
	wants        map[place]Want // not changed after Open

	loading sync.Mutex // held while a new set is made

	legacy map[string]Want    // :: service → its legacy key as wanted; not changed after Open
	weak   map[place]struct{} // whose secrets may be weak; not changed after Open
	free   map[string]bool    // :: service → its tokens' kid is free; not changed after Open
	jobMu  sync.Mutex
	jobs   map[string]*job // :: service → the present making of its legacy key; under jobMu
}

// place is where a key belongs.
type place struct {
	service string
	purpose Purpose
}

// errWeak means that a stored secret was taken in when weak ones were allowed, and no longer are.
var errWeak = errors.New("the stored secret is weak")

// set is one consistent view of all keys; it is never changed once it is in use.
type set struct {
	version uint64
	keys    []Key               // all, as the store gave them
	rings   map[string][]*entry // :: service → opened keys, newest first
}

// entry is a key with its opened material.
type entry struct {
	Key
	*material
}

// Open loads all keys, makes or takes in the ones that are wanted and missing, and the installation's MAC key. A
// stored key that cannot be opened, a bad pinned key and one key in two services are errors. A pinned key that
// differs from the stored one replaces it, and so does another algorithm.
func Open(ctx context.Context, store Store, masters Masters, wants []Want, now func() time.Time) (*Keys, error) {
	k, err := load(ctx, store, masters, wants, now)
	if err != nil {
		return nil, err
	}
	if err := k.ensureAll(ctx, wants); err != nil {
		return nil, err
	}
	if err := k.checkShared(wants); err != nil {
		return nil, err
	}
	return k, nil
}

// Missing opens the keys of a store that has some and changes nothing. It names the wanted ones that Open would make or
// replace, as "service purpose".
func Missing(ctx context.Context, store Store, masters Masters, wants []Want, now func() time.Time) ([]string, error) {
	k, err := load(ctx, store, masters, wants, now)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, w := range wants {
		met, err := w.isMetBy(k.set.Load().signing(w.Service, w.Purpose))
		if err != nil {
			return nil, err
		}
		if !met {
			missing = append(missing, strings.TrimSpace(w.Service+" "+string(w.Purpose)))
		}
	}
	return missing, k.checkShared(wants)
}

// load opens what is stored.
func load(ctx context.Context, store Store, masters Masters, wants []Want, now func() time.Time) (*Keys, error) {
	if err := CheckPinned(wants); err != nil {
		return nil, err
	}
	installation, err := store.Installation(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the installation's name: %w", err)
	}
	k := &Keys{store: store, masters: masters, installation: installation, now: now, jobs: map[string]*job{}, legacy: map[string]Want{},
		weak: weakPlaces(wants), free: map[string]bool{}, wants: map[place]Want{}}
	for _, w := range wants {
		k.free[w.Service] = k.free[w.Service] || w.FreeKID
		k.wants[place{w.Service, w.Purpose}] = w
	}
	if err := k.readMasters(); err != nil {
		return nil, err
	}
	k.set.Store(&set{})
	return k, k.Reload(ctx)
}

func weakPlaces(wants []Want) map[place]struct{} {
	weak := map[place]struct{}{}
	for _, w := range wants {
		if w.WeakKey {
			weak[place{w.Service, w.Purpose}] = struct{}{}
		}
	}
	return weak
}

func (k *Keys) ensureAll(ctx context.Context, wants []Want) error {
	if err := k.ensure(ctx, Want{Purpose: MAC, Alg: HMAC}); err != nil {
		return err
	}
	for _, w := range wants {
		if w.Purpose == Legacy {
			k.legacy[w.Service] = w
		}
		if w.Purpose == Legacy && w.Pinned == nil && !w.Wait {
			continue
		}
		if err := k.ensure(ctx, w); err != nil {
			return err
		}
	}
	for service := range k.legacy {
		if k.set.Load().signing(service, Legacy) == nil {
			k.startLegacy(ctx, service)
		}
	}
	return nil
}

// checkShared looks at stored keys too: one may have been pinned by an earlier configuration.
func (k *Keys) checkShared(wants []Want) error {
	seen := owners{}
	for _, w := range wants {
		e := k.set.Load().signing(w.Service, w.Purpose)
		if e == nil {
			continue
		}
		if err := seen.add(e.material, w.Service, w.Purpose); err != nil {
			return err
		}
	}
	return nil
}

// Reload takes in what other processes have changed in the store. On an error the keys stay as they were.
func (k *Keys) Reload(ctx context.Context) error {
	k.loading.Lock()
	defer k.loading.Unlock()
	keys, err := k.store.Keys(ctx)
	if err != nil {
		return fmt.Errorf("reading the signing keys: %w", err)
	}
	old := k.set.Load()
	if old.rings != nil && reflect.DeepEqual(old.keys, keys) {
		return nil
	}
	next := &set{version: old.version + 1, keys: keys, rings: map[string][]*entry{}}
	for _, key := range slices.Backward(keys) {
		if key.State == StateGone {
			continue
		}
		m, err := k.open(old, &key)
		if errors.Is(err, errWeak) {
			m, err = &material{refused: true}, nil // it stays to be replaced, and neither signs nor verifies
		}
		if err != nil {
			return fmt.Errorf("opening the %s key of service %q (kid %s): %w", key.Purpose, key.Service, key.KID, err)
		}
		next.rings[key.Service] = append(next.rings[key.Service], &entry{Key: key, material: m})
	}
	k.set.Store(next)
	return nil
}

// open reuses what the old set has opened already: reading RSA keys is slow, and a seal may have been changed to one
// under a master key that this process is not given before its next start.
func (k *Keys) open(old *set, key *Key) (*material, error) {
	for _, e := range old.rings[key.Service] {
		if e.ID == key.ID && e.Purpose == key.Purpose && e.KID == key.KID && bytes.Equal(e.Public, key.Public) {
			return e.material, nil
		}
	}
	plain, err := k.unseal(key)
	if err != nil {
		return nil, fmt.Errorf("%w; give the master key that the data was made with, or restore the database that belongs to this one", err)
	}
	m, err := k.read(key, plain)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(m.der, key.Public) {
		return nil, errors.New("the stored public key is not this key's; the database has been changed, restore it from a backup")
	}
	return m, nil
}

// read is the package's read, which refuses weak secrets, but for places where they are allowed.
func (k *Keys) read(key *Key, plain []byte) (*material, error) {
	if key.Alg != HS256 || !key.Pinned || !isWeak(plain) {
		return read(key.Alg, plain)
	}
	if _, ok := k.weak[place{key.Service, key.Purpose}]; !ok {
		return nil, errWeak
	}
	return readWeakSecret(plain)
}

// signing returns the key that signs now, nil when there is none.
func (s *set) signing(service string, purpose Purpose) *entry {
	for _, e := range s.rings[service] {
		if e.Purpose == purpose && e.State == StateSigning {
			return e
		}
	}
	return nil
}

// ensure brings the wanted key into the store. Another process may do the same at the same time, so it looks again
// after each attempt; two that want different keys would go on for ever, hence the limit.
func (k *Keys) ensure(ctx context.Context, w Want) error {
	for range 3 {
		have := k.set.Load().signing(w.Service, w.Purpose)
		done, err := w.isMetBy(have)
		if done || err != nil {
			return err
		}
		if err := k.put(ctx, w, have); err != nil {
			return fmt.Errorf("storing the %s key of service %q: %w", w.Purpose, w.Service, err)
		}
		if err := k.Reload(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("the %s key of service %q keeps changing: another process uses the same data with another configuration; stop it", w.Purpose, w.Service)
}

func (w *Want) isMetBy(have *entry) (bool, error) {
	if have == nil || have.Alg != w.Alg || have.refused {
		return false, nil
	}
	if w.Pinned == nil {
		return true, nil
	}
	m, err := w.pinned()
	return err == nil && m.same(have.material), err
}

// put stores the wanted key in place of have, which may be nil. A pinned key signs from the beginning of time, since
// whoever else holds it may have signed with it before we came.
func (k *Keys) put(ctx context.Context, w Want, have *entry) error {
	key, err := k.make(w, StateSigning, k.now())
	if err != nil {
		return err
	}
	if have == nil {
		_, err = k.store.AddKey(ctx, key)
		return err
	}
	_, err = k.store.ReplaceKey(ctx, have.ID, w.until(key.CreatedAt), key)
	return err
}

// make makes a key as the store keeps it, sealed as the others are.
func (k *Keys) make(w Want, state string, now time.Time) (Key, error) {
	m, kid, err := w.named()
	if err != nil {
		return Key{}, err
	}
	key := Key{
		Service: w.Service, Purpose: w.Purpose, Alg: w.Alg, KID: kid, State: state,
		Pinned: w.Pinned != nil, CreatedAt: now, Public: m.der,
	}
	if !key.Pinned && state == StateSigning {
		key.SignFrom = now
	}
	s, err := k.sealer()
	if err != nil {
		return Key{}, err
	}
	key.Master, key.Sealed = s.master, s.seal(&key, m.plain)
	return key, nil
}

// until is the end of the last token of a key that signs no more from now on, zero where there is none.
func (w *Want) until(now time.Time) time.Time {
	if w.Lifetime == 0 || w.Endless {
		return time.Time{}
	}
	return now.Add(w.Lifetime)
}

// named makes no key whose name a command would take for a flag; a pinned key pair has the name it has.
func (w *Want) named() (*material, string, error) {
	for {
		m, err := w.material()
		if err != nil {
			return nil, "", err
		}
		if kid := m.kid(); kid[0] != '-' || w.Pinned != nil && m.der != nil {
			return m, kid, nil
		}
	}
}

func (w *Want) material() (*material, error) {
	if w.Pinned != nil {
		return w.pinned()
	}
	return generate(w.Alg)
}
