//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// apiRoot is where our own API begins.
const apiRoot = "/symbolon/api/v1"

// curl runs the program on a path of our own API, as a person would, and returns status and body.
func (s *server) curl(t *testing.T, token, method, path, body string) (status, answer string) {
	t.Helper()
	words := []string{"curl", "-X", method, "-H 'Authorization: Bearer " + token + "'"}
	if body != "" {
		words = append(words, "-H 'Content-Type: application/json' -d '"+body+"'")
	}
	return paste(t, strings.Join(append(words, "'"+s.base+apiRoot+path+"'"), " "))
}

// want is curl with the status that must come.
func (s *server) want(t *testing.T, code, token, method, path, body string) string {
	t.Helper()
	status, answer := s.curl(t, token, method, path, body)
	if status != code {
		t.Fatalf("%s %s: %s %s", method, path, status, answer)
	}
	return answer
}

// passwordOf finds the password that a development server printed.
func (s *server) passwordOf(t *testing.T, name string) string {
	t.Helper()
	for _, m := range passwordLine.FindAllStringSubmatch(s.out.String(), -1) {
		if m[1] == name {
			return m[2]
		}
	}
	t.Fatalf("no password of %s was printed", name)
	return ""
}

func (s *server) signIn(t *testing.T, name, password string) string {
	t.Helper()
	r := call(t, "POST", s.base+apiRoot+"/session", fmt.Sprintf(`{"name":%q,"password":%q}`, name, password), "Content-Type", "application/json")
	if r.status != http.StatusCreated {
		t.Fatalf("signing in: %d %s", r.status, r.body)
	}
	return r.member("token")
}

// made is what the API answers where it made something.
type made struct {
	Token struct {
		ID int64 `json:"id"`
	} `json:"token"`
	Key   string            `json:"key"`
	Texts map[string]string `json:"texts"`
}

func parse[T any](t *testing.T, body string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v
}

// TestAPI walks through what a person does with our own API, and then an admin.
func TestAPI(t *testing.T) {
	s := startDev(t, t.TempDir())
	password := s.passwordOf(t, "demo")
	t.Run("the lines of the manual", func(t *testing.T) { manual(t, s, password) })

	session := s.signIn(t, "demo", password)
	pair := parse[made](t, s.want(t, "201", session, "POST", "/tokens", `{"service":"samples","name":"laptop"}`))
	if r := s.use(t, pair.Texts["access"]); r.status != http.StatusOK {
		t.Errorf("the new token: %d %s", r.status, r.body)
	}
	s.want(t, "204", session, "DELETE", fmt.Sprintf("/tokens/%d", pair.Token.ID), "")
	if r := s.use(t, pair.Texts["access"]); r.status != http.StatusUnauthorized {
		t.Errorf("the ended token: %d %s", r.status, r.body)
	}

	key := parse[made](t, s.want(t, "201", session, "POST", "/keys",
		fmt.Sprintf(`{"name":"job","to":%q}`, time.Now().AddDate(0, 1, 0).UTC().Format(time.RFC3339))))
	if r := s.exchange(t, key.Key); r.status != http.StatusOK {
		t.Errorf("the new key: %d %s", r.status, r.body)
	}
	next := parse[made](t, s.want(t, "201", key.Key, "POST", fmt.Sprintf("/keys/%d/rotate", key.Token.ID), `{"overlap_seconds":0}`))
	if old, now := s.exchange(t, key.Key), s.exchange(t, next.Key); old.status != http.StatusUnauthorized || now.status != http.StatusOK {
		t.Errorf("after rotating, the old key gets %d and the new one %d", old.status, now.status)
	}

	robot := s.signIn(t, "demo-app", s.passwordOf(t, "demo-app"))
	app := parse[made](t, s.want(t, "201", robot, "POST", "/applications", `{"service":"warehouse","name":"forklift"}`))
	stations := func() int {
		return call(t, "GET", s.base+"/api/stations", "", "Authorization", "Bearer "+app.Texts["accessToken"]).status
	}
	if stations() != http.StatusOK {
		t.Error("the application token is refused")
	}
	s.want(t, "200", robot, "POST", "/tokens/revoke-all", "{}")
	if stations() == http.StatusOK {
		t.Error("the application token outlives the end of all")
	}
	s.want(t, "200", robot, "GET", "/me", "")

	secrets := []string{password, session, robot, key.Key, next.Key, pair.Texts["access"], pair.Texts["refresh"], app.Texts["accessToken"]}
	quiet(t, s, secrets)
	s.want(t, "403", robot, "GET", "/admin/services", "")
	admins(t, s, session)
}

// manual pastes the lines of docs/api.md in one shell.
func manual(t *testing.T, s *server, password string) {
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("docs/api.md has no lines for a shell")
	}
	lines := strings.NewReplacer("PASSWORD", password, "http://127.0.0.1:8080", s.base).Replace(string(m[1]))
	if n := strings.Count(lines, "\n"); n != 3 {
		t.Errorf("%d lines, not three", n)
	}
	sh := exec.Command("sh", "-e")
	sh.Stdin = strings.NewReader(lines)
	out, err := sh.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{`"texts":{"access":"ey`, `"items":[{`, `"name":"laptop"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the answers lack %s:\n%s", want, out)
		}
	}
}

// admins lets demo, which is one on a development server, disable the other account.
func admins(t *testing.T, s *server, session string) {
	found := parse[struct {
		Items []struct {
			ID   int64  `json:"id"`
			Name string `json:"name"`
		} `json:"items"`
	}](t, s.want(t, "200", session, "GET", "/admin/accounts?q=demo-app", ""))
	if len(found.Items) != 1 || found.Items[0].Name != "demo-app" {
		t.Fatalf("found %+v", found)
	}
	one := fmt.Sprintf("/admin/accounts/%d", found.Items[0].ID)
	if body := s.want(t, "200", session, "POST", one+"/disable", `{"reason":"lost"}`); !strings.Contains(body, `"status":"disabled"`) {
		t.Errorf("disabling: %s", body)
	}
	s.want(t, "200", session, "POST", one+"/enable", "")
	if body := s.want(t, "200", session, "GET", "/admin/history?limit=2", ""); !strings.Contains(body, "account_enabled") {
		t.Errorf("history: %s", body)
	}
}
