package itempath

import (
	"fmt"
	"strings"
	"testing"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/httpio"
)

// user is a user's attributes as the wire has them.
func user(id int, name, email, kind string, status int, admin bool) string {
	return fmt.Sprintf(`{"id":%d,"email":%q,"isAdmin":%v,"language":null,"roleId":null,"roleName":null,"status":%d,"type":%q,"username":%q,"viewId":1}`,
		id, email, admin, status, kind, name)
}

func single(user string) string { return `{"user":` + user + "}\n" }

func TestListUsers(t *testing.T) {
	e := newEnv(t, nil)
	if _, err := e.Accounts.Add(t.Context(), account.By{}, account.New{Name: "zoe", Type: account.Person}); err != nil {
		t.Fatal(err)
	}
	all := strings.Join([]string{
		user(3, "boss", "", "user", 1, true), user(1, "demo", "demo@example.org", "user", 1, false),
		user(2, "robot", "", "application", 3, false), user(4, "rootbot", "", "application", 3, true), user(5, "zoe", "", "user", 0, false),
	}, ",")
	for _, text := range []string{e.session(3).Access.Reveal(), e.application(4).Access.Reveal()} {
		want(t, e.Do("GET", "/api/users", "", bearerOf(text)), 200, `{"users":[`+all+"]}\n")
		want(t, e.Do("GET", "/api/users/1", "", bearerOf(text)), 200, single(user(1, "demo", "demo@example.org", "user", 1, false)))
		for _, id := range []string{"9", "0", "01", "-1", "x", "1%2f2"} {
			want(t, e.Do("GET", "/api/users/"+id, "", bearerOf(text)), 404, msg("User not found"))
		}
	}
}

// TestUsersAreForAdmins: nothing of the resource opens to anybody else, whatever is sent.
func TestUsersAreForAdmins(t *testing.T) {
	e := newEnv(t, nil)
	boss := e.session(3)
	for _, path := range []string{"/api/users", "/api/users/1", "/api/users/99"} {
		for _, method := range []string{"GET", "POST"} {
			for _, text := range []string{e.session(1).Access.Reveal(), e.application(2).Access.Reveal()} {
				want(t, e.Do(method, path, `{"status":2}`, bearerOf(text)), 403, msg("Admin privileges required"))
			}
			want(t, e.Do(method, path, "", bearerOf(boss.Refresh.Reveal())), 422, msg("Only non-refresh tokens are allowed"))
			want(t, e.Do(method, path, ""), 401, msg("Missing Authorization Header"))
		}
	}
	if _, err := e.Accounts.Set(t.Context(), account.By{}, "boss", account.Change{RemoveGroups: []string{"admins"}}); err != nil {
		t.Fatal(err)
	}
	want(t, e.Do("GET", "/api/users", "", bearerOf(boss.Access.Reveal())), 403, msg("Admin privileges required"))
}

// TestUsersUnderASharedKey: who holds the key could make any admin's access token, so
// such a token opens nothing; an application token is on our list.
func TestUsersUnderASharedKey(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.ItemPath.KeyFile = "backend.key" })
	for _, path := range []string{"/api/users", "/api/users/1"} {
		for _, method := range []string{"GET", "POST"} {
			want(t, e.Do(method, path, `{"status":2}`, bearerOf(e.session(3).Access.Reveal())), 403, msg("Application token required"))
		}
	}
	app := bearerOf(e.application(4).Access.Reveal())
	want(t, e.Do("GET", "/api/users/1", "", app), 200, single(user(1, "demo", "demo@example.org", "user", 1, false)))
	want(t, e.Do("GET", "/api/stations", "", bearerOf(e.session(1).Access.Reveal())), 200, stationsBody)
}

func TestCreateUser(t *testing.T) {
	e := newEnv(t, nil)
	boss := bearerOf(e.session(3).Access.Reveal())
	for _, tc := range []struct {
		name, body string
		status     int
		answer     string
	}{
		{"person", `{"username":"fern","password":"long enough","email":"fern@example.org","isAdmin":true,"roleId":"x"}`, 201, single(user(5, "fern", "fern@example.org", "user", 1, false))},
		{"pending", `{"username":"moss"}`, 201, single(user(6, "moss", "", "user", 0, false))},
		{"application", `{"username":"probe","password":"long enough","type":"application","status":3}`, 201, single(user(7, "probe", "", "application", 3, false))},
		{"taken", `{"username":"Fern","password":"long enough"}`, 409, msg(`the account name "Fern" is or was in use; choose another`)},
		{"no name", `{"password":"long enough"}`, 400, msg("Missing or invalid field: username")},
		{"short password", `{"username":"ivy","password":"short"}`, 400, msg("the password is too short; use at least 8 characters")},
		{"email a number", `{"username":"ivy","email":1}`, 400, msg("Missing or invalid field: email")},
		{"deactivated", `{"username":"ivy","status":2}`, 400, msg("a new user cannot be deactivated")},
		{"pending by status", `{"username":"ivy","status":0}`, 400, msg("status must be 1 (active), 2 (deactivated) or 3 (application)")},
		{"contradiction", `{"username":"ivy","type":"user","status":3}`, 400, msg("status 3 goes with type application")},
		{"no JSON", ``, 400, msg("Failed to decode JSON object: Expecting value: line 1 column 1 (char 0)")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want(t, e.Do("POST", "/api/users", tc.body, boss), tc.status, tc.answer)
		})
	}
	if w := e.login("fern", "long enough"); w.Code != 200 {
		t.Errorf("the new user: %d %s", w.Code, w.Body)
	}
}

