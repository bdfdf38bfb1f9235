package client

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"
)

// jws is a compact JWS (RFC 7515 §7.1) as it was sent: nothing of it may be believed before verify.
type jws struct {
	typ, kid  string // kid is empty when absent
	payload   []byte
	input     string // header and payload as received, the signed bytes
	signature []byte
}

const (
	algorithm     = "ES256" // the only one: every key is for it, whatever a header says
	coordinate    = 32      // bytes of r and of s
	maxKID        = 256
	typeOfTokens  = "JWT"
	typeOfLists   = "statuslist+jwt"
	maxObjectSize = 1 << 20
)

// parseJWS splits and decodes a compact JWS, of which there is one spelling only. Parameters of the header that name or
// hold keys are never looked at.
func parseJWS(text string, limit int) (jws, error) {
	if len(text) > limit {
		return jws{}, fmt.Errorf("it is longer than %d bytes", limit)
	}
	if strings.Count(text, ".") != 2 {
		return jws{}, errors.New("it does not have three segments")
	}
	head, rest, _ := strings.Cut(text, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	t := jws{input: text[:len(head)+1+len(payload)]}
	header, err := decode64(head)
	if err != nil {
		return jws{}, fmt.Errorf("header: %w", err)
	}
	if t.payload, err = decode64(payload); err != nil {
		return jws{}, fmt.Errorf("payload: %w", err)
	}
	if t.signature, err = decode64(signature); err != nil {
		return jws{}, fmt.Errorf("signature: %w", err)
	}
	return t, t.readHeader(header)
}

var strict64 = base64.RawURLEncoding.Strict()

// decode64 is strict where encoding/base64 is not: that skips CR and LF wherever they stand.
func decode64(segment string) ([]byte, error) {
	if strings.ContainsAny(segment, "\r\n") {
		return nil, errors.New("line break in base64url")
	}
	b, err := strict64.DecodeString(segment)
	if err != nil {
		return nil, errors.New("not strict base64url")
	}
	return b, nil
}

// readHeader refuses crit and b64, whatever they say (RFC 7515 §4.1.11, RFC 7797), and every algorithm but ours.
func (t *jws) readHeader(text []byte) error {
	h, err := parseObject(text, "alg", "typ", "kid", "crit", "b64")
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if h.has("crit") || h.has("b64") {
		return errors.New("header has crit or b64")
	}
	if alg, ok := h.text("alg"); !ok || alg != algorithm {
		return errors.New("header names another algorithm than " + algorithm)
	}
	var ok bool
	if t.typ, ok = h.text("typ"); h.has("typ") && !ok {
		return errors.New("header has a typ that is no string")
	}
	if t.kid, ok = h.text("kid"); h.has("kid") && (!ok || t.kid == "" || len(t.kid) > maxKID) {
		return errors.New("header has a kid that is no string of 1 to 256 bytes")
	}
	return nil
}

var halfOrder = new(big.Int).Rsh(elliptic.P256().Params().N, 1)

// verify reports whether the signature is the key's (RFC 7518 §3.4). Of (r, s) and its twin (r, n-s), which anybody can
// make of it, only the one with the lower s is taken: that is what the server makes.
func (t jws) verify(key *ecdsa.PublicKey) bool {
	if len(t.signature) != 2*coordinate {
		return false
	}
	r, s := new(big.Int).SetBytes(t.signature[:coordinate]), new(big.Int).SetBytes(t.signature[coordinate:])
	sum := sha256.Sum256([]byte(t.input))
	return s.Cmp(halfOrder) <= 0 && ecdsa.Verify(key, sum[:], r, s)
}

// object is a JSON object whose members have been met once each.
type object map[string]json.RawMessage

// parseObject reads exactly one JSON object in UTF-8. A member that comes twice, at any depth, is refused, and so is one
// that differs from a known name by case alone: other readers would take it for that.
func parseObject(text []byte, known ...string) (object, error) {
	var o object
	if len(text) > maxObjectSize || !utf8.Valid(text) || json.Unmarshal(text, &o) != nil || o == nil {
		return nil, errors.New("not a JSON object")
	}
	if !unique(json.NewDecoder(bytes.NewReader(text))) {
		return nil, errors.New("a JSON member comes twice")
	}
	for name := range o {
		for _, k := range known {
			if name != k && strings.EqualFold(name, k) {
				return nil, fmt.Errorf("a JSON member is like %s but for case", k)
			}
		}
	}
	return o, nil
}

// unique walks one value of a text that is known to be JSON.
func unique(d *json.Decoder) bool {
	t, err := d.Token()
	delim, nested := t.(json.Delim)
	if err != nil || !nested {
		return err == nil
	}
	seen := map[any]bool{}
	for d.More() {
		if delim == '{' {
			name, err := d.Token()
			if err != nil || seen[name] {
				return false
			}
			seen[name] = true
		}
		if !unique(d) {
			return false
		}
	}
	_, err = d.Token()
	return err == nil
}

func (o object) has(name string) bool {
	_, ok := o[name]
	return ok
}

func (o object) text(name string) (string, bool) {
	var s *string
	err := json.Unmarshal(o[name], &s)
	if err != nil || s == nil {
		return "", false
	}
	return *s, true
}

// maxExact is the largest integer that every JSON reader keeps exactly.
const maxExact = 1 << 53

// integer reads a literal without fraction or exponent, within ±2^53.
func (o object) integer(name string) (int64, bool) {
	var n *int64
	err := json.Unmarshal(o[name], &n)
	if err != nil || n == nil || *n > maxExact || *n < -maxExact {
		return 0, false
	}
	return *n, true
}

func (o object) object(name string, known ...string) (object, bool) {
	inner, err := parseObject(o[name], known...)
	return inner, err == nil
}
