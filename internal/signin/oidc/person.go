package oidc

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"symbolon/internal/signin/orcid"
)

const (
	maxSkew    = time.Minute // how far ahead the provider's clock may be
	maxSubject = 255         // characters, OpenID Connect Core §2
)

// claims are what is read of an ID token beside what the library reads, and of userinfo.
type claims struct {
	Subject  string `json:"sub"`
	Party    *text  `json:"azp"`
	Tenant   text   `json:"tid"`
	Name     text   `json:"name"`
	Given    text   `json:"given_name"`
	Family   text   `json:"family_name"`
	Username text   `json:"preferred_username"`
	Email    text   `json:"email"`
	Verified truth  `json:"email_verified"`
}

// text is empty for null and for anything else that is no text.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// truth is false but for true, which some providers write in quotes.
type truth bool

func (t *truth) UnmarshalJSON(b []byte) error {
	*t = string(b) == "true" || string(b) == `"true"`
	return nil
}

func (c claims) display() string {
	return string(cmp.Or(c.Name, text(strings.TrimSpace(string(c.Given+" "+c.Family)))))
}

// email returns the address only where the provider vouches for it.
func (c claims) email() string {
	if !c.Verified {
		return ""
	}
	return string(c.Email)
}

// person reads the ID token of a token answer.
func (p *Provider) person(ctx context.Context, m *metadata, token *oauth2.Token, nonce string) (Person, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Person{}, refused("it has no ID token")
	}
	c, err := p.verify(ctx, m, raw, nonce, token.AccessToken)
	if err != nil {
		return Person{}, err
	}
	if p.isORCID() {
		return orcidPerson(c, token)
	}
	if p.conf.Kind == kindOIDC && m.userinfo != "" && (c.display() == "" || c.email() == "") {
		if err := p.addUserinfo(ctx, m, &c, token.AccessToken); err != nil {
			return Person{}, err
		}
	}
	return Person{Subject: c.Subject, Login: cmp.Or(string(c.Username), c.email(), c.Subject), Display: c.display(), Email: c.email()}, nil
}

// orcidPerson wants the iD that ORCID puts beside the ID token to be the same. The name
// is private if the person wants it so. ORCID gives no e-mail address.
func orcidPerson(c claims, token *oauth2.Token) (Person, error) {
	beside, _ := token.Extra("orcid").(string)
	switch {
	case !orcid.Is(c.Subject):
		return Person{}, refused("sub %q is no ORCID iD", c.Subject)
	case beside != c.Subject:
		return Person{}, refused("sub is %s, but the iD beside it %q", c.Subject, beside)
	}
	name, _ := token.Extra("name").(string)
	return Person{Subject: c.Subject, Login: c.Subject, Display: cmp.Or(c.display(), name)}, nil
}

// verify checks an ID token in full (OpenID Connect Core §3.1.3.7).
func (p *Provider) verify(ctx context.Context, m *metadata, raw, nonce, access string) (claims, error) {
	keys := &noting{KeySet: m.keys}
	verifier := gooidc.NewVerifier(m.issuer, keys, &gooidc.Config{ClientID: p.conf.ClientID, SupportedSigningAlgs: m.algorithms, SkipIssuerCheck: true, Now: p.now})
	token, err := verifier.Verify(ctx, raw)
	var late *gooidc.TokenExpiredError
	switch {
	case errors.Is(keys.err, ErrUnavailable):
		return claims{}, keys.err
	case errors.As(err, &late) && late.Expiry.IsZero():
		return claims{}, refused("its ID token has no end (exp)")
	case err != nil:
		return claims{}, refused("its ID token: %v", err)
	}
	var c claims
	if err := token.Claims(&c); err != nil {
		return claims{}, refused("its ID token: %v", err)
	}
	return c, p.check(m, token, c, nonce, access)
}

// noting keeps the error of a key set, which the library turns into a text.
type noting struct {
	gooidc.KeySet
	err error
}

func (n *noting) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	payload, err := n.KeySet.VerifySignature(ctx, raw)
	n.err = err
	return payload, err
}

// check is what the library leaves to its callers.
func (p *Provider) check(m *metadata, token *gooidc.IDToken, c claims, nonce, access string) error {
	issuer, err := m.issuerFor(c)
	switch {
	case err != nil:
		return err
	case token.Issuer != issuer:
		return refused("its ID token: iss is %q, not %q", token.Issuer, issuer)
	case token.IssuedAt.IsZero():
		return refused("its ID token does not say when it was made (iat)")
	case token.IssuedAt.After(p.now().Add(maxSkew)):
		return refused("its ID token was made in the future: iat is %v", token.IssuedAt.UTC())
	case subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1:
		return refused("its ID token has another nonce")
	case c.Party == nil && len(token.Audience) > 1:
		return refused("its ID token is for several, and does not say for whom it was made (azp)")
	case c.Party != nil && string(*c.Party) != p.conf.ClientID:
		return refused("its ID token was made for another: azp is %q", *c.Party)
	case !validSubject(token.Subject):
		return refused("its ID token names nobody: sub is %q", token.Subject)
	case token.AccessTokenHash != "" && token.VerifyAccessToken(access) != nil:
		return refused("its ID token belongs to another access token (at_hash)")
	}
	return nil
}

var tenantPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// issuerFor returns what iss must be: of Microsoft for several tenants, that of the token's.
func (m *metadata) issuerFor(c claims) (string, error) {
	if !m.tenants {
		return m.issuer, nil
	}
	if !tenantPattern.MatchString(string(c.Tenant)) {
		return "", refused("its ID token names no tenant: tid is %q", c.Tenant)
	}
	return strings.Replace(m.issuer, tenantID, string(c.Tenant), 1), nil
}

// validSubject keeps to printable ASCII, as the specification does.
func validSubject(s string) bool {
	return s != "" && len(s) <= maxSubject && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// addUserinfo fills in what the ID token left out. Who the person is, the token has said:
// a provider whose userinfo fails lets people in without a name.
func (p *Provider) addUserinfo(ctx context.Context, m *metadata, c *claims, access string) error {
	var more claims
	if err := getJSON(ctx, p.client, m.userinfo, access, &more); err != nil {
		return nil
	}
	if more.Subject != c.Subject {
		return refused("its userinfo is about somebody else: sub is %q, not %q", more.Subject, c.Subject)
	}
	if c.email() == "" {
		c.Email, c.Verified = more.Email, more.Verified
	}
	c.Name, c.Username = cmp.Or(text(c.display()), text(more.display())), cmp.Or(c.Username, more.Username)
	return nil
}

// getJSON reads a document, showing an access token if there is one.
func getJSON(ctx context.Context, client *http.Client, at, access string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if access != "" {
		req.Header.Set("Authorization", "Bearer "+access)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("decoding %s: %w", at, err)
	}
	return nil
}
