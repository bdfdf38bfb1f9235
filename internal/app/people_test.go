package app

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/config"
	"symbolon/internal/token"
)

const (
	adaPassword = "correct horse battery"
	badLogin    = "{\"msg\":\"Invalid username or password\"}\n"
	caNobody    = `{"ok":true,"data":{"login":{"jwt":null,"refresh":null}}}`
	caTooMany   = `{"ok":false,"errors":[{"message":"Too many failed sign-ins: try again later","locations":[{"line":1,"column":21}],"path":["login"]}],"data":{"login":null}}`
	itemTooMany = "{\"msg\":\"Too many requests, try again later\"}\n"
	itemRevoked = "{\"msg\":\"Token has been revoked\"}\n"
)

// newSignIn is an environment in which ada has a password.
func newSignIn(t *testing.T) *env {
	e := newEnv(t, nil)
	e.set("ada", account.Change{Password: new(adaPassword)})
	return e
}

func wantAnswer(t *testing.T, w *httptest.ResponseRecorder, code int, body string) {
	t.Helper()
	wantCode(t, w, code)
	if diff := cmp.Diff(body, w.Body.String()); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

// TestSignInOverTheWires: both wires take the password, and give tokens of their own.
func TestSignInOverTheWires(t *testing.T) {
	e := newSignIn(t)
	w, access, refresh := e.caLogin("ADA", adaPassword)
	wantCode(t, w, 200)
	wantCode(t, e.bearer("GET", "/service/whoami", access), 200)
	wantCode(t, e.caRefresh("", refresh), 200)
	w, item := e.itemLogin("ada", adaPassword)
	wantCode(t, w, 200)
	wantCode(t, e.bearer("GET", "/api/stations", item["accessToken"]), 200)
	wantCode(t, e.bearer("GET", "/api/users/refresh", item["refreshToken"]), 200)
}

// TestOneAnswerForEveryCause: nobody learns which names there are.
func TestOneAnswerForEveryCause(t *testing.T) {
	e := newSignIn(t)
	for name, status := range map[string]string{"sleeper": account.Disabled, "removed": account.Deleted} {
		id := e.member(name, account.Person)
		if _, err := e.app.Engine.EndAccount(t.Context(), token.Operator(), id, status, "test"); err != nil {
			t.Fatal(err)
		}
	}
	e.account(account.New{Name: "bare", Type: account.Person})
	for _, tc := range []struct{ name, password string }{
		{"ada", "wrong password"}, {"ada", "x"}, {"ada", strings.Repeat("x", 5000)}, {"nobody", adaPassword}, {"sleeper", "sleeper has a password"},
		{"removed", "removed has a password"}, {"bare", "bare has a password"}, {"a b", adaPassword}, {"ada\u00a0", adaPassword},
		{"ada'--", adaPassword}, {strings.Repeat("a", 5000), adaPassword},
	} {
		t.Run(fmt.Sprintf("%.20q %.20q", tc.name, tc.password), func(t *testing.T) {
			w, _ := e.itemLogin(tc.name, tc.password)
			wantAnswer(t, w, 404, badLogin)
			w, _, _ = e.caLogin(tc.name, tc.password)
			wantAnswer(t, w, 200, caNobody)
		})
	}
	e.advance(time.Hour)
	w, _ := e.itemLogin("ada", adaPassword)
	wantCode(t, w, 200)
}

// TestTenFailures: the eleventh try from there waits, whatever the wire and however
// right; from elsewhere the owner gets in.
func TestTenFailures(t *testing.T) {
	e := newSignIn(t)
	for range 5 {
		w, _ := e.itemLogin("ada", "wrong password")
		wantAnswer(t, w, 404, badLogin)
		w, _, _ = e.caLogin("Ada", "wrong password")
		wantAnswer(t, w, 200, caNobody)
	}
	waits := func(seconds string) {
		t.Helper()
		w, _ := e.itemLogin("ada", adaPassword)
		wantAnswer(t, w, 429, itemTooMany)
		ca, _, _ := e.caLogin("ada", adaPassword)
		wantAnswer(t, ca, 429, caTooMany)
		for _, w := range []*httptest.ResponseRecorder{w, ca} {
			if got := w.Header().Get("Retry-After"); got != seconds {
				t.Errorf("Retry-After %q, want %s", got, seconds)
			}
		}
	}
	waits("60")
	e.advance(20 * time.Second)
	waits("40")

	e.addr = "203.0.113.7"
	w, _, _ := e.caLogin("ada", adaPassword)
	wantCode(t, w, 200)
	w, _ = e.itemLogin("ada", adaPassword)
	wantCode(t, w, 200)
	e.addr = ""
	w, _ = e.itemLogin("nobody", adaPassword) // another name from the same place
	wantAnswer(t, w, 404, badLogin)
	waits("40")

	e.advance(40 * time.Second)
	w, _ = e.itemLogin("ada", adaPassword)
	wantCode(t, w, 200)
	w, _ = e.itemLogin("ada", "wrong password") // counting begins anew
	wantAnswer(t, w, 404, badLogin)
}

// TestAForwardedAddressIsNotBelieved: a client cannot choose where it comes from.
func TestAForwardedAddressIsNotBelieved(t *testing.T) {
	e := newSignIn(t)
	for i := range 11 {
		w, _ := e.itemLogin("ada", "wrong password", "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
		wantCode(t, w, map[bool]int{true: 404, false: 429}[i < 10])
	}
}

// TestDeactivatedByAnAdmin: everything of the user is dead when the answer is there.
func TestDeactivatedByAnAdmin(t *testing.T) {
	e := newSignIn(t)
	admin := first(e.pairOf("warehouse", e.boss()))
	other := first(e.pairOf("warehouse", e.robot()))
	_, caAccess, caRefresh := e.caLogin("ada", adaPassword)
	_, item := e.itemLogin("ada", adaPassword)
	pair := e.issue("samples", e.ada.ID)
	edi, _ := e.ediPair("ecology")
	change := func(body string) *httptest.ResponseRecorder {
		return e.do("POST", "/api/users/"+e.ada.Subjects["warehouse"], body, "Content-Type", "application/json", "Authorization", "Bearer "+admin)
	}
	wantAnswer(t, change(`{"status":2}`), 200, `{"user":{"id":1,"email":"ada@example.org","isAdmin":false,"language":null,"roleId":null,"roleName":null,"status":2,"type":"user","username":"ada","viewId":1}}`+"\n")
	dead := func() {
		t.Helper()
		wantAnswer(t, e.bearer("GET", "/api/stations", item["accessToken"]), 401, itemRevoked)
		wantAnswer(t, e.bearer("POST", "/api/users/refresh", item["refreshToken"]), 401, itemRevoked)
		wantCode(t, e.bearer("GET", "/service/whoami", caAccess), 401)
		wantCode(t, e.caRefresh("", caRefresh), 500)
		wantCode(t, e.refresh(pair.Refresh.Reveal()), 401)
		wantCode(t, e.ediRefresh(nil, edi), 401)
	}
	dead()
	w, _ := e.itemLogin("ada", adaPassword)
	wantAnswer(t, w, 404, badLogin)
	wantCode(t, e.bearer("GET", "/api/stations", other), 200)

	wantCode(t, change(`{"status":1}`), 200)
	dead()
	w, item2 := e.itemLogin("ada", adaPassword)
	wantCode(t, w, 200)
	wantCode(t, e.bearer("GET", "/api/stations", item2["accessToken"]), 200)
}

// TestWhatTheOperatorDisabled stays so: an admin of one service does not open it for all.
func TestWhatTheOperatorDisabled(t *testing.T) {
	e := newSignIn(t)
	admin := first(e.pairOf("warehouse", e.boss()))
	if _, err := e.app.Engine.EndAccount(t.Context(), token.Operator(), e.ada.ID, account.Disabled, "left"); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, e.do("POST", "/api/users/"+e.ada.Subjects["warehouse"], `{"status":1}`,
		"Content-Type", "application/json", "Authorization", "Bearer "+admin), 409,
		`{"msg":"the operator deactivated this user: ask the operator"}`+"\n")
	w, _ := e.itemLogin("ada", adaPassword)
	wantAnswer(t, w, 404, badLogin)
}

// TestWhatAnAdminOfAllDisabled: an admin on the pages is an account too, and of more than
// one service; what another service's admin closed is not this one's either.
func TestWhatAnAdminOfAllDisabled(t *testing.T) {
	for _, service := range []string{"", "other"} {
		e := newSignIn(t)
		admin := first(e.pairOf("warehouse", e.boss()))
		by := token.Caller{Actor: "account 7", Operator: true, Service: service}
		if _, err := e.app.Engine.EndAccount(t.Context(), by, e.ada.ID, account.Disabled, "left"); err != nil {
			t.Fatal(err)
		}
		lines, err := e.app.Store.Audit(t.Context(), audit.Filter{Account: e.ada.ID, Kinds: []audit.Kind{audit.AccountDisabled}})
		if err != nil || len(lines) != 1 || lines[0].Actor != "account 7" {
			t.Errorf("lines %+v, %v; want one by account 7", lines, err)
		}
		wantAnswer(t, e.do("POST", "/api/users/"+e.ada.Subjects["warehouse"], `{"status":1}`,
			"Content-Type", "application/json", "Authorization", "Bearer "+admin), 409,
			`{"msg":"the operator deactivated this user: ask the operator"}`+"\n")
	}
}

// TestNoApplicationAnyMore: the type decides at once, in both directions.
func TestNoApplicationAnyMore(t *testing.T) {
	e := newSignIn(t)
	admin := first(e.pairOf("warehouse", e.boss()))
	robot, err := e.app.Store.Subject(t.Context(), "warehouse", e.robot(), 0)
	if err != nil {
		t.Fatal(err)
	}
	change := func(body string) {
		t.Helper()
		wantCode(t, e.do("POST", "/api/users/"+robot.ID, body, "Content-Type", "application/json", "Authorization", "Bearer "+admin), 200)
	}
	var machines []string
	for range 3 {
		machines = append(machines, e.applicationToken("/api", "warehouse", e.robot()))
	}
	_, refresh := e.pairOf("warehouse", e.robot())
	wantCode(t, e.bearer("GET", "/api/stations", machines[0]), 200) // machines[2] has not been seen since it was made
	change(`{"type":"user","status":1}`)
	for _, text := range machines {
		wantAnswer(t, e.bearer("GET", "/api/stations", text), 401, itemRevoked)
	}
	wantAnswer(t, e.bearer("POST", "/api/users/application-token", refresh), 403, "{\"msg\":\"Only application users can create application tokens\"}\n")
	e.advance(time.Second)
	change(`{"type":"application","status":3}`)
	for _, text := range machines {
		wantAnswer(t, e.bearer("GET", "/api/stations", text), 401, itemRevoked)
	}
	wantCode(t, e.bearer("GET", "/api/stations", e.applicationToken("/api", "warehouse", e.robot())), 200)
}

// TestUsersAnswers: refusals of the accounts in the words and statuses of the wire.
func TestUsersAnswers(t *testing.T) {
	e := newSignIn(t)
	admin := first(e.pairOf("warehouse", e.boss()))
	call := func(method, path, body string) *httptest.ResponseRecorder {
		return e.do(method, path, body, "Content-Type", "application/json", "Authorization", "Bearer "+admin)
	}
	for _, tc := range []struct {
		name, method, path, body string
		code                     int
		answer                   string
	}{
		{"a name twice", "POST", "/api/users", `{"username":"ADA"}`, 409, `the account name "ADA" is or was in use; choose another`},
		{"a name that is none", "POST", "/api/users", `{"username":"a b"}`, 400,
			`the account name "a b" holds other characters than ASCII letters, digits and . _ - @; leave them out`},
		{"a short password", "POST", "/api/users", `{"username":"new","password":"tiny7ch"}`, 400, "the password is too short; use at least 8 characters"},
		{"a common password", "POST", "/api/users", `{"username":"new","password":"Password1"}`, 400,
			"the password is one that is tried first: a common one, a single word, or your own name; use several words"},
		{"an address that is none", "POST", "/api/users", `{"username":"new","email":"nowhere"}`, 400,
			`"nowhere" is no e-mail address; it needs one @ with something on either side`},
		{"nobody's id", "GET", "/api/users/4711", "", 404, "User not found"},
		{"an id that is none", "GET", "/api/users/ada", "", 404, "User not found"},
		{"changing nobody", "POST", "/api/users/4711", `{"status":2}`, 404, "User not found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := call(tc.method, tc.path, tc.body)
			wantCode(t, w, tc.code)
			if got := texts(t, w)["msg"]; got != tc.answer {
				t.Errorf("got %q, want %q", got, tc.answer)
			}
		})
	}
	wantCode(t, call("POST", "/api/users", `{"username":"new","password":"a good password"}`), 201)
	w, _ := e.itemLogin("new", "a good password")
	wantCode(t, w, 200)
}

