package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestVerifierGood(t *testing.T) {
	edi := claims{"sub": "EDI-1", "cn": "Fern", "principals": []string{"p"}, "iss": ediIssuer, "hd": "edirepository.org", "nbf": int64(0),
		"token_type": nil, "user_id": nil, "aud": nil}
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		config func(*VerifierConfig)
		header string
		claims claims
		want   Claims
	}{
		"SESAR": {nil, `{"alg":"ES256","typ":"JWT","kid":"one"}`, nil,
			Claims{Subject: "2", Issuer: base, Audience: "samples", IssuedAt: start, Expires: start.Add(time.Hour), Grant: 7}},
		"SESAR with an imported id": {nil, `{"alg":"ES256","typ":"JWT","kid":"one"}`, claims{"user_id": "a-b"},
			Claims{Subject: "a-b", Issuer: base, Audience: "samples", IssuedAt: start, Expires: start.Add(time.Hour), Grant: 7}},
		"other issuer and audience": {func(c *VerifierConfig) { c.Issuer, c.Audience = "https://old.example.org", "igsn" },
			`{"alg":"ES256","typ":"JWT","kid":"one"}`, claims{"iss": "https://old.example.org", "aud": "igsn"},
			Claims{Subject: "2", Issuer: "https://old.example.org", Audience: "igsn", IssuedAt: start, Expires: start.Add(time.Hour), Grant: 7}},
		"EDI": {func(c *VerifierConfig) { c.Dialect = EDI }, `{"alg":"ES256","typ":"JWT"}`, edi,
			Claims{Subject: "EDI-1", Issuer: ediIssuer, IssuedAt: start, NotBefore: time.Unix(0, 0), Expires: start.Add(time.Hour), Grant: 7}},
		"EDI with plain claims": {func(c *VerifierConfig) { c.Dialect, c.UnsafeWithoutStatus = EDI, true }, `{"alg":"ES256","typ":"JWT","kid":"s1.7.0"}`,
			merge(edi, claims{"status": nil, "gid": nil}),
			Claims{Subject: "EDI-1", Issuer: ediIssuer, IssuedAt: start, NotBefore: time.Unix(0, 0), Expires: start.Add(time.Hour), Grant: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				v := newVerifier(t, f, tc.config)
				payload := f.keys[0].sign("JWT", access(tc.claims))
				text, err := strict64.DecodeString(strings.Split(payload, ".")[1])
				if err != nil {
					t.Fatal(err)
				}
				token := f.keys[0].raw(tc.header, string(text))
				for range 2 { // afresh, and from the cache
					c, err := v.Verify(t.Context(), token)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(&tc.want, c, cmpopts.IgnoreUnexported(Claims{})); diff != "" {
						t.Error(diff)
					}
					var own struct{ JTI string }
					if err := c.Decode(&own); err != nil || own.JTI != "00" {
						t.Errorf("%+v, %v", own, err)
					}
				}
			})
		})
	}
}

func merge(all ...claims) claims {
	m := claims{}
	for _, c := range all {
		for k, v := range c {
			m[k] = v
		}
	}
	return m
}

