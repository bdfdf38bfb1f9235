package account

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// cheap is a cost for tests that need real hashes but no safe ones.
var cheap = Cost{Memory: 8, Time: 1, Threads: 1}

var (
	start    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	operator = By{Actor: "operator", Addr: "192.0.2.1", Agent: "test"}
	errDown  = errors.New("the store is down")
)

type row struct {
	failures int
	last     time.Time
}

// fakeStore keeps what sign-in needs and notes every call; the other verbs only
// note what they were given.
type fakeStore struct {
	mu       sync.Mutex
	accounts map[string]Account // :: Key(name) → account
	hashes   map[string]string  // :: Key(name) → PHC
	attempts map[string]row
	reserved map[string]int64 // :: "provider subject" → account that had the identity
	resets   map[[32]byte]ResetVerb
	calls    []string
	verbs    []any
	failing  map[string]bool // :: call → the store is down
}

var _ Store = (*fakeStore)(nil)

func newFakeStore() *fakeStore {
	return &fakeStore{accounts: map[string]Account{}, hashes: map[string]string{}, attempts: map[string]row{}, resets: map[[32]byte]ResetVerb{}, failing: map[string]bool{}}
}

// call notes a call and returns with the lock held.
func (s *fakeStore) call(name string, verb ...any) error {
	s.mu.Lock()
	s.calls = append(s.calls, name)
	s.verbs = append(s.verbs, verb...)
	if s.failing[name] {
		return errDown
	}
	return nil
}

func (s *fakeStore) AddAccount(_ context.Context, v AddVerb) (Account, error) {
	err := s.call("AddAccount", v)
	defer s.mu.Unlock()
	for _, a := range s.accounts {
		if slices.ContainsFunc(a.Identities, func(i Identity) bool { return slices.Contains(v.Identities, i) }) {
			return Account{}, &Error{Kind: Conflict, Text: "the identity was used before"}
		}
	}
	if _, ok := s.accounts[Key(v.Name)]; ok {
		return Account{}, &Error{Kind: Conflict, Text: "the name " + v.Name + " was used before; choose another"}
	}
	a := Account{ID: int64(len(s.accounts) + 1), Name: v.Name, Type: v.Type, Status: Active,
		Display: v.Display, Email: v.Email, Groups: v.Groups, Identities: v.Identities}
	s.accounts[Key(v.Name)], s.hashes[Key(v.Name)] = a, v.PasswordHash
	return a, err
}

func (s *fakeStore) SetAccount(_ context.Context, v SetVerb) (Account, error) {
	err := s.call("SetAccount", v)
	defer s.mu.Unlock()
	if v.PasswordHash != nil {
		s.hashes[Key(v.Name)] = *v.PasswordHash
	}
	return s.accounts[Key(v.Name)], err
}

func (s *fakeStore) EnableAccount(_ context.Context, by By, now time.Time, name string) (Account, error) {
	err := s.call("EnableAccount", by, now, name)
	defer s.mu.Unlock()
	return Account{}, err
}

func (s *fakeStore) Account(_ context.Context, name string) (Account, error) {
	err := s.call("Account", name)
	defer s.mu.Unlock()
	return s.accounts[Key(name)], err
}

func (s *fakeStore) AccountByID(_ context.Context, id int64) (Account, error) {
	err := s.call("AccountByID", id)
	defer s.mu.Unlock()
	for _, a := range s.accounts {
		if a.ID == id && a.Status != Deleted && err == nil {
			a.HasPassword = s.hashes[Key(a.Name)] != ""
			return a, nil
		}
	}
	return Account{}, errors.Join(err, ErrNotFound)
}

func (s *fakeStore) FindAccounts(_ context.Context, v FindVerb) ([]Account, error) {
	err := s.call("FindAccounts", v)
	defer s.mu.Unlock()
	return nil, err
}

func (s *fakeStore) ByIdentity(_ context.Context, provider, subject string) (Account, error) {
	err := s.call("ByIdentity")
	defer s.mu.Unlock()
	if err != nil {
		return Account{}, err
	}
	for _, a := range s.accounts {
		for _, i := range a.Identities {
			if i.Provider == provider && i.Subject == subject {
				return a, nil
			}
		}
		if s.reserved[provider+" "+subject] == a.ID && a.ID != 0 {
			return a, nil
		}
	}
	return Account{}, ErrNotFound
}

