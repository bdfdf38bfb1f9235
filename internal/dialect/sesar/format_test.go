package sesar

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/jws"
	"symbolon/internal/token"
)

var testFormat = format{issuer: "http://127.0.0.1:8080", audience: "samples"}

// mintOf is the mint of grant 42 in generation 3 under the fixed clock.
func mintOf(kind token.Kind, alg string) token.Mint {
	m := token.Mint{
		Kind: kind, Alg: alg, KID: "fixed-access-key",
		ID:      [16]byte{0xde, 0xad, 0xbe, 0xef, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		Grant:   token.Grant{ID: 42, Nonce: -2, Generation: 3},
		Subject: token.Subject{ID: "2"}, IssuedAt: start, Expires: start.Add(24 * time.Hour),
	}
	return m
}

func TestGoldenTokens(t *testing.T) {
	k := fixedKeys(t)
	capped := mintOf(token.Refresh, "HS256")
	capped.Cap = start.Add(90 * 24 * time.Hour)
	texted := mintOf(token.Access, "ES256")
	texted.Subject.ID = "Zoë ~?>\U0001F980\x7f"
	listed := mintOf(token.Access, "ES256")
	listed.Status = &token.Status{List: token.StatusRef{Index: 4711, URI: "https://tokens.example.org/symbolon/status/0"}}
	var b strings.Builder
	for _, c := range []struct {
		name string
		key  jws.Signer
		mint token.Mint
	}{
		{"access", k.Access, mintOf(token.Access, "ES256")},
		{"access under a shared secret", secretKey(t, 9), mintOf(token.Access, "HS256")},
		{"refresh", k.Refresh, mintOf(token.Refresh, "HS256")},
		{"refresh with a cap", k.Refresh, capped},
		{"subject that is no number", k.Access, texted},
		{"in a status list", k.Access, listed},
	} {
		header, payload, err := testFormat.Mint(c.mint)
		if err != nil {
			t.Fatal(err)
		}
		text, err := jws.Sign(header, payload, c.key)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "# %s\n%s\n%s\n%s\n\n", c.name, header, payload, text)
	}
	golden(t, "tokens.golden", b.String())
}

// TestPlainBase64 holds the promise to clients that decode a payload as plain base64.
func TestPlainBase64(t *testing.T) {
	for c := rune(0); c < 0x300; c++ {
		m := mintOf(token.Access, "ES256")
		for pad := range 3 {
			m.Subject.ID = strings.Repeat("x", pad) + string(c)
			_, payload, err := format{issuer: "https://a?b~c>d", audience: "ÿ"}.Mint(m)
			if err != nil {
				t.Fatal(err)
			}
			if text := base64.RawURLEncoding.EncodeToString(payload); strings.ContainsAny(text, "-_") {
				t.Fatalf("%U: payload %s has - or _ in base64url", c, payload)
			}
		}
	}
}

