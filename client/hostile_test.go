package client

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// hostile makes a verifier over a fake that stands still, for tests outside of a bubble.
func hostile(t testing.TB) (*fake, *Verifier) {
	f := newFake(t)
	return f, newVerifier(t, f, nil)
}

// payloadOf is the payload of a token, as text.
func payloadOf(t testing.TB, token string) string {
	t.Helper()
	text, err := strict64.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSignedHeadersRefused signs each header with the service's key: the header alone is the reason to refuse.
func TestSignedHeadersRefused(t *testing.T) {
	f, v := hostile(t)
	payload := payloadOf(t, f.access(nil))
	want(t, v, f.keys[0].raw(`{"alg":"ES256","typ":"JWT","kid":"one"}`, payload), nil)
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "nONE", "noNe", "", " none", "none ", "es256", "Es256", "ES256 ", " ES256", "ES256\u0000",
		"ES256K", "ES384", "ES512", "HS256", "HS384", "HS512", "RS256", "PS256", "EdDSA", "dir"} {
		want(t, v, f.keys[0].raw(fmt.Sprintf(`{"alg":%q,"typ":"JWT","kid":"one"}`, alg), payload), ErrMalformed, "alg", alg)
	}
	for header, refusal := range map[string]error{
		`{"typ":"JWT","kid":"one"}`:                                         ErrMalformed,
		`{"alg":null,"typ":"JWT","kid":"one"}`:                              ErrMalformed,
		`{"alg":["ES256"],"typ":"JWT","kid":"one"}`:                         ErrMalformed,
		`{"alg":"ES256","alg":"ES256","typ":"JWT","kid":"one"}`:             ErrMalformed,
		`{"alg":"none","alg":"ES256","typ":"JWT","kid":"one"}`:              ErrMalformed,
		`{"alg":"ES256","ALG":"none","typ":"JWT","kid":"one"}`:              ErrMalformed,
		`{"ALG":"ES256","typ":"JWT","kid":"one"}`:                           ErrMalformed,
		`{"alg":"ES256","typ":"JWT","Kid":"one"}`:                           ErrMalformed,
		`{"alg":"ES256","typ":"JWT","\u212aid":"one"}`:                      ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":"one","\u006bid":"one"}`:          ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":"one","crit":[]}`:                 ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":"one","crit":["exp"],"exp":1}`:    ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":"one","crit":["b64"],"b64":true}`: ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":"one","b64":true}`:                ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":"one","b64":false}`:               ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":"one"}{}`:                         ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":"one"`:                            ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":"one",}`:                          ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":"one","x":{"a":1,"a":2}}`:         ErrMalformed,
		`["ES256"]`: ErrMalformed,
		`null`:      ErrMalformed,
		``:          ErrMalformed,
		"{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"one\",\"x\":\"\xff\"}":   ErrMalformed,
		"\ufeff" + `{"alg":"ES256","typ":"JWT","kid":"one"}`:                   ErrMalformed,
		`{"alg":"ES256","kid":"one"}`:                                          ErrWrongKind,
		`{"alg":"ES256","typ":"jwt","kid":"one"}`:                              ErrWrongKind,
		`{"alg":"ES256","typ":"JOSE","kid":"one"}`:                             ErrWrongKind,
		`{"alg":"ES256","typ":"statuslist+jwt","kid":"one"}`:                   ErrWrongKind,
		`{"alg":"ES256","typ":["JWT"],"kid":"one"}`:                            ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":""}`:                                 ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":1}`:                                  ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":null}`:                               ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":["one"]}`:                            ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":"` + strings.Repeat("o", 257) + `"}`: ErrMalformed,
		`{"alg":"ES256","typ":"JWT","kid":"two"}`:                              ErrSignature,
		`{"alg":"ES256","typ":"JWT","kid":"ONE"}`:                              ErrSignature,
		`{"alg":"ES256","typ":"JWT","kid":"../../../../dev/null"}`:             ErrSignature,
		`{"alg":"ES256","typ":"JWT","kid":"one' OR '1'='1"}`:                   ErrSignature,
		`{"alg":"ES256","typ":"JWT","kid":"one\u0000"}`:                        ErrSignature,
		`{"alg":"ES256","typ":"JWT","kid":"https://thief.example/key"}`:        ErrSignature,
	} {
		want(t, v, f.keys[0].raw(header, payload), refusal, header)
	}
}

// TestSignedPayloadsRefused: a payload that two readers could read in two ways is nobody's.
func TestSignedPayloadsRefused(t *testing.T) {
	f, v := hostile(t)
	good := strings.TrimSuffix(payloadOf(t, f.access(nil)), "}")
	for _, more := range []string{`,"exp":99999999999`, `,"aud":"samples"`, `,"EXP":99999999999`, `,"Aud":"ecology"`, `,"token_Type":"access"`,
		`,"\u0065xp":99999999999`, `,"x":{"y":1,"y":2}`, `,"x":[{"y":1,"y":2}]`, `,`, `,"x":1}`, `,"x":01`, `,"x":'1'`, ",\"x\":\"\xff\"", `,"\u017ftatus":1`} {
		want(t, v, f.keys[0].raw(`{"alg":"ES256","typ":"JWT","kid":"one"}`, good+more+"}"), ErrMalformed, more)
	}
	want(t, v, f.keys[0].raw(`{"alg":"ES256","typ":"JWT","kid":"one"}`, good+`,"x":{"y":1}}`), nil)
	for _, payload := range []string{"", "null", "[]", `"text"`, "1", strings.Repeat("[", 5000), strings.Repeat(`{"a":`, 2000)} {
		want(t, v, f.keys[0].raw(`{"alg":"ES256","typ":"JWT","kid":"one"}`, payload), ErrMalformed, payload)
	}
}

// TestOneSpelling: exactly one text is the token.
func TestOneSpelling(t *testing.T) {
	f, v := hostile(t)
	token := f.access(nil)
	for len(token)%4 == 0 { // so that there are bits to spare at some end
		token = f.keys[0].raw(`{"alg":"ES256","typ":"JWT","kid":"one"}`, payloadOf(t, token)+" ")
	}
	want(t, v, token, nil)
	parts := strings.Split(token, ".")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i, part := range parts {
		with := func(other string) string {
			all := append([]string(nil), parts...)
			all[i] = other
			return strings.Join(all, ".")
		}
		for name, other := range map[string]string{
			"padding": part + "=", "two paddings": part + "==", "line break": part + "\n", "CR": part + "\r", "break within": part[:4] + "\r\n" + part[4:],
			"blank": part + " ", "blank before": " " + part, "NUL": part + "\x00", "empty": "", "cut": part[:len(part)-1], "longer": part + "A",
			"plus": strings.Replace(part, part[:1], "+", 1), "slash": strings.Replace(part, part[:1], "/", 1), "percent": strings.Replace(part, part[:1], "%41", 1),
		} {
			if _, err := v.Verify(t.Context(), with(other)); err == nil {
				t.Errorf("segment %d, %s: accepted", i, name)
			}
		}
		last := strings.IndexByte(alphabet, part[len(part)-1])
		for _, c := range []byte(alphabet) { // the bits that the last character has to spare must be zero
			if c != alphabet[last] {
				if _, err := v.Verify(t.Context(), with(part[:len(part)-1]+string(c))); err == nil {
					t.Errorf("segment %d with %c at its end: accepted", i, c)
				}
			}
		}
	}
	want(t, v, twin(token), ErrSignature)
	want(t, v, parts[0]+".."+parts[2], ErrSignature)
	for _, other := range []string{token + ".", "." + token, token + ".AA", parts[0] + "." + parts[1], "", ".", "..", "...", "Bearer " + token,
		`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`} {
		want(t, v, other, ErrMalformed, other[:min(len(other), 10)])
	}
}

// TestSignaturesRefused: the attacks on ECDSA that need no key.
func TestSignaturesRefused(t *testing.T) {
	f, v := hostile(t)
	token := f.access(nil)
	input, sig := token[:strings.LastIndexByte(token, '.')], mustDecode(t, token[strings.LastIndexByte(token, '.')+1:])
	n, p := elliptic.P256().Params().N, elliptic.P256().Params().P
	part := func(r, s *big.Int) []byte {
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	sum := sha256.Sum256([]byte(input))
	der, err := ecdsa.SignASN1(rand.Reader, f.keys[0].key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	zero, one := new(big.Int), big.NewInt(1)
	for name, other := range map[string][]byte{
		"empty": nil, "zeros": make([]byte, 64), "r zero": part(zero, s), "s zero": part(r, zero), "ones": part(one, one), "r is n": part(n, s), "s is n": part(r, n),
		"both n": part(n, n), "both p": part(p, p), "r is p": part(p, s), "swapped": part(s, r), "63 bytes": sig[:63], "65 bytes": append(sig[:64:64], 0),
		"a zero before": append([]byte{0}, sig...), "ASN.1": der, "r alone": sig[:32], "twice": append(sig[:64:64], sig...),
		"of another key": newSigner(t, "one").signature(input), "of another text": f.keys[0].signature(input + "x"),
	} {
		want(t, v, input+"."+b64(other), ErrSignature, name)
	}
}

func mustDecode(t testing.TB, segment string) []byte {
	t.Helper()
	b, err := strict64.DecodeString(segment)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPublicKeyAsSecret signs with HMAC under the public key in every form that it is handed out in.
func TestPublicKeyAsSecret(t *testing.T) {
	f, v := hostile(t)
	public := &f.keys[0].key.PublicKey
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	point, err := public.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	jwk, err := json.Marshal(f.keys[0].jwk())
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(claims{"keys": []claims{f.keys[0].jwk()}})
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string][]byte{
		"PEM": text, "PEM without its last break": bytes.TrimSpace(text), "PEM with CRLF": bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")), "DER": der,
		"base64 of DER": []byte(base64.StdEncoding.EncodeToString(der)), "point": point, "point without its 4": point[1:], "x": point[1:33], "x as text": []byte(b64(point[1:33])),
		"JWK": jwk, "JWK Set": set, "kid": []byte("one"), "empty": nil,
	} {
		for _, alg := range []string{"HS256", "ES256"} {
			input := b64([]byte(`{"alg":"`+alg+`","typ":"JWT","kid":"one"}`)) + "." + strings.Split(f.access(nil), ".")[1]
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(input))
			want(t, v, input+"."+b64(mac.Sum(nil)), map[string]error{"HS256": ErrMalformed, "ES256": ErrSignature}[alg], name, alg)
		}
	}
}

// TestKeysInTheHeader: a header that brings or names its own key is as one without, and nobody is called.
func TestKeysInTheHeader(t *testing.T) {
	var called atomic.Int32
	listener := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	defer listener.Close()
	f, v := hostile(t)
	thief := newSigner(t, "one")
	jwk, err := json.Marshal(thief.jwk())
	if err != nil {
		t.Fatal(err)
	}
	payload := payloadOf(t, f.access(nil))
	for name, member := range map[string]string{
		"jku": `"jku":"` + listener.URL + `/jwks.json"`, "x5u": `"x5u":"` + listener.URL + `/cert.pem"`, "jwk": `"jwk":` + string(jwk), "x5c": `"x5c":["MIIB"]`,
		"x5t": `"x5t":"AAAA"`, "iss": `"iss":"` + listener.URL + `"`, "kid as address": `"kid":"` + listener.URL + `"`,
	} {
		header := `{"alg":"ES256","typ":"JWT",` + member + `}`
		if name != "kid as address" {
			header = `{"alg":"ES256","typ":"JWT","kid":"one",` + member + `}`
			want(t, v, f.keys[0].raw(header, payload), nil, name)
		}
		want(t, v, thief.raw(header, payload), ErrSignature, name)
	}
	if n := called.Load(); n != 0 {
		t.Errorf("the header's address was called %d times", n)
	}
	for _, r := range f.all() {
		if r.URL.Host != "tokens.example.org" {
			t.Errorf("called %s", r.URL)
		}
	}
}

// TestHugeTokens: what is too long is refused before anything is made of it, and what is short enough costs little.
func TestHugeTokens(t *testing.T) {
	f, v := hostile(t)
	want(t, v, f.access(nil), nil)
	for name, text := range map[string]string{
		"a million dots": strings.Repeat(".", 1_000_000), "a megabyte": strings.Repeat("A", 1<<20), "64 megabytes": strings.Repeat("A", 64<<20),
		"just too long": strings.Repeat("a", maxToken+1), "dots up to the limit": strings.Repeat(".", maxToken), "letters up to the limit": strings.Repeat("A", maxToken),
	} {
		allocated := testing.AllocsPerRun(10, func() {
			if _, err := v.Verify(t.Context(), text); err == nil {
				t.Error("accepted")
			}
		})
		if allocated > 10 {
			t.Errorf("%s: %v allocations", name, allocated)
		}
		want(t, v, text, ErrMalformed, name)
	}
	long := f.access(claims{"x": strings.Repeat("x", 11<<10)})
	if len(long) > maxToken {
		t.Fatalf("%d bytes", len(long))
	}
	want(t, v, long, nil)
	want(t, v, f.access(claims{"x": strings.Repeat("x", 16<<10)}), ErrMalformed)
}

// TestCacheIsBounded: more tokens than there are slots, all of them right each time; slots never grow.
func TestCacheIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, nil)
		a := f.access(nil)
		want(t, v, a, nil)
		hash := sha256.Sum256([]byte(a))
		k := v.keys.value.Load().set
		if v.seen.get(hash, k) == nil {
			t.Error("a good token is not remembered")
		}
		other := hash
		other[31] ^= 1 // the same slot, another token: the whole hash counts
		if v.seen.slot(other) != v.seen.slot(hash) || v.seen.get(other, k) != nil {
			t.Error("another token's claims")
		}
		if v.seen.get(hash, new([]publicKey)) != nil {
			t.Error("remembered beyond its keys")
		}
		want(t, v, f.access(claims{"aud": "x"}), ErrWrongService)
		bad := f.access(claims{"aud": "x"})
		_, _ = v.Verify(t.Context(), bad)
		if v.seen.get(sha256.Sum256([]byte(bad)), k) != nil {
			t.Error("a bad token is remembered")
		}
		time.Sleep(59 * time.Minute)
		want(t, v, a, nil)
		time.Sleep(time.Minute)
		want(t, v, a, ErrExpired)
	})
}

// TestHotPathAllocatesNothing: a token seen before is looked up and no more.
func TestHotPathAllocatesNothing(t *testing.T) {
	f, v := hostile(t)
	token := f.access(nil)
	want(t, v, token, nil)
	if n := testing.AllocsPerRun(100, func() { _, _ = v.Verify(t.Context(), token) }); n > 1 { // the hash's input
		t.Errorf("%v allocations", n)
	}
}

// TestVerifierUnderChange is for the race detector: everything at once.
func TestVerifierUnderChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := streaming(t)
		v := newVerifier(t, f, listening)
		end := time.Now().Add(10 * time.Minute)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for time.Now().Before(end) {
					f.mu.Lock()
					token := f.access(claims{"gid": 1000 + i})
					f.mu.Unlock()
					want(t, v, token, nil)
					time.Sleep(time.Second)
				}
			})
		}
		for i := 0; time.Now().Before(end); i++ {
			next := newSigner(t, fmt.Sprint("k", i))
			f.do(func() { f.keys = append(slices.Clone(f.keys[:min(len(f.keys), 3)]), next) }) // published before it signs
			time.Sleep(20 * time.Second)
			f.do(func() { f.keys = append([]signer{next}, f.keys[:len(f.keys)-1]...); f.lister = next })
			f.sendEnded(int64(i) + 1)
			time.Sleep(20 * time.Second)
		}
		all.Wait()
	})
}

func FuzzVerify(f *testing.F) {
	fk, v := hostile(f)
	good := fk.access(nil)
	for _, seed := range []string{good, "", "..", "a.b.c", twin(good), good + "=", fk.lister.sign(typeOfLists, fk.listClaims())} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := v.Verify(t.Context(), token); err == nil && token != good {
			t.Errorf("accepted %q", token)
		}
	})
}

func FuzzList(f *testing.F) {
	fk := newFake(f)
	text, err := json.Marshal(fk.listClaims())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"sub":"` + listAt + `"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		l, err := parseList(jws{typ: typeOfLists, payload: payload}, listAt, time.Now())
		if err == nil && (len(l.bits) > maxListBits || l.ttl < minListLife || l.ttl > maxListLife) {
			t.Errorf("%+v", l)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	f, v := hostile(b)
	token := f.access(nil)
	b.Run("seen before", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := v.Verify(b.Context(), token); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			v.seen.slot(sha256.Sum256([]byte(token))).Store(nil)
			if _, err := v.Verify(b.Context(), token); err != nil {
				b.Error(err)
			}
		}
	})
}
