package itempath

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"symbolon/internal/httpio"
	"symbolon/internal/jws"
	"symbolon/internal/strictjson"
	"symbolon/internal/token"
)

// format lays out tokens as Flask-JWT-Extended 4.2 over PyJWT 2.0 did.
type format struct{}

var _ token.Format = format{}

// header is the protected header of every token, byte for byte.
const header = `{"typ":"JWT","alg":"HS256"}`

var errAlgorithm = errors.New("an itempath token can only be signed with HS256")

// claims are in the order of the wire; the last four are ours. An application token
// is an access token without exp.
type claims struct {
	Fresh    bool       `json:"fresh"` // false in every token, as there
	IAT      int64      `json:"iat"`
	JTI      string     `json:"jti"`
	Type     token.Kind `json:"type"`
	Identity string     `json:"identity"`
	NBF      int64      `json:"nbf"`
	Exp      int64      `json:"exp,omitempty"`
	GID      int64      `json:"gid"`
	UID      any        `json:"uid"`
	Cap      int64      `json:"cap,omitempty"`

	Status *token.Status `json:"status,omitempty"`
}

// Mint lays out one token; identity is the sign-in name, of the token being refreshed
// where the account was not read.
func (format) Mint(m token.Mint) ([]byte, []byte, error) {
	if m.Alg != "HS256" {
		return nil, nil, errAlgorithm
	}
	c := claims{IAT: m.IssuedAt.Unix(), JTI: uuid(m.ID), Type: m.Kind, Identity: m.Subject.Name, NBF: m.IssuedAt.Unix(),
		GID: m.Grant.ID, UID: number(m.Subject.ID), Status: m.Status}
	if m.Prior != nil {
		c.Identity = m.Prior.Login
	}
	if !m.Expires.IsZero() {
		c.Exp = m.Expires.Unix()
	}
	if !m.Cap.IsZero() {
		c.Cap = m.Cap.Unix()
	}
	return []byte(header), httpio.ASCII(httpio.JSON(c)), nil
}

