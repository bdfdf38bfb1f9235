package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"math/big"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"
)

// vectors decodes one of Project Wycheproof's files.
func vectors[T any](t *testing.T, file string) T {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

type joseFile struct {
	TestGroups []struct {
		Comment         string
		Public, Private json.RawMessage
		Tests           []struct {
			TcID    int
			Comment string
			JWS     json.RawMessage
			Result  string
		}
	}
}

// accepts says whether a verifier with these keys, a JWK or a set, would believe the signature.
func accepts(keys json.RawMessage, token string) bool {
	var set struct{ Keys []json.RawMessage }
	if json.Unmarshal(keys, &set) != nil || set.Keys == nil {
		keys, _ = json.Marshal(map[string]any{"keys": []json.RawMessage{keys}})
	}
	list, err := parseJWKS(keys)
	if err != nil {
		return false
	}
	t, err := parseJWS(token, maxToken)
	return err == nil && signedBy(t, t.kid, list)
}

// TestWycheproofJOSE: of all JSON Web Signature and Key vectors only the valid ES256 ones are believed, and of these only
// in the spelling with the lower s.
func TestWycheproofJOSE(t *testing.T) {
	accepted := 0
	for _, file := range []string{"json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"} {
		for _, g := range vectors[joseFile](t, file).TestGroups {
			keys := g.Public
			if keys == nil {
				keys = g.Private // a shared secret
			}
			for _, tc := range g.Tests {
				var text string // of a JWS in another form, the JSON itself: it is no token
				if json.Unmarshal(tc.JWS, &text) != nil {
					text = string(tc.JWS)
				}
				got := accepts(keys, text)
				if got && tc.Result == "invalid" {
					t.Errorf("%s %d, %s, %s: accepted", file, tc.TcID, g.Comment, tc.Comment)
				}
				if want := tc.Result == "valid" && isES256(text) && lowS(text) && strings.Contains(string(keys), `"ES256"`); want && !got {
					t.Errorf("%s %d, %s, %s: refused", file, tc.TcID, g.Comment, tc.Comment)
				}
				if got {
					accepted++
				}
			}
		}
	}
	if accepted == 0 {
		t.Error("nothing was accepted: the vectors show nothing")
	}
}

func isES256(token string) bool {
	head, _, _ := strings.Cut(token, ".")
	text, _ := strict64.DecodeString(head)
	var h struct{ Alg string }
	return json.Unmarshal(text, &h) == nil && h.Alg == "ES256"
}

func lowS(token string) bool {
	sig, err := strict64.DecodeString(token[strings.LastIndexByte(token, '.')+1:])
	return err == nil && len(sig) == 64 && new(big.Int).SetBytes(sig[32:]).Cmp(halfOrder) <= 0
}

// TestWycheproofECDSA: signatures in JWS's form, P-256 with SHA-256, over bytes that need be no token.
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
	accepted := 0
	for _, g := range vectors[file](t, "ecdsa_secp256r1_sha256_p1363_test.json").TestGroups {
		point, err := hex.DecodeString(g.PublicKey.Uncompressed)
		if err != nil {
			t.Fatal(err)
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			t.Fatal(err)
		}
		for _, tc := range g.Tests {
			msg, err1 := hex.DecodeString(tc.Msg)
			sig, err2 := hex.DecodeString(tc.Sig)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			want := tc.Result == "valid" && new(big.Int).SetBytes(sig[len(sig)/2:]).Cmp(halfOrder) <= 0
			if got := (jws{input: string(msg), signature: sig}).verify(key); got != want {
				t.Errorf("%d, %s: %v, want %v", tc.TcID, tc.Comment, got, want)
			}
			if want {
				accepted++
			}
		}
	}
	if accepted == 0 {
		t.Error("nothing was accepted: the vectors show nothing")
	}
}
