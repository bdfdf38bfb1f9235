package sesar

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"
	"unicode/utf16"

	"symbolon/internal/strictjson"
	"symbolon/internal/token"
)

var _ token.Format = format{}

// format lays tokens out as SimpleJWT does: token_type, exp, iat, jti, user_id,
// then ours. Refresh tokens carry no issuer: nobody else ever reads them.
type format struct {
	issuer, audience string
}

type header struct {
	Alg string `json:"alg"`
	Typ string `json:"typ"`
	KID string `json:"kid,omitempty"`
}

type common struct {
	TokenType token.Kind `json:"token_type"`
	Exp       int64      `json:"exp"`
	IAT       int64      `json:"iat"`
	JTI       string     `json:"jti"`
	UserID    any        `json:"user_id"`
	GID       int64      `json:"gid"`
}

type accessClaims struct {
	common
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`

	Status *token.Status `json:"status,omitempty"`
}

type refreshClaims struct {
	common
	Gen   int64  `json:"gen"`
	Nonce string `json:"nonce"`
	Cap   int64  `json:"cap,omitempty"`
}

// Mint lays out one token. Only an access token signed with ES256 names its key,
// since only that key is published.
func (f format) Mint(m token.Mint) ([]byte, []byte, error) {
	h := header{Alg: m.Alg, Typ: "JWT"}
	base := common{
		TokenType: m.Kind, Exp: m.Expires.Unix(), IAT: m.IssuedAt.Unix(),
		JTI: hex.EncodeToString(m.ID[:]), UserID: userID(m.Subject.ID), GID: m.Grant.ID,
	}
	var claims any
	switch m.Kind {
	case token.Access:
		if m.Alg == "ES256" {
			h.KID = m.KID
		}
		claims = accessClaims{base, f.issuer, f.audience, m.Status}
	case token.Refresh:
		c := refreshClaims{common: base, Gen: m.Grant.Generation, Nonce: fmt.Sprintf("%016x", uint64(m.Grant.Nonce))}
		if !m.Cap.IsZero() {
			c.Cap = m.Cap.Unix()
		}
		claims = c
	default:
		return nil, nil, fmt.Errorf("laying out a token of kind %q: sesar has none", m.Kind)
	}
	head, err := asciiJSON(h)
	if err != nil {
		return nil, nil, err
	}
	payload, err := asciiJSON(claims)
	return head, payload, err
}

// maxInteger is the largest number that every JSON reader keeps exact.
const maxInteger = 1 << 53

// userID is a number where the subject is one, as clients have always seen it.
func userID(subject string) any {
	n, err := strconv.ParseInt(subject, 10, 64)
	if err != nil || n < 0 || n > maxInteger || strconv.FormatInt(n, 10) != subject {
		return subject
	}
	return n
}

// asciiJSON encodes v so that its base64url has neither - nor _: some clients
// decode segments as plain base64 and take those two characters for a broken
// token. They come from bytes above 0x7e and from ? > ~ alone, all of which can
// stand in strings only and are escaped there.
func asciiJSON(v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding claims: %w", err)
	}
	if !slices.ContainsFunc(plain, func(c byte) bool { return mustEscape(rune(c)) }) {
		return plain, nil
	}
	b := make([]byte, 0, 2*len(plain))
	for _, c := range string(plain) {
		switch {
		case !mustEscape(c):
			b = append(b, byte(c))
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return b, nil
}

func mustEscape(c rune) bool { return c >= '~' || c == '?' || c == '>' }

// claimLimits are far above any payload we mint.
var claimLimits = strictjson.Limits{Bytes: 16 << 10, Depth: 8, Members: 256}

var (
	jtiPattern   = regexp.MustCompile(`^[0-9a-f]{32}$`)
	noncePattern = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

// Read reads what Mint wrote. A token_type that is not the kind the key is for is
// WrongKind, since a shared access key must not make refresh tokens; all else that
// is missing or odd is Malformed.
func (f format) Read(key token.Kind, _ string, payload []byte) (token.Claims, error) {
	o, err := strictjson.ParseObject(payload, claimLimits)
	if err != nil {
		return token.Claims{}, token.Refuse(token.Malformed, "reading claims: %w", err)
	}
	r := reader{o: o}
	c := token.Claims{
		Expires:  r.time("exp"),
		IssuedAt: r.time("iat"),
	}
	r.text("jti", jtiPattern)
	c.Kind = token.Kind(r.text("token_type", nil))
	if r.err == nil && c.Kind != key {
		return token.Claims{}, token.Refuse(token.WrongKind, "token has wrong type: its key is for %s tokens", key)
	}
	c.Subject = r.subject()
	c.Grant = r.integer("gid")
	if r.err == nil && c.Grant <= 0 {
		r.fail("gid is no grant's number")
	}
	if key == token.Refresh {
		f.readRefresh(&r, &c)
	} else {
		f.readAccess(&r)
	}
	if err := o.OddCase("token_type", "exp", "iat", "jti", "user_id", "gid", "gen", "nonce", "cap", "iss", "aud", "status"); err != nil && r.err == nil {
		r.fail("%w", err)
	}
	if r.err != nil {
		return token.Claims{}, r.err
	}
	return c, nil
}

func (f format) readRefresh(r *reader, c *token.Claims) {
	c.Generation = r.integer("gen")
	if r.err == nil && c.Generation < 0 {
		r.fail("gen is negative")
	}
	if nonce, err := strconv.ParseUint(r.text("nonce", noncePattern), 16, 64); err == nil {
		c.Nonce = int64(nonce)
	}
	if _, ok := r.o.Get("cap"); ok {
		c.Cap = r.time("cap")
	}
}

func (f format) readAccess(r *reader) {
	if r.text("iss", nil) != f.issuer {
		r.fail("iss is not the service's")
	}
	if r.text("aud", nil) != f.audience {
		r.fail("aud is not the service's")
	}
}

// reader takes claims out of an object and keeps the first thing that is wrong.
// Its errors name claims and never quote them.
type reader struct {
	o   *strictjson.Object
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = token.Refuse(token.Malformed, "token claims: "+format, args...)
	}
}

// integer accepts integer literals within ±2^53.
func (r *reader) integer(name string) int64 {
	v, _ := r.o.Get(name)
	number, _ := v.(json.Number)
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil || n > maxInteger || n < -maxInteger {
		r.fail("%s is missing or no integer", name)
	}
	return n
}

func (r *reader) time(name string) time.Time { return time.Unix(r.integer(name), 0) }

// text accepts a string that is not empty and fits the pattern, if there is one.
func (r *reader) text(name string, pattern *regexp.Regexp) string {
	v, _ := r.o.Get(name)
	s, _ := v.(string)
	if s == "" || pattern != nil && !pattern.MatchString(s) {
		r.fail("%s is missing or not as we write it", name)
	}
	return s
}

// subject accepts user_id in both of its forms.
func (r *reader) subject() string {
	if v, _ := r.o.Get("user_id"); v != nil {
		if _, number := v.(json.Number); number {
			return strconv.FormatInt(r.integer("user_id"), 10)
		}
	}
	return r.text("user_id", nil)
}