// TestVerifierRefuses signs each token with the service's key: what it says is the reason to refuse.
func TestVerifierRefuses(t *testing.T) {
	status := func(idx any, uri string) claims {
		return claims{"status": claims{"status_list": claims{"idx": idx, "uri": uri}}}
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, nil)
		now := time.Now().Unix()
		for name, tc := range map[string]struct {
			claims claims
			want   error
		}{
			"expired now":         {claims{"exp": now}, ErrExpired},
			"expired":             {claims{"exp": now - 1}, ErrExpired},
			"no exp":              {claims{"exp": nil}, ErrMalformed},
			"exp null":            {claims{"exp": claims(nil)}, ErrMalformed},
			"exp text":            {claims{"exp": "9999999999"}, ErrMalformed},
			"exp fraction":        {claims{"exp": 9999999999.5}, ErrMalformed},
			"exp too large":       {claims{"exp": int64(1) << 60}, ErrMalformed},
			"no iat":              {claims{"iat": nil}, ErrMalformed},
			"iat tomorrow":        {claims{"iat": now + 86400}, ErrNotYetValid},
			"nbf in a second":     {claims{"nbf": now + 1}, ErrNotYetValid},
			"nbf text":            {claims{"nbf": "0"}, ErrMalformed},
			"no iss":              {claims{"iss": nil}, ErrWrongService},
			"other iss":           {claims{"iss": "https://else.example.org"}, ErrWrongService},
			"iss with a slash":    {claims{"iss": base + "/"}, ErrWrongService},
			"iss list":            {claims{"iss": []string{base}}, ErrWrongService},
			"no aud":              {claims{"aud": nil}, ErrWrongService},
			"other aud":           {claims{"aud": "ecology"}, ErrWrongService},
			"aud list":            {claims{"aud": []string{"samples"}}, ErrWrongService},
			"aud in capitals":     {claims{"aud": "Samples"}, ErrWrongService},
			"refresh token":       {claims{"token_type": "refresh"}, ErrWrongKind},
			"no kind":             {claims{"token_type": nil}, ErrWrongKind},
			"Access":              {claims{"token_type": "Access"}, ErrWrongKind},
			"no subject":          {claims{"user_id": nil}, ErrMalformed},
			"empty subject":       {claims{"user_id": ""}, ErrMalformed},
			"gid zero":            {claims{"gid": 0}, ErrMalformed},
			"gid text":            {claims{"gid": "7"}, ErrMalformed},
			"no status":           {claims{"status": nil}, ErrMalformed},
			"status text":         {claims{"status": "ok"}, ErrMalformed},
			"no list":             {claims{"status": claims{}}, ErrMalformed},
			"idx negative":        {status(-1, listAt), ErrMalformed},
			"idx text":            {status("70", listAt), ErrMalformed},
			"idx past the list":   {status(1<<17, listAt), ErrMalformed},
			"idx far past":        {status(int64(1)<<53, listAt), ErrMalformed},
			"list elsewhere":      {status(70, "https://thief.example/symbolon/status/0"), ErrMalformed},
			"list of a namesake":  {status(70, base+".thief.example/symbolon/status/0"), ErrMalformed},
			"list over http":      {status(70, "http://tokens.example.org/symbolon/status/0"), ErrMalformed},
			"list beside":         {status(70, base+"/symbolon/status/../0"), ErrMalformed},
			"list with query":     {status(70, listAt+"?a=b"), ErrMalformed},
			"list spelled anew":   {status(70, base+"/symbolon/status/00"), ErrMalformed},
			"list without number": {status(70, base+"/symbolon/status/"), ErrMalformed},
			"a list that is none": {status(70, base+"/symbolon/status/5"), ErrUnavailable},
			"good":                {nil, nil},
		} {
			token := f.access(tc.claims)
			want(t, v, token, tc.want, name)
			want(t, v, token, tc.want, name)
		}
		for _, r := range f.all() {
			if !strings.HasPrefix(r.URL.String(), base+"/symbolon/") {
				t.Errorf("a token led to %s", r.URL)
			}
		}
	})
}

func TestEDIRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, func(c *VerifierConfig) { c.Dialect = EDI })
		edi := claims{"sub": "EDI-1", "iss": ediIssuer, "aud": nil, "token_type": nil, "user_id": nil}
		for name, tc := range map[string]struct {
			claims claims
			want   error
		}{
			"good":       {nil, nil},
			"aud":        {claims{"aud": "samples"}, ErrWrongService},
			"iss":        {claims{"iss": base}, ErrWrongService},
			"no sub":     {claims{"sub": nil}, ErrMalformed},
			"sub number": {claims{"sub": 4}, ErrMalformed},
			"of SESAR":   {claims{"sub": nil, "user_id": 2}, ErrMalformed},
		} {
			want(t, v, f.access(merge(edi, tc.claims)), tc.want, name)
		}
	})
}

func TestLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, func(c *VerifierConfig) { c.Leeway = 5 * time.Second })
		now := time.Now().Unix()
		want(t, v, f.access(claims{"exp": now - 4}), nil)
		want(t, v, f.access(claims{"exp": now - 5}), ErrExpired)
		want(t, v, f.access(claims{"iat": now + 5}), nil)
		want(t, v, f.access(claims{"iat": now + 6}), ErrNotYetValid)
		want(t, v, f.access(claims{"nbf": now + 6}), ErrNotYetValid)
	})
}

