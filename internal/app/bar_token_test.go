package app

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
	"sync/atomic"
	"testing"
	"time"

	"symbolon/internal/jws"
)

func confusion(t *testing.T, e *env, g target) {
	head, payload, signature := parts(t, g.make(e))
	for name, secret := range publicForms(t, e, g) {
		for _, header := range []string{`{"alg":"HS256","typ":"JWT"}`, strings.Replace(head, "ES256", "HS256", 1), head} {
			input := b64(header) + "." + b64(payload)
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(input))
			g.refusedAt(t, e, "HMAC under "+name, input+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
		}
	}
	for _, alg := range []string{"HS256", "ES256", "HS384", "HS512", "RS256", "PS256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "es256", "hs256", ""} {
		relabelled := strings.NewReplacer("ES256", alg, "HS256", alg).Replace(head)
		if relabelled != head {
			g.refusedAt(t, e, "labelled "+alg, b64(relabelled)+"."+b64(payload)+"."+signature)
			g.refusedAt(t, e, "signed, labelled "+alg, e.sign(g.service, g.purpose, relabelled, payload))
		}
	}
}

// publicForms are the published keys of a service, or of samples if it has none, as
// somebody might feed them to an HMAC.
func publicForms(t *testing.T, e *env, g target) map[string][]byte {
	t.Helper()
	w := e.do("GET", "/symbolon/keys/"+g.service+".pem", "")
	if w.Code == 404 {
		w = e.do("GET", "/symbolon/keys/samples.pem", "")
	}
	file := w.Body.Bytes()
	block, _ := pem.Decode(file)
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	jwks := e.do("GET", "/.well-known/jwks.json", "").Body.Bytes()
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	forms := map[string][]byte{
		"PEM": file, "PEM without its last line break": bytes.TrimSpace(file), "PEM after a space": append([]byte(" "), file...),
		"PEM with CRLF": bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n")),
		"DER":           block.Bytes, "base64 of DER": []byte(base64.StdEncoding.EncodeToString(block.Bytes)),
		"point": point, "coordinates": point[1:], "x": point[1:33], "y": point[33:],
		"JWK set": jwks, "nothing": nil, "zeros": make([]byte, 32),
		"certificate": e.do("GET", "/symbolon/keys/ecology-legacy.crt", "").Body.Bytes(),
	}
	for i, k := range set.Keys {
		forms[fmt.Sprintf("JWK %d", i)] = k
	}
	return forms
}

func none(t *testing.T, e *env, g target) {
	head, payload, signature := parts(t, g.make(e))
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "none ", " none", "", "null", "no"} {
		header := strings.NewReplacer("ES256", alg, "HS256", alg).Replace(head)
		for _, sig := range []string{"", signature, b64("x")} {
			g.refusedAt(t, e, "alg "+alg, b64(header)+"."+b64(payload)+"."+sig)
		}
		g.refusedAt(t, e, "two parts, alg "+alg, b64(header)+"."+b64(payload))
	}
	good := b64(head) + "." + b64(payload)
	for _, header := range []string{`{"typ":"JWT"}`, `{"alg":null}`, `{"alg":["none"]}`, `{"alg":0}`, `{}`, `[]`, `null`, ``, `"none"`} {
		g.refusedAt(t, e, "header "+header, b64(header)+"."+b64(payload)+"."+signature)
		g.refusedAt(t, e, "unsigned, header "+header, b64(header)+"."+b64(payload)+".")
	}
	for _, text := range []string{"", ".", "..", "...", good, good + ".", "." + good + "." + signature, good + "." + signature + ".",
		good + "." + signature + "." + signature, good + ".." + signature, signature, b64(head) + ".." + signature, "." + b64(payload) + "." + signature,
		b64(head), b64(payload), "Bearer", strings.Repeat(".", 1<<20), strings.Repeat("a.", 2000), `{"payload":"` + b64(payload) + `"}`} {
		g.refusedAt(t, e, fmt.Sprintf("text %.40q", text), text)
	}
}

