package keyring

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// PublicKey is the publishable half of a key: *ecdsa.PublicKey for ES256, *rsa.PublicKey for RSA-MD5.
type PublicKey struct {
	KID string
	Alg string
	Key crypto.PublicKey
}

// Public returns the keys that outsiders need to check the service's access and legacy tokens, newest first, each
// once. Keys of refresh tokens are left out: nobody but us may take such a token.
func (k *Keys) Public(service string) []PublicKey {
	now := k.now()
	var list []PublicKey
	for _, e := range k.set.Load().rings[service] {
		known := slices.ContainsFunc(list, func(p PublicKey) bool { return p.KID == e.KID })
		if e.public != nil && e.Purpose != Refresh && e.verifies(now) && !known {
			list = append(list, PublicKey{KID: e.KID, Alg: e.Alg, Key: e.public})
		}
	}
	return list
}

// jwk is an EC key of RFC 7517 §4 and RFC 7518 §6.2.1.
type jwk struct {
	KTY string `json:"kty"`
	CRV string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	KID string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
}

// JWKS returns the JWK Set (RFC 7517 §5) of the ES256 keys of services, by service and newest first; the empty
// service is the installation, whose key signs the status lists. No service at all means every one.
func (k *Keys) JWKS(services ...string) []byte {
	if len(services) == 0 {
		services = slices.Sorted(maps.Keys(k.set.Load().rings))
	}
	list := []jwk{}
	for _, service := range services {
		for _, p := range k.Public(service) {
			if key, ok := p.Key.(*ecdsa.PublicKey); ok {
				list = append(list, newJWK(p.KID, key))
			}
		}
	}
	text, err := json.Marshal(map[string][]jwk{"keys": list})
	if err != nil {
		panic("keyring: a list of strings does not encode as JSON")
	}
	return text
}

func newJWK(kid string, key *ecdsa.PublicKey) jwk {
	point, err := key.Bytes() // 4, then both coordinates in full length
	if err != nil {
		panic("keyring: a key that passed the checks of ES256 has no point")
	}
	x, y := point[1:33], point[33:]
	b64 := base64.RawURLEncoding.EncodeToString
	return jwk{KTY: "EC", CRV: "P-256", X: b64(x), Y: b64(y), KID: kid, Use: "sig", Alg: ES256}
}

// Info describes a key without its secret. Zero times are open ends, as in Key.
type Info struct {
	ID          int64
	Service     string
	Purpose     Purpose
	Alg         string
	KID         string
	State       string
	Pinned      bool
	CreatedAt   time.Time
	SignFrom    time.Time
	SignUntil   time.Time
	VerifyUntil time.Time
}

// List describes all keys in every state, by ascending ID.
func (k *Keys) List() []Info {
	var list []Info
	for _, key := range k.set.Load().keys {
		list = append(list, info(key))
	}
	return list
}

func info(key Key) Info {
	return Info{
		ID: key.ID, Service: key.Service, Purpose: key.Purpose, Alg: key.Alg, KID: key.KID, State: key.State,
		Pinned: key.Pinned, CreatedAt: key.CreatedAt, SignFrom: key.SignFrom, SignUntil: key.SignUntil,
		VerifyUntil: key.VerifyUntil,
	}
}
