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

const adaDN = "uid=ada,o=EDI"

func ada() Outside {
	return Outside{Subject: adaDN, Login: "ada", Display: "Ada L", Email: "ada@example.org"}
}

func (b *bench) outside(t *testing.T, login string, who Outside, proof error) (int64, error) {
	t.Helper()
	return b.SignInOutside(t.Context(), By{Actor: "account", Addr: "192.0.2.7"}, "ldap", login,
		func(context.Context) (Outside, error) { return who, proof })
}

func (b *bench) outsideAs(t *testing.T, who Outside) int64 {
	t.Helper()
	id, err := b.outside(t, who.Login, who, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestOutsideFirstAndLaterSignIn(t *testing.T) {
	b := newBench(t)
	id := b.outsideAs(t, ada())
	got := b.store.accounts["ada"]
	want := Account{ID: id, Name: "ada", Type: Person, Status: Active, Display: "Ada L", Email: "ada@example.org",
		Identities: []Identity{{Provider: "ldap", Subject: adaDN, Name: "Ada L", Email: "ada@example.org"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	renamed := ada()
	renamed.Login, renamed.Email = "countess", "maria@example.org"
	b.reset()
	if again := b.outsideAs(t, renamed); again != id {
		t.Errorf("the second sign-in is account %d, want %d", again, id)
	}
	if diff := cmp.Diff([]string{"Attempts", "ByIdentity"}, b.store.calls); diff != "" {
		t.Errorf("calls of a sign-in that changes nothing (-want +got):\n%s", diff)
	}
	if n := b.hashes.Load(); n != 0 {
		t.Errorf("%d hashes", n)
	}
	b.expect(t, "192.0.2.7", "ada", "", ErrBadCredentials) // no password came with it
}

// Nobody gets an account because of a name or an e-mail address.
func TestOutsideNeverJoins(t *testing.T) {
	b := newBench(t)
	who := ada()
	who.Login = "maria" // id 1 has a password and that name
	if id := b.outsideAs(t, who); id == 1 || b.store.accounts["maria-2"].ID != id {
		t.Errorf("account %d; accounts %v", id, b.store.accounts)
	}
	other := ada()
	other.Subject = "uid=ada,o=OTHER"
	if id := b.outsideAs(t, other); b.store.accounts["ada"].ID != id {
		t.Errorf("account %d; accounts %v", id, b.store.accounts)
	}
}

func TestNamesToTry(t *testing.T) {
	for login, want := range map[string]string{
		"ada": "ada ada-2 ada-3", "a b": "ab-2 ab-3 ab-4", "": "uid-2 uid-3 uid-4", "__x": "x-2 x-3 x-4", "(*)": "uid-2 uid-3 uid-4",
		strings.Repeat("y", 65): strings.Repeat("y", 61) + "-2 " + strings.Repeat("y", 61) + "-3 " + strings.Repeat("y", 61) + "-4",
	} {
		all := names(login)
		if got := strings.Join(all[:3], " "); got != want {
			t.Errorf("names(%q) begins %s, want %s", login, got, want)
		}
		for _, name := range all {
			if err := checkName("account", name); err != nil {
				t.Errorf("names(%q): %v", login, err)
			}
		}
	}
}

func TestOutsideLeavesOutWhatCannotBe(t *testing.T) {
	b := newBench(t)
	who := ada()
	who.Display, who.Email = "Ada\x00", "no address"
	b.outsideAs(t, who)
	if a := b.store.accounts["ada"]; a.Display != "" || a.Email != "" {
		t.Errorf("account %+v", a)
	}
}

func TestOutsideGroups(t *testing.T) {
	b := newBench(t)
	who := ada()
	who.Groups, who.Decides = []string{"vetted"}, []string{"vetted", "staff"}
	b.outsideAs(t, who)
	a := b.store.accounts["ada"]
	if diff := cmp.Diff([]string{"vetted"}, a.Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	a.Groups = []string{"Staff", "Vetted", "friends"}
	b.store.accounts["ada"] = a
	b.reset()
	b.outsideAs(t, who)
	who.Groups = []string{"staff", "vetted"}
	b.outsideAs(t, who) // as it is: nothing to write
	by := By{Actor: "account", Addr: "192.0.2.7"}
	want := []any{SetVerb{By: by, Now: start, Name: "ada", RemoveGroups: []string{"staff"}}}
	if diff := cmp.Diff(want, b.store.verbs); diff != "" {
		t.Errorf("the store got (-want +got):\n%s", diff)
	}
}

func TestOutsideRefusals(t *testing.T) {
	why := &Error{Kind: BadCredentials, Text: "for the log"}
	for name, c := range map[string]struct {
		prepare func(*bench)
		proof   error
		id      int64
		text    string
	}{
		"not proven": {func(*bench) {}, why, 0, "for the log"},
		"disabled": {func(b *bench) {
			b.outsideAs(t, ada())
			a := b.store.accounts["ada"]
			a.Status = Disabled
			b.store.accounts["ada"] = a
		}, nil, 4, "account 4 is disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			c.prepare(b)
			b.reset()
			id, err := b.outside(t, "ada", ada(), c.proof)
			if id != 0 || !errors.Is(err, ErrBadCredentials) || err.Error() != c.text {
				t.Errorf("got %d, %v, want %s", id, err, c.text)
			}
			if got := b.store.calls[len(b.store.calls)-1]; got != "Failed" {
				t.Errorf("the last call is %s, want Failed", got)
			}
			if diff := cmp.Diff([]any{By{Actor: "account", Addr: "192.0.2.7"}, c.id}, b.store.verbs); diff != "" {
				t.Errorf("audited (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOutsideFailures(t *testing.T) {
	b := newBench(t)
	if _, err := b.outside(t, "ada", Outside{}, errDown); !errors.Is(err, errDown) {
		t.Errorf("got %v, want %v", err, errDown)
	}
	for call, want := range map[string]string{
		"Attempts":   "reading failed sign-ins: the store is down",
		"ByIdentity": `finding the account of ldap identity "uid=ada,o=EDI": the store is down`,
		"AddAccount": `finding the account of ldap identity "uid=ada,o=EDI": the store is down`,
	} {
		b := newBench(t)
		b.store.failing[call] = true
		_, err := b.outside(t, "ada", ada(), nil)
		var refused *Error
		if fmt.Sprint(err) != want || errors.As(err, &refused) {
			t.Errorf("%s: got %v, want the failure %s", call, err, want)
		}
	}
	long := ada()
	long.Subject = strings.Repeat("x", 256)
	var refused *Error
	if _, err := b.outside(t, "ada", long, nil); err == nil || errors.As(err, &refused) {
		t.Errorf("a subject too long: got %v, want a failure", err)
	}
	if len(b.store.attempts) != 0 {
		t.Errorf("failures of ours were counted: %v", b.store.attempts)
	}
}

// Spellings of one login are one row of guesses; the password of that name has another.
func TestOutsideTooMany(t *testing.T) {
	b := newBench(t)
	spellings := []string{"ada", "ADA", " ada ", "Ada"}
	for i := range freeFailures {
		if _, err := b.outside(t, spellings[i%4], Outside{}, ErrBadCredentials); !errors.Is(err, ErrBadCredentials) {
			t.Fatal(err)
		}
	}
	if _, err := b.outside(t, "ada", ada(), nil); !errors.Is(err, ErrTooMany) {
		t.Errorf("got %v, want %v", err, ErrTooMany)
	}
	b.expect(t, "192.0.2.7", "ada", wrong, ErrBadCredentials)
	b.advance(slowInterval)
	b.outsideAs(t, ada())
	if _, err := b.outside(t, "ada", Outside{}, ErrBadCredentials); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("after a success: got %v, want %v", err, ErrBadCredentials)
	}
}

func TestOutsideParallelGuessesAreCounted(t *testing.T) {
	b := newBench(t)
	var asked, tooMany atomic.Int64
	var wg sync.WaitGroup
	for range lineLength {
		wg.Go(func() {
			_, err := b.SignInOutside(t.Context(), operator, "ldap", "ada", func(context.Context) (Outside, error) {
				asked.Add(1)
				time.Sleep(time.Millisecond) // as a directory takes, so that the others come meanwhile
				return Outside{}, ErrBadCredentials
			})
			if errors.Is(err, ErrTooMany) {
				tooMany.Add(1)
			}
		})
	}
	wg.Wait()
	if asked.Load() != freeFailures || tooMany.Load() != lineLength-freeFailures {
		t.Errorf("%d asked, %d too many; want %d and %d", asked.Load(), tooMany.Load(), freeFailures, lineLength-freeFailures)
	}
	if len(b.turns.keys) != 0 {
		t.Errorf("%d turns are left over", len(b.turns.keys))
	}
}

func TestOutsideLine(t *testing.T) {
	b := newBench(t)
	key := "some key"
	leave, err := b.turns.enter(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.turns.enter(gone, key); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for range lineLength {
		own := b.turns.join(key)
		wg.Go(func() {
			own.slot <- struct{}{}
			<-own.slot
			b.turns.part(key, own)
		})
	}
	if _, err := b.turns.enter(ctx, key); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want %v", err, ErrBusy)
	}
	if other, err := b.turns.enter(ctx, "another key"); err != nil {
		t.Error(err)
	} else {
		other()
	}
	leave()
	wg.Wait()
	if len(b.turns.keys) != 0 {
		t.Errorf("%d turns are left over", len(b.turns.keys))
	}
}

// One person who signs in twice at once for the first time is one account.
func TestOutsideRacingFirstSignIns(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	ids := make([]int64, 8)
	for i := range ids {
		wg.Go(func() {
			who := ada()
			who.Login = fmt.Sprint("ada", i) // else they would take turns
			ids[i], _ = b.outside(t, who.Login, who, nil)
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == 0 || id != ids[0] {
			t.Fatalf("accounts %v, want one", ids)
		}
	}
}
