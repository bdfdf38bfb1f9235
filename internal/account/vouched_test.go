package account

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const adaORCID = "0000-0002-1825-0097"

// vouched is what a provider says of ada that gives no e-mail.
func vouched() Outside { return Outside{Subject: adaORCID, Login: adaORCID, Display: "Ada L"} }

func (b *bench) vouch(t *testing.T, who Outside) (int64, error) {
	t.Helper()
	return b.SignInVouched(t.Context(), By{Actor: "account", Addr: "192.0.2.7"}, "orcid", who)
}

func TestVouchedFirstAndLaterSignIn(t *testing.T) {
	b := newBench(t)
	id, err := b.vouch(t, vouched())
	if err != nil {
		t.Fatal(err)
	}
	want := Account{ID: id, Name: adaORCID, Type: Person, Status: Active, Display: "Ada L",
		Identities: []Identity{{Provider: "orcid", Subject: adaORCID, Name: "Ada L"}}}
	if diff := cmp.Diff(want, b.store.accounts[adaORCID]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.reset()
	if again, err := b.vouch(t, vouched()); again != id || err != nil {
		t.Errorf("the second sign-in is account %d, %v; want %d", again, err, id)
	}
	if diff := cmp.Diff([]string{"ByIdentity"}, b.store.calls); diff != "" {
		t.Errorf("calls of a sign-in that changes nothing (-want +got):\n%s", diff)
	}
}

// Neither a name nor an e-mail address gives anybody an account that is there.
func TestVouchedNeverJoins(t *testing.T) {
	b := newBench(t)
	who := vouched()
	who.Login, who.Email = "maria", "maria@example.org"
	id, err := b.vouch(t, who)
	if err != nil || id == 1 || b.store.accounts["maria-2"].ID != id {
		t.Errorf("account %d, %v; accounts %v", id, err, b.store.accounts)
	}
}

func TestVouchedRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Account)
		text   string
	}{
		"disabled": {func(a *Account) { a.Status = Disabled }, "account 4 is disabled"},
		"deleted":  {func(a *Account) { a.Status = Deleted }, "account 4 is deleted"},
		"removed":  {func(a *Account) { a.Identities = nil }, "the orcid identity was removed from account 4"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if _, err := b.vouch(t, vouched()); err != nil {
				t.Fatal(err)
			}
			a := b.store.accounts[adaORCID]
			c.change(&a)
			b.store.accounts[adaORCID] = a
			b.store.reserved = map[string]int64{"orcid " + adaORCID: a.ID}
			for range freeFailures + 1 { // however often: nobody guesses here
				b.reset()
				id, err := b.vouch(t, vouched())
				if id != 0 || !errors.Is(err, ErrBadCredentials) || err.Error() != c.text {
					t.Errorf("got %d, %v, want %s", id, err, c.text)
				}
			}
			if diff := cmp.Diff([]any{By{Actor: "account", Addr: "192.0.2.7"}, int64(4)}, b.store.verbs); diff != "" {
				t.Errorf("audited (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVouchedFailures(t *testing.T) {
	for call, want := range map[string]string{
		"ByIdentity": `finding the account of orcid identity "` + adaORCID + `": the store is down`,
		"AddAccount": `finding the account of orcid identity "` + adaORCID + `": the store is down`,
	} {
		b := newBench(t)
		b.store.failing[call] = true
		_, err := b.vouch(t, vouched())
		var refused *Error
		if fmt.Sprint(err) != want || errors.As(err, &refused) {
			t.Errorf("%s: got %v, want the failure %s", call, err, want)
		}
	}
}

func TestVouchedRacingFirstSignIns(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	ids := make([]int64, 8)
	for i := range ids {
		wg.Go(func() { ids[i], _ = b.vouch(t, vouched()) })
	}
	wg.Wait()
	for _, id := range ids {
		if id == 0 || id != ids[0] {
			t.Fatalf("accounts %v, want one", ids)
		}
	}
}

// When every numbered name is taken, there is still one more.
func TestNamesNeverRunOut(t *testing.T) {
	for _, login := range []string{"", "ada", strings.Repeat("y", 80)} {
		first, again := names(login), names(login)
		last := first[len(first)-1]
		if last == again[len(again)-1] || checkName("account", last) != nil {
			t.Errorf("the last name for %.10q is %s", login, last)
		}
	}
}
