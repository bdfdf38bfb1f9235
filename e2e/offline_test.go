//go:build e2e

package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// offline are the programs that check tokens by keys and lists: those of docs/verify and our own client.
func offline(t *testing.T, base string) map[string]*holder {
	return map[string]*holder{
		"Python": startProgram(t, "/usr/bin/python3", "../docs/verify/verify.py", base, "samples"), // Debian's, which has the library
		"PHP":    startProgram(t, "php", "../docs/verify/verify.php", base, "samples"),
		"Java":   startProgram(t, "java", "../docs/verify/Verify.java", base, "samples"),
		"Go":     startHolder(t, "verify", base, "samples"),
	}
}

// siteKey is a key that the site made itself, so that the test can sign with it too.
func siteKey(t *testing.T, file string) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	save(t, file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return key
}

// resigned changes a token's claims and signs it again, with the lower s.
func resigned(t *testing.T, token string, key *ecdsa.PrivateKey, changes map[string]any) string {
	t.Helper()
	c := claims(t, token)
	for name, v := range changes {
		c[name] = v
	}
	payload, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	input := token[:strings.IndexByte(token, '.')+1] + base64.RawURLEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(input))
	r, ess, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	if n := elliptic.P256().Params().N; new(big.Int).Lsh(ess, 1).Cmp(n) > 0 {
		ess.Sub(n, ess)
	}
	sig := append(r.FillBytes(make([]byte, 32)), ess.FillBytes(make([]byte, 32))...)
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// TestOfflineVerifiers: the programs that docs/verify prints, and the Go client, take good tokens, refuse the others, know a
// revocation within the list's ttl, and let nobody in when the server has been away for longer.
func TestOfflineVerifiers(t *testing.T) {
	const ttl = 10 * time.Second
	file := filepath.Join(t.TempDir(), "samples.pem")
	key := siteKey(t, file)
	s := configured(t, "status_ttl: 1m", "status_ttl: 10s", `access_key_file: ""`, "access_key_file: "+file)
	issue := func(service string) issued {
		return data[issued](t, s, "token", "issue", "--service", service, "--account", "demo")
	}
	first, second, ecology := issue("samples"), issue("samples"), issue("ecology")
	list := claims(t, first.Access)["status"].(map[string]any)["status_list"].(map[string]any)["uri"].(string)
	now := time.Now().Unix()
	programs := offline(t, s.base)
	for name, p := range programs {
		for what, c := range map[string]struct{ token, want string }{
			"good":                             {first.Access, "good 1"},
			"expired":                          {resigned(t, first.Access, key, map[string]any{"iat": now - 20, "exp": now - 10}), "expired"},
			"of another service by its aud":    {resigned(t, first.Access, key, map[string]any{"aud": "ecology"}), "wrong service"},
			"of another service":               {ecology.Access, "bad token"},
			"a refresh token":                  {first.Refresh, "bad token"},
			"a refresh token by its kind":      {resigned(t, first.Access, key, map[string]any{"token_type": "refresh"}), "bad token"},
			"tampered":                         {tampered(t, first.Access), "bad token"},
			"a list of another server":         {resigned(t, first.Access, key, status("https://thief.example/symbolon/status/0")), "bad token"},
			"a status list":                    {call(t, "GET", list, "").body, "bad token"},
			"signed, and still not by the key": {first.Access[:len(first.Access)-8] + "AAAAAAAA", "bad token"},
			"nothing":                          {"", "bad token"},
			"words":                            {"not a token", "bad token"},
		} {
			if got := p.says(t, c.token); got != c.want {
				t.Errorf("%s, %s: %q, want %q: %s", name, what, got, c.want, p.log.String())
			}
		}
	}
	for token, want := range map[string]string{first.Access: "good\n", ecology.Access: "", tampered(t, first.Access): ""} {
		if got := askServer(t, s.base, token); got != want {
			t.Errorf("the line with curl printed %q, want %q", got, want)
		}
	}
	for name, p := range programs { // so that each has the list, and it is fresh
		if got := p.says(t, second.Access); got != "good 1" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if r := call(t, "POST", s.base+"/api/auth/token/blacklist/", `{"refresh":"`+second.Refresh+`"}`, "Content-Type", "application/json"); r.status != 200 {
		t.Fatalf("revoking: %d %s", r.status, r.body)
	}
	begin, knows := time.Now(), map[string]bool{}
	within(t, ttl+5*time.Second, "all refuse a revoked token", func() bool {
		for name, p := range programs {
			if got := p.says(t, second.Access); got == "revoked" && !knows[name] {
				knows[name] = true
				t.Logf("%s refused a token %s after its revocation, ttl %s", name, time.Since(begin).Round(100*time.Millisecond), ttl)
			} else if got != "good 1" && got != "revoked" {
				t.Fatalf("%s on a revoked token: %q", name, got)
			}
		}
		return len(knows) == len(programs)
	})
	for name, p := range programs {
		if got := p.says(t, first.Access); got != "good 1" {
			t.Errorf("%s on a token beside the revoked one: %q", name, got)
		}
	}
	if code := s.stop(t); code != 0 {
		t.Fatalf("stopping ended with %d", code)
	}
	time.Sleep(ttl + time.Second)
	for name, p := range programs {
		if got := p.says(t, first.Access); got != "unavailable" {
			t.Errorf("%s, %s after the server went away: %q", name, ttl+time.Second, got)
		}
	}
}

func status(uri string) map[string]any {
	return map[string]any{"status": map[string]any{"status_list": map[string]any{"idx": 0, "uri": uri}}}
}

// askServer gives the line with curl of docs/verify to a shell and returns what that prints.
func askServer(t *testing.T, base, token string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/verify/README.md")
	if err != nil {
		t.Fatal(err)
	}
	line := curlLine.FindString(string(text))
	sh := exec.Command("sh", "-c", strings.Replace(line, "https://tokens.example.org", base, 1))
	sh.Env = append(os.Environ(), "TOKEN="+token)
	out, err := sh.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || line == "" {
		t.Fatal(err)
	}
	return string(out)
}

// TestVerifyPrograms: those of docs/verify are short enough to be read.
func TestVerifyPrograms(t *testing.T) {
	for _, name := range []string{"verify.py", "verify.php", "Verify.java"} {
		text, err := os.ReadFile(filepath.Join("../docs/verify", name))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > 60 {
			t.Errorf("%s has %d lines", name, n)
		}
	}
}
