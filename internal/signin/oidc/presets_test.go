package oidc

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/config"
	"symbolon/internal/secret"
	"symbolon/internal/signin/standin"
)

// diverted sends every request to the upstream, whatever host it is for, so that the
// presets' own addresses can be tried.
type diverted struct{ to *url.URL }

func (d diverted) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Host", r.URL.Host)
	r.URL.Scheme, r.URL.Host = d.to.Scheme, d.to.Host
	return http.DefaultTransport.RoundTrip(r)
}

// preset returns a provider of a kind whose servers the upstream plays.
func (u *upstream) preset(kind, issuer string) *Provider {
	u.t.Helper()
	p, err := New(config.Provider{Name: kind, Kind: kind, ClientID: clientID, Issuer: issuer}, Options{Now: u.clock, Secret: secret.New(clientSecret)})
	if err != nil {
		u.t.Fatal(err)
	}
	to, err := url.Parse(u.URL)
	if err != nil {
		u.t.Fatal(err)
	}
	p.client.Transport = careful{diverted{to}}
	return p
}

// calls makes the upstream call itself issuer, at whose host all its addresses are.
func (u *upstream) calls(issuer string) {
	u.metadata["issuer"] = issuer
	for name, path := range map[string]string{"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/jwks", "userinfo_endpoint": "/userinfo"} {
		u.metadata[name] = "https://" + strings.Split(issuer, "/")[2] + path
	}
	u.claims["iss"] = issuer
}

