//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	revokeBound  = time.Second     // promised for a revocation, on the same machine
	commandBound = 2 * time.Second // promised for everything else
)

// accountOut is what account commands print.
type accountOut struct {
	Name     string            `json:"name"`
	Type     string            `json:"type"`
	Status   string            `json:"status"`
	Display  string            `json:"display_name"`
	Email    string            `json:"email"`
	Password bool              `json:"has_password"`
	Groups   []string          `json:"groups"`
	Attrs    map[string]string `json:"attributes"`
}

// groupOut is what group commands print.
type groupOut struct {
	Name    string   `json:"name"`
	Owner   string   `json:"owner"`
	Members []string `json:"members"`
}

// grantOut is what lists of tokens and keys print.
type grantOut struct {
	Grant int64  `json:"grant"`
	Kind  string `json:"kind"`
	State string `json:"state"`
}

// revokedOut is what every revoking command prints.
type revokedOut struct {
	Revoked int     `json:"revoked"`
	Grants  []int64 `json:"grants"`
}

// load refreshes and verifies without a pause until the test ends; every answer
// must be good, whatever commands run beside.
func load(t *testing.T, s *server, workers int) {
	var done atomic.Bool
	var count atomic.Int64
	var wg sync.WaitGroup
	for i := range workers {
		name := "load-" + strconv.Itoa(i)
		commandOn(t, s, 0, "account", "add", name)
		got := data[issued](t, s, "token", "issue", "--service", "samples", "--account", name)
		wg.Go(func() {
			for token := got.Refresh; !done.Load() && !t.Failed(); count.Add(1) {
				r, err := s.refresh(token)
				if err != nil || r.status != http.StatusOK {
					t.Errorf("under load a refresh got %d %s %v", r.status, r.body, err)
					return
				}
				token = r.member("refresh")
				used, err := try("GET", s.base+"/api/auth/user/", "", "Authorization", "Bearer "+r.member("access"))
				if err != nil || used.status != http.StatusOK {
					t.Errorf("under load a use got %d %s %v", used.status, used.body, err)
					return
				}
			}
		})
	}
	t.Cleanup(func() {
		done.Store(true)
		wg.Wait()
		t.Logf("%d refreshes and as many uses beside the commands", count.Load())
	})
}

// TestCommands types every command beside a server under load, knowing nothing of
// it but its folder, and watches the server act on it.
func TestCommands(t *testing.T) {
	s := startDev(t, t.TempDir())
	load(t, s, 4)
	for _, c := range []struct {
		name string
		test func(*testing.T, *server)
	}{
		{"accounts", accounts},
		{"attributes show", attributesShow},
		{"revoking a grant", revokeGrant},
		{"revoking all of an account", revokeAll},
		{"disabling, enabling, deleting", disableAndDelete},
		{"API keys", apiKeys},
		{"application tokens", applicationTokens},
		{"groups", groups},
		{"group keys", groupKeys},
		{"lists and the configuration", lists},
		{"exit codes", exitCodes},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, s) })
	}
}

func accounts(t *testing.T, s *server) {
	r := command(t, "correct horse battery\n", "account", "add", "ada", "--password-stdin", "--name", "Ada Lovelace",
		"--email", "ada@example.org", "--data", s.dir)
	if r.code != 0 {
		t.Fatalf("account add ended with %d: %s", r.code, r.err)
	}
	got := data[accountOut](t, s, "account", "show", "ada")
	if got.Name != "ada" || got.Type != "person" || got.Status != "active" || got.Display != "Ada Lovelace" ||
		got.Email != "ada@example.org" || !got.Password {
		t.Errorf("account show: %+v", got)
	}
	data[accountOut](t, s, "account", "set", "ada", "--name", "Ada King", "--email", "king@example.org", "--type", "application")
	changed := data[accountOut](t, s, "account", "show", "ada")
	if changed.Display != "Ada King" || changed.Email != "king@example.org" || changed.Type != "application" {
		t.Errorf("account show after set: %+v", changed)
	}
	if r := command(t, "another horse battery\n", "account", "set", "ada", "--password-stdin", "--data", s.dir); r.code != 0 {
		t.Errorf("account set --password-stdin ended with %d: %s", r.code, r.err)
	}
	commandOn(t, s, 0, "group", "add", "engines")
	if out := data[accountOut](t, s, "account", "set", "ada", "--add-group", "engines"); !slices.Equal(out.Groups, []string{"engines"}) {
		t.Errorf("account set --add-group: %+v", out)
	}
	if out := data[accountOut](t, s, "account", "set", "ada", "--remove-group", "engines"); len(out.Groups) != 0 {
		t.Errorf("account set --remove-group: %+v", out)
	}
	all := data[[]accountOut](t, s, "account", "list", "--prefix", "ada")
	if len(all) != 1 || all[0].Name != "ada" {
		t.Errorf("account list --prefix ada: %+v", all)
	}
}

