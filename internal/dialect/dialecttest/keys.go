package dialecttest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"symbolon/internal/jws"
	"symbolon/internal/token"
)

// Key signs and checks.
type Key interface {
	jws.Signer
	jws.Key
}

// Keys is the engine's keys, fixed, so that tokens are the same in every run.
type Keys struct {
	Access  Key
	Refresh Key // the same as Access where refresh tokens are not signed
}

// ES256 makes a fixed key.
func ES256(t testing.TB) *jws.ES256 {
	t.Helper()
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	k, err := jws.NewES256(private)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// HS256 makes the secret of 32 bytes that are all fill.
func HS256(t testing.TB, fill byte) *jws.HS256 {
	t.Helper()
	k, err := jws.NewHS256(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Of returns the key of a kind of token.
func (k *Keys) Of(kind token.Kind) Key {
	if kind == token.Refresh {
		return k.Refresh
	}
	return k.Access
}

// Signer is the engine's question for a key to sign with; the key's id is always "fixed".
func (k *Keys) Signer(_ string, kind token.Kind, _ time.Time) (jws.Signer, string, error) {
	return k.Of(kind), "fixed", nil
}

// Verify says which of the two keys signed a token; for none, the error is that of the access key.
func (k *Keys) Verify(_ string, t jws.Token, _ func() (time.Time, bool)) (token.Kind, error) {
	err := jws.Verify(t, k.Access)
	if err != nil && jws.Verify(t, k.Refresh) == nil {
		return token.Refresh, nil
	}
	return token.Access, err
}

// MAC is under a key of its own.
func (k *Keys) MAC(parts ...[]byte) [32]byte {
	m := hmac.New(sha256.New, []byte("a fixed key for tests"))
	for _, p := range parts {
		m.Write(p)
	}
	return [32]byte(m.Sum(nil))
}

// Version never changes.
func (k *Keys) Version() uint64 { return 1 }

// Reload finds nothing new.
func (k *Keys) Reload(context.Context) error { return nil }

// Sign makes a token of any header and payload.
func Sign(t testing.TB, key jws.Signer, header, payload string) string {
	t.Helper()
	text, err := jws.Sign([]byte(header), []byte(payload), key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Altered signs a token's payload, with one text in it replaced, under a header. The text must be there.
func Altered(t testing.TB, key jws.Signer, header, text, old, replacement string) string {
	t.Helper()
	payload := PayloadOf(t, text)
	changed := strings.Replace(payload, old, replacement, 1)
	if changed == payload {
		t.Fatalf("no %s in %s", old, payload)
	}
	return Sign(t, key, header, changed)
}

// PayloadOf reads a token without checking its signature.
func PayloadOf(t testing.TB, text string) string {
	t.Helper()
	parsed, err := jws.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(parsed.Payload)
}