func TestUpdateUser(t *testing.T) {
	e := newEnv(t, nil)
	boss := bearerOf(e.session(3).Access.Reveal())
	demo := e.session(1)
	for _, tc := range []struct {
		name, path, body string
		status           int
		answer           string
	}{
		{"to application", "1", `{"type":"application"}`, 200, single(user(1, "demo", "demo@example.org", "application", 3, false))},
		{"again, with status", "1", `{"type":"application","status":3}`, 200, single(user(1, "demo", "demo@example.org", "application", 3, false))},
		{"back", "1", `{"type":"user","status":1}`, 200, single(user(1, "demo", "demo@example.org", "user", 1, false))},
		{"deactivate", "1", `{"status":2}`, 200, single(user(1, "demo", "demo@example.org", "user", 2, false))},
		{"deactivate again", "1", `{"status":2,"email":"not@looked.at"}`, 200, single(user(1, "demo", "demo@example.org", "user", 2, false))},
		{"activate", "1", `{"status":1}`, 200, single(user(1, "demo", "demo@example.org", "user", 1, false))},
		{"nothing", "1", `{}`, 400, msg("only type and status can be changed here, and neither was sent")},
		{"only others", "1", `{"isAdmin":true}`, 400, msg("only type and status can be changed here, and neither was sent")},
		{"unknown type", "1", `{"type":"robot"}`, 400, msg("type must be user or application")},
		{"type null", "1", `{"type":null}`, 400, msg("type must be user or application")},
		{"unknown status", "1", `{"status":4}`, 400, msg("status must be 1 (active), 2 (deactivated) or 3 (application)")},
		{"pending", "1", `{"status":0}`, 400, msg("status must be 1 (active), 2 (deactivated) or 3 (application)")},
		{"status a string", "1", `{"status":"2"}`, 400, msg("status must be 1 (active), 2 (deactivated) or 3 (application)")},
		{"status a fraction", "1", `{"status":2.0}`, 400, msg("status must be 1 (active), 2 (deactivated) or 3 (application)")},
		{"user with 3", "1", `{"type":"user","status":3}`, 400, msg("status 3 goes with type application")},
		{"3 alone", "1", `{"status":3}`, 400, msg("status 3 goes with type application")},
		{"application with 1", "1", `{"type":"application","status":1}`, 400, msg("status 1 does not go with type application: use 3")},
		{"twice", "1", `{"status":1,"status":2}`, 400, msg("Failed to decode JSON object: member name appears twice")},
		{"odd case", "1", `{"Status":2}`, 400, msg("Failed to decode JSON object: member name differs only in letter case")},
		{"nobody", "9", `{"status":2}`, 404, msg("User not found")},
	} {
		t.Run(tc.name, func(t *testing.T) { want(t, e.Do("POST", "/api/users/"+tc.path, tc.body, boss), tc.status, tc.answer) })
	}
	// Activating again revives nothing.
	want(t, e.Do("GET", "/api/stations", "", bearerOf(demo.Access.Reveal())), 401, msg("Token has been revoked"))
	want(t, e.Do("POST", "/api/users/refresh", "", bearerOf(demo.Refresh.Reveal())), 401, msg("Token has been revoked"))
}

func FuzzChange(f *testing.F) {
	for _, seed := range []string{`{}`, `{"type":"application","status":3}`, `{"status":2}`, `{"status":2.0}`, `{"type":null}`, `[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, fault := object(&httpio.Request{Body: body}, "type", "status")
		if fault.status != 0 {
			return
		}
		c, fault := changeIn(o)
		if fault.status != 0 {
			return
		}
		kind, typed := o.Get("type")
		if typed != (c.Application != nil) || typed && *c.Application != (kind == "application") {
			t.Errorf("%q is %+v", body, c)
		}
	})
}
