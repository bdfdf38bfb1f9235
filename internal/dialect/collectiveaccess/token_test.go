package collectiveaccess

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/graphql"
	"symbolon/internal/jws"
	"symbolon/internal/token"
)

func mintAt(t *testing.T, f format, m token.Mint) (header, payload string) {
	t.Helper()
	m.Alg = "HS256"
	h, p, err := f.Mint(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(h), string(p)
}

// TestGoldenTokens fixes tokens byte for byte under a fixed key.
func TestGoldenTokens(t *testing.T) {
	access := token.Mint{Kind: token.Access, Grant: token.Grant{ID: 42}, Subject: token.Subject{ID: "2"},
		IssuedAt: start, Expires: start.Add(15 * time.Minute), Cap: start.Add(7 * 24 * time.Hour)}
	refresh := access
	refresh.Kind, refresh.Expires = token.Refresh, access.Cap
	noCap := access
	noCap.Cap = time.Time{}
	carried := access
	carried.Prior = &token.Claims{Wire: &graphql.Object{Keys: []string{"anonymous", "é"}, Values: []any{true, "ü🦀"}}}
	listed := access
	listed.Status = &token.Status{List: token.StatusRef{Index: 4711, URI: "https://tokens.example.org/symbolon/status/0"}}
	foreign := access
	foreign.Subject.ID = "a/b ü"
	k := fixedKeys(t)
	var b strings.Builder
	for _, c := range []struct {
		name string
		key  jws.Signer
		mint token.Mint
	}{{"access", k.Access, access}, {"refresh", k.Refresh, refresh}, {"without a cap", k.Access, noCap},
		{"claims carried over", k.Access, carried}, {"subject that is no number", k.Access, foreign},
		{"in a status list", k.Access, listed}} {
		header, payload := mintAt(t, format{site}, c.mint)
		fmt.Fprintf(&b, "# %s\n%s\n%s\n%s\n\n", c.name, header, payload, sign(t, c.key, header, payload))
	}
	golden(t, "tokens.golden", b.String())
}

// sample is a token of another program.
type sample struct{ name, secret, text string }

// samples are those of the manual, and some of PHP's own library.
func samples(t testing.TB) []sample {
	t.Helper()
	text, err := os.ReadFile("testdata/samples.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []sample
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] != "#" {
			list = append(list, sample{f[0], f[1], f[2]})
		}
	}
	return list
}

// The samples' signatures are recomputed with the keys that made them, one of which is too short for anything else;
// and what we mint begins with the very claims of each.
func TestSamplesOfOtherPrograms(t *testing.T) {
	list := samples(t)
	if len(list) != 5 {
		t.Fatalf("%d samples", len(list))
	}
	for _, s := range list {
		t.Run(s.name, func(t *testing.T) {
			parts := strings.Split(s.text, ".")
			mac := hmac.New(sha256.New, []byte(s.secret))
			mac.Write([]byte(parts[0] + "." + parts[1]))
			if got := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); got != parts[2] {
				t.Errorf("signature %s, want %s", got, parts[2])
			}
			payload := payloadOf(t, s.text)
			var issuer string
			var iat, exp int64
			if _, err := fmt.Sscanf(strings.NewReplacer(`"`, " ", ",", " ", ":", " ").Replace(payload), "{ iss %s aud %s iat %d nbf %d exp %d", &issuer, new(string), &iat, new(int64), &exp); err != nil {
				t.Fatalf("%s: %v", payload, err)
			}
			header, ours := mintAt(t, format{issuer}, token.Mint{Grant: token.Grant{ID: 1}, Subject: token.Subject{ID: "2"}, IssuedAt: time.Unix(iat, 0), Expires: time.Unix(exp, 0)})
			if want := strings.TrimSuffix(payload, "}") + `,"gid":1}`; ours != want {
				t.Errorf("ours %s, want %s", ours, want)
			}
			if base64.RawURLEncoding.EncodeToString([]byte(header)) != parts[0] {
				t.Errorf("header %s", header)
			}
		})
	}
}