func uuid(id [16]byte) string {
	s := hex.EncodeToString(id[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// maxExact is the largest integer that every JSON reader keeps exactly.
const maxExact = 1 << 53

// number is the id as ItemPath shows ids, or as it is where an import brought another kind.
func number(id string) any {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n < 0 || n > maxExact || strconv.FormatInt(n, 10) != id {
		return id
	}
	return n
}

// reason is a fault of a token in the words that the wire has for it.
type reason string

// Error returns the words.
func (r reason) Error() string { return string(r) }

// Faults of the claims. The library lets a wrong type, jti or identity pass.
const (
	badIAT     reason = "Issued At claim (iat) must be an integer."
	badNBF     reason = "Not Before claim (nbf) must be an integer."
	badEXP     reason = "Expiration Time claim (exp) must be an integer."
	noIdentity reason = "Missing claim: identity"
	badName    reason = "Subject must be a string"
	badType    reason = "Missing or invalid claim: type"
	badJTI     reason = "JWT ID must be a string"
	oddJTI     reason = "JWT ID must be a UUID"
)

var (
	claimLimits = strictjson.Limits{Bytes: jws.MaxToken, Depth: 8, Members: 256}
	claimNames  = []string{"fresh", "iat", "jti", "type", "identity", "nbf", "exp", "gid", "uid", "cap", "status"}
	uuidForm    = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// Read reads what Mint wrote, in the library's order of checks, and takes what it does
// not know. A type that the key is not for is a signature that does not verify. A token
// without our own claims was made elsewhere and is Revoked: nobody can vouch for it.
func (format) Read(key token.Kind, _ string, payload []byte) (token.Claims, error) {
	o, fault := payloadObject(payload)
	if fault != "" {
		return token.Claims{}, &token.Error{Code: token.Malformed, Err: fault}
	}
	kind, _ := o.Get("type")
	if kind == "access" && key != token.Access || kind == "refresh" && key != token.Refresh {
		return token.Claims{}, token.Refuse(token.Malformed, "a token of type %v under a key for %s tokens: %w", kind, key, jws.ErrSignature)
	}
	r := &reader{object: o}
	c := r.claims(key)
	if r.err != nil {
		return token.Claims{}, r.err
	}
	return c, nil
}

// payloadObject parses a payload, or says in the wire's words why it cannot.
func payloadObject(payload []byte) (*strictjson.Object, reason) {
	o, err := strictjson.ParseObject(payload, claimLimits)
	if err == nil {
		err = o.OddCase(claimNames...)
	}
	if err != nil {
		return nil, reason("Invalid payload string: " + jsonFault(payload, err))
	}
	return o, ""
}

// reader takes claims out of an object and keeps the first thing that is wrong.
type reader struct {
	object *strictjson.Object
	err    error
}

func (r *reader) fail(fault reason) {
	if r.err == nil {
		r.err = &token.Error{Code: token.Malformed, Err: fault}
	}
}

// foreign is for what is missing or wrong in our own claims.
func (r *reader) foreign(name string) {
	if r.err == nil {
		r.err = token.Refuse(token.Revoked, "the token was made elsewhere: its %s is missing or not as we write it", name)
	}
}

func (r *reader) claims(key token.Kind) token.Claims {
	c := token.Claims{Kind: key}
	c.IssuedAt = r.instant("iat", badIAT, true)
	c.NotBefore = r.instant("nbf", badNBF, false)
	c.Expires = r.instant("exp", badEXP, key == token.Refresh)
	c.Login = r.identity()
	if kind, _ := r.object.Get("type"); kind != string(key) {
		r.fail(badType)
	}
	c.ID = r.jti()
	gid, ok := r.integer("gid")
	if !ok || gid <= 0 {
		r.foreign("gid")
	}
	c.Grant, c.Subject = gid, r.subject()
	if _, ok := r.object.Get("cap"); ok {
		end, ok := r.integer("cap")
		if !ok || end <= 0 {
			r.foreign("cap")
		}
		c.Cap = time.Unix(end, 0)
	}
	return c
}

// integer reads an integer literal within ±2^53.
func (r *reader) integer(name string) (int64, bool) {
	v, _ := r.object.Get(name)
	literal, _ := v.(json.Number)
	n, err := strconv.ParseInt(literal.String(), 10, 64)
	return n, err == nil && -maxExact <= n && n <= maxExact
}

func (r *reader) instant(name string, fault reason, required bool) time.Time {
	if _, ok := r.object.Get(name); !ok && !required {
		return time.Time{}
	}
	n, ok := r.integer(name)
	if !ok {
		r.fail(fault)
	}
	return time.Unix(n, 0)
}

func (r *reader) identity() string {
	v, ok := r.object.Get("identity")
	if !ok {
		r.fail(noIdentity)
	}
	s, _ := v.(string)
	if s == "" {
		r.fail(badName)
	}
	return s
}

func (r *reader) jti() (id [16]byte) {
	v, _ := r.object.Get("jti")
	s, ok := v.(string)
	if !ok {
		r.fail(badJTI)
	}
	if !uuidForm.MatchString(s) {
		r.fail(oddJTI)
		return id
	}
	if _, err := hex.Decode(id[:], []byte(strings.ReplaceAll(s, "-", ""))); err != nil {
		r.fail(oddJTI)
	}
	return id
}

// subject accepts uid in both of its forms.
func (r *reader) subject() string {
	if n, ok := r.integer("uid"); ok {
		return strconv.FormatInt(n, 10)
	}
	v, _ := r.object.Get("uid")
	s, _ := v.(string)
	if s == "" {
		r.foreign("uid")
	}
	return s
}

// jsonFault words an error of strictjson about text as Python's json module would, which
// for most syntax errors gives the same place with a slightly different name.
func jsonFault(text []byte, err error) string {
	var e *strictjson.Error
	switch {
	case errors.Is(err, strictjson.ErrNotObject):
		return "must be a json object"
	case !errors.As(err, &e):
		return "not readable"
	case e.Kind != strictjson.ErrSyntax:
		return e.Kind.Error()
	}
	before := string(text[:min(e.Offset, len(text))])
	line := strings.Count(before, "\n") + 1
	column := len([]rune(before[strings.LastIndex(before, "\n")+1:])) + 1
	return fmt.Sprintf("Expecting value: line %d column %d (char %d)", line, column, len([]rune(before)))
}
