package flow

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"symbolon/internal/httpio"
	"symbolon/internal/signin/oidc"
)

// fake vouches for whoever the code names.
type fake struct {
	name  string
	asked oidc.Ask
	got   oidc.Answer
	err   error
}

func (f *fake) Name() string  { return f.name }
func (f *fake) Label() string { return strings.ToUpper(f.name) }
func (f *fake) Begin(_ context.Context, a oidc.Ask) (string, error) {
	f.asked = a
	return "https://" + f.name + ".example/authorize?state=" + a.State, f.err
}
func (f *fake) Finish(_ context.Context, a oidc.Answer) (oidc.Person, error) {
	f.got = a
	return oidc.Person{Subject: a.Code}, f.err
}

const back = "https://tokens.example/symbolon/callback/one"

// fixture is a flow with two providers at a time that tests move.
type fixture struct {
	*Flow
	one, two *fake
	now      time.Time
}

func newFixture() *fixture {
	f := &fixture{one: &fake{name: "one"}, two: &fake{name: "two"}, now: time.Unix(1_800_000_000, 0)}
	f.Flow = &Flow{Providers: []Provider{f.one, f.two}, Seal: Seal{MAC: testMAC, Now: func() time.Time { return f.now }}}
	return f
}

func testMAC(parts ...[]byte) [32]byte {
	m := hmac.New(sha256.New, []byte("of the test"))
	m.Write(bytes.Join(parts, []byte{0}))
	return [32]byte(m.Sum(nil))
}

// begin returns what the browser keeps, as it sends it.
func (f *fixture) begin(t *testing.T) (cookie string) {
	t.Helper()
	location, set, err := f.Begin(t.Context(), "one", back, "in:/symbolon/", false)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(location, "https://one.example/authorize?state=") {
		t.Fatalf("sent to %s", location)
	}
	for _, attr := range []string{"__Host-", "; Path=/; ", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
		if !strings.Contains(set, attr) {
			t.Errorf("cookie %s without %q", set, attr)
		}
	}
	cookie, _, _ = strings.Cut(set, ";")
	return cookie
}

// come is the browser back with a query and cookies.
func come(query string, cookies ...string) *httpio.Request {
	q, err := url.ParseQuery(query)
	if err != nil {
		panic(err)
	}
	return &httpio.Request{Method: "GET", Query: q, Header: http.Header{"Cookie": {strings.Join(cookies, "; ")}}}
}

func TestThereAndBack(t *testing.T) {
	f := newFixture()
	cookie := f.begin(t)
	a, drop, err := f.Finish(t.Context(), come("code=ada&iss=https://one.example&state="+f.one.asked.State, "other=1", cookie), "one", back)
	if err != nil {
		t.Fatal(err)
	}
	if a.Person.Subject != "ada" || a.Provider != "one" || a.Purpose != "in:/symbolon/" {
		t.Errorf("arrived %+v", a)
	}
	if want := (oidc.Answer{Redirect: back, Code: "ada", Issuer: "https://one.example", Nonce: f.one.asked.Nonce, Verifier: f.one.asked.Verifier}); f.one.got != want {
		t.Errorf("the provider was asked %+v, want %+v", f.one.got, want)
	}
	if !strings.Contains(drop, "Max-Age=0") {
		t.Errorf("the cookie stays: %s", drop)
	}
	for name, text := range map[string]string{"state": f.one.asked.State, "nonce": f.one.asked.Nonce, "verifier": f.one.asked.Verifier} {
		if len(text) < 26 { // of 32 characters each: 130 bits
			t.Errorf("%s %q is short", name, text)
		}
	}
	if n := len(f.one.asked.Verifier); n < 43 || n > 128 {
		t.Errorf("a verifier of %d characters", n)
	}
}

// returned is how a browser comes back.
type returned struct{ query, cookie, provider, redirect string }