func TestBegin(t *testing.T) {
	for kind, c := range map[string]struct{ issuer, scope, prompt string }{
		"orcid":         {"https://orcid.org", "openid", "login"},
		"orcid-sandbox": {"https://sandbox.orcid.org", "openid", "login"},
		"google":        {"https://accounts.google.com", "openid profile email", "select_account"},
		"microsoft":     {"https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0", "openid profile email", "login"},
		"github":        {"https://github.com", "read:user", "select_account"},
		"oidc":          {"https://idp.example.org", "openid profile email", "login"},
	} {
		t.Run(kind, func(t *testing.T) {
			u := newUpstream(t)
			u.calls(c.issuer)
			u.handle["/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0/.well-known/openid-configuration"] = func(w http.ResponseWriter, _ *http.Request) { send(w, 200, u.metadata) }
			p := u.preset(kind, c.issuer)
			for again, prompt := range map[bool]string{false: "", true: c.prompt} {
				at, err := p.Begin(t.Context(), Ask{Redirect: redirect, State: "the-state", Nonce: "the-nonce", Verifier: verifier, Again: again})
				if err != nil {
					t.Fatal(err)
				}
				to, err := url.Parse(at)
				if err != nil {
					t.Fatal(err)
				}
				want := url.Values{"client_id": {clientID}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {c.scope}, "state": {"the-state"},
					"nonce": {"the-nonce"}, "code_challenge_method": {"S256"}, "code_challenge": {"7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"}}
				if prompt != "" {
					want.Set("prompt", prompt)
				}
				if diff := cmp.Diff(want, to.Query()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if to.Scheme != "https" || !strings.HasSuffix(c.issuer, to.Host) && !strings.Contains(c.issuer, to.Host) {
					t.Errorf("sent to %s", at)
				}
			}
		})
	}
}

func TestBeginNeedsAll(t *testing.T) {
	p := newUpstream(t).provider()
	for _, a := range []Ask{{}, {State: "s", Nonce: "n", Verifier: verifier}, {Redirect: redirect, Nonce: "n", Verifier: verifier},
		{Redirect: redirect, State: "s", Verifier: verifier}, {Redirect: redirect, State: "s", Nonce: "n", Verifier: verifier[1:]}} {
		if at, err := p.Begin(t.Context(), a); err == nil || at != "" {
			t.Errorf("%+v: %s", a, at)
		}
	}
}

// The client shows its secret in the one way that the provider has, and never tries both:
// a code works once.
func TestClientSecret(t *testing.T) {
	for name, c := range map[string]struct {
		methods any
		form    bool
	}{
		"nothing said": {nil, false},
		"both":         {[]string{"client_secret_post", "client_secret_basic"}, false},
		"form only":    {[]string{"client_secret_post", "private_key_jwt"}, true},
		"header only":  {[]string{"client_secret_basic"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			if c.methods != nil {
				u.metadata["token_endpoint_auth_methods_supported"] = c.methods
			}
			if _, err := u.signIn(u.provider()); err != nil {
				t.Fatal(err)
			}
			if inForm, inHeader := u.form.Get("client_secret") == clientSecret, u.header.Get("Authorization") != ""; inForm != c.form || inHeader == c.form || u.count("/token") != 1 {
				t.Errorf("in the form: %v, in the header: %v, %d requests", inForm, inHeader, u.count("/token"))
			}
		})
	}
}

// orcidAt signs in at the stand-in as a researcher.
func orcidAt(t *testing.T, id string) (Person, error) {
	t.Helper()
	u := newUpstream(t)
	issuer := u.URL + config.StandInPath
	stand := &standin.ORCID{Issuer: issuer, ClientID: "APP-1", Secret: secret.New(clientSecret), Redirect: redirect, Now: u.clock}
	u.Config.Handler = stand
	p, err := New(config.Provider{Name: "orcid", Kind: "orcid", ClientID: "APP-1", Issuer: issuer}, Options{Now: u.clock, Secret: secret.New(clientSecret)})
	if err != nil {
		t.Fatal(err)
	}
	at, err := p.Begin(t.Context(), Ask{Redirect: redirect, State: "s", Nonce: "the-nonce", Verifier: verifier})
	if err != nil {
		return Person{}, err
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", at, strings.NewReader(url.Values{"orcid": {id}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	stand.ServeHTTP(w, r)
	back, err := url.Parse(w.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	a := Answer{Redirect: redirect, Nonce: "the-nonce", Verifier: verifier, Code: back.Query().Get("code"), Error: back.Query().Get("error")}
	who, err := p.Finish(t.Context(), a)
	if err != nil {
		return who, err
	}
	if _, err := p.Finish(t.Context(), a); !errors.Is(err, ErrRefused) {
		t.Errorf("the code once more: %v", err)
	}
	return who, nil
}

func TestORCID(t *testing.T) {
	for id, display := range map[string]string{"0000-0002-1825-0097": "Josiah Carberry", "0009-0099-0274-0226": "", "0000-0002-9079-593X": ""} {
		got, err := orcidAt(t, id)
		if want := (Person{Subject: id, Login: id, Display: display}); err != nil || got != want {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
}

// ORCID says twice who somebody is, and both must agree. An iD that it has given out is
// good whatever its check character; an e-mail address from it would be none.
func TestORCIDAnswers(t *testing.T) {
	const id = "0000-0002-1825-0097"
	for name, c := range map[string]struct {
		change func(*upstream)
		want   Person
		why    string
	}{
		"as it should be":     {func(*upstream) {}, Person{Subject: id, Login: id, Display: "Ada Example"}, ""},
		"name beside":         {func(u *upstream) { delete(u.claims, "name"); u.answer["name"] = "Ada E." }, Person{Subject: id, Login: id, Display: "Ada E."}, ""},
		"odd check character": {func(u *upstream) { u.claims["sub"], u.answer["orcid"] = "0000-0000-0000-0042", "0000-0000-0000-0042" }, Person{Subject: "0000-0000-0000-0042", Login: "0000-0000-0000-0042", Display: "Ada Example"}, ""},
		"another beside":      {func(u *upstream) { u.answer["orcid"] = "0000-0002-9079-593X" }, Person{}, `sub is 0000-0002-1825-0097, but the iD beside it "0000-0002-9079-593X"`},
		"none beside":         {func(u *upstream) { delete(u.answer, "orcid") }, Person{}, `but the iD beside it ""`},
		"link beside":         {func(u *upstream) { u.answer["orcid"] = "https://orcid.org/" + id }, Person{}, "but the iD beside it"},
		"sub a link":          {func(u *upstream) { u.claims["sub"] = "https://orcid.org/" + id }, Person{}, "is no ORCID iD"},
		"sub no iD":           {func(u *upstream) { u.claims["sub"], u.answer["orcid"] = "248289761001", "248289761001" }, Person{}, `sub "248289761001" is no ORCID iD`},
		"sandbox for real":    {func(u *upstream) { u.claims["iss"] = "https://sandbox.orcid.org" }, Person{}, `iss is "https://sandbox.orcid.org", not "https://orcid.org"`},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			u.calls("https://orcid.org")
			u.claims["sub"], u.answer["orcid"] = id, id
			c.change(u)
			got, err := u.signIn(u.preset("orcid", "https://orcid.org"))
			switch {
			case c.why == "" && (err != nil || got != c.want):
				t.Errorf("%+v, %v", got, err)
			case c.why != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.why)):
				t.Errorf("got %v, want %s", err, c.why)
			}
		})
	}
}

// Google's people are known by their sub, and an address that Google has not verified is
// not told.
func TestGoogle(t *testing.T) {
	for verified, email := range map[bool]string{true: "ada@example.org", false: ""} {
		u := newUpstream(t)
		u.calls("https://accounts.google.com")
		delete(u.claims, "preferred_username")
		u.claims["email_verified"], u.claims["azp"] = verified, clientID
		got, err := u.signIn(u.preset("google", "https://accounts.google.com"))
		want := Person{Subject: ada.Subject, Login: email, Display: ada.Display, Email: email}
		if email == "" {
			want.Login = ada.Subject
		}
		if err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
	u := newUpstream(t)
	u.calls("https://accounts.google.com")
	u.claims["iss"] = "accounts.google.com"
	if _, err := u.signIn(u.preset("google", "https://accounts.google.com")); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), `iss is "accounts.google.com"`) {
		t.Errorf("issuer without its scheme: %v", err)
	}
}

