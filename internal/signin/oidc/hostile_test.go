package oidc

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

var ada = Person{Subject: "248289761001", Login: "ada", Display: "Ada Example", Email: "ada@example.org"}

func TestSignIn(t *testing.T) {
	for name, change := range map[string]func(*upstream){
		"as it should be": func(*upstream) {},
		"ES256":           func(u *upstream) { u.sign = func(c object) string { return signed(u.t, jose.ES256, ecKey(), c) } },
		"PS256":           func(u *upstream) { u.sign = func(c object) string { return signed(u.t, jose.PS256, rsaKey(), c) } },
		"no kid":          func(u *upstream) { u.sign = func(c object) string { return signed(u.t, jose.RS256, rsaKey().Key, c) } },
		"keys with alg": func(u *upstream) {
			k := rsaKey()
			k.Algorithm = "RS256"
			u.keys = []any{k.Public()}
		},
		"keys of other kinds": func(u *upstream) {
			u.keys = append([]any{object{"kty": "new", "kid": "x"}, object{"kty": "OKP", "crv": "Ed448", "x": "AA"}, "no key", 7}, u.keys...)
		},
		"no algorithms named": func(u *upstream) { delete(u.metadata, "id_token_signing_alg_values_supported") },
		"several audiences":   func(u *upstream) { u.claims["aud"], u.claims["azp"] = []string{"other", clientID}, clientID },
		"amr a text":          func(u *upstream) { u.claims["amr"] = "pwd" },
		"verified in quotes":  func(u *upstream) { u.claims["email_verified"] = "true" },
		"clock a bit ahead":   func(u *upstream) { u.claims["iat"] = u.now.Add(maxSkew).Unix() },
		"name in two parts": func(u *upstream) {
			u.claims["name"], u.claims["given_name"], u.claims["family_name"] = nil, "Ada", "Example"
		},
		"rest from userinfo":       func(u *upstream) { moveToUserinfo(u, "name", "preferred_username", "email", "email_verified") },
		"at_hash":                  func(u *upstream) { u.claims["at_hash"] = "J9GUtFO2fXd80a94Di6oEw" },
		"userinfo dead, not asked": func(u *upstream) { u.handle["/userinfo"] = status(500) },
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			change(u)
			got, err := u.signIn(u.provider())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ada, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func moveToUserinfo(u *upstream, names ...string) {
	for _, n := range names {
		u.userinfo[n] = u.claims[n]
		delete(u.claims, n)
	}
}

// Less is known of some people; an address counts only where it is verified.
func TestLessKnown(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*upstream)
		want   Person
	}{
		"address not verified": {func(u *upstream) { u.claims["email_verified"] = false }, Person{Subject: ada.Subject, Login: "ada", Display: ada.Display}},
		"nothing said of it":   {func(u *upstream) { delete(u.claims, "email_verified") }, Person{Subject: ada.Subject, Login: "ada", Display: ada.Display}},
		"not verified at userinfo": {func(u *upstream) {
			moveToUserinfo(u, "email")
			delete(u.claims, "email_verified")
			u.userinfo["email_verified"] = "false"
		}, Person{Subject: ada.Subject, Login: "ada", Display: ada.Display}},
		"texts that are none": {func(u *upstream) {
			u.claims["name"], u.claims["preferred_username"], u.claims["email"] = 7, []string{"x"}, nil
		}, Person{Subject: ada.Subject, Login: ada.Subject}},
		"userinfo dead": {func(u *upstream) {
			delete(u.claims, "name")
			u.handle["/userinfo"] = status(500)
		}, Person{Subject: ada.Subject, Login: "ada", Email: ada.Email}},
		"userinfo signed": {func(u *upstream) {
			delete(u.claims, "name")
			u.handle["/userinfo"] = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "eyJ.eyJ.sig") }
		}, Person{Subject: ada.Subject, Login: "ada", Email: ada.Email}},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			c.change(u)
			got, err := u.signIn(u.provider())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { send(w, code, object{"error": "server_error"}) }
}

func redirectTo(where string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, where, http.StatusTemporaryRedirect) }
}

// huge is longer than an answer may be, and JSON all the same.
func huge(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"x":"`+strings.Repeat("x", maxAnswer)+`"}`)
}

// endless goes on until the client does not.
func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	for err := error(nil); err == nil && r.Context().Err() == nil; {
		_, err = fmt.Fprint(w, strings.Repeat(" ", 4096))
	}
}

// silent answers nothing until the client goes away.
func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// dripping begins an answer and never ends it.
func dripping(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"x":`)
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

