// Package standin is a small server that behaves like ORCID, its peculiarities included,
// so that sign-in can be tried out and tested without ORCID. Whoever can reach it can be
// anybody: it belongs on a development server and nowhere else.
//
// What of it is ORCID's way: metadata without PKCE and revocation, the client's secret in
// the form only, codes of six characters that work once and whose reuse ends what they
// gave, the iD beside the ID token, amr as a text, no e-mail address, private names, keys
// without alg, 403 for a bad token at userinfo. It always asks who one is; ORCID does not
// ask those who are signed in there.
package standin

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"symbolon/internal/secret"
)

// Researcher is a person known to the stand-in. Nothing of the name is public where
// Given and Family are empty.
type Researcher struct{ ID, Given, Family string }

// Researchers are offered on its page. The first is ORCID's own invention; the iDs of the
// others are outside what ORCID gives out.
var Researchers = []Researcher{
	{"0000-0002-1825-0097", "Josiah", "Carberry"},
	{"0009-0099-0137-0112", "Ilse", "Fernández-Okafor"},
	{"0009-0099-0274-0226", "", ""},
}

// ORCID is a stand-in with one registered client. All fields are needed. It is used as an
// http.Handler for the paths at and below the issuer's.
type ORCID struct {
	Issuer   string // such as http://127.0.0.1:8080/symbolon/dev/orcid
	ClientID string
	Secret   secret.Text
	Redirect string // how every registered redirect address begins
	Now      func() time.Time

	mu     sync.Mutex
	grants []*grant // oldest first
}

// grant is one sign-in.
type grant struct {
	researcher            Researcher
	code, redirect, scope string
	nonce                 string
	at                    time.Time
	used                  bool
	access, refresh       string // empty before the code is redeemed, and after they are revoked
}

const (
	maxGrants = 1000 // the oldest go first
	maxForm   = 64 << 10
	codeLife  = 10 * time.Minute
	tokenLife = 631138518 // seconds, about 20 years
	idLife    = 24 * time.Hour
)

// key is made at the first sign-in, one for the process.
var key = sync.OnceValue(func() jose.JSONWebKey {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("standin: " + err.Error()) // crypto/rand does not fail
	}
	return jose.JSONWebKey{Key: private, KeyID: "standin-" + rand.Text()[:8], Use: "sig"}
})

// ServeHTTP answers as ORCID does.
func (o *ORCID) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	issuer, err := url.Parse(o.Issuer)
	if err != nil {
		http.Error(w, "the stand-in's issuer is no URL", http.StatusInternalServerError)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	w.Header().Set("Cache-Control", "no-store")
	switch r.Method + " " + strings.TrimPrefix(r.URL.Path, issuer.Path) {
	case "GET /.well-known/openid-configuration":
		answer(w, http.StatusOK, o.metadata())
	case "GET /oauth/jwks":
		private := key()
		answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}})
	case "GET /oauth/authorize", "POST /oauth/authorize":
		o.authorize(w, r)
	case "POST /oauth/token":
		o.token(w, r)
	case "GET /oauth/userinfo", "POST /oauth/userinfo":
		o.userinfo(w, r)
	case "POST /oauth/revoke":
		o.revoke(w, r)
	default:
		http.NotFound(w, r)
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever asked may have gone
}

func (o *ORCID) metadata() any {
	return map[string]any{
		"issuer":                                o.Issuer,
		"authorization_endpoint":                o.Issuer + "/oauth/authorize",
		"token_endpoint":                        o.Issuer + "/oauth/token",
		"userinfo_endpoint":                     o.Issuer + "/oauth/userinfo",
		"jwks_uri":                              o.Issuer + "/oauth/jwks",
		"scopes_supported":                      []string{"openid"},
		"response_types_supported":              []string{"code", "id_token", "id_token token"},
		"grant_types_supported":                 []string{"authorization_code", "implicit", "refresh_token"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS256"},
		"claims_supported":           []string{"family_name", "given_name", "name", "auth_time", "iss", "sub"},
		"subject_types_supported":    []string{"public"},
		"claims_parameter_supported": false,
	}
}

// authorize shows the page, and sends the browser back once somebody has been chosen. What
// cannot be sent back safely is said on a page (RFC 6749 §4.1.2.1).
func (o *ORCID) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case q.Get("client_id") != o.ClientID:
		o.page(w, http.StatusUnauthorized, view{Problem: "The client_id is not that of a registered client."})
	case !strings.HasPrefix(q.Get("redirect_uri"), o.Redirect):
		o.page(w, http.StatusBadRequest, view{Problem: "The redirect_uri is not a registered one."})
	case q.Get("response_type") != "code":
		back(w, r, "error", "unsupported_response_type")
	case !slices.Contains(strings.Fields(q.Get("scope")), "openid") && q.Get("scope") != "/authenticate":
		back(w, r, "error", "invalid_scope")
	case q.Get("prompt") == "none":
		back(w, r, "error", "login_required")
	case r.Method == http.MethodGet:
		o.page(w, http.StatusOK, view{Again: q.Get("prompt") == "login", Researchers: Researchers})
	case r.PostFormValue("deny") != "":
		back(w, r, "error", "access_denied", "error_description", "User denied access")
	default:
		o.chosen(w, r)
	}
}

// back sends the browser to the client with the state and the pairs given.
func back(w http.ResponseWriter, r *http.Request, pairs ...string) {
	u, err := url.Parse(r.URL.Query().Get("redirect_uri"))
	if err != nil {
		http.Error(w, "the redirect_uri is no URL", http.StatusBadRequest)
		return
	}
	q := u.Query()
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	if state := r.URL.Query().Get("state"); state != "" {
		q.Set("state", state)
	}
	u.RawQuery = q.Encode()
	http.Redirect(w, r, u.String(), http.StatusFound)
}

// add remembers a new sign-in and returns its code.
func (o *ORCID) add(g *grant) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.grants) >= maxGrants {
		o.grants = slices.Delete(o.grants, 0, 1)
	}
	g.code = rand.Text()[:6]
	o.grants = append(o.grants, g)
	return g.code
}
