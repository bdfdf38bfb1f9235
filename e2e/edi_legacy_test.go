//go:build e2e

package e2e

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/dialect/edi"
	"symbolon/internal/token"
)

// TestLegacyTokenForOpenSSL gives the openssl program a key to make and a legacy token of
// that key to verify, once with its public key and once with our certificate of it.
func TestLegacyTokenForOpenSSL(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	runOpenSSL(t, "genrsa", "-traditional", "-out", file("key.pem"), "2048")
	runOpenSSL(t, "rsa", "-in", file("key.pem"), "-pubout", "-out", file("key.pub"))
	key := readRSAKey(t, file("key.pem"))

	text, signature, _ := strings.Cut(mintLegacy(t, key), "-")
	sig, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		t.Fatalf("decoding the signature: %v", err)
	}
	writeFile(t, file("text"), []byte(text))
	writeFile(t, file("sig"), sig)

	certificate, err := edi.Certificate(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file("legacy.crt"), certificate)
	runOpenSSL(t, "x509", "-in", file("legacy.crt"), "-noout", "-pubkey", "-out", file("crt.pub"))
	for _, public := range []string{"key.pub", "crt.pub"} {
		if got := runOpenSSL(t, "dgst", "-md5", "-verify", file(public), "-signature", file("sig"), file("text")); got != "Verified OK\n" {
			t.Errorf("%s: openssl says %q", public, got)
		}
	}
}

func mintLegacy(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	c := config.NewService("ecology", "edi", "/auth")
	c.EDI.LegacyLifetime = c.AccessLifetime
	d, err := edi.New(c, edi.Options{Legacy: func(context.Context) (*rsa.PrivateKey, error) { return key, nil }})
	if err != nil {
		t.Fatal(err)
	}
	both, err := d.Companions(t.Context(), token.Tokens{Grant: token.Grant{IssuedAt: time.Now()}, Subject: token.Subject{Name: "demo"}})
	if err != nil {
		t.Fatal(err)
	}
	return both["pasta-token"]
}

func runOpenSSL(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("openssl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("running openssl %s: %v (it is in the Debian package openssl)\n%s", args[0], err, out)
	}
	return string(out)
}

func readRSAKey(t *testing.T, path string) *rsa.PrivateKey {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatalf("reading openssl's key: %v", err)
	}
	return key
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