// person adds an account and issues it a pair of a service.
func person(t *testing.T, s *server, name, service string) issued {
	t.Helper()
	commandOn(t, s, 0, "account", "add", name)
	return data[issued](t, s, "token", "issue", "--service", service, "--account", name)
}

// alive fails unless a SESAR pair works.
func alive(t *testing.T, s *server, got issued) {
	t.Helper()
	if r := s.use(t, got.Access); r.status != http.StatusOK {
		t.Fatalf("a fresh access token gets %d %s", r.status, r.body)
	}
}

// refused waits until the server refuses a SESAR pair, and looks at both halves.
func refused(t *testing.T, s *server, limit time.Duration, what string, got issued) time.Duration {
	t.Helper()
	took := within(t, limit, what+": the access token is refused", func() bool { return s.use(t, got.Access).status == http.StatusUnauthorized })
	if r, err := s.refresh(got.Refresh); err != nil || r.status != http.StatusUnauthorized {
		t.Errorf("%s: the refresh token gets %d %s %v", what, r.status, r.body, err)
	}
	return took
}

func attributesShow(t *testing.T, s *server) {
	got := person(t, s, "grace", "samples")
	alive(t, s, got)
	commandOn(t, s, 0, "account", "set", "grace", "--attr", "samples.user_codes=GH1,GH2")
	within(t, commandBound, "the codes show", func() bool {
		body := s.use(t, got.Access).body
		return strings.Contains(body, "<user_code>GH1</user_code><user_code>GH2</user_code>")
	})
}

func revokeGrant(t *testing.T, s *server) {
	got, other := person(t, s, "edsger", "samples"), data[issued](t, s, "token", "issue", "--service", "samples", "--account", "edsger")
	alive(t, s, got)
	out := data[revokedOut](t, s, "token", "revoke", "--grant", strconv.FormatInt(got.Grant, 10))
	if out.Revoked != 1 || !slices.Equal(out.Grants, []int64{got.Grant}) {
		t.Errorf("token revoke: %+v", out)
	}
	t.Logf("refused %s after the command", refused(t, s, revokeBound, "a revoked grant", got))
	alive(t, s, other)
	commandOn(t, s, 3, "token", "revoke", "--grant", "99999999")
}

func revokeAll(t *testing.T, s *server) {
	first, second := person(t, s, "barbara", "samples"), data[issued](t, s, "token", "issue", "--service", "ecology", "--account", "barbara")
	key := data[apikey](t, s, "apikey", "create", "--account", "barbara", "--name", "all").Key
	if r := s.useEDI(t, second.Access); r.status != http.StatusOK {
		t.Fatalf("a fresh edi-token gets %d %s", r.status, r.body)
	}
	commandOn(t, s, 2, "token", "revoke", "--account", "barbara")
	out := data[revokedOut](t, s, "token", "revoke", "--account", "barbara", "--all")
	if out.Revoked != 3 || len(out.Grants) != 3 {
		t.Errorf("token revoke --all: %+v", out)
	}
	refused(t, s, revokeBound, "all tokens", first)
	within(t, revokeBound, "refreshing a revoked edi-token is refused", func() bool {
		r := s.refreshEDI(t, second.Pasta, second.Access)
		return r.status == http.StatusUnauthorized && strings.Contains(r.body, "Attempted to refresh invalid edi-token: Token has been revoked")
	})
	if r := s.exchange(t, key); r.status != http.StatusUnauthorized {
		t.Errorf("a revoked API key gets %d %s", r.status, r.body)
	}
}