// TestUsersOfANewerService: an account made before the service has its id as soon as
// an admin looks, and keeps it; one that was disabled before is no user.
func TestUsersOfANewerService(t *testing.T) {
	e := newEnv(t, func(c *config.Config) { c.Services = c.Services[:3] })
	old := e.member("old", account.Person)
	if _, err := e.app.Engine.EndAccount(t.Context(), token.Operator(), old, account.Disabled, "test"); err != nil {
		t.Fatal(err)
	}
	if err := e.app.Close(); err != nil {
		t.Fatal(err)
	}
	conf := e.app.Config
	conf.Services = append(conf.Services, config.NewService("warehouse", "itempath", "/api/warehouse"))
	conf.Resolve()
	e.app = e.open(conf)
	e.serve()
	admin := first(e.pairOf("warehouse", e.boss()))
	w := e.bearer("GET", "/api/warehouse/users", admin)
	const user = `{"id":%s,"email":%q,"isAdmin":%t,"language":null,"roleId":null,"roleName":null,"status":%d,"type":"user","username":%q,"viewId":1}`
	ada, err := e.app.Accounts.Get(t.Context(), "ada")
	if err != nil || ada.Subjects["warehouse"] == "" {
		t.Fatalf("%+v %v", ada.Subjects, err)
	}
	boss, err := e.app.Accounts.Get(t.Context(), "boss")
	if err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, w, 200, `{"users":[`+fmt.Sprintf(user, ada.Subjects["warehouse"], "ada@example.org", false, 0, "ada")+","+
		fmt.Sprintf(user, boss.Subjects["warehouse"], "", true, 1, "boss")+"]}\n")
	wantCode(t, e.bearer("GET", "/api/warehouse/users/"+ada.Subjects["warehouse"], admin), 200)
}

