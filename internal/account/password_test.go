package account

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"symbolon/internal/secret"
)

const newer = "another long phrase"

var maria = By{Actor: "account", Addr: "192.0.2.7"}

func wantKind(t *testing.T, err error, want *Error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestChangePassword(t *testing.T) {
	b := newBench(t)
	if err := b.ChangePassword(t.Context(), maria, 1, right, newer, 42); err != nil {
		t.Fatal(err)
	}
	want := []any{int64(1), PasswordVerb{By: maria, Now: start, Account: 1, Keep: 42}}
	if diff := cmp.Diff(want, b.store.verbs, cmpopts.IgnoreFields(PasswordVerb{}, "Hash")); diff != "" {
		t.Errorf("the store got (-want +got):\n%s", diff)
	}
	b.expect(t, "192.0.2.8", "maria", newer, nil)
	b.expect(t, "192.0.2.8", "maria", right, ErrBadCredentials)
}

// Whoever sits at an open browser guesses the old password no better than at sign-in.
func TestChangePasswordCountsGuesses(t *testing.T) {
	b := newBench(t)
	for range freeFailures / 2 {
		wantKind(t, b.ChangePassword(t.Context(), maria, 1, wrong, newer, 0), ErrBadCredentials)
		b.expect(t, "192.0.2.7", "MARIA", wrong, ErrBadCredentials)
	}
	wantKind(t, b.ChangePassword(t.Context(), maria, 1, right, newer, 0), ErrTooMany)
	b.expect(t, "192.0.2.7", "maria", right, ErrTooMany)
	b.advance(slowInterval)
	if err := b.ChangePassword(t.Context(), maria, 1, right, newer, 0); err != nil {
		t.Error(err)
	}
}

func TestChangePasswordRefusals(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		account  int64
		old, new string
		want     *Error
	}{
		"no account":    {99, right, newer, ErrNotFound},
		"disabled":      {3, right, newer, ErrBadCredentials},
		"none to ask":   {2, "", newer, ErrBadCredentials},
		"short":         {1, right, "short", ErrInvalid},
		"common":        {1, right, "Password1", ErrInvalid},
		"the name":      {1, right, "maria", ErrInvalid},
		"old one empty": {1, "", newer, ErrBadCredentials},
	} {
		t.Run(name, func(t *testing.T) {
			wantKind(t, b.ChangePassword(t.Context(), By{Addr: name}, c.account, c.old, c.new, 0), c.want)
		})
	}
	for _, call := range b.store.calls {
		if call == "SetPassword" {
			t.Error("a password was set")
		}
	}
	b.store.failing["SetPassword"] = true
	if err := b.ChangePassword(t.Context(), maria, 1, right, newer, 0); !errors.Is(err, errDown) {
		t.Errorf("got %v, want %v", err, errDown)
	}
}

func TestFirstPassword(t *testing.T) {
	b := newBench(t)
	if err := b.FirstPassword(t.Context(), maria, 2, newer, 7); err != nil {
		t.Fatal(err)
	}
	want := []any{int64(2), PasswordVerb{By: maria, Now: start, Account: 2, Keep: 7, First: true}}
	if diff := cmp.Diff(want, b.store.verbs, cmpopts.IgnoreFields(PasswordVerb{}, "Hash")); diff != "" {
		t.Errorf("the store got (-want +got):\n%s", diff)
	}
	b.expect(t, "192.0.2.8", "nopass", newer, nil)
	b.hashes.Store(0)
	wantKind(t, b.FirstPassword(t.Context(), maria, 2, newer, 7), ErrConflict)
	wantKind(t, b.FirstPassword(t.Context(), maria, 1, newer, 7), ErrConflict)
	wantKind(t, b.FirstPassword(t.Context(), maria, 1, "password1", 7), ErrInvalid)
	wantKind(t, b.FirstPassword(t.Context(), maria, 99, newer, 7), ErrNotFound)
	if n := b.hashes.Load(); n != 0 {
		t.Errorf("%d passwords were hashed in vain", n)
	}
}

