package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Dialect says how a service's tokens are laid out: which claim holds whom they are of, and what marks an access token.
type Dialect int

// The dialects whose access tokens are signed with a published key. Those of collectiveaccess and itempath are under a
// secret that verifiers share; ask the server about them.
const (
	SESAR Dialect = iota + 1 // token_type, user_id, aud
	EDI                      // sub, principals, no aud; only access tokens are signed with its key
)

// Claims is what a good token says.
type Claims struct {
	Subject   string // the account's id in the service: user_id of SESAR, sub of EDI
	Issuer    string
	Audience  string    // empty for EDI
	IssuedAt  time.Time // whole seconds, as all three
	NotBefore time.Time // zero when the token does not say
	Expires   time.Time
	Grant     int64 // what the token ends with; 0 when it does not say

	payload []byte
	list    string // address of the status list; empty for none
	idx     int64
}

// Decode decodes all claims, as the token has them, into v like json.Unmarshal.
func (c *Claims) Decode(v any) error { return json.Unmarshal(c.payload, v) }

// claimNames may not come in another letter case.
var claimNames = []string{"iss", "aud", "sub", "iat", "nbf", "exp", "token_type", "user_id", "gid", "status"}

// readClaims reads the claims of a payload whose signature was good.
func (v *Verifier) readClaims(payload []byte) (*Claims, error) {
	o, err := parseObject(payload, claimNames...)
	if err != nil {
		return nil, fmt.Errorf("%w: claims: %w", ErrMalformed, err)
	}
	c := &Claims{payload: payload}
	if c.Issuer, _ = o.text("iss"); c.Issuer != v.issuer {
		return nil, fmt.Errorf("%w: iss is not %s", ErrWrongService, v.issuer)
	}
	if err := v.readWhose(o, c); err != nil {
		return nil, err
	}
	if err := c.readTimes(o); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if c.Grant, _ = o.integer("gid"); o.has("gid") && c.Grant <= 0 {
		return nil, fmt.Errorf("%w: gid is no grant's number", ErrMalformed)
	}
	return c, v.readStatus(o, c)
}

// readWhose checks for which service and of which kind the token is.
func (v *Verifier) readWhose(o object, c *Claims) error {
	if v.dialect == EDI {
		c.Subject, _ = o.text("sub")
		if o.has("aud") {
			return fmt.Errorf("%w: an edi-token has no aud", ErrWrongService)
		}
	} else {
		c.Subject = subject(o)
		if c.Audience, _ = o.text("aud"); c.Audience != v.audience {
			return fmt.Errorf("%w: aud is not %s", ErrWrongService, v.audience)
		}
		if kind, _ := o.text("token_type"); kind != "access" {
			return fmt.Errorf("%w: token_type is not access", ErrWrongKind)
		}
	}
	if c.Subject == "" {
		return fmt.Errorf("%w: it does not say whose it is", ErrMalformed)
	}
	return nil
}

// subject takes user_id as number or text.
func subject(o object) string {
	if n, ok := o.integer("user_id"); ok {
		return fmt.Sprint(n)
	}
	s, _ := o.text("user_id")
	return s
}

func (c *Claims) readTimes(o object) error {
	iat, hasIAT := o.integer("iat")
	exp, hasExp := o.integer("exp")
	nbf, hasNBF := o.integer("nbf")
	if !hasIAT || !hasExp || o.has("nbf") && !hasNBF {
		return errors.New("iat, exp or nbf is missing or no integer")
	}
	c.IssuedAt, c.Expires = time.Unix(iat, 0), time.Unix(exp, 0)
	if hasNBF {
		c.NotBefore = time.Unix(nbf, 0)
	}
	return nil
}

// readStatus takes the token's place in a list of our server, and in no other.
func (v *Verifier) readStatus(o object, c *Claims) error {
	if !o.has("status") {
		if v.withoutStatus {
			return nil
		}
		return fmt.Errorf("%w: it has no status, so whether it was revoked cannot be known here", ErrMalformed)
	}
	status, _ := o.object("status", "status_list")
	list, ok := status.object("status_list", "idx", "uri")
	uri, _ := list.text("uri")
	idx, isInt := list.integer("idx")
	if !ok || !isInt || idx < 0 || !ourList(uri, v.lists) {
		return fmt.Errorf("%w: its status names no list of %s", ErrMalformed, v.lists)
	}
	c.list, c.idx = uri, idx
	return nil
}
