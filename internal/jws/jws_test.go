package jws

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync"
	"testing"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func unb64(t *testing.T, s string) []byte {
	t.Helper()
	out, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// RFC 7515 appendix A.1 and A.3: the same payload, the keys as JWKs.
const (
	rfcPayload  = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rfcHMAC     = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + rfcPayload + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	rfcHMACKey  = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
	rfcECDSA    = "eyJhbGciOiJFUzI1NiJ9." + rfcPayload + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	rfcECDSAPri = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
)

func rfcKeys(t *testing.T) (*HS256, *ES256, *ecdsa.PrivateKey) {
	t.Helper()
	hs, err := NewHS256(unb64(t, rfcHMACKey))
	if err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), unb64(t, rfcECDSAPri))
	if err != nil {
		t.Fatal(err)
	}
	es, err := NewES256(private)
	if err != nil {
		t.Fatal(err)
	}
	return hs, es, private
}

// check parses and verifies, as every user of the package does.
func check(token string, key Key) error {
	t, err := Parse(token)
	if err != nil {
		return err
	}
	return Verify(t, key)
}

func TestRFC7515(t *testing.T) {
	hs, es, _ := rfcKeys(t)
	for token, key := range map[string]Key{rfcHMAC: hs, rfcECDSA: es} {
		parsed, err := Parse(token)
		if err != nil {
			t.Fatal(err)
		}
		if err := Verify(parsed, key); err != nil {
			t.Errorf("%s: %v", key.Alg(), err)
		}
		if want := "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"; string(parsed.Payload) != want {
			t.Errorf("%s: payload %q", key.Alg(), parsed.Payload)
		}
	}
	signed, err := Sign([]byte("{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}"), unb64(t, rfcPayload), hs)
	if err != nil || signed != rfcHMAC {
		t.Errorf("signed %s, %v", signed, err)
	}
}