func TestReadWhatWasMinted(t *testing.T) {
	capped := mintOf(token.Refresh, "HS256")
	capped.Cap = start.Add(90 * 24 * time.Hour)
	texted := mintOf(token.Access, "ES256")
	texted.Subject.ID = "EDI-Zoë"
	listed := mintOf(token.Access, "ES256")
	listed.Status = &token.Status{List: token.StatusRef{URI: "https://tokens.example.org/symbolon/status/0"}}
	born, end := time.Unix(start.Unix(), 0), time.Unix(start.Unix()+86400, 0)
	for name, c := range map[string]struct {
		mint token.Mint
		want token.Claims
	}{
		"access": {mintOf(token.Access, "ES256"),
			token.Claims{Kind: token.Access, Grant: 42, Subject: "2", IssuedAt: born, Expires: end}},
		"listed": {listed,
			token.Claims{Kind: token.Access, Grant: 42, Subject: "2", IssuedAt: born, Expires: end}},
		"text": {texted,
			token.Claims{Kind: token.Access, Grant: 42, Subject: "EDI-Zoë", IssuedAt: born, Expires: end}},
		"refresh": {mintOf(token.Refresh, "HS256"),
			token.Claims{Kind: token.Refresh, Grant: 42, Nonce: -2, Generation: 3, Subject: "2", IssuedAt: born, Expires: end}},
		"capped": {capped,
			token.Claims{Kind: token.Refresh, Grant: 42, Nonce: -2, Generation: 3, Subject: "2", IssuedAt: born, Expires: end,
				Cap: time.Unix(capped.Cap.Unix(), 0)}},
	} {
		t.Run(name, func(t *testing.T) {
			_, payload, err := testFormat.Mint(c.mint)
			if err != nil {
				t.Fatal(err)
			}
			got, err := testFormat.Read(c.mint.Kind, "", payload)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMintKnowsTwoKinds(t *testing.T) {
	_, _, err := testFormat.Mint(token.Mint{Kind: "session"})
	if want := `laying out a token of kind "session": sesar has none`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

const (
	goodAccess = `{"token_type":"access","exp":1767409445,"iat":1767323045,"jti":"deadbeef0405060708090a0b0c0d0e0f","user_id":2,"gid":42,` +
		`"iss":"http://127.0.0.1:8080","aud":"samples"}`
	goodRefresh = `{"token_type":"refresh","exp":1767409445,"iat":1767323045,"jti":"deadbeef0405060708090a0b0c0d0e0f","user_id":2,"gid":42,` +
		`"gen":3,"nonce":"fffffffffffffffe"}`
)

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct {
		name, from, old, new string
		want                 string
	}{
		{"not JSON", goodAccess, `{"token_type"`, `{token_type`, "malformed: reading claims: not valid JSON: expected a member name at byte 1"},
		{"no exp", goodAccess, `"exp":1767409445,`, ``, "malformed: token claims: exp is missing or no integer"},
		{"exp null", goodAccess, `1767409445`, `null`, "malformed: token claims: exp is missing or no integer"},
		{"exp text", goodAccess, `1767409445`, `"1767409445"`, "malformed: token claims: exp is missing or no integer"},
		{"exp float", goodAccess, `1767409445`, `1767409445.5`, "malformed: token claims: exp is missing or no integer"},
		{"exp exponent", goodAccess, `1767409445`, `1e400`, "malformed: token claims: exp is missing or no integer"},
		{"exp above 2^53", goodAccess, `1767409445`, `9007199254740993`, "malformed: token claims: exp is missing or no integer"},
		{"exp 2^63", goodAccess, `1767409445`, `9223372036854775808`, "malformed: token claims: exp is missing or no integer"},
		{"exp twice", goodAccess, `"iat"`, `"exp"`, "malformed: reading claims: member name appears twice at byte 40"},
		{"EXP beside exp", goodAccess, `"user_id":2,`, `"user_id":2,"EXP":1,`, "malformed: token claims: member name differs only in letter case: expected exp at byte 110"},
		{"no iat", goodAccess, `"iat":1767323045,`, ``, "malformed: token claims: iat is missing or no integer"},
		{"no jti", goodAccess, `"jti":"deadbeef0405060708090a0b0c0d0e0f",`, ``, "malformed: token claims: jti is missing or not as we write it"},
		{"jti upper case", goodAccess, `deadbeef`, `DEADBEEF`, "malformed: token claims: jti is missing or not as we write it"},
		{"no token_type", goodAccess, `"token_type":"access",`, ``, "malformed: token claims: token_type is missing or not as we write it"},
		{"refresh under the access key", goodAccess, `"access"`, `"refresh"`, "wrong kind: token has wrong type: its key is for access tokens"},
		{"access under the refresh key", goodRefresh, `"refresh"`, `"access"`, "wrong kind: token has wrong type: its key is for refresh tokens"},
		{"no user_id", goodAccess, `"user_id":2,`, ``, "malformed: token claims: user_id is missing or not as we write it"},
		{"user_id list", goodAccess, `"user_id":2`, `"user_id":[2]`, "malformed: token claims: user_id is missing or not as we write it"},
		{"user_id float", goodAccess, `"user_id":2`, `"user_id":2.5`, "malformed: token claims: user_id is missing or no integer"},
		{"gid 0", goodAccess, `"gid":42`, `"gid":0`, "malformed: token claims: gid is no grant's number"},
		{"gid text", goodAccess, `"gid":42`, `"gid":"42"`, "malformed: token claims: gid is missing or no integer"},
		{"other issuer", goodAccess, `:8080"`, `:8081"`, "malformed: token claims: iss is not the service's"},
		{"longer audience", goodAccess, `"samples"`, `"samples2"`, "malformed: token claims: aud is not the service's"},
		{"audience list", goodAccess, `"samples"`, `["samples"]`, "malformed: token claims: aud is missing or not as we write it"},
		{"no gen", goodRefresh, `"gen":3,`, ``, "malformed: token claims: gen is missing or no integer"},
		{"gen negative", goodRefresh, `"gen":3`, `"gen":-3`, "malformed: token claims: gen is negative"},
		{"nonce short", goodRefresh, `"fffffffffffffffe"`, `"ffe"`, "malformed: token claims: nonce is missing or not as we write it"},
		{"cap null", goodRefresh, `"gen":3`, `"cap":null,"gen":3`, "malformed: token claims: cap is missing or no integer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := token.Access
			if c.from == goodRefresh {
				key = token.Refresh
			}
			if _, err := testFormat.Read(key, "", []byte(c.from)); err != nil {
				t.Fatalf("unchanged: %v", err)
			}
			_, err := testFormat.Read(key, "", []byte(strings.Replace(c.from, c.old, c.new, 1)))
			var e *token.Error
			if !errors.As(err, &e) || err.Error() != c.want {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(true, []byte(goodAccess))
	f.Add(false, []byte(goodRefresh))
	f.Add(true, []byte(`{"exp":1e9}`))
	f.Fuzz(func(t *testing.T, access bool, payload []byte) {
		key := token.Refresh
		if access {
			key = token.Access
		}
		c, err := testFormat.Read(key, "", payload)
		if err != nil {
			if e := (*token.Error)(nil); !errors.As(err, &e) || e.Code == token.Unavailable {
				t.Fatalf("not an error of the engine's: %v", err)
			}
			return
		}
		if c.Kind != key || c.Grant <= 0 || c.Subject == "" || c.Generation < 0 {
			t.Fatalf("read %+v", c)
		}
	})
}