// broughtKeys: no key that a header names or brings is used, and none is fetched.
func broughtKeys(t *testing.T) {
	var contacted atomic.Int32
	mine, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := mine.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	jwk := object("kty", "EC", "crv", "P-256", "x", b64(string(point[1:33])), "y", b64(string(point[33:])), "kid", "mine", "alg", "ES256")
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		contacted.Add(1)
		fmt.Fprint(w, `{"keys":[`+jwk+`]}`)
	}))
	defer listener.Close()
	signer, err := jws.NewES256(mine)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&mine.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	x5c := base64.StdEncoding.EncodeToString(der)
	forAll(t, func(t *testing.T, e *env, g target) {
		for _, extra := range []string{`"jku":"` + listener.URL + `/jwks"`, `"x5u":"` + listener.URL + `/cert"`, `"jwk":` + jwk, `"x5c":["` + x5c + `"]`,
			`"jku":"` + listener.URL + `","kid":"mine"`, `"kid":"` + listener.URL + `"`, `"x5t":"AAAA","x5t#S256":"AAAA"`, `"url":"` + listener.URL + `","cty":"JWT"`} {
			_, payload, _ := parts(t, g.make(e))
			forged, err := jws.Sign([]byte(`{"alg":"ES256","typ":"JWT",`+extra+`}`), []byte(payload), signer)
			if err != nil {
				t.Fatal(err)
			}
			g.refusedAt(t, e, extra, forged)
			g.refusedAt(t, e, "unsigned "+extra, b64(`{"alg":"ES256",`+extra+`}`)+"."+b64(payload)+".")
			own := g.resign(t, e, func(h, p string) (string, string) { return strings.TrimSuffix(h, "}") + "," + extra + "}", p })
			for _, c := range g.at() { // ignored or refused, as long as nobody is asked
				if w := c.use(e, own); !c.passes(w) && !c.refuses(w) {
					t.Errorf("%s: %d", extra, w.Code)
				}
			}
		}
		issuer := g.resign(t, e, func(h, p string) (string, string) {
			return h, strings.Replace(p, `"exp"`, `"jwks_uri":"`+listener.URL+`","exp"`, 1)
		})
		for _, c := range g.at() {
			c.use(e, issuer)
		}
	})
	if n := contacted.Load(); n != 0 {
		t.Errorf("the listener was asked %d times", n)
	}
}

