package standin

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
)

type failure struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// token redeems a code. The client's secret counts in the form only.
func (o *ORCID) token(w http.ResponseWriter, r *http.Request) {
	if !o.authentic(r) {
		answer(w, http.StatusUnauthorized, failure{"invalid_client", "Client authentication failed"})
		return
	}
	if r.PostFormValue("grant_type") != "authorization_code" {
		answer(w, http.StatusBadRequest, failure{"unsupported_grant_type", "Unsupported grant type"})
		return
	}
	g, problem := o.redeem(r.PostFormValue("code"), r.PostFormValue("redirect_uri"))
	if problem != "" {
		answer(w, http.StatusBadRequest, failure{"invalid_grant", problem})
		return
	}
	body := map[string]any{"access_token": g.access, "token_type": "bearer", "refresh_token": g.refresh, "expires_in": tokenLife,
		"scope": g.scope, "name": g.researcher.name(), "orcid": g.researcher.ID}
	if slices.Contains(strings.Fields(g.scope), "openid") {
		body["id_token"] = o.idToken(g)
	}
	answer(w, http.StatusOK, body)
}

func (o *ORCID) authentic(r *http.Request) bool {
	return r.PostFormValue("client_id") == o.ClientID &&
		subtle.ConstantTimeCompare([]byte(r.PostFormValue("client_secret")), []byte(o.Secret.Reveal())) == 1
}

// redeem returns the sign-in of a code, or why not. A code that comes a second time ends
// what it gave.
func (o *ORCID) redeem(code, redirect string) (grant, string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.grants, func(g *grant) bool { return g.code == code })
	if i < 0 || o.Now().Sub(o.grants[i].at) > codeLife {
		return grant{}, "Invalid authorization code: " + code
	}
	g := o.grants[i]
	switch {
	case g.used:
		g.access, g.refresh = "", ""
		return grant{}, "Reused authorization code: " + code
	case redirect != g.redirect:
		return grant{}, "Redirect URI mismatch."
	}
	g.used, g.access, g.refresh = true, uuid(), uuid()
	return *g, ""
}

// uuid returns 128 random bits in the form of ORCID's tokens.
func uuid() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// name is nil, null in JSON, for a private one.
func (r Researcher) name() any {
	if r.Given == "" && r.Family == "" {
		return nil
	}
	return strings.TrimSpace(r.Given + " " + r.Family)
}

func (o *ORCID) idToken(g grant) string {
	claims := map[string]any{"iss": o.Issuer, "aud": o.ClientID, "sub": g.researcher.ID, "auth_time": g.at.Unix(), "iat": o.Now().Unix(),
		"exp": o.Now().Add(idLife).Unix(), "jti": uuid(), "amr": "pwd"}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	if g.researcher.name() != nil {
		claims["name"], claims["given_name"], claims["family_name"] = g.researcher.name(), g.researcher.Given, g.researcher.Family
	}
	text, err := json.Marshal(claims)
	if err != nil {
		panic("standin: " + err.Error()) // texts and numbers always encode
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key()}, nil)
	if err != nil {
		panic("standin: " + err.Error()) // the key is one for RS256
	}
	signed, err := signer.Sign(text)
	if err != nil {
		panic("standin: " + err.Error())
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		panic("standin: " + err.Error())
	}
	return compact
}

// userinfo refuses with 403 and a hyphen where others have 401 and an underscore.
func (o *ORCID) userinfo(w http.ResponseWriter, r *http.Request) {
	access, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g, ok := o.byAccess(access)
	if !ok {
		answer(w, http.StatusForbidden, map[string]string{"error": "access_denied", "error-description": "access_token is invalid"})
		return
	}
	body := map[string]any{"id": "https://orcid.org/" + g.researcher.ID, "sub": g.researcher.ID, "name": nil}
	if g.researcher.name() != nil {
		body["given_name"], body["family_name"] = g.researcher.Given, g.researcher.Family
	}
	answer(w, http.StatusOK, body)
}

func (o *ORCID) byAccess(access string) (grant, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.grants, func(g *grant) bool { return access != "" && g.access == access })
	if i < 0 {
		return grant{}, false
	}
	return *o.grants[i], true
}

// revoke ends both tokens of a pair, whichever of them is given. ORCID's metadata does not
// name it.
func (o *ORCID) revoke(w http.ResponseWriter, r *http.Request) {
	if !o.authentic(r) {
		answer(w, http.StatusUnauthorized, failure{"invalid_client", "Client authentication failed"})
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, g := range o.grants {
		if t := r.PostFormValue("token"); t != "" && (g.access == t || g.refresh == t) {
			g.access, g.refresh = "", ""
		}
	}
	w.WriteHeader(http.StatusOK)
}