// A sample has no grant behind it: it is refused even under the right key.
func TestSamplesAreNotAccepted(t *testing.T) {
	for _, s := range samples(t) {
		_, err := (format{"maxwell.whirl-i-gig.com"}).Read(token.Access, "", []byte(payloadOf(t, s.text)))
		if token.CodeOf(err) != token.Malformed {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

func TestMintRefuses(t *testing.T) {
	if _, _, err := (format{}).Mint(token.Mint{Alg: "ES256"}); err != errAlgorithm {
		t.Errorf("another algorithm: %v", err)
	}
	_, _, err := (format{}).Mint(token.Mint{Alg: "HS256", Grant: token.Grant{ID: 7}})
	if err == nil || err.Error() != "laying out a token of grant 7: this service has none without an end" {
		t.Errorf("no end: %v", err)
	}
}

const goodPayload = `{"iss":"ca.example.org","aud":"ca.example.org","iat":1,"nbf":1,"exp":2,"id":"2","gid":42,"cap":3}`

func TestReadClaims(t *testing.T) {
	full := token.Claims{Kind: token.Access, Grant: 42, Subject: "2", IssuedAt: time.Unix(1, 0), NotBefore: time.Unix(1, 0),
		Expires: time.Unix(2, 0), Cap: time.Unix(3, 0), Wire: object()}
	bare := full
	bare.NotBefore, bare.Cap = time.Time{}, time.Time{}
	for name, c := range map[string]struct {
		payload string
		want    token.Claims
	}{
		"ours":        {goodPayload, full},
		"id a number": {strings.Replace(goodPayload, `"2"`, `2`, 1), full},
		"bare":        {`{"iss":"ca.example.org","aud":"ca.example.org","iat":1,"exp":2,"id":"2","gid":42}`, bare},
	} {
		got, err := (format{site}).Read(token.Access, "", []byte(c.payload))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ old, replacement, want string }{
		"no iss":           {`"iss":"ca.example.org",`, ``, "iss is not this site's"},
		"another iss":      {`"iss":"ca.example.org"`, `"iss":"x"`, "iss is not this site's"},
		"another aud":      {`"aud":"ca.example.org"`, `"aud":["ca.example.org"]`, "aud is not this site's"},
		"no iat":           {`"iat":1,`, ``, "iat is missing or no integer"},
		"iat a text":       {`"iat":1`, `"iat":"1"`, "iat is missing or no integer"},
		"iat a fraction":   {`"iat":1`, `"iat":1.0`, "iat is missing or no integer"},
		"iat too large":    {`"iat":1`, `"iat":9007199254740993`, "iat is missing or no integer"},
		"nbf a text":       {`"nbf":1`, `"nbf":"1"`, "nbf is missing or no integer"},
		"no exp":           {`"exp":2,`, ``, "exp is missing or no integer"},
		"exp null":         {`"exp":2`, `"exp":null`, "exp is missing or no integer"},
		"no id":            {`"id":"2",`, ``, "id is missing"},
		"id empty":         {`"id":"2"`, `"id":""`, "id is missing"},
		"id a list":        {`"id":"2"`, `"id":[2]`, "id is missing"},
		"id a fraction":    {`"id":"2"`, `"id":2.5`, "id is missing or no integer"},
		"no gid":           {`"gid":42,`, ``, "gid is missing or no integer"},
		"gid zero":         {`"gid":42`, `"gid":0`, "gid is no grant's number"},
		"gid negative":     {`"gid":42`, `"gid":-1`, "gid is no grant's number"},
		"cap a text":       {`"cap":3`, `"cap":"3"`, "cap is missing or no integer"},
		"exp twice":        {`"exp":2`, `"exp":2,"exp":9`, "member name appears twice"},
		"exp in odd case":  {`"exp":2`, `"exp":2,"EXP":9`, "member name differs only in letter case"},
		"not one object":   {`}`, `}{}`, "not valid JSON"},
		"nothing but text": {goodPayload, `"abc"`, "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			payload := strings.Replace(goodPayload, c.old, c.replacement, 1)
			_, err := (format{site}).Read(token.Access, "", []byte(payload))
			if token.CodeOf(err) != token.Malformed || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(goodPayload))
	f.Add([]byte(`{"iss":"ca.example.org","aud":"ca.example.org","iat":1,"exp":2,"id":2,"gid":42,"anonymous":{"é":["\ud83e\udd80"]}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := (format{site}).Read(token.Access, "", payload)
		if err != nil {
			return
		}
		// What was read is carried over as it was, in pure ASCII.
		_, again, err := (format{site}).Mint(token.Mint{Alg: "HS256", Grant: token.Grant{ID: c.Grant}, Subject: token.Subject{ID: c.Subject},
			IssuedAt: c.IssuedAt, Expires: c.Expires, Cap: c.Cap, Prior: &c})
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(string(again), func(r rune) bool { return r >= 0x80 }) {
			t.Fatalf("not ASCII: %s", again)
		}
		if len(again) > claimLimits.Bytes {
			return
		}
		if _, err := (format{site}).Read(token.Access, "", again); err != nil {
			t.Fatalf("%s does not read back: %v", again, err)
		}
	})
}

func FuzzReadQuery(f *testing.F) {
	f.Add([]byte(`{"query":"{__typename}","variables":{"a":[1]},"operationName":null}`))
	f.Add([]byte(`query { login { jwt } }`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, wrong := readQuery(body)
		if wrong != "" && (q.text != "" || q.variables != nil) {
			t.Fatalf("%s and yet %v", wrong, q)
		}
	})
}