func disableAndDelete(t *testing.T, s *server) {
	got := person(t, s, "alan", "samples")
	alive(t, s, got)
	data[revokedOut](t, s, "account", "disable", "alan")
	refused(t, s, revokeBound, "a disabled account", got)
	commandOn(t, s, 1, "token", "issue", "--service", "samples", "--account", "alan")

	if out := data[accountOut](t, s, "account", "enable", "alan"); out.Status != "active" {
		t.Errorf("account enable: %+v", out)
	}
	again := data[issued](t, s, "token", "issue", "--service", "samples", "--account", "alan")
	alive(t, s, again)
	time.Sleep(300 * time.Millisecond) // more than the server takes to hear of anything
	refused(t, s, 0, "an enabled account's old pair", got)

	data[revokedOut](t, s, "account", "delete", "alan")
	refused(t, s, revokeBound, "a deleted account", again)
	commandOn(t, s, 1, "account", "add", "alan")
	commandOn(t, s, 3, "account", "enable", "alan")
}

func apiKeys(t *testing.T, s *server) {
	commandOn(t, s, 0, "account", "add", "katherine")
	key := data[apikey](t, s, "apikey", "create", "--account", "katherine", "--name", "nightly job")
	r := s.exchange(t, key.Key) // at once
	if r.status != http.StatusOK {
		t.Fatalf("a new API key gets %d %s", r.status, r.body)
	}
	pair := s.pair(t, key.Key)
	derived := issued{Access: pair.member("access"), Refresh: pair.member("refresh")}
	alive(t, s, derived)
	listed := data[[]grantOut](t, s, "apikey", "list", "--account", "katherine")
	if len(listed) != 1 || listed[0] != (grantOut{key.ID, "apikey", "live"}) {
		t.Errorf("apikey list: %+v", listed)
	}

	later := data[apikey](t, s, "apikey", "create", "--account", "katherine", "--name", "later", "--from", "2099-01-01", "--to", "2099-12-31")
	if r := s.exchange(t, later.Key); r.status != http.StatusUnauthorized {
		t.Errorf("a key of 2099 gets %d %s", r.status, r.body)
	}
	commandOn(t, s, 0, "apikey", "revoke", strconv.FormatInt(key.ID, 10))
	refused(t, s, revokeBound, "what a revoked key made", derived)
	within(t, revokeBound, "a revoked key is refused", func() bool { return s.exchange(t, key.Key).status == http.StatusUnauthorized })
	within(t, revokeBound, "the edi-token of a revoked key is refused", func() bool {
		return s.useEDI(t, r.member("edi-token")).status == http.StatusUnauthorized
	})
	commandOn(t, s, 3, "apikey", "revoke", "99999999")
}