func kids(t *testing.T, e *env, g target) {
	mine, err := jws.NewHS256(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	_, payload, _ := parts(t, g.make(e))
	for _, kid := range []string{`"../../../dev/null"`, `"/etc/passwd"`, `"' OR 1=1 --"`, `"a\u0000b"`, `"a\r\nX: y"`, `"` + strings.Repeat("k", 300) + `"`,
		`{"a":1}`, `["x"]`, `7`, `null`, `true`, `""`, `"unknown"`, `"file:///dev/zero"`, `"\ud800"`, `"http://127.0.0.1/"`} {
		for _, alg := range []string{"ES256", "HS256"} {
			header := `{"alg":"` + alg + `","typ":"JWT","kid":` + kid + `}`
			forged, err := jws.Sign([]byte(header), []byte(payload), mine)
			if err != nil {
				t.Fatal(err)
			}
			g.refusedAt(t, e, "forged, kid "+kid, forged)
		}
	}
	for _, kid := range []string{`{"a":1}`, `["x"]`, `7`, `null`, `true`, `""`, `"` + strings.Repeat("k", 300) + `"`, `"\ud800"`} {
		alg := between(t, firstPart(t, g.make(e)), `"alg":"`, `"`)
		header := `{"alg":"` + alg + `","typ":"JWT","kid":` + kid + `}`
		g.refusedAt(t, e, "our signature, kid "+kid, g.resign(t, e, func(_, p string) (string, string) { return header, p }))
	}
}

func firstPart(t *testing.T, text string) string {
	t.Helper()
	header, _, _ := parts(t, text)
	return header
}

func crits(t *testing.T, e *env, g target) {
	for _, extra := range []string{`"crit":["x"],"x":1`, `"crit":[]`, `"crit":"exp"`, `"crit":null`, `"crit":["alg"]`, `"crit":["exp"],"exp":1`,
		`"crit":[1]`, `"b64":false`, `"b64":true`, `"crit":["b64"],"b64":false`, `"crit":{}`} {
		g.refusedAt(t, e, extra, g.resign(t, e, func(h, p string) (string, string) { return strings.TrimSuffix(h, "}") + "," + extra + "}", p }))
	}
	g.passesAt(t, e, "an unknown member", func(good string) string {
		h, p, _ := parts(t, good)
		return e.sign(g.service, g.purpose, strings.TrimSuffix(h, "}")+`,"x":1}`, p)
	})
}

// spellings: of all texts that a lenient reader would take for the same token, one is good.
func spellings(t *testing.T, e *env, g target) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	good := g.make(e)
	segments := strings.Split(good, ".")
	var texts []string
	for i, s := range segments {
		join := func(other string) string {
			all := slices.Clone(segments)
			all[i] = other
			return strings.Join(all, ".")
		}
		texts = append(texts, join(s+"="), join(s+"=="), join(s+"%3D"), join(s[:8]+"\n"+s[8:]), join(s[:8]+"\r\n"+s[8:]),
			join(s[:8]+" "+s[8:]), join(s[:8]+"\t"+s[8:]), join(s[:8]+"."+s[8:]), join(s+"A"), join(s[:len(s)-1]), join(s[:8]+"\u00a0"+s[8:]),
			join(s[:8]+"+"+s[9:]), join(s[:8]+"/"+s[9:]), join(strings.ToLower(s)), join(s[:8]+"\x00"+s[8:]), join(""))
		if unused := len(s) * 6 % 8; unused != 0 {
			last := strings.IndexByte(alphabet, s[len(s)-1])
			texts = append(texts, join(s[:len(s)-1]+string(alphabet[last|1])), join(s[:len(s)-1]+string(alphabet[last^1])))
		}
	}
	for i := 1; i < len(good); i += 7 {
		texts = append(texts, good[:i], good[:i]+"*"+good[i:])
	}
	texts = append(texts, strings.Join(append(segments[:2:2], twin(t, segments[2])), "."))
	for _, text := range texts {
		if text != good {
			g.refusedAt(t, e, fmt.Sprintf("%d characters", len(text)), text)
		}
	}
	g.passesAt(t, e, "as it is", func(good string) string { return good })
}

