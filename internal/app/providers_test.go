package app

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/config"
	"symbolon/internal/signin/oidc"
)

// A development server signs people in at its own stand-in, with nothing configured.
func TestSignInAtTheStandIn(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	base := "http://" + ln.Addr().String()
	e := newEnv(t, func(c *config.Config) {
		dev := config.Dev(c.Data, ln.Addr().String())
		c.Listen, c.BaseURL, c.SignIn = dev.Listen, dev.BaseURL, dev.SignIn
	})
	go func() { _ = http.Serve(ln, e.http) }() // ends with the listener
	p := e.app.Providers[0]
	back := base + "/symbolon/callback/" + p.Name()
	ask := oidc.Ask{Redirect: back, State: "state", Nonce: "nonce", Verifier: strings.Repeat("v", 43)}
	at, err := p.Begin(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(page), `value="0000-0002-1825-0097"`) {
		t.Fatalf("%v: %s", err, page)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err = client.PostForm(at, url.Values{"orcid": {"0000-0002-1825-0097"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	to, err := resp.Location()
	if err != nil || !strings.HasPrefix(to.String(), back+"?") || to.Query().Get("state") != "state" {
		t.Fatalf("sent back to %v, %v", to, err)
	}
	got, err := p.Finish(t.Context(), oidc.Answer{Redirect: back, Code: to.Query().Get("code"), Nonce: "nonce", Verifier: ask.Verifier})
	if err != nil {
		t.Fatal(err)
	}
	want := oidc.Person{Subject: "0000-0002-1825-0097", Login: "0000-0002-1825-0097", Display: "Josiah Carberry"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Outside development the same section means ORCID itself, and there is no stand-in.
func TestNoStandInOutsideDevelopment(t *testing.T) {
	secretFile := writeFile(t, filepath.Join(t.TempDir(), "secret"), []byte("s3cret\n"))
	e := newEnv(t, func(c *config.Config) {
		c.Dev = false
		c.SignIn.Providers = []config.Provider{{Kind: "orcid", ClientID: "APP-1", ClientSecretFile: secretFile}}
	})
	if e.app.standIn != nil || e.app.Config.SignIn.Providers[0].Issuer != "https://orcid.org" {
		t.Errorf("%+v, %+v", e.app.standIn, e.app.Config.SignIn.Providers[0])
	}
	for _, path := range []string{"", "/", "/.well-known/openid-configuration", "/oauth/authorize", "/oauth/jwks"} {
		w := httptest.NewRecorder()
		e.http.ServeHTTP(w, httptest.NewRequest("GET", config.StandInPath+path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestEmptyClientSecretIsFound(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "secret"), []byte(" \n"))
	c := config.Dev(t.TempDir(), "")
	c.SignIn.Providers = []config.Provider{{Kind: "github", ClientID: "x", ClientSecretFile: file}}
	c.Resolve()
	want := "setting up sign-in: reading client_secret_file of provider github: " + file + " is empty; put the client's secret there"
	if err := CheckKeys(c); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := CheckKeys(c); err == nil || !strings.HasPrefix(err.Error(), "setting up sign-in: reading client_secret_file of provider github: open ") {
		t.Errorf("got %v", err)
	}
}