// A token in the cache still expires, and its revocation is known within a quarter of the ttl and two seconds.
func TestRevokedByList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, nil)
		token, other := f.access(nil), f.access(claims{"status": claims{"status_list": claims{"idx": 71, "uri": listAt}}})
		want(t, v, token, nil)
		time.Sleep(5 * time.Second)
		f.revoke(70)
		want(t, v, token, nil)
		time.Sleep(17 * time.Second)
		want(t, v, token, ErrRevoked)
		want(t, v, other, nil)
		time.Sleep(time.Hour)
		want(t, v, other, ErrExpired)
	})
}

func TestNotBefore(t *testing.T) {
	for _, service := range []string{"", "samples", "ecology"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			v := newVerifier(t, f, nil)
			old := f.access(nil)
			time.Sleep(10 * time.Second)
			f.do(func() { f.before[service] = time.Now().Unix() })
			time.Sleep(20 * time.Second)
			fresh := f.access(nil)
			want(t, v, fresh, nil)
			if service == "ecology" {
				want(t, v, old, nil)
			} else {
				want(t, v, old, ErrRevoked)
			}
		})
	}
}

// A verifier that cannot reach the server keeps to the list's bound, then refuses; it recovers by itself.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, nil)
		token := f.access(nil)
		want(t, v, token, nil)
		f.do(func() { f.down = true })
		begin := time.Now()
		for time.Since(begin) < 60*time.Second {
			want(t, v, token, nil)
			time.Sleep(time.Second)
		}
		for time.Since(begin) < 10*time.Minute {
			want(t, v, token, ErrUnavailable)
			time.Sleep(time.Second)
		}
		f.do(func() { f.down = false })
		time.Sleep(16 * time.Second)
		want(t, v, token, nil)
		if n := f.count(listAt); n > 100 {
			t.Errorf("%d requests for the list", n)
		}
	})
}

// The bound is not the clock's to move: a list is believed for its ttl, wherever the time of day goes.
func TestBoundAndClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, nil)
		var wrong atomic.Int64
		v.now = func() time.Time { return time.Now().Round(0).Add(time.Duration(wrong.Load())) }
		token := f.access(nil)
		want(t, v, token, nil)
		f.do(func() { f.down = true })
		time.Sleep(61 * time.Second)
		wrong.Store(int64(-61 * time.Second))
		want(t, v, token, ErrUnavailable)
	})
}

func TestKeyBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, func(c *VerifierConfig) { c.UnsafeWithoutStatus = true })
		token := f.access(claims{"status": nil, "exp": time.Now().Add(24 * time.Hour).Unix()})
		want(t, v, token, nil)
		f.do(func() { f.down = true })
		time.Sleep(keyBound - time.Second)
		want(t, v, token, nil)
		time.Sleep(2 * time.Second)
		want(t, v, token, ErrUnavailable)
	})
}

func TestServerDownAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.down = true
		v := newVerifier(t, f, nil)
		want(t, v, f.access(nil), ErrUnavailable)
		f.do(func() { f.down = false })
		time.Sleep(longestWait)
		want(t, v, f.access(nil), nil)
	})
}

// A server that takes a request and never answers costs a caller five seconds once, not the client's whole timeout.
func TestServerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := roundTrip(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() })
		v := newVerifier(t, hang, nil)
		begin := time.Now()
		want(t, v, newFake(t).access(nil), ErrUnavailable)
		if took := time.Since(begin); took > askTime {
			t.Errorf("took %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin = time.Now()
		if _, err := v.Verify(ctx, newFake(t).access(nil)); !errors.Is(err, ErrUnavailable) || time.Since(begin) > time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
}

func TestKeyRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, nil)
		old := f.access(nil)
		want(t, v, old, nil)
		time.Sleep(keyGap)
		next := newSigner(t, "two")
		f.do(func() { f.keys = append([]signer{next}, f.keys...) })
		want(t, v, f.access(nil), nil) // unknown kid: fetched at once
		want(t, v, old, nil)
		f.do(func() { f.keys, f.lister = f.keys[:1], next }) // the old key is taken away
		time.Sleep(5*time.Minute + time.Second)
		want(t, v, old, ErrSignature)
		want(t, v, f.access(nil), nil)
	})
}

// Tokens that name unknown keys make the verifier ask, but not as often as they come.
func TestUnknownKeysAreRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, nil)
		want(t, v, f.access(nil), nil)
		begin := f.count(jwksAt)
		for i := range 600 { // a minute
			thief := newSigner(t, "k"+strconv.Itoa(i))
			want(t, v, thief.sign("JWT", access(nil)), ErrSignature)
			time.Sleep(100 * time.Millisecond)
		}
		if n := f.count(jwksAt) - begin; n > 32 {
			t.Errorf("%d fetches of the keys in a minute", n)
		}
	})
}