// Microsoft's metadata for all tenants names none; each token names its own.
func TestMicrosoft(t *testing.T) {
	const host, tenant, other = "https://login.microsoftonline.com/", "72f988bf-86f1-41af-91ab-2d7cd011db47", "9188040d-6c67-4b21-b112-36a304b66dad"
	for name, c := range map[string]struct {
		conf, metadata, iss, tid string
		kind                     error
		why                      string
	}{
		"anybody's":            {"common", tenantID, tenant, tenant, nil, ""},
		"any organization's":   {"organizations", tenantID, other, other, nil, ""},
		"one tenant's":         {tenant, tenant, tenant, tenant, nil, ""},
		"of another tenant":    {tenant, tenant, other, other, ErrRefused, "iss is"},
		"tid of another":       {"common", tenantID, tenant, other, ErrRefused, "iss is"},
		"no tid":               {"common", tenantID, tenant, "", ErrRefused, "names no tenant"},
		"tid is a path":        {"common", tenantID, "x/../" + tenant, "x/../" + tenant, ErrRefused, "names no tenant"},
		"issuer as a template": {"common", tenantID, tenantID, tenantID, ErrRefused, "names no tenant"},
		"metadata of a tenant": {"common", tenant, tenant, tenant, ErrUnavailable, "its issuer is"},
		"template for one":     {tenant, tenantID, tenant, tenant, ErrUnavailable, "its issuer is"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			u.calls(host + c.metadata + "/v2.0")
			u.claims["iss"], u.claims["tid"] = host+c.iss+"/v2.0", c.tid
			u.handle["/"+c.conf+"/v2.0"+wellKnown] = func(w http.ResponseWriter, _ *http.Request) { send(w, 200, u.metadata) }
			_, err := u.signIn(u.preset("microsoft", host+c.conf+"/v2.0"))
			if c.kind == nil && err != nil || c.kind != nil && (!errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.why)) {
				t.Errorf("got %v, want %v … %s", err, c.kind, c.why)
			}
		})
	}
}