// RFC 6979 appendix A.2.5, P-256 with SHA-256, message "sample": the signature is fixed. Its s is above half the
// order, so ours is the order less that.
func TestES256IsDeterministic(t *testing.T) {
	d, _ := new(big.Int).SetString("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", 16)
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d.FillBytes(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	es, err := NewES256(private)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := es.Sign([]byte("sample"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := new(big.Int).SetString("F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8", 16)
	want := "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716" +
		fmt.Sprintf("%064X", new(big.Int).Sub(elliptic.P256().Params().N, s))
	if got := fmt.Sprintf("%X", sig); got != want {
		t.Errorf("got %s", got)
	}
}

// RFC 7515's own ES256 example has the higher s: it verifies, and is not the spelling that Sign makes.
func TestLowS(t *testing.T) {
	hs, es, _ := rfcKeys(t)
	for name, c := range map[string]struct {
		key  Signer
		want bool
	}{"ES256": {es, true}, "HS256": {hs, true}} {
		for i := range 20 {
			token, err := Sign([]byte(`{"alg":"`+name+`"}`), fmt.Append(nil, i), c.key)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := Parse(token)
			if err != nil || parsed.LowS() != c.want {
				t.Errorf("%s %d: %v, %v", name, i, parsed.LowS(), err)
			}
		}
	}
	parsed, err := Parse(rfcECDSA)
	if err != nil || parsed.LowS() || Verify(parsed, es) != nil {
		t.Errorf("the example of the RFC: low %v, %v", parsed.LowS(), err)
	}
}

func TestHeaderFields(t *testing.T) {
	hs, _, _ := rfcKeys(t)
	header := `{"jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","jwk":{"kty":"oct"},"x5c":[],"kid":"` +
		strings.Repeat("k", 256) + `","typ":"JWT", "alg" : "HS256"}`
	token, err := Sign([]byte(header), []byte("{}"), hs)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Header{Alg: "HS256", Typ: "JWT", KID: strings.Repeat("k", 256)}); parsed.Header != want {
		t.Errorf("%+v", parsed.Header)
	}
	if err := Verify(parsed, hs); err != nil {
		t.Error(err)
	}
}

// TestSignedHeadersRefused signs each header properly: the header alone is the reason to refuse.
func TestSignedHeadersRefused(t *testing.T) {
	hs, _, _ := rfcKeys(t)
	for _, tc := range []struct {
		name, header string
		want         error
	}{
		{"no alg", `{"typ":"JWT"}`, ErrAlg},
		{"alg null", `{"alg":null}`, ErrAlg},
		{"alg list", `{"alg":["HS256"]}`, ErrAlg},
		{"alg none", `{"alg":"none"}`, ErrAlg},
		{"alg None", `{"alg":"None"}`, ErrAlg},
		{"alg NONE", `{"alg":"NONE"}`, ErrAlg},
		{"alg nOnE", `{"alg":"nOnE"}`, ErrAlg},
		{"alg empty", `{"alg":""}`, ErrAlg},
		{"alg small letters", `{"alg":"hs256"}`, ErrAlg},
		{"alg with space", `{"alg":"HS256 "}`, ErrAlg},
		{"alg HS512", `{"alg":"HS512"}`, ErrAlg},
		{"alg ES256", `{"alg":"ES256"}`, ErrAlg},
		{"alg RS256", `{"alg":"RS256"}`, ErrAlg},
		{"ALG beside alg", `{"alg":"HS256","ALG":"none"}`, ErrHeaderJSON},
		{"ALG alone", `{"ALG":"HS256"}`, ErrHeaderJSON},
		{"Kid", `{"alg":"HS256","Kid":"a"}`, ErrHeaderJSON},
		{"kid with Kelvin sign", `{"alg":"HS256","\u212aid":"a"}`, ErrHeaderJSON},
		{"Crit", `{"alg":"HS256","Crit":["exp"]}`, ErrHeaderJSON},
		{"doubled alg", `{"alg":"none","alg":"HS256"}`, ErrHeaderJSON},
		{"doubled alg escaped", `{"alg":"HS256","\u0061lg":"HS256"}`, ErrHeaderJSON},
		{"doubled unknown", `{"alg":"HS256","x":1,"x":1}`, ErrHeaderJSON},
		{"array", `["HS256"]`, ErrHeaderJSON},
		{"string", `"HS256"`, ErrHeaderJSON},
		{"null", `null`, ErrHeaderJSON},
		{"not JSON", `alg=HS256`, ErrHeaderJSON},
		{"empty", ``, ErrHeaderJSON},
		{"trailing data", `{"alg":"HS256"}{}`, ErrHeaderJSON},
		{"byte order mark", "\ufeff" + `{"alg":"HS256"}`, ErrHeaderJSON},
		{"invalid UTF-8", "{\"alg\":\"HS256\",\"x\":\"\xff\"}", ErrHeaderJSON},
		{"lone surrogate", `{"alg":"HS256","x":"\ud800"}`, ErrHeaderJSON},
		{"too deep", `{"alg":"HS256","x":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}`, ErrHeaderJSON},
		{"crit empty", `{"alg":"HS256","crit":[]}`, ErrCritical},
		{"crit null", `{"alg":"HS256","crit":null}`, ErrCritical},
		{"crit string", `{"alg":"HS256","crit":"exp"}`, ErrCritical},
		{"crit registered", `{"alg":"HS256","crit":["alg"]}`, ErrCritical},
		{"crit unknown", `{"alg":"HS256","crit":["x"],"x":1}`, ErrCritical},
		{"crit b64", `{"alg":"HS256","crit":["b64"],"b64":false}`, ErrCritical},
		{"b64 false", `{"alg":"HS256","b64":false}`, ErrCritical},
		{"b64 true", `{"alg":"HS256","b64":true}`, ErrCritical},
		{"typ number", `{"alg":"HS256","typ":1}`, ErrType},
		{"typ null", `{"alg":"HS256","typ":null}`, ErrType},
		{"kid number", `{"alg":"HS256","kid":1}`, ErrKID},
		{"kid null", `{"alg":"HS256","kid":null}`, ErrKID},
		{"kid object", `{"alg":"HS256","kid":{"a":1}}`, ErrKID},
		{"kid empty", `{"alg":"HS256","kid":""}`, ErrKID},
		{"kid of 257 bytes", `{"alg":"HS256","kid":"` + strings.Repeat("k", 257) + `"}`, ErrKID},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token, err := Sign([]byte(tc.header), []byte("{}"), hs)
			if err != nil {
				t.Fatal(err)
			}
			if err := check(token, hs); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	head, body, sig := b64(`{"alg":"HS256"}`), b64(`{}`), b64(strings.Repeat("s", 32))
	long := strings.Repeat("A", MaxToken)
	for _, tc := range []struct {
		name, token string
		want        error
	}{
		{"empty", "", ErrSegments},
		{"one segment", head, ErrSegments},
		{"two segments", head + "." + body, ErrSegments},
		{"four segments", head + "." + body + "." + sig + ".", ErrSegments},
		{"five segments as in JWE", "a.b.c.d.e", ErrSegments},
		{"many dots", strings.Repeat(".", MaxToken), ErrSegments},
		{"too many dots", strings.Repeat(".", 1<<20), ErrTooLong},
		{"too long", head + "." + long + "." + sig, ErrTooLong},
		{"JSON serialization", `{"payload":"","signatures":[]}`, ErrSegments},
		{"only dots", "..", ErrHeaderJSON},
		{"empty header", "." + body + "." + sig, ErrHeaderJSON},
		{"empty payload", head + ".." + sig, ErrPayloadEncoding},
		{"header of impossible length", head[:len(head)-3] + "." + body + "." + sig, ErrHeaderEncoding},
		{"header padded", b64(`{"alg":"HS256" }`) + "==." + body + "." + sig, ErrHeaderEncoding},
		{"payload padded", head + "." + body + "=." + sig, ErrPayloadEncoding},
		{"signature padded", head + "." + body + "." + sig + "=", ErrSignatureEncoding},
		{"standard alphabet", head + "." + body + "." + sig[:42] + "+", ErrSignatureEncoding},
		{"space before", " " + head + "." + body + "." + sig, ErrHeaderEncoding},
		{"newline after", head + "." + body + "." + sig + "\n", ErrSignatureEncoding},
		{"newline inside", head + "." + body[:1] + "\n" + body[1:] + "." + sig, ErrPayloadEncoding},
		{"carriage return inside", head[:4] + "\r" + head[4:] + "." + body + "." + sig, ErrHeaderEncoding},
		{"NUL", head + "." + body + "." + sig + "\x00", ErrSignatureEncoding},
		{"full-width letter", head + "." + body + "." + sig[:40] + "Ａ", ErrSignatureEncoding},
		{"header before payload", "*." + "*." + "*", ErrHeaderEncoding},
		{"header JSON before payload", b64("x") + ".*.*", ErrHeaderJSON},
		{"payload before signature", head + ".*.*", ErrPayloadEncoding},
		{"signature before alg", b64(`{"alg":1}`) + "." + body + ".*", ErrSignatureEncoding},
		{"signature before crit", b64(`{"alg":"HS256","crit":[]}`) + "." + body + ".*", ErrSignatureEncoding},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := Parse(tc.token); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

// TestOneSpelling changes each character of valid tokens to every other byte, drops it and doubles it.
func TestOneSpelling(t *testing.T) {
	hs, es, _ := rfcKeys(t)
	for _, tc := range []struct {
		token string
		key   Key
		bytes string // what to try in place of each character
	}{
		{rfcHMAC, hs, allBytes()},
		{rfcECDSA, es, "ABQgw9-_=+/. \n"},
	} {
		for i := range tc.token {
			before, after := tc.token[:i], tc.token[i+1:]
			for _, c := range []byte(tc.bytes) {
				if c == tc.token[i] {
					continue
				}
				if check(before+string([]byte{c})+after, tc.key) == nil {
					t.Fatalf("%s: byte %d as %q accepted", tc.key.Alg(), i, c)
				}
			}
			for _, insert := range []string{"", tc.token[i:i+1] + tc.token[i:i+1], "\n" + tc.token[i:i+1], tc.token[i:i+1] + "="} {
				if check(before+insert+after, tc.key) == nil {
					t.Fatalf("%s: byte %d as %q accepted", tc.key.Alg(), i, insert)
				}
			}
		}
	}
}

func allBytes() string {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return string(all)
}

// TestPublicKeyAsSecret is the classic confusion: an HS256 token keyed with what everyone knows of our ES256 key.
func TestPublicKeyAsSecret(t *testing.T) {
	_, es, private := rfcKeys(t)
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	x, y := base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])
	for name, secret := range map[string][]byte{
		"PEM": text, "PEM without last newline": text[:len(text)-1], "PEM after a space": append([]byte(" "), text...),
		"DER": der, "point": point, "x": point[1:33],
		"JWK":         []byte(`{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `"}`),
		"base64 body": []byte(base64.StdEncoding.EncodeToString(der)),
	} {
		hs, err := NewHS256(secret)
		if err != nil {
			t.Fatal(name, err)
		}
		forged, err := Sign([]byte(`{"alg":"HS256"}`), []byte("{}"), hs)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(forged, es); !errors.Is(err, ErrAlg) {
			t.Errorf("%s: %v", name, err)
		}
		renamed, err := Sign([]byte(`{"alg":"ES256"}`), []byte("{}"), hs)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(renamed, es); !errors.Is(err, ErrSignature) {
			t.Errorf("%s with alg ES256: %v", name, err)
		}
	}
}

func TestSignaturesRefused(t *testing.T) {
	hs, es, private := rfcKeys(t)
	input := rfcECDSA[:strings.LastIndex(rfcECDSA, ".")]
	good := unb64(t, rfcECDSA[len(input)+1:])
	der, err := private.Sign(nil, make([]byte, 32), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	n := elliptic.P256().Params().N
	part := func(r, s *big.Int) []byte {
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	r, s := new(big.Int).SetBytes(good[:32]), new(big.Int).SetBytes(good[32:])
	zero, one, top := new(big.Int), big.NewInt(1), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	for name, sig := range map[string][]byte{
		"empty": nil, "one byte": {0}, "63 bytes": good[:63], "65 bytes": append(good[:64:64], 0), "leading zero": append([]byte{0}, good...),
		"zero before s": append(append(bytes.Clone(good[:32]), 0), good[32:]...),
		"ASN.1":         der, "swapped": part(s, r), "r zero": part(zero, s), "s zero": part(r, zero), "both zero": part(zero, zero),
		"both one": part(one, one), "r is n": part(n, s), "s is n": part(r, n), "both n": part(n, n), "r overflows": part(top, s),
		"s overflows": part(r, top), "all ones": part(top, top), "HMAC size": good[:32],
	} {
		token := input + "." + base64.RawURLEncoding.EncodeToString(sig)
		if err := check(token, es); !errors.Is(err, ErrSignature) {
			t.Errorf("ES256 %s: %v", name, err)
		}
		hsToken := rfcHMAC[:strings.LastIndex(rfcHMAC, ".")] + "." + base64.RawURLEncoding.EncodeToString(sig)
		if err := check(hsToken, hs); !errors.Is(err, ErrSignature) {
			t.Errorf("HS256 %s: %v", name, err)
		}
	}
}

func TestVerifyBelievesTheKeyNotTheHeader(t *testing.T) {
	hs, es, private := rfcKeys(t)
	for _, tc := range []struct {
		token string
		key   Key
	}{{rfcHMAC, es}, {rfcECDSA, hs}} {
		if err := check(tc.token, tc.key); !errors.Is(err, ErrAlg) {
			t.Errorf("%s: %v", tc.key.Alg(), err)
		}
	}
	other, err := NewHS256(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if err := check(rfcHMAC, other); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
	public, err := NewES256Public(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(rfcECDSA, public); err != nil {
		t.Error(err)
	}
}

// A fakeSigner answers for a key held elsewhere.
type fakeSigner struct {
	public crypto.PublicKey
	answer []byte
	err    error
}

func (f fakeSigner) Public() crypto.PublicKey { return f.public }
func (f fakeSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return f.answer, f.err
}

func TestConstructorsRefuse(t *testing.T) {
	for n := range 32 {
		if _, err := NewHS256(make([]byte, n)); !errors.Is(err, ErrShortKey) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewES256(p384); !errors.Is(err, ErrCurve) {
		t.Errorf("P-384: %v", err)
	}
	if _, err := NewES256(fakeSigner{public: "no key"}); !errors.Is(err, ErrCurve) {
		t.Errorf("no ECDSA key: %v", err)
	}
	off := &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}
	if _, err := NewES256Public(off); !errors.Is(err, ErrCurve) {
		t.Errorf("point off the curve: %v", err)
	}
	if _, err := NewES256Public(nil); !errors.Is(err, ErrCurve) {
		t.Errorf("nil: %v", err)
	}
}

func TestSignFailures(t *testing.T) {
	hs, _, private := rfcKeys(t)
	if _, err := Sign([]byte("{}"), make([]byte, MaxToken), hs); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	away := errors.New("the vault is away")
	const none = "signing with ES256: the signer's answer is no P-256 signature"
	long := append([]byte{0x30, 38, 2, 33, 1}, make([]byte, 32)...)
	for _, tc := range []struct {
		name   string
		signer fakeSigner
		want   string
	}{
		{"signer fails", fakeSigner{err: away}, "signing with ES256: the vault is away"},
		{"not ASN.1", fakeSigner{answer: []byte("x")}, none},
		{"negative r", fakeSigner{answer: []byte{0x30, 6, 2, 1, 0xff, 2, 1, 1}}, none},
		{"trailing byte", fakeSigner{answer: []byte{0x30, 6, 2, 1, 1, 2, 1, 1, 0}}, none},
		{"a third number", fakeSigner{answer: []byte{0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1}}, none},
		{"r is zero", fakeSigner{answer: []byte{0x30, 6, 2, 1, 0, 2, 1, 1}}, none},
		{"s is zero", fakeSigner{answer: []byte{0x30, 6, 2, 1, 1, 2, 1, 0}}, none},
		{"r of 33 bytes", fakeSigner{answer: append(long, 2, 1, 1)}, none},
		{"s missing", fakeSigner{answer: []byte{0x30, 3, 2, 1, 1}}, none},
	} {
		tc.signer.public = private.Public()
		es, err := NewES256(tc.signer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Sign([]byte("{}"), []byte("{}"), es); err == nil || err.Error() != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// TestHS256AtOnce: what many sign at once does not mix, whatever was signed before.
func TestHS256AtOnce(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	key, err := NewHS256(secret)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 200 {
				input := fmt.Append(nil, i, " ", n)
				mac := hmac.New(sha256.New, secret)
				mac.Write(input)
				if sum, err := key.Sign(input); !hmac.Equal(sum, mac.Sum(nil)) || err != nil {
					t.Errorf("%s: %x, %v", input, sum, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestSignFillsShortNumbers: r and s are 32 bytes each, however short the signer's numbers are.
func TestSignFillsShortNumbers(t *testing.T) {
	_, _, private := rfcKeys(t)
	es, err := NewES256(fakeSigner{public: private.Public(), answer: []byte{0x30, 8, 2, 2, 0, 0x80, 2, 2, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	sig, err := es.Sign(nil)
	if got, want := fmt.Sprintf("%x", sig), fmt.Sprintf("%064x%064x", 0x80, 0x102); got != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

func TestKeysDoNotPrintSecrets(t *testing.T) {
	hs, err := NewHS256([]byte("canary-canary-canary-canary-canary"))
	if err != nil {
		t.Fatal(err)
	}
	_, es, private := rfcKeys(t)
	raw, err := private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	scalar := new(big.Int).SetBytes(raw)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{hs, *hs, struct{ key *HS256 }{hs}, es, *es, struct{ key Signer }{es}} {
			got := fmt.Sprintf(format, v)
			for _, leak := range []string{"canary", "63616e617279", "99 97 110", "61, 0x6e", fmt.Sprint(scalar.Bits()[0]), scalar.String()} {
				if strings.Contains(got, leak) {
					t.Errorf("%s prints %s", format, got)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{rfcHMAC, rfcECDSA, "", "..", "a.b.c", b64(`{"alg":"HS256","kid":"a","typ":"JWT"}`) + "." + b64("{}") + ".AA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		parsed, err := Parse(token)
		if err != nil {
			return
		}
		// What is accepted has one spelling: encoding the parts again gives the text.
		head, _, _ := strings.Cut(token, ".")
		raw, err := base64.RawURLEncoding.DecodeString(head)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Sign(raw, parsed.Payload, fixed(parsed.signature))
		if err != nil || again != token {
			t.Fatalf("%q came back as %q, %v", token, again, err)
		}
	})
}

// fixed signs everything with the same bytes.
type fixed []byte

func (f fixed) Alg() string                 { return "" }
func (f fixed) Sign([]byte) ([]byte, error) { return f, nil }

func BenchmarkVerify(b *testing.B) {
	secret, err := NewHS256(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	es, err := NewES256(private)
	if err != nil {
		b.Fatal(err)
	}
	for _, key := range []interface {
		Key
		Signer
	}{secret, es} {
		b.Run(key.Alg(), func(b *testing.B) {
			token, err := Sign([]byte(`{"alg":"`+key.Alg()+`","typ":"JWT"}`), []byte(`{"sub":"x","iat":1700000000}`), key)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := check(token, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The sample tokens of CollectiveAccess's manual were signed with its old default key.
func TestWeakSecretOfOldVerifier(t *testing.T) {
	key, err := NewHS256FromWeakSecretOfOldVerifier([]byte("blah"))
	if err != nil {
		t.Fatal(err)
	}
	const sample = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJtYXh3ZWxsLndoaXJsLWktZ2lnLmNvbSIsImF1ZCI6Im1heHdlbGwud2hpcmwtaS1naWcuY29tIiwiaWF0IjoxNjIxODkxNjI5LCJuYmYiOjE2MjE4OTE2MjksImV4cCI6MTYyMjc1NTYyOSwiaWQiOiIyIn0.Hlj1n_62Oq_xSDev6FkW8tzaU-oHKipMD2pzSHCM0gk"
	if err := check(sample, key); err != nil {
		t.Error(err)
	}
	if _, err := NewHS256FromWeakSecretOfOldVerifier(nil); !errors.Is(err, ErrShortKey) {
		t.Errorf("no secret: %v", err)
	}
}
