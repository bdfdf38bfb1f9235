package jws

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/big"
	"sync"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Refusals of the constructors.
var (
	ErrShortKey = errors.New("HS256 key is shorter than 32 bytes")
	ErrCurve    = errors.New("ES256 key is not an ECDSA key on the curve P-256")
)

// MinSecret is the length in bytes that RFC 7518 §3.2 demands of an HS256 key.
const MinSecret = sha256.Size

// HS256 signs and verifies by HMAC with SHA-256 (RFC 7518 §3.2). Only its constructors make a usable one.
type HS256 struct {
	sum func(input []byte) []byte // holds the secret: fmt prints what a pointer leads to, but not what a closure holds
}

// NewHS256 copies secret into a key; under 32 bytes it is ErrShortKey. That the secret is random is not checked.
func NewHS256(secret []byte) (*HS256, error) {
	if len(secret) < MinSecret {
		return nil, ErrShortKey
	}
	return newHS256(secret), nil
}

// NewHS256FromWeakSecretOfOldVerifier is NewHS256 for a secret of any length but none, which is ErrShortKey: a
// short one can be guessed from any token. For a verifier elsewhere that knows no better secret, and nothing else.
func NewHS256FromWeakSecretOfOldVerifier(secret []byte) (*HS256, error) {
	if len(secret) == 0 {
		return nil, ErrShortKey
	}
	return newHS256(secret), nil
}

// newHS256 keeps used MACs: to begin one anew from its key costs twice what a short input does.
func newHS256(secret []byte) *HS256 {
	own := bytes.Clone(secret)
	used := sync.Pool{New: func() any { return hmac.New(sha256.New, own) }}
	return &HS256{sum: func(input []byte) []byte {
		mac := used.Get().(hash.Hash)
		defer used.Put(mac)
		mac.Reset()
		mac.Write(input)
		return mac.Sum(nil)
	}}
}

// Alg is HS256.
func (k *HS256) Alg() string { return "HS256" }

// Sign returns the 32 bytes of the MAC; it never fails.
func (k *HS256) Sign(input []byte) ([]byte, error) { return k.sum(input), nil }

// Check compares in constant time.
func (k *HS256) Check(input, signature []byte) error {
	if !hmac.Equal(k.sum(input), signature) {
		return ErrSignature
	}
	return nil
}

// ES256Public verifies ECDSA signatures on P-256 with SHA-256, r and s as 32 bytes each (RFC 7518 §3.4).
type ES256Public struct {
	key *ecdsa.PublicKey
}

// NewES256Public takes a public key; another curve, or none, is ErrCurve.
func NewES256Public(key *ecdsa.PublicKey) (*ES256Public, error) {
	if key == nil || key.Curve != elliptic.P256() {
		return nil, ErrCurve
	}
	if _, err := key.ECDH(); err != nil {
		return nil, fmt.Errorf("%w: not a point of it", ErrCurve)
	}
	return &ES256Public{key: key}, nil
}

// Alg is ES256.
func (k *ES256Public) Alg() string { return "ES256" }

// Check demands exactly 64 bytes; zero and over-large r and s do not verify. The twin (r, n-s) does: see Token.LowS.
func (k *ES256Public) Check(input, signature []byte) error {
	if len(signature) != 2*coordinate {
		return ErrSignature
	}
	digest := sha256.Sum256(input)
	r := new(big.Int).SetBytes(signature[:coordinate])
	s := new(big.Int).SetBytes(signature[coordinate:])
	if !ecdsa.Verify(k.key, digest[:], r, s) {
		return ErrSignature
	}
	return nil
}

const coordinate = 32

// ES256 signs what its ES256Public verifies.
type ES256 struct {
	*ES256Public
	sign func(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) // see HS256
}

// NewES256 takes a signer whose public key is ECDSA on P-256, else ErrCurve. It is called without a source of
// randomness: *ecdsa.PrivateKey then signs deterministically (RFC 6979), so equal input gives equal tokens.
func NewES256(signer crypto.Signer) (*ES256, error) {
	key, ok := signer.Public().(*ecdsa.PublicKey)
	if !ok {
		return nil, ErrCurve
	}
	public, err := NewES256Public(key)
	if err != nil {
		return nil, err
	}
	return &ES256{ES256Public: public, sign: signer.Sign}, nil
}

// halfOrder is half the order of the curve: of the two s that verify with one r, exactly one is not above it.
var halfOrder = new(big.Int).Rsh(elliptic.P256().Params().N, 1)

// Sign returns the 64 bytes r‖s with the lower s. It fails only when the signer does, or answers what is no ECDSA signature.
func (k *ES256) Sign(input []byte) ([]byte, error) {
	digest := sha256.Sum256(input)
	der, err := k.sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("signing with ES256: %w", err)
	}
	out := make([]byte, 2*coordinate)
	if !joinDER(out, der) {
		return nil, errors.New("signing with ES256: the signer's answer is no P-256 signature")
	}
	if s := new(big.Int).SetBytes(out[coordinate:]); s.Cmp(halfOrder) > 0 {
		s.Sub(elliptic.P256().Params().N, s).FillBytes(out[coordinate:])
	}
	return out, nil
}

// joinDER writes r‖s of an Ecdsa-Sig-Value (RFC 3279 §2.2.3) into out, or reports that der is none of this size.
func joinDER(out []byte, der cryptobyte.String) bool {
	var sequence cryptobyte.String
	var r, s []byte
	return der.ReadASN1(&sequence, asn1.SEQUENCE) && der.Empty() &&
		sequence.ReadASN1Integer(&r) && sequence.ReadASN1Integer(&s) && sequence.Empty() &&
		fill(out[:coordinate], r) && fill(out[coordinate:], s)
}

// fill writes a number that is not zero, with zeros before it.
func fill(out, number []byte) bool {
	if len(number) > len(out) || len(number) == 1 && number[0] == 0 {
		return false
	}
	copy(out[len(out)-len(number):], number)
	return true
}
