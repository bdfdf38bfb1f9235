package edi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/jws"
	"symbolon/internal/token"
)

func TestEDIID(t *testing.T) {
	if got := EDIID("uid=mservilla,o=EDI,dc=edirepository,dc=org"); got != "EDI-2f8a22878d337e09ddaba15ee0eee9bb2933fd54" {
		t.Error(got)
	}
}

// subjects are one of each kind, in full.
func subjects() map[string]token.Subject {
	linked := time.Date(2025, 5, 6, 7, 8, 9, 0, time.UTC)
	vetted := token.Group{Name: "vetted", UID: strings.Repeat("1", 32)}
	crew := token.Group{Name: "crew", UID: strings.Repeat("2", 32)}
	password := token.Identity{Provider: "password", Subject: "fern"}
	person := func(ids ...token.Identity) token.Subject {
		s := token.Subject{Name: "fern", Display: "Fern Ärztin 🌿 <x>", Email: "fern@example.org", Groups: []token.Group{crew, vetted},
			Identities: append([]token.Identity{password}, ids...)}
		f := &format{edi: newEDI()}
		s.ID = f.newSubject(s)
		return s
	}
	acting := person()
	acting.Acting = &crew
	return map[string]token.Subject{
		"password":  person(),
		"ldap":      person(token.Identity{Provider: "ldap", Subject: ldapUID}),
		"github":    person(token.Identity{Provider: "github", Subject: "https://github.com/fern", Name: "Fern", Email: "f@example.org"}),
		"google":    person(token.Identity{Provider: "google", Subject: "1234", Email: "f@example.org"}),
		"microsoft": person(token.Identity{Provider: "microsoft", Subject: "AA-b_c"}),
		"orcid":     person(token.Identity{Provider: "orcid", Subject: "0000-0002-1825-0097"}),
		"keycloak":  person(token.Identity{Provider: "keycloak", Subject: ldapUID}),
		"linked": person(token.Identity{Provider: "orcid", Subject: "0000-0002-1825-0097", LinkedAt: linked},
			token.Identity{Provider: "google", Subject: "1234", Email: "f@example.org", Name: "Férn", LinkedAt: linked.Add(time.Hour)}),
		"group": acting,
	}
}

// TestGolden holds every claim of every kind of token, and the tokens themselves, to
// their bytes.
func TestGolden(t *testing.T) {
	k, key := fixedKeys(t), legacyKey(t)
	f := &format{issuer: "https://auth.edirepository.org", edi: newEDI()}
	l := newLegacyTokens(fixedLegacy(key), 8*time.Hour)
	all := subjects()
	var b strings.Builder
	for _, name := range []string{"password", "ldap", "github", "google", "microsoft", "orcid", "keycloak", "linked", "group"} {
		m := token.Mint{Kind: token.Access, Alg: "ES256", Grant: token.Grant{ID: 7}, Subject: all[name],
			IssuedAt: start, Expires: start.Add(8 * time.Hour), Cap: start.Add(30 * 24 * time.Hour)}
		if name == "password" {
			m.Status = listed
		}
		header, payload, err := f.Mint(m)
		if err != nil {
			t.Fatal(err)
		}
		text, err := jws.Sign(header, payload, k.Access)
		if err != nil {
			t.Fatal(err)
		}
		who := f.legacyOf(all[name])
		who.ends = l.end(start, time.Time{}, time.Time{}, time.Time{})
		pasta, err := l.mint(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n%s\n%s\n%s\n%s\n%s\n\n", name, header, payload, text, who.text(), pasta.Reveal())
	}
	golden(t, "tokens.txt", b.String())
}

// listed is where the bit of a token stands.
var listed = &token.Status{List: token.StatusRef{Index: 4711, URI: "https://tokens.example.org/symbolon/status/0"}}

// TestPlainClaimsAddNone: the old server beside us reads nothing that it does not know.
func TestPlainClaimsAddNone(t *testing.T) {
	own := newEDI()
	own.PlainClaims = true
	f := &format{issuer: "https://auth.edirepository.org", edi: own}
	_, payload, err := f.Mint(token.Mint{Kind: token.Access, Alg: "ES256", Grant: token.Grant{ID: 7}, Subject: subjects()["ldap"],
		IssuedAt: start, Expires: start.Add(time.Hour), Status: listed})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(payload), "status") {
		t.Errorf("%s", payload)
	}
}

