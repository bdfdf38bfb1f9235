package jws

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"math/big"
	"testing"

	"github.com/c2sp/wycheproof"
)

// vectors decodes one of Project Wycheproof's files.
func vectors[T any](t *testing.T, file string) (v T) {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// jwk is a key of the vectors, or a set of them.
type jwk struct {
	Kty, Crv, Alg, Use, X, Y, K string
	KeyOps                      []string `json:"key_ops"`
	Keys                        []jwk
}

// usable are the keys that this package can make of it: a public key alone never becomes a secret.
func (k jwk) usable() (all []Key) {
	for _, one := range k.Keys {
		all = append(all, one.usable()...)
	}
	raw := func(s string) []byte {
		b, _ := base64.RawURLEncoding.DecodeString(s)
		return b
	}
	switch {
	case k.Kty == "EC" && k.Crv == "P-256" && (k.Alg == "ES256" || k.Alg == "") && k.Use != "enc":
		public, err := NewES256Public(&ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(raw(k.X)), Y: new(big.Int).SetBytes(raw(k.Y))})
		if err == nil {
			all = append(all, public)
		}
	case k.Kty == "oct" && (k.Alg == "HS256" || k.Alg == ""):
		if secret, err := NewHS256(raw(k.K)); err == nil {
			all = append(all, secret)
		}
	}
	return all
}

// TestWycheproofJOSE: of the JSON Web Signature vectors none that is invalid is believed, and every valid one of our
// two algorithms is, in the spelling that we make.
func TestWycheproofJOSE(t *testing.T) {
	type file struct {
		TestGroups []struct {
			Comment         string
			Public, Private jwk
			Tests           []struct {
				TcID    int
				Comment string
				JWS     json.RawMessage
				Result  string
			}
		}
	}
	accepted, refused := 0, 0
	for _, name := range []string{"json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"} {
		for _, g := range vectors[file](t, name).TestGroups {
			keys := append(g.Public.usable(), g.Private.usable()...)
			for _, tc := range g.Tests {
				var text string // of a JWS in another form, the JSON itself: it is no token
				if json.Unmarshal(tc.JWS, &text) != nil {
					text = string(tc.JWS)
				}
				token, parseErr := Parse(text)
				ours, believed := false, false
				for _, key := range keys {
					ours = ours || parseErr == nil && token.Header.Alg == key.Alg()
					believed = believed || parseErr == nil && Verify(token, key) == nil && token.LowS()
				}
				if believed && tc.Result == "invalid" && beside[tc.Comment] == "" {
					t.Errorf("%s %d, %s, %s: believed", name, tc.TcID, g.Comment, tc.Comment)
				}
				if tc.Result == "valid" && ours && token.LowS() && !believed {
					t.Errorf("%s %d, %s, %s: refused (%v)", name, tc.TcID, g.Comment, tc.Comment, parseErr)
				}
				if believed {
					accepted++
				} else {
					refused++
				}
			}
		}
	}
	if accepted < 3 || refused < 50 {
		t.Errorf("%d believed and %d refused: the vectors show nothing", accepted, refused)
	}
}

// beside says of vectors why what is invalid there is no fault of a signature. :: comment → reason
var beside = map[string]string{
	"invalidBase64Padding":          "the file has the token without any padding, as it must be",
	"invalidBase64PaddingInPayload": "the same token",
	"rejectsValid":                  "about sets with keys of two kinds; here every key is tried by itself",
	"rejectsDuplicateKid":           "about sets with one name twice; here no name leads to a key",
}

// TestWycheproofECDSA: signatures on P-256 with SHA-256 in the form of a JWS.
func TestWycheproofECDSA(t *testing.T) {
	type file struct {
		TestGroups []struct {
			PublicKey struct{ Uncompressed string }
			Tests     []struct {
				TcID                      int
				Comment, Msg, Sig, Result string
			}
		}
	}
	believed := 0
	for _, g := range vectors[file](t, "ecdsa_secp256r1_sha256_p1363_test.json").TestGroups {
		point, err := hex.DecodeString(g.PublicKey.Uncompressed)
		if err != nil {
			t.Fatal(err)
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			t.Fatal(err)
		}
		public, err := NewES256Public(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, tc := range g.Tests {
			msg, err1 := hex.DecodeString(tc.Msg)
			sig, err2 := hex.DecodeString(tc.Sig)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if got := public.Check(msg, sig) == nil; got != (tc.Result == "valid") {
				t.Errorf("%d, %s: %v, want %s", tc.TcID, tc.Comment, got, tc.Result)
			} else if got {
				believed++
			}
		}
	}
	if believed == 0 {
		t.Error("nothing was believed: the vectors show nothing")
	}
}
