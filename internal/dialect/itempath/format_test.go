package itempath

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/jws"
	"symbolon/internal/token"
)

// mint is one token of each kind, under fixed values.
func mint(kind token.Kind, name, id string) token.Mint {
	m := token.Mint{Kind: kind, Alg: "HS256", KID: "k", Grant: token.Grant{ID: 7}, Subject: token.Subject{Name: name, ID: id},
		IssuedAt: start, Expires: start.Add(15 * time.Minute), Cap: start.Add(30 * 24 * time.Hour)}
	copy(m.ID[:], []byte{0x2a, 0x55, 0xfe, 0x2c, 0x28, 0x57, 0x49, 0x2f, 0x92, 0x31, 0xe9, 0xd9, 0x53, 0xd1, 0xa7, 0x6a})
	if kind == token.Refresh {
		m.Expires = m.Cap
	}
	return m
}

// withoutEnd makes it the mint of an application token.
func withoutEnd(m token.Mint) token.Mint {
	m.Expires, m.Cap = time.Time{}, time.Time{}
	return m
}

func mints() map[string]token.Mint {
	renewed := mint(token.Access, "", "12")
	renewed.Prior = &token.Claims{Login: "mgordon"}
	listed := mint(token.Access, "mgordon", "12")
	listed.Status = &token.Status{List: token.StatusRef{Index: 4711, URI: "https://tokens.example.org/symbolon/status/0"}}
	return map[string]token.Mint{
		"listed": listed,
		"access": mint(token.Access, "mgordon", "12"), "refresh": mint(token.Refresh, "mgordon", "12"),
		"application": withoutEnd(mint(token.Access, "mgordon", "12")), "renewed": renewed,
		"foreign letters": mint(token.Access, "Ärzte 🌿 <&>", "12"), "imported id": mint(token.Access, "mgordon", "a-b"),
	}
}

// TestGolden holds every kind of token to its bytes.
func TestGolden(t *testing.T) {
	k := fixedKeys(t)
	var b strings.Builder
	all := mints()
	for _, name := range []string{"access", "refresh", "application", "renewed", "foreign letters", "imported id", "listed"} {
		head, payload, err := format{}.Mint(all[name])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n%s\n%s\n%s\n\n", name, head, payload, sign(t, k.Of(all[name].Kind), string(head), string(payload)))
	}
	golden(t, "tokens.txt", b.String())
}

func TestReadsWhatItMints(t *testing.T) {
	for name, m := range mints() {
		_, payload, err := format{}.Mint(m)
		if err != nil {
			t.Fatal(err)
		}
		c, err := format{}.Read(m.Kind, "", payload)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		login := m.Subject.Name
		if m.Prior != nil {
			login = m.Prior.Login
		}
		if c.Kind != m.Kind || c.Grant != 7 || c.ID != m.ID || c.Subject != m.Subject.ID || c.Login != login ||
			!c.IssuedAt.Equal(start) || !c.NotBefore.Equal(start) || !c.Expires.Equal(m.Expires) || !c.Cap.Equal(m.Cap) {
			t.Errorf("%s: read %+v", name, c)
		}
	}
}

func TestMintTakesNoOtherAlgorithm(t *testing.T) {
	if _, _, err := (format{}).Mint(token.Mint{Alg: "ES256"}); err != errAlgorithm {
		t.Errorf("error %v", err)
	}
}

// documented are the tokens printed in ItemPath's own pages.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/documented_tokens.txt")
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{} // :: kind → token
	for line := range strings.Lines(string(text)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		tokens[name] = text
	}
	return tokens
}

// TestDocumentedTokens decodes the tokens of ItemPath's pages, mints each again from its
// values, and finds the same header and, before our own claims, the same payload.
func TestDocumentedTokens(t *testing.T) {
	for name, tc := range map[string]struct {
		kind     token.Kind
		jti      string
		iat, exp int64
		payload  string
	}{
		"access": {token.Access, "2a55fe2c2857492f9231e9d953d1a76a", 1631406181, 1631407081,
			`{"fresh":false,"iat":1631406181,"jti":"2a55fe2c-2857-492f-9231-e9d953d1a76a","type":"access","identity":"mgordon","nbf":1631406181,"exp":1631407081}`},
		"refresh": {token.Refresh, "dd6f1ba7958b412fbd6992dde0116473", 1629402610, 1631994610,
			`{"fresh":false,"iat":1629402610,"jti":"dd6f1ba7-958b-412f-bd69-92dde0116473","type":"refresh","identity":"mgordon","nbf":1629402610,"exp":1631994610}`},
		"application": {token.Access, "7d8a00fa4fb842e2a50d36d5d7cc5a0f", 1631406510, 0,
			`{"fresh":false,"iat":1631406510,"jti":"7d8a00fa-4fb8-42e2-a50d-36d5d7cc5a0f","type":"access","identity":"mgordon","nbf":1631406510}`},
	} {
		t.Run(name, func(t *testing.T) {
			text := documented(t)[name]
			head, _, _ := strings.Cut(text, ".")
			if want := base64.RawURLEncoding.EncodeToString([]byte(header)); head != want {
				t.Errorf("header %s, want %s", head, want)
			}
			if got := payloadOf(t, text); got != tc.payload {
				t.Errorf("payload %s", got)
			}
			m := token.Mint{Kind: tc.kind, Alg: "HS256", Grant: token.Grant{ID: 7}, Subject: token.Subject{Name: "mgordon", ID: "1"}, IssuedAt: time.Unix(tc.iat, 0)}
			if tc.exp != 0 {
				m.Expires = time.Unix(tc.exp, 0)
			}
			if _, err := hex.Decode(m.ID[:], []byte(tc.jti)); err != nil {
				t.Fatal(err)
			}
			_, ours, err := format{}.Mint(m)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.TrimSuffix(tc.payload, "}") + `,"gid":7,"uid":1}`; string(ours) != want {
				t.Errorf("minted %s, want %s", ours, want)
			}
		})
	}
}