// TestReadsWhatItMints reads each golden token and mints it again as a refresh would.
func TestReadsWhatItMints(t *testing.T) {
	f := &format{issuer: "https://auth.edirepository.org", edi: newEDI()}
	for name, sub := range subjects() {
		m := token.Mint{Kind: token.Access, Alg: "ES256", Grant: token.Grant{ID: 7}, Subject: sub,
			IssuedAt: start, Expires: start.Add(8 * time.Hour), Cap: start.Add(30 * 24 * time.Hour), Status: listed}
		_, payload, err := f.Mint(m)
		if err != nil {
			t.Fatal(err)
		}
		c, err := f.Read(token.Access, "", payload)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c.Grant != 7 || !c.IssuedAt.Equal(start) || !c.NotBefore.Equal(start) || !c.Expires.Equal(m.Expires) || !c.Cap.Equal(m.Cap) {
			t.Errorf("%s: read %+v", name, c)
		}
		if diff := cmp.Diff(f.uids(sub)[0], c.Wire.(*wire).uids[0]); diff != "" {
			t.Errorf("%s: the legacy token beside it is another's:\n%s", name, diff)
		}
		m.Prior, m.Subject = &c, token.Subject{ID: c.Subject}
		_, again, err := f.Mint(m)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(payload), string(again)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestRefreshLaysClaimsOut holds the bytes of a token whose claims came in another order, with spaces and with claims we
// do not know: what is copied keeps its spelling, but for spaces and what is no ASCII.
func TestRefreshLaysClaimsOut(t *testing.T) {
	f := &format{issuer: "https://auth.edirepository.org", edi: newEDI()}
	c, err := f.Read(token.Access, "", []byte(`{"exp":2000,"iat":1000,"iss":"https://auth.edirepository.org","hd":"edirepository.org","gid":7, "sub":"EDI-x",
		"extra" : { "n" : 1.50, "t" : "é / \/ <b>" }, "links" : [ { "idpUid" : "a b" } , {} ], "avatarUrl":"https:\/\/x.org/\u00e9", "cn":"Zo\u00eb & <co>",
		"idpName":null, "idpUid":"ü","isEmailEnabled":true,"principals":["EDI-z","EDI-y"],"more":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	_, payload, err := f.Mint(token.Mint{Alg: "ES256", Grant: token.Grant{ID: 8}, Subject: token.Subject{ID: "EDI-new"}, IssuedAt: time.Unix(3000, 0),
		Expires: time.Unix(4000, 0), Cap: time.Unix(5000, 0), Prior: &c, Status: listed})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"sub":"EDI-new","cn":"Zo\u00eb & <co>","email":null,"avatarUrl":"https:\/\/x.org/\u00e9","principals":["EDI-y","EDI-z"],` +
		`"links":[{"idpUid":"a b"},{}],"isEmailEnabled":true,"isEmailVerified":false,"idpCommonName":null,"idpName":null,"idpUid":"\u00fc",` +
		`"iss":"https://auth.edirepository.org","hd":"edirepository.org","iat":3000,"nbf":3000,"exp":4000,"gid":8,"cap":5000,` +
		`"status":{"status_list":{"idx":4711,"uri":"https://tokens.example.org/symbolon/status/0"}},` +
		`"extra":{"n":1.50,"t":"\u00e9 / \/ <b>"},"more":[]}`
	if diff := cmp.Diff(want, string(payload)); diff != "" {
		t.Error(diff)
	}
}

func TestMintTakesNoOtherAlgorithm(t *testing.T) {
	f := &format{edi: newEDI()}
	if _, _, err := f.Mint(token.Mint{Alg: "HS256"}); err != errAlgorithm {
		t.Errorf("error %v", err)
	}
}

func TestReadTakesNoRefreshKey(t *testing.T) {
	f := &format{edi: newEDI()}
	if _, err := f.Read(token.Refresh, "", []byte(`{}`)); token.CodeOf(err) != token.WrongKind {
		t.Errorf("error %v", err)
	}
}

func TestNames(t *testing.T) {
	f := &format{edi: newEDI()}
	all := subjects()
	for name, want := range map[string][]string{
		"password": {EDIID("uid=fern,o=EDI,dc=edirepository,dc=org"), "uid=fern,o=EDI,dc=edirepository,dc=org"},
		"google":   {EDIID("1234"), "f@example.org"},
		"linked":   {EDIID("https://orcid.org/0000-0002-1825-0097"), "https://orcid.org/0000-0002-1825-0097", "f@example.org"},
	} {
		if diff := cmp.Diff(want, f.names(all[name])); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	began := all["linked"]
	began.ID = all["password"].ID
	if diff := cmp.Diff([]string{began.ID, "https://orcid.org/0000-0002-1825-0097", "f@example.org", "uid=fern,o=EDI,dc=edirepository,dc=org"}, f.names(began)); diff != "" {
		t.Errorf("began with a password: %s", diff)
	}
}

func TestService(t *testing.T) {
	s := newDialect(t, nil, Options{}).Service()
	if s.Rotates || !s.TakesKeys || s.RefreshLifetime != 0 || s.AccessLifetime != 8*time.Hour || s.Cap != 30*24*time.Hour || s.NamesLive != 8*time.Hour+time.Minute {
		t.Errorf("service %+v", s)
	}
}

func FuzzRead(f *testing.F) {
	own := &format{issuer: "https://auth.edirepository.org", edi: newEDI()}
	_, payload, err := own.Mint(token.Mint{Alg: "ES256", Grant: token.Grant{ID: 7}, Subject: subjects()["linked"], IssuedAt: start, Expires: start, Cap: start})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("", payload)
	f.Add("s1.7.99", payload)
	f.Add("", []byte(`{"sub":5,"links":[{"idpUid":7},null]}`))
	f.Fuzz(func(t *testing.T, kid string, payload []byte) {
		c, err := own.Read(token.Access, kid, payload)
		if err != nil {
			return
		}
		if c.Grant <= 0 || c.Subject == "" || c.IssuedAt.IsZero() || c.Expires.IsZero() || len(c.Wire.(*wire).uids) == 0 {
			t.Errorf("read %+v from %q", c, payload)
		}
		m := token.Mint{Alg: "ES256", Grant: token.Grant{ID: c.Grant}, Subject: token.Subject{ID: c.Subject}, IssuedAt: c.IssuedAt, Expires: c.Expires, Cap: c.Cap, Prior: &c}
		_, again, err := own.Mint(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range again {
			if b < ' ' || b > '~' {
				t.Fatalf("not ASCII: %q", again)
			}
		}
		if _, err := own.Read(token.Access, "", again); err != nil {
			t.Errorf("%q was minted from %q: %v", again, payload, err)
		}
	})
}

// The page of a GitHub account passes to another person with the login; its number does not.
func TestGitHubIsKnownByNumber(t *testing.T) {
	byNumber := profileOf(token.Identity{Provider: "github", Subject: "583231"})
	if byNumber.idpUID != "github:583231" || byNumber.id() != EDIID("github:583231") || byNumber.idpName != "github" {
		t.Errorf("%+v", byNumber)
	}
	byPage := profileOf(token.Identity{Provider: "github", Subject: "https://github.com/octocat"})
	if byPage.idpUID != "https://github.com/octocat" || byPage.id() != EDIID("https://github.com/octocat") {
		t.Errorf("%+v", byPage)
	}
}