// twin is the other signature (r, n-s) that ES256 allows; of an HMAC it is nonsense.
func twin(t *testing.T, signature string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) != 64 {
		return b64(string(raw[1:]) + "x")
	}
	s := new(big.Int).SetBytes(raw[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(raw[32:])
	return base64.RawURLEncoding.EncodeToString(raw)
}

// times: a token signed with our own key is still judged by its times.
func times(t *testing.T, e *env, g target) {
	now := start.Unix()
	claim := func(name, value string) string {
		return g.resign(t, e, func(h, p string) (string, string) {
			var m map[string]json.RawMessage
			if err := json.Unmarshal([]byte(p), &m); err != nil {
				t.Fatal(err)
			}
			old := `"` + name + `":` + string(m[name])
			if value == "" {
				return h, strings.Replace(strings.Replace(p, old+",", "", 1), ","+old, "", 1)
			}
			return h, strings.Replace(p, old, `"`+name+`":`+value, 1)
		})
	}
	for _, value := range []string{"", "null", `"9999999999"`, "-1", "0", "1e400", "1e10", "1795303632.5", "9223372036854775808", "9223372036854775807",
		"true", "[9999999999]", "{}", fmt.Sprint(now), fmt.Sprint(now - 1)} {
		if g.endless() {
			break // looked at with the allow list
		}
		g.refusedAt(t, e, "exp "+value, claim("exp", value))
	}
	for _, value := range []string{"", "null", `"1"`, "1e400", fmt.Sprint(now + 1), "9223372036854775807", "true"} {
		g.refusedAt(t, e, "iat "+value, claim("iat", value))
	}
	for _, value := range []string{"", "null", `"1"`, "0", "-1", "1.5", "9223372036854775808", "4711000000000000000000"} {
		g.refusedAt(t, e, "gid "+value, claim("gid", value))
	}
	good := g.make(e)
	if g.service != "samples" {
		g.refusedAt(t, e, "nbf later", claim("nbf", fmt.Sprint(now+1)))
	}
	if g.endless() {
		e.advance(100 * 365 * 24 * time.Hour)
		g.passesAt(t, e, "after a hundred years", func(string) string { return good })
		e.advance(-100 * 365 * 24 * time.Hour)
		return
	}
	var c struct{ Exp int64 }
	_, payload, _ := parts(t, good)
	if err := json.Unmarshal([]byte(payload), &c); err != nil {
		t.Fatal(err)
	}
	left := time.Unix(c.Exp, 0).Sub(e.now())
	e.advance(left)
	g.refusedAt(t, e, "at its end", good)
	e.advance(-left)
	g.passesAt(t, e, "before its end", func(good string) string { return good })
}

func audiences(t *testing.T, e *env, g target) {
	swap := func(old, new string) string {
		return g.resign(t, e, func(h, p string) (string, string) {
			if !strings.Contains(p, old) {
				t.Fatalf("no %s in %s", old, p)
			}
			return h, strings.Replace(p, old, new, 1)
		})
	}
	switch g.name {
	case "access":
		for _, aud := range []string{`""`, `"sample"`, `"samples2"`, `"Samples"`, `"samples "`, `["samples"]`, `[]`, `["x","samples"]`, `null`, `1`, `"ecology"`} {
			g.refusedAt(t, e, "aud "+aud, swap(`"aud":"samples"`, `"aud":`+aud))
		}
		g.refusedAt(t, e, "no aud", swap(`,"aud":"samples"`, ""))
		for _, iss := range []string{`""`, `"http://127.0.0.1:8080/"`, `"http://127.0.0.1:80800"`, `"https://127.0.0.1:8080"`, `["http://127.0.0.1:8080"]`, `null`} {
			g.refusedAt(t, e, "iss "+iss, swap(`"iss":"http://127.0.0.1:8080"`, `"iss":`+iss))
		}
		g.refusedAt(t, e, "token_type", swap(`"token_type":"access"`, `"token_type":"refresh"`))
	case "refresh":
		g.refusedAt(t, e, "token_type", swap(`"token_type":"refresh"`, `"token_type":"access"`))
		g.refusedAt(t, e, "nonce", swap(`"nonce":"`, `"nonce":"0`))
	case "edi":
		for _, iss := range []string{`""`, `"https://auth.edirepository.org/"`, `"https://auth.edirepository.orgx"`, `"HTTPS://auth.edirepository.org"`, `["https://auth.edirepository.org"]`, `null`} {
			g.refusedAt(t, e, "iss "+iss, swap(`"iss":"https://auth.edirepository.org"`, `"iss":`+iss))
		}
		g.refusedAt(t, e, "aud", swap(`"hd":`, `"aud":"ecology","hd":`))
		g.refusedAt(t, e, "hd", swap(`"hd":"edirepository.org"`, `"hd":"example.org"`))
	case "ca access", "ca refresh":
		for _, name := range []string{"iss", "aud"} {
			for _, other := range []string{`""`, `"127.0.0.1"`, `"127.0.0.1:80800"`, `"http://127.0.0.1:8080"`, `["127.0.0.1:8080"]`, `null`, `1`} {
				g.refusedAt(t, e, name+" "+other, swap(`"`+name+`":"127.0.0.1:8080"`, `"`+name+`":`+other))
			}
		}
	case "item refresh":
		g.refusedAt(t, e, "type", swap(`"type":"refresh"`, `"type":"access"`))
	case "application":
		_, payload, _ := parts(t, g.make(e))
		id := between(t, payload, `"jti":"`, `"`)
		g.refusedAt(t, e, "another's id", g.resign(t, e, func(h, p string) (string, string) {
			return h, strings.Replace(p, between(t, p, `"jti":"`, `"`), id, 1)
		}))
		fallthrough
	case "item access":
		g.refusedAt(t, e, "type", swap(`"type":"access"`, `"type":"refresh"`))
		g.refusedAt(t, e, "no type", swap(`"type":"access",`, ""))
	}
}
