// Package jws reads, signs and verifies compact JSON Web Signatures (RFC 7515 §7.1) with the two algorithms that our
// wires use, ES256 and HS256 (RFC 7518 §3.2, §3.4), over the standard library's cryptography.
//
// The algorithm always comes from the key, never from the header. A token has one base64url spelling, its header is
// read by strictjson, and no parameter of the header is ever followed to a key. Claims, times and audiences are not
// looked at here: a verified payload is still only bytes.
//
// One freedom remains that the standard leaves to anyone: for an ES256 signature (r, s) the pair (r, n-s) verifies
// too. Sign always makes the one with the lower s; who wants one spelling of each token asks Token.LowS as well.
package jws

import (
	"encoding/base64"
	"errors"
	"math/big"
	"strings"

	"symbolon/internal/strictjson"
)

// Limits on what Parse reads and Sign makes, in bytes.
const (
	MaxToken = 16 << 10
	MaxKID   = 256
)

// Failures of Parse and Verify, to be asked for with errors.Is. Each stands for one check, so that a dialect can word
// it; Parse makes its checks in this order, and Verify the last two (ErrAlg also stands for a missing alg).
var (
	ErrTooLong           = errors.New("token is longer than 16 KiB")
	ErrSegments          = errors.New("token does not have three segments")
	ErrHeaderEncoding    = errors.New("token header is not strict base64url")
	ErrHeaderJSON        = errors.New("token header is not a strict JSON object")
	ErrPayloadEncoding   = errors.New("token payload is empty or not strict base64url")
	ErrSignatureEncoding = errors.New("token signature is not strict base64url")
	ErrCritical          = errors.New("token header has crit or b64, which are not supported")
	ErrType              = errors.New("token header has a typ that is no string")
	ErrKID               = errors.New("token header has a kid that is no string of 1 to 256 bytes")
	ErrAlg               = errors.New("token algorithm is not the key's")
	ErrSignature         = errors.New("token signature does not verify")
)

// Header is what we read of a JOSE header. Other members (jku, jwk, x5c, …) are ignored and never followed.
type Header struct {
	Alg string // as the token claims it; empty when the token has none
	Typ string // empty when absent
	KID string // empty when absent; an opaque text from outside
}

// Token is a parsed compact JWS. Its parts are what the sender wrote: nothing may be believed before Verify.
type Token struct {
	Header    Header
	Payload   []byte // NOT trusted until Verify has returned nil
	input     string // header and payload as received, the signed bytes
	signature []byte
}

// Parse splits and decodes a compact JWS without verifying it. A missing alg is ErrAlg, found after all other faults.
func Parse(token string) (Token, error) {
	if len(token) > MaxToken {
		return Token{}, ErrTooLong
	}
	if strings.Count(token, ".") != 2 {
		return Token{}, ErrSegments
	}
	head, rest, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	t := Token{input: token[:len(head)+1+len(payload)]}
	header, err := parseHeader(head)
	if err != nil {
		return Token{}, err
	}
	if t.Payload, err = decode(payload); err != nil || len(payload) == 0 {
		return Token{}, ErrPayloadEncoding
	}
	if t.signature, err = decode(signature); err != nil {
		return Token{}, ErrSignatureEncoding
	}
	t.Header, err = checkHeader(header)
	return t, err
}

var strictBase64 = base64.RawURLEncoding.Strict()

var errLineBreak = errors.New("line break in base64url")

// decode is strict where encoding/base64 is not: that skips CR and LF wherever they stand.
func decode(segment string) ([]byte, error) {
	if strings.ContainsAny(segment, "\r\n") {
		return nil, errLineBreak
	}
	return strictBase64.DecodeString(segment)
}

// headerLimits are far above any header we or the old services write.
var headerLimits = strictjson.Limits{Depth: 8, Members: 256}

func parseHeader(segment string) (*strictjson.Object, error) {
	text, err := decode(segment)
	if err != nil {
		return nil, ErrHeaderEncoding
	}
	o, err := strictjson.ParseObject(text, headerLimits)
	if err != nil {
		return nil, ErrHeaderJSON
	}
	if err := o.OddCase("alg", "typ", "kid", "crit", "b64"); err != nil {
		return nil, ErrHeaderJSON
	}
	return o, nil
}

// checkHeader refuses crit whatever it lists, since no extension is supported (RFC 7515 §4.1.11), and b64 (RFC 7797).
func checkHeader(o *strictjson.Object) (Header, error) {
	if has(o, "crit") || has(o, "b64") {
		return Header{}, ErrCritical
	}
	var h Header
	var ok bool
	if h.Typ, ok = text(o, "typ"); !ok && has(o, "typ") {
		return Header{}, ErrType
	}
	if h.KID, ok = text(o, "kid"); has(o, "kid") && (!ok || h.KID == "" || len(h.KID) > MaxKID) {
		return Header{}, ErrKID
	}
	if h.Alg, ok = text(o, "alg"); !ok {
		return Header{}, ErrAlg
	}
	return h, nil
}

func has(o *strictjson.Object, name string) bool {
	_, ok := o.Get(name)
	return ok
}

func text(o *strictjson.Object, name string) (string, bool) {
	v, _ := o.Get(name)
	s, ok := v.(string)
	return s, ok
}

// Key verifies signatures of exactly one algorithm. Implementations are safe for concurrent use.
type Key interface {
	// Alg is the name in the header of each token of this key.
	Alg() string
	// Check returns nil when signature is this key's over input, else ErrSignature.
	Check(input, signature []byte) error
}

// Signer makes signatures of exactly one algorithm. Implementations are safe for concurrent use.
type Signer interface {
	// Alg is the name to write in the header.
	Alg() string
	// Sign returns the signature in JWS form.
	Sign(input []byte) ([]byte, error)
}

// Verify returns nil when the token's alg is the key's and its signature the key's. It checks no claim and no time.
func Verify(t Token, key Key) error {
	if t.Header.Alg != key.Alg() {
		return ErrAlg
	}
	return key.Check([]byte(t.input), t.signature)
}

// LowS reports whether the token's signature is the one of its two ES256 spellings that Sign makes. It is true for
// every other algorithm.
func (t Token) LowS() bool {
	if t.Header.Alg != "ES256" || len(t.signature) != 2*coordinate {
		return true
	}
	return new(big.Int).SetBytes(t.signature[coordinate:]).Cmp(halfOrder) <= 0
}

// Sign makes a compact JWS of exactly these header and payload bytes. It does not check that they are JSON, nor that
// the header's alg is the signer's; a token over MaxToken is ErrTooLong.
func Sign(header, payload []byte, s Signer) (string, error) {
	token, err := SignDocument(header, payload, s)
	if err == nil && len(token) > MaxToken {
		return "", ErrTooLong
	}
	return token, err
}

// SignDocument is Sign for what is fetched rather than sent with a request: it has no limit, and Parse may refuse it.
func SignDocument(header, payload []byte, s Signer) (string, error) {
	b64 := base64.RawURLEncoding
	input := make([]byte, 0, b64.EncodedLen(len(header))+b64.EncodedLen(len(payload))+128)
	input = b64.AppendEncode(input, header)
	input = append(input, '.')
	input = b64.AppendEncode(input, payload)
	signature, err := s.Sign(input)
	if err != nil {
		return "", err
	}
	return string(b64.AppendEncode(append(input, '.'), signature)), nil
}
