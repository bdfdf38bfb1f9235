package oidc

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	jose "github.com/go-jose/go-jose/v4"
)

const (
	maxStale = 24 * time.Hour  // how long keys are used while they cannot be read anew
	keyPause = 5 * time.Second // between two readings, whatever tokens turn up
	minRSA   = 2048            // bits
	maxRSA   = 8192            // bits; checking with more takes too long
)

// keySet is a provider's keys, read when needed. The library's own asks again for each
// token with an unknown key, and never forgets a key that the provider has withdrawn.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time

	turn   chan struct{} // held by whoever reads or changes what is below
	keys   []jose.JSONWebKey
	read   time.Time // when keys came
	asked  time.Time // when they were last asked for
	failed error     // of the last reading
}

var _ gooidc.KeySet = (*keySet)(nil)

// VerifySignature returns the payload of a token that one of the keys signed. The caller
// has checked the algorithm. Keys are read anew, not too often, when none fits.
func (k *keySet) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	var allowed []jose.SignatureAlgorithm
	for _, alg := range algorithms {
		allowed = append(allowed, jose.SignatureAlgorithm(alg))
	}
	token, err := jose.ParseSignedCompact(raw, allowed)
	if err != nil {
		return nil, err
	}
	for _, renew := range []bool{false, true} {
		keys, err := k.current(ctx, renew)
		if err != nil {
			return nil, unavailable("reading its keys: %w", err)
		}
		if payload, ok := verify(token, keys); ok {
			return payload, nil
		}
	}
	return nil, fmt.Errorf("none of its keys made the signature (kid %.60q)", token.Signatures[0].Header.KeyID)
}

// verify tries the keys that may have made the signature. A key may leave alg and use out.
func verify(token *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, bool) {
	header := token.Signatures[0].Header
	for _, key := range keys {
		if header.KeyID != "" && header.KeyID != key.KeyID || key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := token.Verify(key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// current returns the keys, read anew where there are none, they are old, or renew asks
// for it, but never sooner than keyPause after the last time.
func (k *keySet) current(ctx context.Context, renew bool) ([]jose.JSONWebKey, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now := k.now()
	due := renew || k.keys == nil || now.Sub(k.read) >= fresh
	if due && now.Sub(k.asked) >= keyPause {
		k.renew(ctx, now)
	}
	if k.failed != nil && (renew || k.keys == nil || now.Sub(k.read) >= maxStale) {
		return nil, k.failed
	}
	return k.keys, nil
}

func (k *keySet) renew(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxTime)
	defer cancel()
	k.asked = now
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if k.failed = getJSON(ctx, k.client, k.url, "", &set); k.failed != nil {
		return
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		// One of a kind that we do not know is no reason to do without the others (RFC 7517 §5).
		if json.Unmarshal(raw, &key) == nil && fits(key) {
			keys = append(keys, key)
		}
	}
	if keys == nil {
		k.failed = errors.New("none of its keys can be used")
		return
	}
	k.keys, k.read = keys, now
}

// fits reports whether a key is a public one for signatures.
func fits(key jose.JSONWebKey) bool {
	if pub, ok := key.Key.(*rsa.PublicKey); ok && (pub.N.BitLen() < minRSA || pub.N.BitLen() > maxRSA) {
		return false
	}
	return key.IsPublic() && key.Valid() && (key.Use == "" || key.Use == "sig")
}