// applicationTokens are made over the wire by the application itself, and seen and
// ended by the operator.
func applicationTokens(t *testing.T, s *server) {
	permission := data[issued](t, s, "token", "issue", "--service", "warehouse", "--account", "demo-app").Refresh
	station := func(token string) int {
		return call(t, "GET", s.base+"/api/stations", "", "Authorization", "Bearer "+token).status
	}
	var tokens []string
	for _, name := range []string{"robot arm", "conveyor"} {
		r := call(t, "POST", s.base+"/api/users/application-token", `{"name":"`+name+`"}`, "Authorization", "Bearer "+permission, "Content-Type", "application/json")
		if tokens = append(tokens, r.member("token")); r.status != http.StatusOK || station(tokens[len(tokens)-1]) != http.StatusOK {
			t.Fatalf("an application token: %d %s", r.status, r.body)
		}
	}
	type named struct {
		grantOut
		Name string `json:"name"`
	}
	grants := map[string]int64{}
	r := commandOn(t, s, 0, "token", "list", "--account", "demo-app", "--service", "warehouse", "--json")
	for _, token := range tokens {
		if strings.Contains(r.out, token) {
			t.Error("the list shows a token")
		}
	}
	for _, g := range data[[]named](t, s, "token", "list", "--account", "demo-app", "--service", "warehouse") {
		if g.Kind == "application" && g.State == "live" {
			grants[g.Name] = g.Grant
		}
	}
	if len(grants) != 2 || grants["robot arm"] == 0 || grants["conveyor"] == 0 {
		t.Fatalf("listed: %v", grants)
	}
	commandOn(t, s, 0, "token", "revoke", "--grant", strconv.FormatInt(grants["robot arm"], 10))
	took := within(t, revokeBound, "a revoked application token is refused", func() bool { return station(tokens[0]) == http.StatusUnauthorized })
	t.Logf("refused %s after the command", took)
	if got := station(tokens[1]); got != http.StatusOK {
		t.Errorf("the other application token gets %d", got)
	}
	commandOn(t, s, 0, "token", "revoke", "--account", "demo-app", "--all", "--service", "warehouse")
	within(t, revokeBound, "all application tokens are refused", func() bool { return station(tokens[1]) == http.StatusUnauthorized })
	refused := call(t, "POST", s.base+"/api/users/application-token", "", "Authorization", "Bearer "+permission)
	if refused.status != http.StatusUnauthorized {
		t.Errorf("a revoked permission makes another: %d %s", refused.status, refused.body)
	}
}

// principals are what an EDI token says its holder counts as.
func principals(t *testing.T, token string) []string {
	t.Helper()
	var all []string
	list, _ := claims(t, token)["principals"].([]any)
	for _, p := range list {
		all = append(all, fmt.Sprint(p))
	}
	return all
}

func groups(t *testing.T, s *server) {
	got := person(t, s, "rosalind", "ecology")
	before := principals(t, got.Access)
	if out := data[groupOut](t, s, "group", "add", "crystals", "--owner", "rosalind"); out.Name != "crystals" || out.Owner != "rosalind" {
		t.Errorf("group add: %+v", out)
	}
	commandOn(t, s, 0, "group", "member", "crystals", "--add", "rosalind")
	all := data[[]groupOut](t, s, "group", "list")
	if !slices.ContainsFunc(all, func(g groupOut) bool { return g.Name == "crystals" && slices.Equal(g.Members, []string{"rosalind"}) }) {
		t.Errorf("group list: %+v", all)
	}

	token := got.Access
	within(t, commandBound, "the group is in refreshed tokens", func() bool {
		r := s.refreshEDI(t, got.Pasta, got.Access)
		token = r.member("edi-token")
		return r.status == http.StatusOK && len(principals(t, token)) == len(before)+1
	})
	commandOn(t, s, 0, "group", "member", "crystals", "--remove", "rosalind")
	within(t, commandBound, "the group is gone from refreshed tokens", func() bool {
		r := s.refreshEDI(t, "", token)
		return r.status == http.StatusOK && slices.Equal(principals(t, r.member("edi-token")), before)
	})
	within(t, revokeBound, "the legacy token made before is refused", func() bool {
		r := s.refreshEDI(t, got.Pasta, token)
		return r.status == http.StatusUnauthorized && strings.Contains(r.body, "pasta-token")
	})
}

func groupKeys(t *testing.T, s *server) {
	own := person(t, s, "linus", "ecology")
	commandOn(t, s, 0, "group", "add", "lab", "--owner", "linus")
	key := data[apikey](t, s, "apikey", "create", "--account", "linus", "--name", "lab robot", "--group", "lab")
	r := s.exchange(t, key.Key)
	if r.status != http.StatusOK {
		t.Fatalf("a group's key gets %d %s", r.status, r.body)
	}
	if sub := claims(t, r.member("edi-token"))["sub"]; sub == claims(t, own.Access)["sub"] {
		t.Errorf("a group's key acts as its owner %v", sub)
	}
	commandOn(t, s, 0, "group", "delete", "lab")
	within(t, commandBound, "the key of a deleted group is refused", func() bool { return s.exchange(t, key.Key).status == http.StatusUnauthorized })
	within(t, revokeBound, "the token of a deleted group is refused", func() bool {
		return s.useEDI(t, r.member("edi-token")).status == http.StatusUnauthorized
	})
	commandOn(t, s, 3, "group", "delete", "lab")
}