func TestBackRefused(t *testing.T) {
	for name, change := range map[string]func(*fixture, *returned){
		"no state":         func(_ *fixture, r *returned) { r.query = "code=x" },
		"two states":       func(f *fixture, r *returned) { r.query += "&state=" + f.one.asked.State },
		"another's state":  func(_ *fixture, r *returned) { r.query = "code=x&state=" + strings.Repeat("A", 26) },
		"no cookie":        func(_ *fixture, r *returned) { r.cookie = "" },
		"changed cookie":   func(_ *fixture, r *returned) { r.cookie = changed(r.cookie) },
		"other provider":   func(_ *fixture, r *returned) { r.provider = "two" },
		"other address":    func(_ *fixture, r *returned) { r.redirect += "2" },
		"code and error":   func(_ *fixture, r *returned) { r.query += "&error=y" },
		"neither":          func(f *fixture, r *returned) { r.query = "state=" + f.one.asked.State },
		"two codes":        func(_ *fixture, r *returned) { r.query += "&code=y" },
		"two issuers":      func(_ *fixture, r *returned) { r.query += "&iss=a&iss=b" },
		"15 minutes later": func(f *fixture, _ *returned) { f.now = f.now.Add(life) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture()
			r := returned{cookie: f.begin(t), provider: "one", redirect: back}
			r.query = "code=x&state=" + f.one.asked.State
			change(f, &r)
			if _, _, err := f.Finish(t.Context(), come(r.query, r.cookie), r.provider, r.redirect); !errors.Is(err, ErrForeign) {
				t.Errorf("got %v, want ErrForeign", err)
			}
			if f.one.got.Redirect != "" || f.two.got.Redirect != "" {
				t.Error("a provider was asked about it")
			}
		})
	}
}

// changed alters the sealed part of a cookie.
func changed(cookie string) string {
	i := strings.Index(cookie, "=") + 20
	c := byte('A')
	if cookie[i] == c {
		c = 'B'
	}
	return cookie[:i] + string(c) + cookie[i+1:]
}

func TestReplayRefused(t *testing.T) {
	f := newFixture()
	cookie := f.begin(t)
	again := come("code=ada&state="+f.one.asked.State, cookie)
	if _, _, err := f.Finish(t.Context(), again, "one", back); err != nil {
		t.Fatal(err)
	}
	f.one.got = oidc.Answer{}
	if _, _, err := f.Finish(t.Context(), again, "one", back); !errors.Is(err, ErrForeign) {
		t.Errorf("the second time: %v, want ErrForeign", err)
	}
	if f.one.got.Code != "" {
		t.Error("the provider was asked a second time")
	}
}

// Two tabs that sign in at once end both well.
func TestTwoTabs(t *testing.T) {
	f := newFixture()
	first := f.begin(t)
	firstState := f.one.asked.State
	second := f.begin(t)
	for cookie, state := range map[string]string{first: firstState, second: f.one.asked.State} {
		if _, _, err := f.Finish(t.Context(), come("code=x&state="+state, cookie, first, second), "one", back); err != nil {
			t.Error(err)
		}
	}
}

func TestProviderFails(t *testing.T) {
	f := newFixture()
	cookie := f.begin(t)
	f.one.err = oidc.ErrDenied
	a, drop, err := f.Finish(t.Context(), come("error=access_denied&state="+f.one.asked.State, cookie), "one", back)
	if !errors.Is(err, oidc.ErrDenied) || a.Purpose != "in:/symbolon/" || drop == "" {
		t.Errorf("got %+v, %q, %v", a, drop, err)
	}
	if _, _, err := f.Begin(t.Context(), "three", back, "", false); !errors.Is(err, ErrNoProvider) {
		t.Errorf("an unknown provider: %v", err)
	}
}

func TestSealKeepsPurposesApart(t *testing.T) {
	f := newFixture()
	text, err := f.Seal.Close("one", 7, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := f.Seal.Open("one", text, &n); err != nil || n != 7 {
		t.Errorf("opened %d, %v", n, err)
	}
	for _, bad := range []string{"", ".", text + "A", "A" + text, strings.Replace(text, ".", "", 1), text + "=", strings.TrimRight(text, text[len(text)-1:])} {
		if err := f.Seal.Open("one", bad, &n); !errors.Is(err, ErrSeal) {
			t.Errorf("%q: %v, want ErrSeal", bad, err)
		}
	}
	if err := f.Seal.Open("two", text, &n); !errors.Is(err, ErrSeal) {
		t.Errorf("another purpose: %v, want ErrSeal", err)
	}
	f.now = f.now.Add(time.Minute)
	if err := f.Seal.Open("one", text, &n); !errors.Is(err, ErrSeal) {
		t.Errorf("too late: %v, want ErrSeal", err)
	}
}

func TestOnceIsBounded(t *testing.T) {
	var o Once
	now := time.Unix(0, 0)
	for i := range 3 * maxUsed {
		id := string(rune(i)) + "-" + string(rune(i/7))
		if !o.Spend(id, now.Add(time.Duration(i)*time.Millisecond), time.Hour) {
			t.Fatalf("id %d counts as used", i)
		}
		if o.Spend(id, now.Add(time.Duration(i)*time.Millisecond), time.Hour) {
			t.Fatalf("id %d is good twice", i)
		}
	}
	if len(o.used) > maxUsed {
		t.Errorf("%d remembered", len(o.used))
	}
}
