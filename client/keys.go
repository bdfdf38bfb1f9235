package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

const (
	maxJWKS  = 256 << 10
	maxKeys  = 64
	maxTries = 8 // signatures that are tried for one token without a kid

	jwksType   = "application/jwk-set+json"
	jwksAge    = 5 * time.Minute // where the answer names no max-age
	minJWKSAge = 10 * time.Second
	maxJWKSAge = time.Hour

	// keyBound is how long keys are believed after the last fetch. Within it a server that is down stops nothing.
	keyBound = time.Hour
	// keyGap is the least time between a fetch of the keys and one made because a token names an unknown key.
	keyGap = 2 * time.Second
)

// publicKey is one ES256 key that the server publishes.
type publicKey struct {
	kid string
	key *ecdsa.PublicKey
}

// keys are those of one service and of the status lists, newest first.
type keys struct {
	set     *[]publicKey // the same pointer while the set is the same
	etag    string
	fetched time.Time
}

func (k *keys) fresh(now time.Time) bool { return k != nil && now.Sub(k.fetched) < keyBound }

// fetchKeys is a keeper's fetch.
func fetchKeys(client *http.Client, address string) func(context.Context, *keys) (*keys, time.Duration, error) {
	return func(ctx context.Context, have *keys) (*keys, time.Duration, error) {
		etag := ""
		if have != nil {
			etag = have.etag
		}
		d, err := fetchDocument(ctx, client, address, jwksType, etag, maxJWKS)
		if err != nil {
			return nil, 0, fmt.Errorf("fetching the keys: %w", err)
		}
		again := jwksAge
		if d.maxAge > 0 {
			again = min(max(d.maxAge, minJWKSAge), maxJWKSAge)
		}
		next := &keys{etag: d.etag, fetched: d.fetched}
		if d.same {
			next.set = have.set
			return next, again, nil
		}
		set, err := parseJWKS(d.text)
		if err != nil {
			return nil, 0, fmt.Errorf("reading the keys of %s: %w", address, err)
		}
		next.set = &set
		if have != nil && slices.EqualFunc(set, *have.set, publicKey.equal) {
			next.set = have.set
		}
		return next, again, nil
	}
}

func (k publicKey) equal(other publicKey) bool { return k.kid == other.kid && k.key.Equal(other.key) }

// parseJWKS takes the ES256 keys of a JWK Set (RFC 7517 §5) and leaves out what is for something else.
func parseJWKS(text []byte) ([]publicKey, error) {
	o, err := parseObject(text, "keys")
	if err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(o["keys"], &list); err != nil || list == nil || len(list) > maxKeys {
		return nil, errors.New("it is no JWK Set of at most 64 keys")
	}
	set := []publicKey{}
	for _, raw := range list {
		k, err := parseObject(raw, "kty", "crv", "alg", "use", "kid", "x", "y")
		if err != nil {
			return nil, err
		}
		key, ours, err := parseJWK(k)
		if err != nil {
			return nil, err
		}
		if ours {
			set = append(set, key)
		}
	}
	return set, nil
}

// parseJWK reads an EC key (RFC 7518 §6.2.1); ours is false for a key of another kind or use.
func parseJWK(o object) (k publicKey, ours bool, err error) {
	kty, _ := o.text("kty")
	crv, _ := o.text("crv")
	alg, _ := o.text("alg")
	use, _ := o.text("use")
	if kty != "EC" || crv != "P-256" || alg != algorithm || use != "sig" {
		return publicKey{}, false, nil
	}
	var hasKID bool
	k.kid, hasKID = o.text("kid")
	x, xErr := coordinateOf(o, "x")
	y, yErr := coordinateOf(o, "y")
	if err := errors.Join(xErr, yErr); err != nil || !hasKID || k.kid == "" {
		return publicKey{}, false, errors.New("a key lacks kid, x or y")
	}
	k.key, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		return publicKey{}, false, errors.New("a key is no point of P-256")
	}
	return k, true, nil
}

func coordinateOf(o object, name string) ([]byte, error) {
	text, _ := o.text(name)
	b, err := decode64(text)
	if err != nil || len(b) != coordinate {
		return nil, errors.New("no coordinate of 32 bytes")
	}
	return b, nil
}

// candidates are the keys that may have signed a token: those that its kid names, or without one all.
func candidates(set []publicKey, kid string) []publicKey {
	var list []publicKey
	for _, k := range set {
		if (kid == "" || k.kid == kid) && len(list) < maxTries {
			list = append(list, k)
		}
	}
	return list
}