// TestHostile is what a provider, or somebody between it and the browser, may try. Each
// attempt ends with the error that it names, which tells no secret and stays short.
func TestHostile(t *testing.T) {
	trap := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was followed", r.URL) }))
	defer trap.Close()
	const discovery = "/.well-known/openid-configuration"
	claim := func(name string, value any) func(*upstream, *Answer) {
		return func(u *upstream, _ *Answer) { u.claims[name] = value }
	}
	without := func(name string) func(*upstream, *Answer) {
		return func(u *upstream, _ *Answer) { delete(u.claims, name) }
	}
	says := func(name string, value any) func(*upstream, *Answer) {
		return func(u *upstream, _ *Answer) { u.metadata[name] = value }
	}
	at := func(path string, h http.HandlerFunc) func(*upstream, *Answer) {
		return func(u *upstream, _ *Answer) { u.handle[path] = h }
	}
	token := func(make func(u *upstream, c object) string) func(*upstream, *Answer) {
		return func(u *upstream, _ *Answer) { u.sign = func(c object) string { return make(u, c) } }
	}
	brings := func(change func(*Answer)) func(*upstream, *Answer) {
		return func(_ *upstream, a *Answer) { change(a) }
	}
	publicDER := func() []byte {
		der, err := x509.MarshalPKIXPublicKey(published(rsaKey()).Key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	hs := func(key []byte) func(*upstream, *Answer) {
		return token(func(u *upstream, c object) string {
			return signed(u.t, jose.HS256, jose.JSONWebKey{Key: key, KeyID: "rsa"}, c)
		})
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 100_000)

	for name, c := range map[string]struct {
		do   func(*upstream, *Answer)
		kind error
		why  string
	}{
		// The ID token.
		"nonce of another":        {claim("nonce", "other"), ErrRefused, "another nonce"},
		"no nonce":                {claim("nonce", nil), ErrRefused, "another nonce"},
		"for another":             {claim("aud", "other"), ErrRefused, `expected audience "symbolon" got ["other"]`},
		"for nobody":              {without("aud"), ErrRefused, `expected audience "symbolon" got []`},
		"for several, no azp":     {claim("aud", []string{clientID, "other"}), ErrRefused, "does not say for whom it was made (azp)"},
		"made for another":        {claim("azp", "other"), ErrRefused, `azp is "other"`},
		"azp no text":             {claim("azp", 7), ErrRefused, `azp is ""`},
		"issuer of another":       {claim("iss", "https://evil.example.org"), ErrRefused, `iss is "https://evil.example.org"`},
		"issuer with a slash":     {func(u *upstream, _ *Answer) { u.claims["iss"] = u.URL + "/" }, ErrRefused, "iss is "},
		"no issuer":               {without("iss"), ErrRefused, `iss is ""`},
		"no end":                  {without("exp"), ErrRefused, "has no end (exp)"},
		"over":                    {func(u *upstream, _ *Answer) { u.claims["exp"] = u.now.Add(-time.Second).Unix() }, ErrRefused, "token is expired"},
		"not yet":                 {func(u *upstream, _ *Answer) { u.claims["nbf"] = u.now.Add(time.Hour).Unix() }, ErrRefused, "before the nbf"},
		"made in the future":      {func(u *upstream, _ *Answer) { u.claims["iat"] = u.now.Add(2 * maxSkew).Unix() }, ErrRefused, "made in the future"},
		"made at no time":         {without("iat"), ErrRefused, "does not say when it was made (iat)"},
		"about nobody":            {without("sub"), ErrRefused, "names nobody"},
		"about a long name":       {claim("sub", strings.Repeat("x", maxSubject+1)), ErrRefused, "names nobody"},
		"about an odd name":       {claim("sub", "ad\u00e4"), ErrRefused, "names nobody"},
		"about a line break":      {claim("sub", "a\nb"), ErrRefused, "names nobody"},
		"sub a number":            {claim("sub", 7), ErrRefused, "failed to unmarshal claims"},
		"of another access token": {claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), ErrRefused, "(at_hash)"},
		"long texts":              {func(u *upstream, _ *Answer) { u.claims["aud"] = []string{long, long} }, ErrRefused, "expected audience"},
		"alg none":                {token(func(_ *upstream, c object) string { return unsigned(`{"alg":"none"}`, c) }), ErrRefused, `unexpected signature algorithm "none"`},
		"alg None":                {token(func(_ *upstream, c object) string { return unsigned(`{"alg":"None"}`, c) }), ErrRefused, `unexpected signature algorithm "None"`},
		"no alg":                  {token(func(_ *upstream, c object) string { return unsigned(`{}`, c) }), ErrRefused, "unexpected signature algorithm"},
		"HS256, public key DER":   {hs(publicDER()), ErrRefused, `unexpected signature algorithm "HS256"`},
		"HS256, public key PEM":   {hs(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER()})), ErrRefused, `unexpected signature algorithm "HS256"`},
		"HS256, client's secret":  {hs([]byte(clientSecret + clientSecret + clientSecret)), ErrRefused, `unexpected signature algorithm "HS256"`},
		"RS512":                   {token(func(u *upstream, c object) string { return signed(u.t, jose.RS512, rsaKey(), c) }), ErrRefused, `unexpected signature algorithm "RS512"`},
		"alg not advertised": {func(u *upstream, _ *Answer) {
			u.metadata["id_token_signing_alg_values_supported"] = []string{"ES256"}
		}, ErrRefused, `unexpected signature algorithm "RS256"`},
		"unknown key":               {token(func(u *upstream, c object) string { return signed(u.t, jose.ES256, newECKey("new"), c) }), ErrRefused, `none of its keys made the signature (kid "new")`},
		"another's key with its id": {token(func(u *upstream, c object) string { return signed(u.t, jose.ES256, newECKey("ec"), c) }), ErrRefused, `none of its keys made the signature (kid "ec")`},
		"key in the token": {token(func(u *upstream, c object) string {
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: newECKey("")}, &jose.SignerOptions{EmbedJWK: true})
			if err != nil {
				u.t.Fatal(err)
			}
			jws, err := signer.Sign([]byte(`{}`))
			if err != nil {
				u.t.Fatal(err)
			}
			text, err := jws.CompactSerialize()
			if err != nil {
				u.t.Fatal(err)
			}
			return text
		}), ErrRefused, "none of its keys made the signature"},
		"changed": {token(func(u *upstream, c object) string {
			parts := strings.Split(signed(u.t, jose.RS256, rsaKey(), c), ".")
			c["sub"] = "admin"
			parts[1] = strings.Split(unsigned("", c), ".")[1]
			return strings.Join(parts, ".")
		}), ErrRefused, "none of its keys made the signature"},
		"key for another algorithm": {func(u *upstream, _ *Answer) {
			k := rsaKey()
			k.Algorithm = "PS256"
			u.keys = []any{k.Public()}
		}, ErrRefused, "none of its keys made the signature"},
		"two signatures":  {token(func(*upstream, object) string { return `{"payload":"e30","signatures":[{},{}]}` }), ErrRefused, "its ID token"},
		"no token at all": {func(u *upstream, _ *Answer) { u.sign = nil }, ErrRefused, "has no ID token"},
		"a million dots":  {token(func(*upstream, object) string { return strings.Repeat(".", 900_000) }), ErrRefused, "its ID token"},
		"token no text":   {func(u *upstream, _ *Answer) { u.sign = nil; u.answer["id_token"] = 7 }, ErrRefused, "has no ID token"},
		"userinfo of another": {func(u *upstream, _ *Answer) {
			moveToUserinfo(u, "name")
			u.userinfo["sub"] = "somebody"
		}, ErrRefused, "its userinfo is about somebody else"},

		// The keys.
		"no keys":         {func(u *upstream, _ *Answer) { u.keys = []any{} }, ErrUnavailable, "none of its keys can be used"},
		"a secret as key": {func(u *upstream, _ *Answer) { u.keys = []any{object{"kty": "oct", "kid": "rsa", "k": "c2VjcmV0"}} }, ErrUnavailable, "none of its keys can be used"},
		"keys not to sign": {func(u *upstream, _ *Answer) {
			k := rsaKey()
			k.Use = "enc"
			u.keys = []any{k.Public()}
		}, ErrUnavailable, "none of its keys can be used"},
		"private keys":   {func(u *upstream, _ *Answer) { u.keys = []any{rsaKey()} }, ErrUnavailable, "none of its keys can be used"},
		"short key":      {func(u *upstream, _ *Answer) { u.keys = []any{jose.JSONWebKey{Key: &small.PublicKey, KeyID: "rsa"}} }, ErrUnavailable, "none of its keys can be used"},
		"keys redirect":  {at("/jwks", redirectTo("http://169.254.169.254/latest/meta-data/")), ErrUnavailable, "answered with a redirect, which is not followed"},
		"keys elsewhere": {at("/jwks", redirectTo(trap.URL)), ErrUnavailable, "answered with a redirect, which is not followed"},
		"keys huge":      {at("/jwks", huge), ErrUnavailable, "longer than 1 MiB"},
		"keys endless":   {at("/jwks", endless), ErrUnavailable, "longer than 1 MiB"},
		"keys silent":    {at("/jwks", silent), ErrUnavailable, "exceeded"},
		"keys dripping":  {at("/jwks", dripping), ErrUnavailable, "decoding"},
		"keys failing":   {at("/jwks", status(503)), ErrUnavailable, "answered with status 503"},

		// The token endpoint.
		"redeem redirect":  {at("/token", redirectTo("http://169.254.169.254/latest/meta-data/")), ErrUnavailable, "answered with a redirect, which is not followed"},
		"redeem elsewhere": {at("/token", redirectTo(trap.URL)), ErrUnavailable, "answered with a redirect, which is not followed"},
		"redeem huge":      {at("/token", huge), ErrUnavailable, "redeeming the code"},
		"redeem endless":   {at("/token", endless), ErrUnavailable, "redeeming the code"},
		"redeem silent":    {at("/token", silent), ErrUnavailable, "redeeming the code"},
		"redeem dripping":  {at("/token", dripping), ErrUnavailable, "redeeming the code"},
		"redeem failing":   {at("/token", status(500)), ErrUnavailable, `status 500, error "server_error"`},
		"redeem refusing":  {at("/token", func(w http.ResponseWriter, _ *http.Request) { send(w, 401, object{"error": "invalid_client"}) }), ErrUnavailable, `status 401, error "invalid_client": compare client_id and client_secret_file`},
		"redeem echoing": {at("/token", func(w http.ResponseWriter, r *http.Request) {
			send(w, 400, object{"error": "x", "error_description": r.PostFormValue("code") + r.PostFormValue("client_secret")})
		}), ErrUnavailable, `status 400, error "x"`},
		"redeem a page":   {at("/token", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>"+clientSecret) }), ErrUnavailable, "redeeming the code"},
		"code used":       {brings(func(a *Answer) { a.Code = "another" }), ErrRefused, `does not know the code any more ("invalid_grant")`},
		"verifier stolen": {brings(func(a *Answer) { a.Verifier = strings.Repeat("w", minVerifier) }), ErrRefused, `does not know the code any more ("invalid_grant")`},

		// What the browser brings.
		"nothing":                {brings(func(a *Answer) { a.Code = "" }), ErrRefused, "neither code nor error"},
		"iss of another":         {brings(func(a *Answer) { a.Issuer = "https://evil.example.org" }), ErrRefused, "it comes from another provider"},
		"iss left out":           {says("authorization_response_iss_parameter_supported", true), ErrRefused, "does not say which provider it comes from (iss)"},
		"error with another iss": {brings(func(a *Answer) { a.Error, a.Issuer = "access_denied", "https://evil.example.org" }), ErrRefused, "it comes from another provider"},
		"denied":                 {brings(func(a *Answer) { a.Error, a.Code = "access_denied", "" }), ErrDenied, `"access_denied"`},
		"login required":         {brings(func(a *Answer) { a.Error, a.Code = "login_required", "" }), ErrDenied, `"login_required"`},
		"overloaded":             {brings(func(a *Answer) { a.Error = "temporarily_unavailable" }), ErrUnavailable, `"temporarily_unavailable"`},
		"our mistake":            {brings(func(a *Answer) { a.Error = "unauthorized_client" }), ErrUnavailable, "compare client_id and the registered addresses"},
		"long error":             {brings(func(a *Answer) { a.Error = long }), ErrUnavailable, "it answered with the error"},

		// The metadata.
		"issuer is another":       {says("issuer", "https://evil.example.org"), ErrUnavailable, `its issuer is "https://evil.example.org"`},
		"no issuer at all":        {says("issuer", nil), ErrUnavailable, `its issuer is ""`},
		"metadata redirect":       {at(discovery, redirectTo("http://169.254.169.254/latest/meta-data/")), ErrUnavailable, "answered with a redirect, which is not followed"},
		"metadata elsewhere":      {at(discovery, redirectTo(trap.URL)), ErrUnavailable, "answered with a redirect, which is not followed"},
		"metadata huge":           {at(discovery, huge), ErrUnavailable, "longer than 1 MiB"},
		"metadata endless":        {at(discovery, endless), ErrUnavailable, "longer than 1 MiB"},
		"metadata silent":         {at(discovery, silent), ErrUnavailable, "exceeded"},
		"metadata dripping":       {at(discovery, dripping), ErrUnavailable, "unable to read response body"},
		"metadata failing":        {at(discovery, status(500)), ErrUnavailable, "answered with status 500"},
		"metadata a page":         {at(discovery, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }), ErrUnavailable, "reading its metadata"},
		"only HS256":              {says("id_token_signing_alg_values_supported", []string{"HS256", "none"}), ErrUnavailable, "signs ID tokens with none of"},
		"no secret wanted":        {says("token_endpoint_auth_methods_supported", []string{"private_key_jwt"}), ErrUnavailable, "neither by client_secret_basic nor by client_secret_post"},
		"keys at http":            {says("jwks_uri", "http://169.254.169.254/"), ErrUnavailable, `its jwks_uri "http://169.254.169.254/" is no https address`},
		"keys at another port":    {says("jwks_uri", trap.URL), ErrUnavailable, "is no https address"},
		"keys nowhere":            {says("jwks_uri", nil), ErrUnavailable, `its jwks_uri "" is no https address`},
		"keys in a file":          {says("jwks_uri", "file:///etc/passwd"), ErrUnavailable, "is no https address"},
		"page is a script":        {says("authorization_endpoint", "javascript:alert(1)"), ErrUnavailable, "is no https address"},
		"page with a password":    {says("authorization_endpoint", "https://u:p@example.org/"), ErrUnavailable, "is no https address"},
		"redeem at a neighbour's": {says("token_endpoint", strings.Replace(trap.URL, "http:", "https:", 1)), ErrUnavailable, "the address is not a public one: 127.0.0.1"},
		"keys at a neighbour's":   {says("jwks_uri", "https://169.254.169.254/keys"), ErrUnavailable, "the address is not a public one: 169.254.169.254"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t)
			a := answerOf()
			c.do(u, &a)
			p := u.provider()
			p.client.Timeout = 2 * time.Second // enough for all that is not meant to be slow
			if strings.HasSuffix(name, "silent") || strings.HasSuffix(name, "dripping") {
				p.client.Timeout = 100 * time.Millisecond
			}
			_, err := u.begin(p)
			if err == nil {
				_, err = p.Finish(t.Context(), a)
			}
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.why) {
				t.Fatalf("got %v, want %v … %s", err, c.kind, c.why)
			}
			if len(err.Error()) > 2*maxReason {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			for _, s := range []string{clientSecret, code, access, verifier, "the-nonce", "eyJ"} {
				if strings.Contains(err.Error(), s) {
					t.Errorf("%q is in the error: %v", s, err)
				}
			}
		})
	}
}

