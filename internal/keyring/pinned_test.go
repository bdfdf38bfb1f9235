package keyring

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func pemOf(t *testing.T, kind string, der []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func newEC(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sec1(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	return pemOf(t, "EC PRIVATE KEY", der, err)
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pemOf(t, "PRIVATE KEY", der, err)
}

// oneRSA is shared by the tests, because each takes long to make.
var oneRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newRSA(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := oneRSA()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestReadPinnedForms(t *testing.T) {
	ec, rsaKey := newEC(t, elliptic.P256()), newRSA(t)
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}})
	ecPlain, err := fromPrivate(ES256, ec)
	if err != nil {
		t.Fatal(err)
	}
	rsaPlain, err := fromPrivate(RSAMD5, rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Repeat("s", 32)
	binary := "\x01" + strings.Repeat("b", 31) + "\n"
	for _, tc := range []struct {
		name, alg string
		content   []byte
		want      []byte
	}{
		{"EC SEC 1", ES256, sec1(t, ec), ecPlain.plain},
		{"EC SEC 1 after parameters", ES256, append(parameters, sec1(t, ec)...), ecPlain.plain},
		{"EC PKCS #8", ES256, pkcs8(t, ec), ecPlain.plain},
		{"RSA PKCS #1", RSAMD5, pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil), rsaPlain.plain},
		{"RSA PKCS #8", RSAMD5, pkcs8(t, rsaKey), rsaPlain.plain},
		{"secret", HS256, []byte(secret), []byte(secret)},
		{"secret with newline", HS256, []byte(secret + "\n"), []byte(secret)},
		{"secret with CRLF", HS256, []byte(secret + "\r\n"), []byte(secret)},
		{"only one newline goes", HS256, []byte(secret + "\n\n"), []byte(secret + "\n\n")},
		{"binary secret", HS256, []byte(binary), []byte(binary)},
	} {
		m, err := readPinned(tc.alg, tc.content)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		} else if string(m.plain) != string(tc.want) {
			t.Errorf("%s: another key came out", tc.name)
		}
	}
}