// TestRefusals: what the accounts refuse in the engine's words, and by whom it was asked.
func TestRefusals(t *testing.T) {
	for kind, code := range map[account.Kind]token.Code{
		account.NotFound: token.NotFound, account.Conflict: token.Conflict, account.Invalid: token.Malformed,
		account.BadCredentials: token.BadCredentials, account.TooMany: token.TooMany, account.Busy: token.Unavailable,
	} {
		err := asRefusal(fmt.Errorf("doing: %w", &account.Error{Kind: kind, Text: "why", RetryAfter: time.Minute}))
		var e *token.Error
		if !errors.As(err, &e) || e.Code != code || e.RetryAfter != time.Minute || !errors.Is(err, &account.Error{Kind: kind}) {
			t.Errorf("%s became %#v, want code %s", kind, err, code)
		}
	}
	failure := errors.New("the disk is full")
	if err := asRefusal(failure); !errors.Is(err, failure) || token.CodeOf(err) != token.Unavailable {
		t.Errorf("a failure became %v", err)
	}
	if err := asRefusal(nil); err != nil {
		t.Errorf("nothing became %v", err)
	}
	got := []account.By{asBy(token.Caller{Actor: "account", Account: 7, Addr: "192.0.2.1", Agent: "curl"}), asBy(token.Caller{Actor: "token", Addr: "::1"})}
	want := []account.By{{Actor: "account 7", Addr: "192.0.2.1", Agent: "curl"}, {Actor: "token", Addr: "::1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by (-want +got):\n%s", diff)
	}
}