func (s *fakeStore) Accounts(_ context.Context, f Filter) ([]Account, error) {
	err := s.call("Accounts", f)
	defer s.mu.Unlock()
	return nil, err
}

func (s *fakeStore) AddGroup(_ context.Context, by By, now time.Time, name, uid, owner string) (Group, error) {
	err := s.call("AddGroup", by, now, name, owner)
	defer s.mu.Unlock()
	return Group{Name: name, UID: uid, Owner: owner}, err
}

func (s *fakeStore) DeleteGroup(_ context.Context, by By, now time.Time, name string) error {
	err := s.call("DeleteGroup", by, now, name)
	defer s.mu.Unlock()
	return err
}

func (s *fakeStore) Groups(context.Context) ([]Group, error) {
	err := s.call("Groups")
	defer s.mu.Unlock()
	return nil, err
}

func (s *fakeStore) AddMember(_ context.Context, by By, now time.Time, group, account string) error {
	err := s.call("AddMember", by, now, group, account)
	defer s.mu.Unlock()
	return err
}

func (s *fakeStore) RemoveMember(_ context.Context, by By, now time.Time, group, account string) error {
	err := s.call("RemoveMember", by, now, group, account)
	defer s.mu.Unlock()
	return err
}

func (s *fakeStore) Password(_ context.Context, name string) (int64, string, error) {
	err := s.call("Password")
	defer s.mu.Unlock()
	if err != nil {
		return 0, "", err
	}
	a, ok := s.accounts[name] // by key alone: the caller must have made it
	if !ok || a.Status != Active || s.hashes[name] == "" {
		return 0, "", ErrNotFound
	}
	return a.ID, s.hashes[name], nil
}

func (s *fakeStore) Attempts(_ context.Context, key string, now time.Time, window time.Duration) (int, time.Time, error) {
	err := s.call("Attempts")
	defer s.mu.Unlock()
	r := s.attempts[key]
	if now.Sub(r.last) > window {
		r = row{}
	}
	return r.failures, r.last, err
}

func (s *fakeStore) Failed(ctx context.Context, by By, key string, account int64, now time.Time, window time.Duration) error {
	err := errors.Join(s.call("Failed", by, account), ctx.Err())
	defer s.mu.Unlock()
	r := s.attempts[key]
	if now.Sub(r.last) > window {
		r = row{}
	}
	s.attempts[key] = row{failures: r.failures + 1, last: now}
	return err
}

func (s *fakeStore) Succeeded(_ context.Context, key string) error {
	err := s.call("Succeeded")
	defer s.mu.Unlock()
	delete(s.attempts, key)
	return err
}

func (s *fakeStore) Link(_ context.Context, v LinkVerb) error {
	err := s.call("Link", v)
	defer s.mu.Unlock()
	return err
}

func (s *fakeStore) Unlink(_ context.Context, v UnlinkVerb) error {
	err := s.call("Unlink", v)
	defer s.mu.Unlock()
	return err
}

func (s *fakeStore) Join(_ context.Context, v JoinVerb) error {
	err := s.call("Join", v)
	defer s.mu.Unlock()
	return err
}

func (s *fakeStore) SetPassword(_ context.Context, v PasswordVerb) error {
	err := s.call("SetPassword", v)
	defer s.mu.Unlock()
	for key, a := range s.accounts {
		if a.ID == v.Account && err == nil {
			s.hashes[key] = v.Hash
		}
	}
	return err
}

func (s *fakeStore) AddReset(_ context.Context, v ResetVerb) error {
	err := s.call("AddReset", v)
	defer s.mu.Unlock()
	if err == nil {
		s.resets[v.Hash] = v
	}
	return err
}

func (s *fakeStore) Reset(_ context.Context, hash [32]byte, now time.Time) (Account, error) {
	err := s.call("Reset")
	defer s.mu.Unlock()
	r, ok := s.resets[hash]
	if !ok || !now.Before(r.Expires) {
		return Account{}, errors.Join(err, ErrNotFound)
	}
	return s.accounts[Key(r.Name)], err
}

func (s *fakeStore) UseReset(_ context.Context, v UseResetVerb) (int64, error) {
	err := s.call("UseReset", v)
	defer s.mu.Unlock()
	name := Key(s.resets[v.Hash].Name)
	delete(s.resets, v.Hash)
	s.hashes[name] = v.PasswordHash
	return s.accounts[name].ID, err
}