// Keys may change at any time: a token with a new one is good as soon as it is published,
// and those of a provider whose keys cannot be had go on for a day.
func TestKeysOverTime(t *testing.T) {
	u := newUpstream(t)
	p := u.provider()
	mustSignIn := func(what string) {
		t.Helper()
		if _, err := u.signIn(p); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	later := func(d time.Duration) {
		u.set(func() {
			u.now = u.now.Add(d)
			u.claims["iat"], u.claims["exp"] = u.now.Unix(), u.now.Add(time.Hour).Unix()
		})
	}
	mustSignIn("at first")
	mustSignIn("once more")
	if n := u.count("/jwks"); n != 1 {
		t.Errorf("keys were read %d times", n)
	}

	rotated := newECKey("new")
	u.set(func() {
		u.keys = []any{rotated.Public()}
		u.sign = func(c object) string { return signed(t, jose.ES256, rotated, c) }
	})
	later(keyPause)
	mustSignIn("with a new key")
	later(keyPause)
	u.set(func() { u.sign = func(c object) string { return signed(t, jose.RS256, rsaKey(), c) } })
	if _, err := u.signIn(p); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "none of its keys") {
		t.Errorf("a withdrawn key: %v", err)
	}

	u.set(func() {
		u.sign = func(c object) string { return signed(t, jose.ES256, rotated, c) }
		u.handle["/jwks"] = status(503)
	})
	later(fresh)
	mustSignIn("with the keys of before, while they cannot be read anew")
	later(maxStale)
	if _, err := u.signIn(p); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "answered with status 503") {
		t.Errorf("with old keys: %v", err)
	}
	u.set(func() { delete(u.handle, "/jwks") })
	later(keyPause)
	mustSignIn("when they can be read again")
}

