//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Two programs as the sites behind us run them. Each is given the key's file and the
// claim that names the user, reads a token, and prints "good USER" or why not.

const verifyPython = `
import jwt, sys
key = open(sys.argv[1], "rb").read().rstrip(b"\n")
try:
    claims = jwt.decode(sys.stdin.read(), key, algorithms=["HS256"], options={"verify_aud": False})
    print("good", claims[sys.argv[2]])
except jwt.ExpiredSignatureError:
    print("expired")
except jwt.InvalidTokenError as e:
    print("bad", type(e).__name__)
`

// The checks of firebase/php-jwt in their order, by hash_hmac.
const verifyPHP = `<?php
$key = rtrim(file_get_contents($argv[1]), "\n");
$parts = explode('.', stream_get_contents(STDIN));
if (count($parts) != 3) { die("bad UnexpectedValueException\n"); }
list($head, $body, $mac) = $parts;
$decode = fn($s) => base64_decode(str_pad(strtr($s, '-_', '+/'), strlen($s) + (4 - strlen($s) % 4) % 4, '='), true);
$header = json_decode($decode($head));
$claims = json_decode($decode($body));
if (!is_object($header) || !is_object($claims) || ($header->alg ?? null) !== 'HS256') { die("bad UnexpectedValueException\n"); }
if (!hash_equals(hash_hmac('sha256', "$head.$body", $key, true), (string)$decode($mac))) { die("bad SignatureInvalidException\n"); }
if (isset($claims->nbf) && floor($claims->nbf) > time() || isset($claims->iat) && floor($claims->iat) > time()) { die("bad BeforeValidException\n"); }
if (isset($claims->exp) && time() >= $claims->exp) { die("expired\n"); }
echo 'good ', $claims->{$argv[2]}, "\n";
`

// verifier is one of the two programs on disk.
type verifier struct {
	name    string
	command []string
	forged  string // what it says of a bad signature
}

func verifiers(t *testing.T, dir string) []verifier {
	t.Helper()
	python, php := filepath.Join(dir, "verify.py"), filepath.Join(dir, "verify.php")
	save(t, python, []byte(verifyPython))
	save(t, php, []byte(verifyPHP))
	return []verifier{
		{"python3-jwt", []string{"/usr/bin/python3", python}, "bad InvalidSignatureError"}, // Debian's, which has the library
		{"php-cli", []string{"php", php}, "bad SignatureInvalidException"},
	}
}

// says runs the program on a token.
func (v verifier) says(t *testing.T, key, claim, token string) string {
	t.Helper()
	cmd := exec.Command(v.command[0], append(v.command[1:], key, claim)...)
	cmd.Stdin = strings.NewReader(token)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", v.name, err, out)
	}
	return strings.TrimSpace(string(out))
}

// foreign is a service whose tokens are verified elsewhere under a key that both have.
type foreign struct {
	name, claim, user, key string
	access, refresh        string
}

// TestForeignVerifiers: programs that are not ours take the tokens of collections and
// warehouse under the site's own key, and refuse what they must.
func TestForeignVerifiers(t *testing.T) {
	dir := t.TempDir()
	dev := startDev(t, dir)
	passwords := map[string]string{}
	for _, m := range passwordLine.FindAllStringSubmatch(dev.out.String(), -1) {
		passwords[m[1]] = m[2]
	}
	dev.stop(t)
	keys := map[string]string{}
	for _, service := range []string{"collections", "warehouse"} {
		keys[service] = filepath.Join(dir, service+".key")
		save(t, keys[service], []byte("the key that the site of "+service+" has had for years\n"))
	}
	configure(t, dir, `graphql_services_jwt_token_key_file: ""`, "graphql_services_jwt_token_key_file: "+keys["collections"],
		`jwt_secret_key_file: ""`, "jwt_secret_key_file: "+keys["warehouse"])
	s := restart(t, dir)
	access, refresh := loginCollections(t, s, passwords["demo"])
	item := call(t, "POST", s.base+"/api/users/login", fmt.Sprintf(`{"username":"demo-app","password":%q}`, passwords["demo-app"]), "Content-Type", "application/json")
	services := []foreign{
		{"collections", "id", "1", keys["collections"], access, refresh},
		{"warehouse", "identity", "demo-app", keys["warehouse"], item.member("accessToken"), item.member("refreshToken")},
	}
	machine := call(t, "POST", s.base+"/api/users/application-token", "", "Authorization", "Bearer "+services[1].refresh).member("token")

	// Commands read the file, so these tokens end at once whatever the server gives.
	configure(t, dir, "graphql_services_jwt_access_token_lifetime: 15m", "graphql_services_jwt_access_token_lifetime: 1s",
		"    access_lifetime: 15m", "    access_lifetime: 1s")
	brief := map[string]string{}
	for _, f := range services {
		brief[f.name] = data[issued](t, s, "token", "issue", "--service", f.name, "--account", "demo-app").Access
	}
	time.Sleep(2 * time.Second)
	for _, v := range verifiers(t, t.TempDir()) {
		for i, f := range services {
			t.Run(v.name+" "+f.name, func(t *testing.T) {
				other := services[1-i]
				for _, c := range []struct{ name, key, token, want string }{
					{"good", f.key, f.access, "good " + f.user},
					{"expired", f.key, brief[f.name], "expired"},
					{"tampered", f.key, tampered(t, f.access), v.forged},
					{"of another service", f.key, other.access, v.forged},
					{"under another key", other.key, f.access, v.forged},
					{"a refresh token, whose key is ours alone", f.key, f.refresh, v.forged},
				} {
					if got := v.says(t, c.key, f.claim, c.token); got != c.want {
						t.Errorf("%s: %q, want %q", c.name, got, c.want)
					}
				}
			})
		}
		if got := v.says(t, keys["warehouse"], "identity", machine); got != "good demo-app" {
			t.Errorf("%s on an application token: %q", v.name, got)
		}
	}
}

func loginCollections(t *testing.T, s *server, password string) (access, refresh string) {
	t.Helper()
	query := fmt.Sprintf(`{ login(username: "demo", password: %q) { jwt refresh } }`, password)
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	r := call(t, "POST", s.base+"/service.php/Auth", string(body))
	var answer struct {
		Data struct {
			Login struct{ JWT, Refresh string }
		}
	}
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || answer.Data.Login.JWT == "" {
		t.Fatalf("login: %d %s %v", r.status, r.body, err)
	}
	return answer.Data.Login.JWT, answer.Data.Login.Refresh
}

// tampered makes the token somebody else's and leaves its signature.
func tampered(t *testing.T, token string) string {
	t.Helper()
	c := claims(t, token)
	c["id"], c["identity"] = "4711", "mallory"
	payload, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString(payload)
	return strings.Join(parts, ".")
}
