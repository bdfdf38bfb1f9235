package app

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/signin/signintest"
)

const (
	tree    = ",o=EDI,dc=edirepository,dc=org"
	annaDN  = "uid=anna" + tree
	annaPwd = "a good password"
)

func anna() signintest.Entry {
	return signintest.Entry{DN: annaDN, Password: annaPwd, Attributes: map[string][]string{"uid": {"anna"}, "cn": {"Anna Example"},
		"mail": {"ada@example.org"}, "memberOf": {"cn=vetted" + tree}}}
}

func ldapEnv(t *testing.T, entries ...signintest.Entry) (*env, *signintest.Directory) {
	t.Helper()
	server := signintest.NewDirectory(t, entries...)
	e := newEnv(t, func(c *config.Config) {
		c.LDAP.Servers, c.LDAP.Plain, c.LDAP.UserDN = []string{server.URL}, true, "uid=NAME"+tree
		c.LDAP.Groups.Map = map[string]string{"cn=vetted" + tree: "vetted"}
	})
	if _, err := e.app.Accounts.AddGroup(t.Context(), operator, "vetted", ""); err != nil {
		t.Fatal(err)
	}
	return e, server
}

func (e *env) login(dn, password string) *httptest.ResponseRecorder {
	e.t.Helper()
	return e.do("GET", "/auth/login/pasta", "", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(dn+":"+password)))
}

func TestSignInByLDAP(t *testing.T) {
	e, _ := ldapEnv(t, anna())
	for range 2 {
		wantCode(t, e.login(annaDN, annaPwd), http.StatusOK)
	}
	a, err := e.app.Accounts.Get(t.Context(), "anna")
	if err != nil {
		t.Fatal(err)
	}
	if a.ID == e.ada.ID || a.Display != "Anna Example" || a.HasPassword || fmt.Sprint(a.Groups) != "[vetted]" || a.Subjects["ecology"] == "" {
		t.Errorf("account %+v", a)
	}
	if a.Identities[0].Provider != "ldap" || a.Identities[0].Subject != annaDN {
		t.Errorf("identities %+v", a.Identities)
	}
	w := e.login(annaDN, annaPwd)
	pasta := strings.TrimPrefix(strings.Split(w.Header()["Set-Cookie"][0], ";")[0], "auth-token=")
	edi := strings.TrimPrefix(strings.Split(w.Header()["Set-Cookie"][1], ";")[0], "edi-token=")
	wantCode(t, e.ediRefresh(pasta, edi), http.StatusOK)
	wantCode(t, e.do("GET", "/auth/v1/whoami", "", "Cookie", "edi-token="+edi), http.StatusOK)
}

// A DN is the person's only in the directory's own spelling, and a wrong one says
// nothing that a wrong password does not.
func TestSignInByLDAPRefused(t *testing.T) {
	e, _ := ldapEnv(t, anna())
	for i, dn := range []string{annaDN, "UID=anna" + tree, "uid=ANNA" + tree, "uid=anna, o=EDI,dc=edirepository,dc=org", "uid=anna", "uid=anna,o=OTHER",
		"anna", "cn=anna" + tree, "uid=*" + tree, "uid=a)(uid=*" + tree, `uid=\2a` + tree, `uid=anna\00` + tree, "uid=anna+cn=x" + tree} {
		e.addr = fmt.Sprintf("192.0.2.%d", i+1)
		password := annaPwd
		if dn == annaDN {
			password = "wrong"
		}
		w := e.login(dn, password)
		wantCode(t, w, http.StatusUnauthorized)
		if got := w.Body.String(); got != "Authentication failed for user: "+dn || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("got %s", got)
		}
	}
	if _, err := e.app.Accounts.Get(t.Context(), "anna"); err == nil {
		t.Error("a refused sign-in made an account")
	}
	if strings.Contains(e.log.String(), annaPwd) {
		t.Error("the password is in the log")
	}
}

func TestDisabledAccountOfADirectory(t *testing.T) {
	e, _ := ldapEnv(t, anna())
	wantCode(t, e.login(annaDN, annaPwd), http.StatusOK)
	a, err := e.app.Accounts.Get(t.Context(), "anna")
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []string{account.Disabled, account.Deleted} {
		if _, err := e.app.Engine.EndAccount(t.Context(), serverCaller(), a.ID, status, "test"); err != nil {
			t.Fatal(err)
		}
		w := e.login(annaDN, annaPwd)
		wantCode(t, w, http.StatusUnauthorized)
		if got := w.Body.String(); got != "Authentication failed for user: "+annaDN {
			t.Errorf("got %s", got)
		}
	}
}

// An account made here under the person's name, whose tokens have that person's EDI-ID,
// is nobody's way in: the sign-in fails, and the log says why.
func TestDirectoryNeverJoinsAnAccount(t *testing.T) {
	e, _ := ldapEnv(t, anna())
	e.account(account.New{Name: "anna", Type: account.Person})
	wantCode(t, e.login(annaDN, annaPwd), http.StatusServiceUnavailable)
	if !strings.Contains(e.log.String(), "of service ecology is or was another account's") {
		t.Errorf("log:\n%s", e.log.String())
	}
}

func TestGuessingAtADirectory(t *testing.T) {
	e, server := ldapEnv(t, anna())
	for range 10 {
		wantCode(t, e.login(annaDN, "wrong"), http.StatusUnauthorized)
	}
	w := e.login("uid=ANNA"+tree, annaPwd)
	wantCode(t, w, http.StatusTooManyRequests)
	if w.Header().Get("Retry-After") != "60" || len(server.Binds()) != 10 {
		t.Errorf("Retry-After %q, %d binds", w.Header().Get("Retry-After"), len(server.Binds()))
	}
	e.addr = "198.51.100.1"
	wantCode(t, e.login(annaDN, annaPwd), http.StatusOK)
}

func TestDirectoryMisconfigured(t *testing.T) {
	conf := small(t)
	conf.LDAP.Servers, conf.LDAP.UserDN = []string{"ldaps://127.0.0.1"}, "NAME"
	wantText(t, openAt(t, conf, true), `^setting up sign-in by LDAP: reading ldap.user_dn: "NAME" is no DN`)
	wantText(t, CheckKeys(conf), `^setting up sign-in by LDAP: reading ldap.user_dn: "NAME" is no DN`)
}
