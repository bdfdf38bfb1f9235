//go:build e2e

package e2e

import (
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// openssl runs the program that verifies what we sign, and must succeed.
func openssl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("openssl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// published fetches one of our public documents.
func published(t *testing.T, s *server, path, kind string) string {
	t.Helper()
	r := call(t, "GET", s.base+path, "")
	if r.status != 200 || r.header.Get("Content-Type") != kind {
		t.Fatalf("%s: %d %s %s", path, r.status, r.header.Get("Content-Type"), r.body)
	}
	return r.body
}

// der turns the r and s of a JWS signature into what openssl reads.
func der(t *testing.T, signature []byte) []byte {
	t.Helper()
	if len(signature) != 64 {
		t.Fatalf("an ES256 signature of %d bytes", len(signature))
	}
	b, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOpenSSLVerifies checks our signatures with a program that is not ours, by
// the keys as we publish them, once with our own keys and once with the operator's.
func TestOpenSSLVerifies(t *testing.T) {
	own := startDev(t, t.TempDir())
	t.Run("keys made here", func(t *testing.T) { verifyECology(t, own) })

	dir := own.dir
	own.stop(t)
	rsa, ec := filepath.Join(dir, "rsa.pem"), filepath.Join(dir, "ec.pem")
	openssl(t, "genrsa", "-traditional", "-out", rsa, "2048")
	openssl(t, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", ec)
	configure(t, dir, `legacy_key_file: ""`, "legacy_key_file: "+rsa, `edi_key_file: ""`, "edi_key_file: "+ec)
	pinned := restart(t, dir)
	t.Run("keys of the operator", func(t *testing.T) {
		verifyECology(t, pinned)
		if got, want := published(t, pinned, "/symbolon/keys/ecology.pem", "application/x-pem-file"), publicPart(t, "ec", ec); !strings.HasPrefix(got, want) {
			t.Errorf("the published key is %q, the operator's %q", got, want)
		}
		crt := filepath.Join(dir, "legacy.crt")
		save(t, crt, []byte(published(t, pinned, "/symbolon/keys/ecology-legacy.crt", "application/x-x509-ca-cert")))
		if got, want := openssl(t, "x509", "-in", crt, "-noout", "-pubkey"), publicPart(t, "rsa", rsa); got != want {
			t.Errorf("the certificate holds %q, the operator's key is %q", got, want)
		}
	})
}

// publicPart gives the public key of a private one's file without openssl's words.
func publicPart(t *testing.T, kind, file string) string {
	t.Helper()
	out := openssl(t, kind, "-in", file, "-pubout")
	return out[strings.Index(out, "-----BEGIN"):]
}

// verifyECology verifies both tokens of EDI's pair.
func verifyECology(t *testing.T, s *server) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		save(t, filepath.Join(dir, name), content)
		return filepath.Join(dir, name)
	}
	got := data[issued](t, s, "token", "issue", "--service", "ecology", "--account", "demo")

	certificate := file("legacy.crt", []byte(published(t, s, "/symbolon/keys/ecology-legacy.crt", "application/x-x509-ca-cert")))
	public := file("legacy.pem", []byte(openssl(t, "x509", "-in", certificate, "-noout", "-pubkey")))
	body, signature, _ := strings.Cut(got.Pasta, "-")
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		t.Fatalf("the signature of the legacy token: %v", err)
	}
	openssl(t, "dgst", "-md5", "-verify", public, "-signature", file("legacy.sig", raw), file("legacy.txt", []byte(body)))

	key := file("edi.pem", []byte(published(t, s, "/symbolon/keys/ecology.pem", "application/x-pem-file")))
	dot := strings.LastIndexByte(got.Access, '.')
	raw, err = base64.RawURLEncoding.DecodeString(got.Access[dot+1:])
	if err != nil {
		t.Fatalf("the signature of the edi-token: %v", err)
	}
	openssl(t, "dgst", "-sha256", "-verify", key, "-signature", file("edi.sig", der(t, raw)), file("edi.txt", []byte(got.Access[:dot])))

	forged := exec.Command("openssl", "dgst", "-sha256", "-verify", key, "-signature", filepath.Join(dir, "edi.sig"),
		file("forged.txt", []byte(got.Access[:dot]+"x")))
	if out, err := forged.CombinedOutput(); err == nil {
		t.Errorf("openssl verifies anything: %s", out)
	}
}

// Every ES256 token that names a key names one of the published ones.
func TestKeySet(t *testing.T) {
	s := startDev(t, t.TempDir())
	var set struct {
		Keys []struct{ Kty, Crv, Alg, Use, Kid, X, Y, D string }
	}
	if err := json.Unmarshal([]byte(published(t, s, "/.well-known/jwks.json", "application/jwk-set+json")), &set); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range set.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(k.X)
		y, errY := base64.RawURLEncoding.DecodeString(k.Y)
		if k.Kty != "EC" || k.Crv != "P-256" || k.Alg != "ES256" || k.D != "" || len(x) != 32 || len(y) != 32 || errX != nil || errY != nil {
			t.Errorf("no public ES256 key: %+v", k)
		}
		ids = append(ids, k.Kid)
	}
	got := data[issued](t, s, "token", "issue", "--service", "samples", "--account", "demo")
	head, _, _ := strings.Cut(got.Access, ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	var header struct{ Kid string }
	if err == nil {
		err = json.Unmarshal(b, &header)
	}
	if err != nil || header.Kid == "" || !strings.Contains(" "+strings.Join(ids, " ")+" ", " "+header.Kid+" ") {
		t.Errorf("the token names key %q; published are %q (%v)", header.Kid, ids, err)
	}
}