// A key that was withdrawn is forgotten within the hour, without any token that asks for it.
func TestWithdrawnKeyIsForgotten(t *testing.T) {
	u := newUpstream(t)
	p := u.provider()
	if _, err := u.signIn(p); err != nil {
		t.Fatal(err)
	}
	other := ecKey()
	u.set(func() {
		u.keys = []any{other.Public()}
		u.now = u.now.Add(fresh)
		u.claims["exp"] = u.now.Add(time.Hour).Unix()
	})
	if _, err := u.signIn(p); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "none of its keys") {
		t.Errorf("got %v", err)
	}
}

// Tokens with keys that nobody knows do not make us ask for keys again and again.
func TestUnknownKeysAskSeldom(t *testing.T) {
	u := newUpstream(t)
	p := u.provider()
	u.set(func() {
		u.sign = func(c object) string { return signed(t, jose.ES256, newECKey("unknown"), c) }
	})
	for range 20 {
		if _, err := u.signIn(p); !errors.Is(err, ErrRefused) {
			t.Fatalf("got %v", err)
		}
	}
	if n := u.count("/jwks"); n != 1 {
		t.Errorf("keys were asked for %d times", n)
	}
	u.set(func() { u.now = u.now.Add(keyPause) })
	if _, err := u.signIn(p); !errors.Is(err, ErrRefused) || u.count("/jwks") != 2 {
		t.Errorf("%v; keys were asked for %d times", err, u.count("/jwks"))
	}
}