// max-age is kept to, and an unchanged set costs a 304 and no token its place in the cache.
func TestKeysAreConditional(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, nil)
		want(t, v, f.access(nil), nil)
		set := v.keys.value.Load().set
		time.Sleep(time.Hour - time.Second) // at the hour itself a fetch is due
		synctest.Wait()
		fetches, conditional := 0, 0
		for _, r := range f.all() {
			if r.URL.String() != jwksAt {
				continue
			}
			fetches++
			if r.Header.Get("If-None-Match") != "" {
				conditional++
			}
		}
		if fetches < 12 || fetches > 14 {
			t.Errorf("%d fetches in an hour at max-age=300", fetches)
		}
		if conditional != fetches-1 {
			t.Errorf("%d of %d were conditional", conditional, fetches)
		}
		if v.keys.value.Load().set != set {
			t.Error("an unchanged set of keys was taken for another")
		}
	})
}

// A set that must not be believed leaves the one before in force.
func TestBadKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, nil)
		token := f.access(nil)
		want(t, v, token, nil)
		good := f.keys[0].jwk()
		for name, text := range map[string]string{
			"no JSON": "keys", "a list": "[]", "no keys": "{}", "keys null": `{"keys":null}`, "twice": `{"keys":[],"keys":[]}`,
			"Keys":             `{"keys":[],"Keys":[]}`,
			"off the curve":    fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"one","x":%q,"y":%q}]}`, good["x"], good["x"]),
			"short":            fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"one","x":"AA","y":%q}]}`, good["y"]),
			"without kid":      fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","x":%q,"y":%q}]}`, good["x"], good["y"]),
			"too many":         `{"keys":[` + strings.Repeat("{},", maxKeys) + `{}]}`,
			"too long":         `{"keys":[]` + strings.Repeat(" ", maxJWKS) + `}`,
			"x twice in a key": `{"keys":[{"kty":"EC","x":"a","x":"b"}]}`,
		} {
			f.do(func() {
				f.alter[jwksAt] = func(r *http.Response) *http.Response {
					r.StatusCode, r.Body = 200, io.NopCloser(strings.NewReader(text))
					return r
				}
			})
			time.Sleep(6 * time.Minute)
			want(t, v, f.access(nil), nil)
			if v.keys.lastError() == nil {
				t.Errorf("%s: believed", name)
			}
			f.do(func() { clear(f.alter) })
			time.Sleep(6 * time.Minute)
		}
	})
}

// Keys of other kinds and uses are left out, not a fault: a server may add some.
func TestOtherKeysAreLeftOut(t *testing.T) {
	s := newSigner(t, "one")
	for member, value := range map[string]string{"kty": "RSA", "crv": "P-384", "alg": "ES384", "use": "enc"} {
		k := s.jwk()
		k[member] = value
		o := object{}
		for name, v := range k {
			o[name] = []byte(strconv.Quote(v.(string)))
		}
		if _, ours, err := parseJWK(o); ours || err != nil {
			t.Errorf("%s: %v, %v", member, ours, err)
		}
	}
}

