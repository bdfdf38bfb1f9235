package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"symbolon/internal/config"
	"symbolon/internal/secret"
)

const (
	clientID     = "symbolon"
	clientSecret = "a-client-secret"
	redirect     = "https://tokens.example.org/symbolon/callback/campus"
	code         = "a-code-of-one-use"
	access       = "an-upstream-access-token"
)

// verifier is as long as RFC 7636 wants it.
var verifier = strings.Repeat("v", minVerifier)

// rsaKey and ecKey are made once for all tests.
var (
	rsaKey = sync.OnceValue(func() jose.JSONWebKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return jose.JSONWebKey{Key: k, KeyID: "rsa", Use: "sig"}
	})
	ecKey = sync.OnceValue(func() jose.JSONWebKey { return newECKey("ec") })
)

func newECKey(kid string) jose.JSONWebKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return jose.JSONWebKey{Key: k, KeyID: kid, Use: "sig"}
}

func published(k jose.JSONWebKey) jose.JSONWebKey { return k.Public() }

type object = map[string]any

// upstream is an OpenID provider that does as it should until a test changes it.
type upstream struct {
	*httptest.Server
	t *testing.T

	mu        sync.Mutex
	metadata  object
	claims    object // of the next ID token
	answer    object // of the token endpoint, beside the ID token
	userinfo  object
	keys      []any                       // public
	sign      func(claims object) string  // makes the ID token
	handle    map[string]http.HandlerFunc // :: path → instead of what it should do
	asked     map[string]int              // :: path → requests
	form      url.Values                  // of the last token request
	header    http.Header                 // of the last token request
	challenge string                      // of the last sign-in
	now       time.Time
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{t: t, handle: map[string]http.HandlerFunc{}, asked: map[string]int{}, now: time.Unix(1_800_000_000, 0)}
	u.Server = httptest.NewServer(u)
	t.Cleanup(u.Close)
	u.metadata = object{"issuer": u.URL, "authorization_endpoint": u.URL + "/authorize", "token_endpoint": u.URL + "/token", "jwks_uri": u.URL + "/jwks",
		"userinfo_endpoint": u.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256", "ES256", "PS256", "HS256", "none"}}
	u.claims = object{"iss": u.URL, "aud": clientID, "sub": "248289761001", "iat": u.now.Unix(), "exp": u.now.Add(time.Hour).Unix(),
		"name": "Ada Example", "preferred_username": "ada", "email": "ada@example.org", "email_verified": true}
	u.answer = object{"access_token": access, "token_type": "Bearer", "expires_in": 3600}
	u.userinfo = object{"sub": "248289761001"}
	u.keys = []any{published(rsaKey()), published(ecKey())}
	u.sign = func(claims object) string { return signed(t, jose.RS256, rsaKey(), claims) }
	return u
}

// signed makes a token. A key of type jose.JSONWebKey puts its id into the header.
func signed(t *testing.T, alg jose.SignatureAlgorithm, key any, claims object) string {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// unsigned has whatever header it is given and no signature.
func unsigned(header string, claims object) string {
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(text) + "."
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked[r.URL.Path]++
	_ = r.ParseForm() // whoever has not read a request does not learn that its sender has gone
	if h := u.handle[r.URL.Path]; h != nil {
		u.mu.Unlock() // it may take its time
		defer u.mu.Lock()
		h(w, r)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		send(w, 200, u.metadata)
	case "/jwks":
		send(w, 200, object{"keys": u.keys})
	case "/token":
		u.token(w, r)
	case "/userinfo":
		if r.Header.Get("Authorization") != "Bearer "+access {
			send(w, 401, object{})
			return
		}
		send(w, 200, u.userinfo)
	default:
		http.NotFound(w, r)
	}
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// token checks the verifier, as a provider with PKCE does (RFC 7636 §4.6).
func (u *upstream) token(w http.ResponseWriter, r *http.Request) {
	u.form, u.header = r.PostForm, r.Header
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if r.PostFormValue("code") != code || u.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		send(w, 400, object{"error": "invalid_grant"})
		return
	}
	answer := maps.Clone(u.answer)
	if u.sign != nil {
		answer["id_token"] = u.sign(u.claims)
	}
	send(w, 200, answer)
}

// set changes something under the lock.
func (u *upstream) set(change func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change()
}

func (u *upstream) count(path string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.asked[path]
}

func (u *upstream) clock() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.now
}

// provider returns the provider configured for the upstream.
func (u *upstream) provider() *Provider {
	u.t.Helper()
	p, err := New(config.Provider{Name: "campus", Kind: "oidc", ClientID: clientID, Issuer: u.URL}, Options{Now: u.clock, Secret: secret.New(clientSecret)})
	if err != nil {
		u.t.Fatal(err)
	}
	return p
}

// begin goes where the browser is sent, and has the provider remember what it is told there.
func (u *upstream) begin(p *Provider) (url.Values, error) {
	at, err := p.Begin(u.t.Context(), Ask{Redirect: redirect, State: "the-state", Nonce: "the-nonce", Verifier: verifier})
	if err != nil {
		return nil, err
	}
	to, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	q := to.Query()
	u.set(func() {
		u.challenge = q.Get("code_challenge")
		if _, ok := u.claims["nonce"]; !ok {
			u.claims["nonce"] = q.Get("nonce")
		}
	})
	return q, nil
}

func answerOf() Answer {
	return Answer{Redirect: redirect, Code: code, Nonce: "the-nonce", Verifier: verifier}
}

// signIn is a whole sign-in.
func (u *upstream) signIn(p *Provider) (Person, error) {
	if _, err := u.begin(p); err != nil {
		return Person{}, fmt.Errorf("begin: %w", err)
	}
	return p.Finish(u.t.Context(), answerOf())
}