const wellKnown = "/.well-known/openid-configuration"

// An outage costs one question however many people come, and is over soon after it is over.
func TestOutage(t *testing.T) {
	u := newUpstream(t)
	u.handle[wellKnown] = status(500)
	p := u.provider()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := u.begin(p); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "answered with status 500") {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if n := u.count(wellKnown); n != 1 {
		t.Errorf("metadata was asked for %d times", n)
	}
	for wait := firstWait; wait < 2*maxWait; wait = 2 * wait {
		before := u.count(wellKnown)
		u.set(func() { u.now = u.now.Add(min(wait, maxWait) - 1) })
		if _, err := u.begin(p); !errors.Is(err, ErrUnavailable) || u.count(wellKnown) != before {
			t.Errorf("too soon after %v: %v", wait, err)
		}
		u.set(func() { u.now = u.now.Add(1) })
		if _, err := u.begin(p); !errors.Is(err, ErrUnavailable) || u.count(wellKnown) != before+1 {
			t.Errorf("not asked after %v: %v", wait, err)
		}
	}
	u.set(func() {
		delete(u.handle, wellKnown)
		u.now = u.now.Add(maxWait)
		u.claims["iat"], u.claims["exp"] = u.now.Unix(), u.now.Add(time.Hour).Unix()
	})
	if got, err := u.signIn(p); err != nil || got != ada {
		t.Errorf("when it is back: %+v, %v", got, err)
	}
	// What it said goes on through the next outage.
	u.set(func() {
		u.handle[wellKnown] = status(500)
		u.now = u.now.Add(fresh)
		u.claims["iat"], u.claims["exp"] = u.now.Unix(), u.now.Add(time.Hour).Unix()
	})
	if got, err := u.signIn(p); err != nil || got != ada {
		t.Errorf("in the next outage: %+v, %v", got, err)
	}
}

// A browser that goes away spoils nothing for the others, and does not wait for them.
func TestCallerGoesAway(t *testing.T) {
	u := newUpstream(t)
	asked, release := make(chan struct{}), make(chan struct{})
	u.handle[wellKnown] = func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-release
		send(w, 200, u.metadata)
	}
	p := u.provider()
	first, goAway := context.WithCancel(t.Context())
	done := make(chan error)
	begin := func(ctx context.Context) {
		_, err := p.Begin(ctx, Ask{Redirect: redirect, State: "s", Nonce: "n", Verifier: verifier})
		done <- err
	}
	go begin(first)
	<-asked
	goAway()
	if _, err := p.Begin(first, Ask{Redirect: redirect, State: "s", Nonce: "n", Verifier: verifier}); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("another that has gone: %v", err)
	}
	go begin(t.Context())
	close(release)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