// TestBadLists: a list that must not be believed is as no list, and never as an empty one.
func TestBadLists(t *testing.T) {
	thief := newSigner(t, "thief")
	type change = func(*fake)
	text := func(alter func(string) string) change {
		return func(f *fake) {
			f.list = func(c claims) string { return alter(f.lister.sign(typeOfLists, c)) }
		}
	}
	with := func(changes claims) change {
		return func(f *fake) {
			f.list = func(c claims) string {
				for name, v := range changes {
					if c[name] = v; v == nil {
						delete(c, name)
					}
				}
				return f.lister.sign(typeOfLists, c)
			}
		}
	}
	lst := func(bits int, packed string) change {
		return with(claims{"status_list": claims{"bits": bits, "lst": packed}})
	}
	altered := func(alter func(*http.Response)) change {
		return func(f *fake) {
			f.alter[listAt] = func(r *http.Response) *http.Response { alter(r); return r }
		}
	}
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	empty := pack(make([]byte, 1<<14))
	raw, err := strict64.DecodeString(empty)
	if err != nil {
		t.Fatal(err)
	}
	bomb := pack(make([]byte, 64<<20))
	for name, c := range map[string]change{
		"forged": func(f *fake) {
			f.list = func(c claims) string { return signer{f.lister.kid, thief.key}.sign(typeOfLists, c) }
		},
		"under another key":   func(f *fake) { f.list = func(c claims) string { return thief.sign(typeOfLists, c) } },
		"without a signature": text(func(s string) string { return s[:strings.LastIndexByte(s, '.')+1] }),
		"alg none": text(func(s string) string {
			return b64([]byte(`{"alg":"none","typ":"statuslist+jwt"}`)) + s[strings.IndexByte(s, '.'):]
		}),
		"the signature's twin": text(twin),
		"cut short":            text(func(s string) string { return s[:len(s)/2] }),
		"with a line break":    text(func(s string) string { return s + "\n" }),
		"empty":                text(func(string) string { return "" }),
		"a token":              func(f *fake) { f.list = func(c claims) string { return f.lister.sign("JWT", c) } },
		"without a typ":        func(f *fake) { f.list = func(c claims) string { return f.lister.sign("", c) } },
		"an access token":      func(f *fake) { f.list = func(claims) string { return f.access(nil) } },
		"of another address":   with(claims{"sub": base + "/symbolon/status/1"}),
		"without an address":   with(claims{"sub": nil}),
		"expired":              with(claims{"exp": start}),
		"without exp":          with(claims{"exp": nil}),
		"without iat":          with(claims{"iat": nil}),
		"of next year":         with(claims{"iat": start + 365*86400, "exp": start + 366*86400}),
		"without ttl":          with(claims{"ttl": nil}),
		"ttl zero":             with(claims{"ttl": 0}),
		"ttl negative":         with(claims{"ttl": -60}),
		"ttl for ever":         with(claims{"ttl": int64(1) << 53}),
		"ttl text":             with(claims{"ttl": "60"}),
		"without a list":       with(claims{"status_list": nil}),
		"list null":            with(claims{"status_list": claims(nil)}),
		"two bits":             lst(2, empty),
		"no bits":              lst(0, empty),
		"lst empty":            lst(1, ""),
		"lst no base64url":     lst(1, "!"+empty[1:]),
		"lst padded":           lst(1, empty+"="),
		"lst not packed":       lst(1, b64(make([]byte, 1<<14))),
		"lst truncated":        lst(1, b64(raw[:len(raw)/2])),
		"lst without checksum": lst(1, b64(raw[:len(raw)-4])),
		"lst changed":          lst(1, b64(append(raw[:len(raw)-1:len(raw)-1], raw[len(raw)-1]^1))),
		"a bomb":               lst(1, bomb),
		"not_before a number":  with(claims{"not_before": 5}),
		"not_before a text":    with(claims{"not_before": claims{"samples": "never"}}),
		"feed no position":     with(claims{"feed": "1"}),
		"a member twice": func(f *fake) {
			f.list = func(c claims) string {
				return f.lister.raw(`{"alg":"ES256","typ":"statuslist+jwt","kid":"one"}`, fmt.Sprintf(`{"sub":%q,"sub":%q,"iat":%d,"exp":%d,"ttl":60,`+
					`"status_list":{"bits":1,"lst":%q}}`, listAt, listAt, c["iat"], c["exp"], empty))
			}
		},
		"a member in capitals": with(claims{"EXP": start + 60}),
		"too long":             altered(func(r *http.Response) { r.Body = io.NopCloser(strings.NewReader(strings.Repeat("a", maxListText+1))) }),
		"of another type":      altered(func(r *http.Response) { r.Header.Set("Content-Type", "text/html") }),
		"server error":         altered(func(r *http.Response) { r.StatusCode = 500 }),
		"not modified":         altered(func(r *http.Response) { r.StatusCode = 304 }),
		"redirect": altered(func(r *http.Response) {
			r.StatusCode = 302
			r.Header.Set("Location", "https://thief.example/symbolon/status/0")
		}),
		"breaks off": altered(func(r *http.Response) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("eyJ"), errReader{errors.New("reset")}))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				c(f)
				v := newVerifier(t, f, nil)
				want(t, v, f.access(nil), ErrUnavailable)
				f.do(func() { f.list = nil; clear(f.alter) })
				time.Sleep(longestWait)
				want(t, v, f.access(nil), nil)
				// Beside a good list, a bad one changes nothing until that one ends.
				f.do(func() { c(f); f.ended[70] = true })
				time.Sleep(30 * time.Second)
				want(t, v, f.access(nil), nil)
				time.Sleep(time.Minute)
				want(t, v, f.access(nil), ErrUnavailable)
				for _, r := range f.all() {
					if r.URL.Host != "tokens.example.org" {
						t.Errorf("led to %s", r.URL)
					}
				}
			})
		})
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// An older list than the one before is refused: who replays it would undo a revocation.
func TestStaleList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		old := f.lister.sign(typeOfLists, f.listClaims())
		time.Sleep(5 * time.Second)
		f.revoke(70)
		v := newVerifier(t, f, nil)
		want(t, v, f.access(nil), ErrRevoked)
		f.do(func() { f.list = func(claims) string { return old } })
		for range 40 {
			want(t, v, f.access(nil), ErrRevoked)
			time.Sleep(time.Second)
		}
	})
}