func TestResetLink(t *testing.T) {
	b := newBench(t)
	s, end, err := b.ResetLink(t.Context(), operator, "Maria")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Reveal()) != 43 || !end.Equal(start.Add(24*time.Hour)) {
		t.Errorf("a secret of %d characters until %s, want 43 (256 bits) and a day", len(s.Reveal()), end)
	}
	other, _, err := b.ResetLink(t.Context(), operator, "Maria")
	if err != nil || other.Reveal() == s.Reveal() {
		t.Errorf("two links are one, or %v", err)
	}
	a, err := b.ResetAccount(t.Context(), s)
	if err != nil || a.Name != "Maria" {
		t.Errorf("the link is of %q, %v", a.Name, err)
	}
	for _, bad := range []string{"short", "maria", "Passw0rd", "symbolon"} { // no harm: the link is still good
		_, err := b.ResetPassword(t.Context(), maria, s, bad)
		wantKind(t, err, ErrInvalid)
	}
	id, err := b.ResetPassword(t.Context(), maria, s, newer)
	if err != nil || id != 1 {
		t.Errorf("reset %d, %v", id, err)
	}
	b.expect(t, "192.0.2.8", "maria", newer, nil)
	b.hashes.Store(0)
	for _, text := range []string{s.Reveal(), "", "x", strings.Repeat("A", 43)} {
		_, err = b.ResetPassword(t.Context(), maria, secret.New(text), newer)
		wantKind(t, err, ErrNotFound)
		_, err = b.ResetAccount(t.Context(), secret.New(text))
		wantKind(t, err, ErrNotFound)
	}
	if n := b.hashes.Load(); n != 0 {
		t.Errorf("%d passwords were hashed for links that are none", n)
	}
	_, _, err = b.ResetLink(t.Context(), operator, "a b")
	wantKind(t, err, ErrInvalid)
	b.advance(24 * time.Hour)
	_, err = b.ResetPassword(t.Context(), maria, other, newer)
	wantKind(t, err, ErrNotFound)
}

func TestPasswordsThatAreTriedFirst(t *testing.T) {
	if n := len(common()); n < 3000 {
		t.Errorf("%d common passwords are known, want 3000 at least", n)
	}
	ada := Account{Name: "ada-lovelace", Display: "Ada Example", Email: "countess@example.org"}
	for _, p := range []string{"password", "PASSWORD", "12345678", "iloveyou", "ILoveYou", "football", "elephants", "Symbolon",
		"Ada-Lovelace", "ada example", "AdaExample", "countess", "Countess@Example.org"} {
		wantKind(t, CheckPassword(p, ada.words()...), ErrInvalid)
	}
	for _, p := range []string{"correct horse battery", "symbolon!7", "ada-lovelace's", "q7!mVx2_", "passwords of ada"} {
		if err := CheckPassword(p, ada.words()...); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	// What is short is refused for that, however common.
	if err := CheckPassword("letmein"); err == nil || !strings.Contains(err.Error(), "too short") {
		t.Errorf("got %v", err)
	}
}

// Wherever a password is set, it is looked up.
func TestEveryNewPasswordIsLookedUp(t *testing.T) {
	b := newBench(t)
	common, own := "Baseball", "the maria"
	display := own
	if _, err := b.Set(t.Context(), operator, "maria", Change{Display: &display}); err != nil {
		t.Fatal(err)
	}
	a := b.store.accounts["maria"]
	a.Display = own
	b.store.accounts["maria"] = a
	for _, p := range []string{common, own} {
		_, err := b.Add(t.Context(), operator, New{Name: "new", Type: Person, Display: own, Password: p})
		wantKind(t, err, ErrInvalid)
		_, err = b.Set(t.Context(), operator, "maria", Change{Password: &p})
		wantKind(t, err, ErrInvalid)
		wantKind(t, b.ChangePassword(t.Context(), maria, 1, right, p, 0), ErrInvalid)
	}
}
