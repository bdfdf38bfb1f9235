package keyring

import (
	"errors"
	"strings"
	"testing"
	"time"

	"symbolon/internal/jws"
)

const publishedKey = "0d599f0ec05c3bda8c3b8a68c32a1b47"

func weakWant(secret string) Want {
	return Want{Service: "collections", Purpose: Access, Alg: HS256, Pinned: []byte(secret), WeakKey: true, Lifetime: time.Hour}
}

func TestWeakKeyOnlyWhereToldSo(t *testing.T) {
	for _, secret := range []string{"blah", publishedKey, "x"} {
		w := weakWant(secret + "\n")
		if err := CheckPinned([]Want{w}); err != nil {
			t.Errorf("%q, allowed: %v", secret, err)
		}
		w.WeakKey = false
		if err := CheckPinned([]Want{w}); err == nil || !strings.HasPrefix(err.Error(), `the access key file of service "collections": `) {
			t.Errorf("%q, not allowed: %v", secret, err)
		}
	}
	empty := weakWant("\n")
	if err := CheckPinned([]Want{empty}); err == nil || err.Error() != `the access key file of service "collections": the secret is empty` {
		t.Errorf("no secret at all: %v", err)
	}
	other := weakWant("no PEM")
	other.Alg = ES256
	if err := CheckPinned([]Want{other}); err == nil || !strings.HasSuffix(err.Error(), "it holds no private key in PEM form") {
		t.Errorf("another algorithm: %v", err)
	}
}

func TestWeakKeySurvivesARestart(t *testing.T) {
	store := newFake()
	old := mint(t, mustOpen(t, store, birth, weakWant("blah")), "collections", Access, "")
	k := mustOpen(t, store, birth.Add(time.Minute), weakWant("blah"))
	if purpose, err := k.Verify("collections", old, bornAt(birth)); err != nil || purpose != Access {
		t.Errorf("%s, %v", purpose, err)
	}
	if len(store.keys) != 2 {
		t.Errorf("%d keys", len(store.keys))
	}
}

// Once the switch is off, what the weak key signed is worth nothing at once, and a fresh key signs.
func TestWeakKeyIsDeadWithoutItsSwitch(t *testing.T) {
	for _, secret := range []string{"blah", publishedKey} {
		store := newFake()
		old := mint(t, mustOpen(t, store, birth, weakWant(secret)), "collections", Access, "")
		k := mustOpen(t, store, birth.Add(time.Minute), Want{Service: "collections", Purpose: Access, Alg: HS256, Lifetime: time.Hour})
		if _, err := k.Verify("collections", old, bornAt(birth)); !errors.Is(err, jws.ErrSignature) {
			t.Errorf("%q still verifies: %v", secret, err)
		}
		fresh := mint(t, k, "collections", Access, "")
		if _, err := k.Verify("collections", fresh, bornAt(birth.Add(time.Minute))); err != nil {
			t.Errorf("the fresh key: %v", err)
		}
	}
}