// A list that no token names any more is not fetched for ever.
func TestIdleList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, nil)
		want(t, v, f.access(nil), nil)
		time.Sleep(idleList + time.Minute)
		n := f.count(listAt)
		time.Sleep(time.Hour)
		if f.count(listAt) != n || len(*v.known.Load()) != 0 {
			t.Errorf("%d fetches of a list that nobody named, %d followed", f.count(listAt)-n, len(*v.known.Load()))
		}
		want(t, v, f.access(nil), nil)
	})
}

// Lists are bounded, and the one longest unused makes room.
func TestFollowedListsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, nil)
		want(t, v, f.access(nil), nil)
		for i := range maxFollowed + 5 {
			v.follow(base + "/symbolon/status/" + strconv.Itoa(i+1))
			if i%100 == 0 {
				time.Sleep(time.Second)
			}
			want(t, v, f.access(nil), nil)
		}
		if n := len(*v.known.Load()); n != maxFollowed {
			t.Errorf("%d lists", n)
		}
		if (*v.known.Load())[listAt] == nil {
			t.Error("the list in use made room")
		}
	})
}

func TestCloseStopsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails when a goroutine is left
		f := newFake(t)
		v := newVerifier(t, f, func(c *VerifierConfig) { c.EventsCredential = "credential" })
		want(t, v, f.access(nil), nil)
		if err := v.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		begin := time.Now()
		want(t, v, f.access(nil), ErrUnavailable)
		want(t, v, f.access(claims{"status": claims{"status_list": claims{"idx": 1, "uri": base + "/symbolon/status/9"}}}), ErrUnavailable)
		if took := time.Since(begin); took > 0 {
			t.Errorf("a closed verifier waited %s", took)
		}
	})
}

func TestNewVerifierRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*VerifierConfig)
		want   string
	}{
		"no server":       {func(c *VerifierConfig) { c.Server = "" }, "must be a URL"},
		"plain http":      {func(c *VerifierConfig) { c.Server = "http://tokens.example.org" }, "use https://"},
		"no service":      {func(c *VerifierConfig) { c.Service = "" }, "name of a service"},
		"a path":          {func(c *VerifierConfig) { c.Service = "../x" }, "name of a service"},
		"no dialect":      {func(c *VerifierConfig) { c.Dialect = 0 }, "SESAR or EDI"},
		"EDI with aud":    {func(c *VerifierConfig) { c.Dialect, c.Audience = EDI, "x" }, "must be empty"},
		"leeway negative": {func(c *VerifierConfig) { c.Leeway = -1 }, "Leeway"},
		"leeway an hour":  {func(c *VerifierConfig) { c.Leeway = time.Hour }, "Leeway"},
	} {
		c := VerifierConfig{Server: base, Service: "samples", Dialect: SESAR}
		tc.change(&c)
		if v, err := NewVerifier(c); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

// A list ends at its exp, also where its ttl says more.
func TestListEndsAtItsExp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.list = func(c claims) string {
			c["exp"] = c["iat"].(int64) + 20
			return f.lister.sign(typeOfLists, c)
		}
		v := newVerifier(t, f, nil)
		token := f.access(nil)
		want(t, v, token, nil)
		f.do(func() { f.down = true })
		time.Sleep(19 * time.Second)
		want(t, v, token, nil)
		time.Sleep(time.Second)
		want(t, v, token, ErrUnavailable)
	})
}
