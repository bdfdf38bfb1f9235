package app

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"symbolon/internal/keyring"
)

// The subtests of TestBar bear the numbers of the security checklist; those that
// are missing here are tested beside the code they are about.

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// parts are the decoded header and payload of a token, and its signature's text.
func parts(t *testing.T, text string) (header, payload, signature string) {
	t.Helper()
	p := strings.Split(text, ".")
	if len(p) != 3 {
		t.Fatalf("%d parts", len(p))
	}
	var plain [2]string
	for i := range plain {
		b, err := base64.RawURLEncoding.DecodeString(p[i])
		if err != nil {
			t.Fatal(err)
		}
		plain[i] = string(b)
	}
	return plain[0], plain[1], p[2]
}

// target is a kind of JWT with the key that makes it and where it passes.
type target struct {
	name    string
	service string
	purpose keyring.Purpose
	make    func(e *env) string
	places  []string // of consumers
}

var targets = []target{
	{"access", "samples", keyring.Access, kinds[0].make, []string{"credentials", "auth/user", "blacklist-all"}},
	{"refresh", "samples", keyring.Refresh, kinds[1].make, []string{"refresh.php", "refresh json", "blacklist"}},
	{"edi", "ecology", keyring.Access, kinds[4].make, []string{"edi-token", "whoami bearer", "whoami cookie"}},
	{"ca access", "collections", keyring.Access, kindNamed("ca access").make, strings.Split(caAccessGood, ", ")},
	{"ca refresh", "collections", keyring.Refresh, kindNamed("ca refresh").make, strings.Split(caRefreshGood, ", ")},
	{"item access", "warehouse", keyring.Access, kindNamed("item access, admin").make, []string{"stations", "users"}},
	{"item refresh", "warehouse", keyring.Refresh, kindNamed("item refresh, application").make, []string{"item refresh", "item refresh GET", "application-token"}},
	{"application", "warehouse", keyring.Access, kindNamed("application token").make, []string{"stations"}},
}

func kindNamed(name string) kind {
	return kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })]
}

// endless reports whether the target's tokens have no exp.
func (g target) endless() bool { return g.name == "application" }

// at returns the consumers of a target.
func (g target) at() []consumer {
	var all []consumer
	for _, c := range consumers {
		if slices.Contains(g.places, c.name) {
			all = append(all, c)
		}
	}
	return all
}

// refusedAt wants a no for the text at every place of the target.
func (g target) refusedAt(t *testing.T, e *env, what, text string) {
	t.Helper()
	for _, c := range g.at() {
		if w := c.use(e, text); !c.refuses(w) {
			t.Errorf("%s: %s at %s: %d %s", what, g.name, c.name, w.Code, w.Body)
		}
	}
}

// passesAt wants a yes for a fresh text at every place; it shows that what
// refusedAt refuses is refused for the reason meant.
func (g target) passesAt(t *testing.T, e *env, what string, text func(good string) string) {
	t.Helper()
	for _, c := range g.at() {
		if w := c.use(e, text(g.make(e))); !c.passes(w) {
			t.Errorf("%s: %s at %s: %d %s", what, g.name, c.name, w.Code, w.Body)
		}
	}
}

// resign makes a token of the target's own key; change gets header and payload of a good one.
func (g target) resign(t *testing.T, e *env, change func(header, payload string) (string, string)) string {
	t.Helper()
	header, payload, _ := parts(t, g.make(e))
	header, payload = change(header, payload)
	return e.sign(g.service, g.purpose, header, payload)
}

// forAll runs f for each target over one environment.
func forAll(t *testing.T, f func(t *testing.T, e *env, g target)) {
	e := newEnv(t, nil)
	for _, g := range targets {
		t.Run(g.name, func(t *testing.T) { f(t, e, g) })
	}
}

func TestBar(t *testing.T) {
	for _, item := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"A01 algorithm confusion", func(t *testing.T) { forAll(t, confusion) }},
		{"A02 none and missing parts", func(t *testing.T) { forAll(t, none) }},
		{"A03 keys that the header brings", broughtKeys},
		{"A04 kid", func(t *testing.T) { forAll(t, kids) }},
		{"A05 crit", func(t *testing.T) { forAll(t, crits) }},
		{"A06 one spelling", func(t *testing.T) { forAll(t, spellings) }},
		{"A07 duplicate and odd-case members", func(t *testing.T) { forAll(t, members) }},
		{"A07 duplicate and odd-case members of bodies", bodyMembers},
		{"A09 times", func(t *testing.T) { forAll(t, times) }},
		{"A10 issuer and audience", func(t *testing.T) { forAll(t, audiences) }},
		{"A15 opaque keys", opaque},
		{"A16 parallel refreshes", parallel},
		{"A17 reuse ends the family", reuse},
		{"A18 bound to its service", foreignRefresh},
		{"A19 absolute end", absoluteEnd},
		{"A20 each refresh asks again", asksAgain},
		{"A22 mass revocation", massRevocation},
		{"A24 deleted and purged", deletedAndPurged},
	} {
		t.Run(item.name, item.test)
	}
}