func TestCheckPinnedRefuses(t *testing.T) {
	small := []byte(smallRSA)
	broken := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("canary")})
	for _, tc := range []struct {
		name, alg string
		content   []byte
		want      string
	}{
		{"published key of 2026", HS256, []byte("0d599f0ec05c3bda8c3b8a68c32a1b47\n"), "it is a default key that CollectiveAccess has published, anyone can sign with it; make another"},
		{"published key of old", HS256, []byte("blah"), "it is a default key that CollectiveAccess has published, anyone can sign with it; make another"},
		{"short secret", HS256, []byte(strings.Repeat("s", 31) + "\n"), "the secret has 31 bytes, at least 32 are needed"},
		{"empty secret", HS256, []byte{}, "the secret has 0 bytes, at least 32 are needed"},
		{"P-384", ES256, sec1(t, newEC(t, elliptic.P384())), "ES256 needs an EC key on the curve P-256 (prime256v1), this is another kind"},
		{"RSA for ES256", ES256, pkcs8(t, newRSA(t)), "ES256 needs an EC key on the curve P-256 (prime256v1), this is another kind"},
		{"EC for RSA", RSAMD5, pkcs8(t, newEC(t, elliptic.P256())), "the legacy token needs an RSA key, this is another kind"},
		{"RSA of 1024 bits", RSAMD5, small, "the RSA key has 1024 bits, at least 2048 are needed"},
		{"not PEM", ES256, []byte("canary"), "it holds no private key in PEM form"},
		{"public key", ES256, []byte("-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n"), "it holds no private key in PEM form"},
		{"encrypted", ES256, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n"), "the private key is encrypted; decrypt it with: openssl pkey"},
		{"broken", ES256, broken, "the private key cannot be read"},
		{"unknown algorithm", "ES512", pkcs8(t, newEC(t, elliptic.P256())), `unknown key algorithm "ES512"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := CheckPinned([]Want{{Service: "samples", Purpose: Access, Alg: tc.alg, Pinned: tc.content}})
			if want := `the access key file of service "samples": ` + tc.want; err == nil || err.Error() != want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCheckPinnedReportsAll(t *testing.T) {
	secret := []byte(strings.Repeat("s", 40))
	err := CheckPinned([]Want{
		{Service: "a", Purpose: Access, Alg: HS256, Pinned: secret},
		{Service: "b", Purpose: Access, Alg: HS256, Pinned: append(secret[:40:40], '\n')},
		{Service: "c", Purpose: Access, Alg: HS256, Pinned: []byte("blah")},
		{Service: "d", Purpose: Access, Alg: HS256},
	})
	want := `services "a" (access) and "b" (access) have the same key; who holds it could sign for both: give each its own` + "\n" +
		`the access key file of service "c": it is a default key that CollectiveAccess has published, anyone can sign with it; make another`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if err := CheckPinned([]Want{{Service: "a", Purpose: Access, Alg: HS256, Pinned: secret}}); err != nil {
		t.Error(err)
	}
}

func FuzzReadPinned(f *testing.F) {
	for _, alg := range []string{ES256, HS256, RSAMD5} {
		f.Add(alg, []byte("-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n"))
		f.Add(alg, []byte(strings.Repeat("s", 33)+"\r\n"))
	}
	f.Fuzz(func(t *testing.T, alg string, content []byte) {
		m, err := readPinned(alg, content)
		if err != nil {
			if len(content) > 8 && strings.Contains(fmt.Sprint(err), string(content)) {
				t.Fatalf("the error quotes the key: %v", err)
			}
			return
		}
		again, err := read(alg, m.plain)
		if err != nil || !again.same(m) {
			t.Fatalf("does not read back: %v", err)
		}
	})
}

// smallRSA is a throw-away key; Go itself refuses to make one so short.
const smallRSA = `-----BEGIN PRIVATE KEY-----
MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBALLMPWMqAmCkeZFJ
C0S1msR/jrZKzD7o4dX3LCExiGyKbusKAP8ff19dSN7BaHVxr87zjsCeHf/bAOlx
C1KOyLSznQ4dSrDLAIqlb3mRC4qHAS/VkZyZMQhGL3LYY3Z+wtDEOj9r31dPVBwE
tIh29AJgWOfyhVbhxhG0W1gCPqdFAgMBAAECgYBOKmHv906gx2bqMB/AAxDNNOLE
KQEPw6nva6acQFZe9Uo2cOIspq19mH+h+rXbGj983xead8WvtCO66pPDnO567aj6
QELfBmBBp/+Ds9qrAjj2Q5j1oAmv3OYjro+I+U6Dokd957hFEkJ5ZGecvN11Hzi+
6bditqMH4dnz37qyoQJBAOcK1SqHFmCG+oR05EsLAPIKyk5ckrqcEFDjq35UX3fd
XmsvmERH/ptfla9Sq7sxPVtBH2skjDfrEaFLlqw3lEkCQQDGHKet1mZt4GoybXbt
Lwl4nt0lf+v4+32xmoKAHt+fJ7yglX566Nq/szG8p4BSfExoWrJ7VLUhMfYM4UJj
hgMdAkEAn77Ernfih/Ery2OK6Tv9dlzxjgbByNbZDSStUVaC/7yGaPPqguOIbeND
+ondhTtBYhP/5jPJ42vbr7s0vXRcSQJAexbsu96dT6GCegh3PtDd0prqDlWXuOAQ
7Ztxf8cu68UVtrSLnDQ3Tao5udxcp2NhWekYQfaUf6Z6GPCQfiOSpQJBAIeR3Alk
0tOItpE/YEGFw/f6Dme+E1o8kUwL6qwEI0RhVxITHK+mHzLNw/xu/kD0U0L1qk1l
KK6XUnl20317SCA=
-----END PRIVATE KEY-----`