// TestForeignTokens: those tokens do not pass here, not even signed with our key, since
// no grant of ours stands behind them.
func TestForeignTokens(t *testing.T) {
	e := newEnv(t, nil)
	for name, text := range documented(t) {
		want(t, e.Do("GET", "/api/stations", "", bearerOf(text)), 422, msg("Signature verification failed"))
		kind := token.Access
		if name == "refresh" {
			kind = token.Refresh
		}
		ours := sign(t, e.Keys.Of(kind), header, payloadOf(t, text))
		want(t, e.Do("GET", "/api/stations", "", bearerOf(ours)), 401, msg("Token has been revoked"))
		want(t, e.Do("POST", "/api/users/refresh", "", bearerOf(ours)), 401, msg("Token has been revoked"))
	}
}

func TestService(t *testing.T) {
	e := newEnv(t, func(c *config.Service) {
		c.ItemPath.ApplicationLife, c.ItemPath.ApplicationIdle = config.Duration(time.Hour), config.Duration(time.Minute)
	})
	s := e.dialect.Service()
	if s.Rotates || s.TakesKeys || s.AccessLifetime != 15*time.Minute || s.RefreshLifetime != 30*24*time.Hour ||
		s.ApplicationLife != time.Hour || s.ApplicationIdle != time.Minute {
		t.Errorf("service %+v", s)
	}
	if strings.Contains(e.Log.String(), "never end") {
		t.Errorf("log %s", e.Log)
	}
	c := config.NewService("ecology", "edi", "/auth")
	if _, err := New(c, nil, nil, Options{}); err == nil || err.Error() != "service ecology has no settings of dialect itempath" {
		t.Errorf("error %v", err)
	}
	if more, err := e.dialect.Companions(t.Context(), token.Tokens{}); more != nil || err != nil {
		t.Errorf("companions %v, %v", more, err)
	}
}

func FuzzRead(f *testing.F) {
	for _, m := range mints() {
		_, payload, err := format{}.Mint(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.Kind == token.Access, payload)
	}
	f.Add(true, []byte(`{"iat":1,"jti":"x","identity":5}`))
	f.Fuzz(func(t *testing.T, access bool, payload []byte) {
		kind := token.Refresh
		if access {
			kind = token.Access
		}
		c, err := format{}.Read(kind, "", payload)
		if err != nil {
			if code := token.CodeOf(err); code != token.Malformed && code != token.Revoked {
				t.Errorf("%q: %v", payload, err)
			}
			return
		}
		if c.Kind != kind || c.Grant <= 0 || c.Login == "" || c.Subject == "" || c.IssuedAt.IsZero() || kind == token.Refresh && c.Expires.IsZero() {
			t.Errorf("read %+v from %q", c, payload)
		}
		m := token.Mint{Kind: kind, Alg: "HS256", ID: c.ID, Grant: token.Grant{ID: c.Grant}, Subject: token.Subject{ID: c.Subject}, IssuedAt: c.IssuedAt,
			Expires: c.Expires, Cap: c.Cap, Prior: &c}
		_, again, err := format{}.Mint(m)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := (format{}).Read(kind, "", again); err != nil || back.Login != c.Login || back.Grant != c.Grant || back.Subject != c.Subject || back.ID != c.ID {
			t.Errorf("%q was minted from %q: %v", again, payload, err)
		}
	})
}

// TestReadRefusesTheOtherKind at the format itself, before any engine.
func TestReadRefusesTheOtherKind(t *testing.T) {
	for name, m := range mints() {
		_, payload, err := format{}.Mint(m)
		if err != nil {
			t.Fatal(err)
		}
		key := token.Refresh
		if m.Kind == token.Refresh {
			key = token.Access
		}
		if _, err := (format{}).Read(key, "", payload); !errors.Is(err, jws.ErrSignature) || token.CodeOf(err) != token.Malformed {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