func lists(t *testing.T, s *server) {
	keys := data[[]struct {
		Service, Purpose, Alg, State string
	}](t, s, "signing-key", "list")
	if len(keys) < 9 {
		t.Errorf("signing-key list: %+v", keys)
	}
	got := person(t, s, "hedy", "samples")
	listed := data[[]grantOut](t, s, "token", "list", "--account", "hedy")
	if len(listed) != 1 || listed[0] != (grantOut{got.Grant, "pair", "live"}) {
		t.Errorf("token list: %+v", listed)
	}
	r := commandOn(t, s, 0, "config", "check")
	for _, service := range []string{"samples (sesar at /webservices)", "ecology (edi at /auth)", "collections (collectiveaccess at /)", "warehouse (itempath at /api)"} {
		if !strings.Contains(r.out, service) {
			t.Errorf("config check does not name %s: %q", service, r.out)
		}
	}
	example := command(t, "", "config", "example")
	file := filepath.Join(t.TempDir(), "symbolon.yaml")
	if err := os.WriteFile(file, []byte(example.out), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := command(t, "", "config", "check", "--config", file); r.code != 0 {
		t.Errorf("config check of config example ended with %d: %s", r.code, r.err)
	}
	for _, args := range [][]string{{"version"}, {"--version"}} {
		if r := command(t, "", args...); r.code != 0 || !strings.HasPrefix(r.out, "symbolon ") || r.err != "" {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

// exitCodes holds what scripts rely on: the code, data on one stream, words on the other.
func exitCodes(t *testing.T, s *server) {
	for _, c := range []struct {
		name  string
		input string
		args  []string
		code  int
	}{
		{"no such account", "", []string{"account", "show", "nobody"}, 3},
		{"no tokens", "", []string{"token", "list", "--service", "nowhere"}, 3},
		{"no such group", "", []string{"apikey", "create", "--account", "demo", "--name", "x", "--group", "nowhere"}, 3},
		{"a name twice", "", []string{"account", "add", "demo"}, 1},
		{"a name that is none", "", []string{"account", "add", "no such\tname"}, 2},
		{"a type that is none", "", []string{"account", "add", "robot", "--type", "robot"}, 2},
		{"an empty password", "\n", []string{"account", "add", "empty", "--password-stdin"}, 2},
		{"a day that is none", "", []string{"apikey", "create", "--account", "demo", "--name", "x", "--to", "tomorrow"}, 2},
		{"an attribute without a value", "", []string{"account", "set", "demo", "--attr", "samples.user_codes"}, 2},
		{"a command that is none", "", []string{"acount", "list"}, 2},
		{"nothing to revoke", "", []string{"token", "revoke"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := command(t, c.input, append(c.args, "--data", s.dir)...)
			if r.code != c.code || r.out != "" || !strings.HasPrefix(r.err, "symbolon: ") {
				t.Errorf("ended with %d, not %d; printed %q; said %q", r.code, c.code, r.out, r.err)
			}
		})
	}
	elsewhere := command(t, "", "account", "list", "--data", t.TempDir())
	if elsewhere.code != 1 || elsewhere.out != "" {
		t.Errorf("a command on an empty folder: %+v", elsewhere)
	}
}

// After a restored backup nothing made before counts, and what is made after does.
func TestRestored(t *testing.T) {
	s := startDev(t, t.TempDir())
	got, key := person(t, s, "emmy", "samples"), data[apikey](t, s, "apikey", "create", "--account", "emmy", "--name", "e2e").Key
	alive(t, s, got)
	commandOn(t, s, 1, "restored") // beside a server it is refused
	s.stop(t)
	commandOn(t, s, 0, "restored", "--keep-keys")
	s = startDev(t, s.dir)
	refused(t, s, commandBound, "a pair from before the restore", got)
	within(t, commandBound, "a pair made after the restore works", func() bool {
		pair := s.pair(t, key)
		return s.use(t, pair.member("access")).status == http.StatusOK
	})
}
