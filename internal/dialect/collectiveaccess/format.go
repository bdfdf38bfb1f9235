package collectiveaccess

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"symbolon/internal/graphql"
	"symbolon/internal/jws"
	"symbolon/internal/strictjson"
	"symbolon/internal/token"
)

var _ token.Format = format{}

// format lays out and reads the tokens: iss, aud, iat, nbf, exp, id, then ours, then claims that were in the token
// being refreshed and are not known here (contract §4).
type format struct {
	issuer string // name of the site; iss and aud
}

// tokenHeader is exact to the byte; there is never a kid.
const tokenHeader = `{"typ":"JWT","alg":"HS256"}`

var errAlgorithm = errors.New("a CollectiveAccess token can only be signed with HS256")

// claimNames are those with a meaning here, in order.
var claimNames = []string{"iss", "aud", "iat", "nbf", "exp", "id", "gid", "cap", "status"}

// Mint lays out a token. Access and refresh tokens differ in their end and in the secret that signs them.
func (f format) Mint(m token.Mint) (header, payload []byte, err error) {
	if m.Alg != "HS256" {
		return nil, nil, errAlgorithm
	}
	if m.Expires.IsZero() {
		return nil, nil, fmt.Errorf("laying out a token of grant %d: this service has none without an end", m.Grant.ID)
	}
	claims := object("iss", f.issuer, "aud", f.issuer, "iat", m.IssuedAt.Unix(), "nbf", m.IssuedAt.Unix(),
		"exp", m.Expires.Unix(), "id", m.Subject.ID, "gid", m.Grant.ID)
	if !m.Cap.IsZero() {
		claims.Keys, claims.Values = append(claims.Keys, "cap"), append(claims.Values, m.Cap.Unix())
	}
	if s := m.Status; s != nil {
		list := object("status_list", object("idx", s.List.Index, "uri", s.List.URI))
		claims.Keys, claims.Values = append(claims.Keys, "status"), append(claims.Values, list)
	}
	if m.Prior != nil {
		extra := m.Prior.Wire.(*graphql.Object)
		claims.Keys, claims.Values = append(claims.Keys, extra.Keys...), append(claims.Values, extra.Values...)
	}
	return []byte(tokenHeader), encode(claims), nil
}

// claimLimits are far above any payload we mint.
var claimLimits = strictjson.Limits{Bytes: jws.MaxToken, Depth: 8, Members: 256}

// Read checks types and presence, and that the token was made for this site. The key alone says of which kind the
// token is. Claims that are not known are kept.
func (f format) Read(key token.Kind, _ string, payload []byte) (token.Claims, error) {
	o, err := strictjson.ParseObject(payload, claimLimits)
	if err == nil {
		err = o.OddCase(claimNames...)
	}
	if err != nil {
		return token.Claims{}, token.Refuse(token.Malformed, "reading claims: %w", err)
	}
	r := &reader{object: o}
	c := token.Claims{Kind: key, IssuedAt: r.instant("iat"), Expires: r.instant("exp"), Subject: r.subject(), Grant: r.integer("gid")}
	if r.has("nbf") {
		c.NotBefore = r.instant("nbf")
	}
	if r.has("cap") {
		c.Cap = r.instant("cap")
	}
	r.same("iss", f.issuer)
	r.same("aud", f.issuer)
	if r.err == nil && c.Grant <= 0 {
		r.fail("gid is no grant's number")
	}
	if r.err != nil {
		return token.Claims{}, r.err
	}
	c.Wire = unknown(o)
	return c, nil
}

// unknown keeps the other claims as they were written, in their order.
func unknown(o *strictjson.Object) *graphql.Object {
	extra := object()
	for _, m := range o.Members {
		if !slices.Contains(claimNames, m.Name) {
			extra.Keys, extra.Values = append(extra.Keys, m.Name), append(extra.Values, json.RawMessage(m.Raw))
		}
	}
	return extra
}

// reader takes claims out of an object and keeps the first thing that is wrong. Its errors name claims and never
// quote them.
type reader struct {
	object *strictjson.Object
	err    error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = token.Refuse(token.Malformed, "token claims: "+format, args...)
	}
}

func (r *reader) has(name string) bool {
	_, ok := r.object.Get(name)
	return ok
}

// maxExact is the largest integer that every JSON reader keeps exactly.
const maxExact = 1 << 53

func (r *reader) integer(name string) int64 {
	v, _ := r.object.Get(name)
	literal, _ := v.(json.Number)
	n, err := strconv.ParseInt(string(literal), 10, 64)
	if err != nil || n > maxExact || n < -maxExact {
		r.fail("%s is missing or no integer", name)
	}
	return n
}

func (r *reader) instant(name string) time.Time { return time.Unix(r.integer(name), 0) }

func (r *reader) same(name, want string) {
	if v, _ := r.object.Get(name); v != want {
		r.fail("%s is not this site's", name)
	}
}

// subject takes id as text or number: PHP casts it.
func (r *reader) subject() string {
	v, _ := r.object.Get("id")
	if _, ok := v.(json.Number); ok {
		return strconv.FormatInt(r.integer("id"), 10)
	}
	s, _ := v.(string)
	if s == "" {
		r.fail("id is missing")
	}
	return s
}