// GitHub's people are known by their number, which stays when the login changes.
func TestGitHub(t *testing.T) {
	octocat := object{"id": 583231, "login": "octocat", "name": "The Octocat", "email": "octocat@example.org", "html_url": "https://github.com/octocat"}
	for name, c := range map[string]struct {
		change func(*upstream, object, *Answer)
		kind   error
		why    string
	}{
		"as it should be": {func(*upstream, object, *Answer) {}, nil, ""},
		"with iss":        {func(_ *upstream, _ object, a *Answer) { a.Issuer = "https://github.com/login/oauth" }, nil, ""},
		"iss of another":  {func(_ *upstream, _ object, a *Answer) { a.Issuer = "https://evil.example.org" }, ErrRefused, "it comes from another provider"},
		"no number":       {func(_ *upstream, user object, _ *Answer) { delete(user, "id") }, ErrRefused, "names nobody"},
		"negative number": {func(_ *upstream, user object, _ *Answer) { user["id"] = -1 }, ErrRefused, "names nobody"},
		"number a text":   {func(_ *upstream, user object, _ *Answer) { user["id"] = "583231" }, ErrUnavailable, "asking who the person is"},
		"no login":        {func(_ *upstream, user object, _ *Answer) { delete(user, "login") }, ErrRefused, "names nobody"},
		"login a path":    {func(_ *upstream, user object, _ *Answer) { user["login"] = "a/../b" }, ErrRefused, "names nobody"},
		"user dead":       {func(u *upstream, _ object, _ *Answer) { u.handle["/user"] = status(502) }, ErrUnavailable, "answered with status 502"},
		"user huge":       {func(u *upstream, _ object, _ *Answer) { u.handle["/user"] = huge }, ErrUnavailable, "longer than 1 MiB"},
		"code used": {func(u *upstream, _ object, _ *Answer) {
			u.handle["/login/oauth/access_token"] = func(w http.ResponseWriter, _ *http.Request) { send(w, 200, object{"error": "bad_verification_code"}) }
		}, ErrRefused, `"bad_verification_code"`},
		"wrong secret": {func(u *upstream, _ object, _ *Answer) {
			u.handle["/login/oauth/access_token"] = func(w http.ResponseWriter, _ *http.Request) {
				send(w, 200, object{"error": "incorrect_client_credentials"})
			}
		}, ErrUnavailable, `"incorrect_client_credentials"`},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			user := object{}
			for k, v := range octocat {
				user[k] = v
			}
			u.handle["/login/oauth/access_token"] = func(w http.ResponseWriter, r *http.Request) {
				u.set(func() { u.sign = nil; u.token(w, r) })
			}
			u.handle["/user"] = func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer "+access || r.Header.Get("X-Host") != "api.github.com" {
					t.Errorf("asked %s with %q", r.Header.Get("X-Host"), r.Header.Get("Authorization"))
				}
				send(w, 200, user)
			}
			a := answerOf()
			c.change(u, user, &a)
			p := u.preset("github", "https://github.com")
			if _, err := u.begin(p); err != nil {
				t.Fatal(err)
			}
			got, err := p.Finish(t.Context(), a)
			want := Person{Subject: "583231", Login: "octocat", Display: "The Octocat", Profile: "https://github.com/octocat"}
			if c.kind == nil && (err != nil || got != want) || c.kind != nil && (!errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.why)) {
				t.Errorf("%+v, %v, want %v … %s", got, err, c.kind, c.why)
			}
		})
	}
}
