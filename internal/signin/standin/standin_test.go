package standin

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/secret"
	"symbolon/internal/signin/orcid"
)

const (
	issuer   = "http://127.0.0.1:8080/symbolon/dev/orcid"
	redirect = "http://127.0.0.1:8080/symbolon/callback/orcid"
)

type fixture struct {
	*ORCID
	t   *testing.T
	now time.Time
}

func start(t *testing.T) *fixture {
	f := &fixture{t: t, now: time.Unix(1_800_000_000, 0)}
	f.ORCID = &ORCID{Issuer: issuer, ClientID: "APP-1", Secret: secret.New("s3cret"), Redirect: "http://127.0.0.1:8080/", Now: func() time.Time { return f.now }}
	return f
}

func (f *fixture) send(method, path string, form url.Values, header ...string) (int, http.Header, string) {
	f.t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:8080/symbolon/dev/orcid"+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return w.Code, w.Header(), string(body)
}

func ask(change map[string]string) string {
	q := url.Values{"client_id": {"APP-1"}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid"}, "state": {"st"}, "nonce": {"no"}}
	for k, v := range change {
		q.Set(k, v)
	}
	return "/oauth/authorize?" + q.Encode()
}

// code chooses somebody and returns the code.
func (f *fixture) code(id string) string {
	f.t.Helper()
	status, h, body := f.send("POST", ask(nil), url.Values{"orcid": {id}})
	u, err := url.Parse(h.Get("Location"))
	if status != http.StatusFound || err != nil || u.Query().Get("state") != "st" || len(u.Query().Get("code")) != 6 {
		f.t.Fatalf("%d %s %s", status, h.Get("Location"), body)
	}
	return u.Query().Get("code")
}

func redeemForm(code string) url.Values {
	return url.Values{"client_id": {"APP-1"}, "client_secret": {"s3cret"}, "grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}}
}

func object(t *testing.T, body string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return v
}

// payload reads a token's claims without checking the signature, which the provider's
// tests do.
func payload(t *testing.T, token any) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token.(string), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return object(t, string(b))
}

func TestTokenAnswer(t *testing.T) {
	f := start(t)
	_, _, body := f.send("POST", "/oauth/token", redeemForm(f.code("0000-0002-1825-0097")))
	got := object(t, body)
	claims := payload(t, got["id_token"])
	for _, m := range []map[string]any{got, claims} {
		for _, random := range []string{"access_token", "refresh_token", "id_token", "jti"} {
			if m[random] != nil {
				m[random] = "…"
			}
		}
	}
	want := map[string]any{"access_token": "…", "token_type": "bearer", "refresh_token": "…", "expires_in": 631138518.0, "scope": "openid",
		"name": "Josiah Carberry", "orcid": "0000-0002-1825-0097", "id_token": "…"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	wantClaims := map[string]any{"iss": issuer, "aud": "APP-1", "sub": "0000-0002-1825-0097", "auth_time": 1.8e9, "iat": 1.8e9, "exp": 1.8e9 + 86400,
		"jti": "…", "nonce": "no", "amr": "pwd", "name": "Josiah Carberry", "given_name": "Josiah", "family_name": "Carberry"}
	if diff := cmp.Diff(wantClaims, claims); diff != "" {
		t.Errorf("ID token (-want +got):\n%s", diff)
	}
}

func TestPrivateName(t *testing.T) {
	f := start(t)
	_, _, body := f.send("POST", "/oauth/token", redeemForm(f.code("https://orcid.org/0000-0002-9079-593x")))
	got := object(t, body)
	claims := payload(t, got["id_token"])
	if name, there := got["name"]; name != nil || !there || got["orcid"] != "0000-0002-9079-593X" || claims["name"] != nil || claims["given_name"] != nil {
		t.Errorf("%s %v", body, claims)
	}
}

func TestReusedCodeEndsWhatItGave(t *testing.T) {
	f := start(t)
	code := f.code("0000-0002-1825-0097")
	_, _, body := f.send("POST", "/oauth/token", redeemForm(code))
	bearer := "Bearer " + object(t, body)["access_token"].(string)
	status, _, body := f.send("GET", "/oauth/userinfo", nil, "Authorization", bearer)
	want := `{"family_name":"Carberry","given_name":"Josiah","id":"https://orcid.org/0000-0002-1825-0097","name":null,"sub":"0000-0002-1825-0097"}` + "\n"
	if status != 200 || body != want {
		t.Errorf("userinfo: %d %s", status, body)
	}
	status, _, body = f.send("POST", "/oauth/token", redeemForm(code))
	if want := `{"error":"invalid_grant","error_description":"Reused authorization code: ` + code + `"}` + "\n"; status != 400 || body != want {
		t.Errorf("reuse: %d %s", status, body)
	}
	status, _, body = f.send("GET", "/oauth/userinfo", nil, "Authorization", bearer)
	if want := `{"error":"access_denied","error-description":"access_token is invalid"}` + "\n"; status != 403 || body != want {
		t.Errorf("userinfo afterwards: %d %s", status, body)
	}
}

func TestRevoke(t *testing.T) {
	f := start(t)
	_, _, body := f.send("POST", "/oauth/token", redeemForm(f.code("0000-0002-1825-0097")))
	tokens := object(t, body)
	form := url.Values{"client_id": {"APP-1"}, "client_secret": {"s3cret"}, "token": {tokens["refresh_token"].(string)}}
	if status, _, _ := f.send("POST", "/oauth/revoke", form); status != 200 {
		t.Errorf("revoke: %d", status)
	}
	if status, _, _ := f.send("GET", "/oauth/userinfo", nil, "Authorization", "Bearer "+tokens["access_token"].(string)); status != 403 {
		t.Errorf("userinfo: %d", status)
	}
}

func TestTokenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(url.Values)
		later  time.Duration
		header []string
		status int
		want   string
	}{
		"secret":       {change: func(v url.Values) { v.Set("client_secret", "x") }, status: 401, want: "invalid_client"},
		"no secret":    {change: func(v url.Values) { v.Del("client_secret") }, status: 401, want: "invalid_client"},
		"Basic":        {change: func(v url.Values) { v.Del("client_secret") }, header: []string{"Authorization", "Basic QVBQLTE6czNjcmV0"}, status: 401, want: "invalid_client"},
		"client":       {change: func(v url.Values) { v.Set("client_id", "x") }, status: 401, want: "invalid_client"},
		"grant type":   {change: func(v url.Values) { v.Set("grant_type", "password") }, status: 400, want: "unsupported_grant_type"},
		"unknown code": {change: func(v url.Values) { v.Set("code", "xxxxxx") }, status: 400, want: "Invalid authorization code: xxxxxx"},
		"no code":      {change: func(v url.Values) { v.Del("code") }, status: 400, want: "Invalid authorization code: "},
		"redirect":     {change: func(v url.Values) { v.Set("redirect_uri", redirect+"/x") }, status: 400, want: "Redirect URI mismatch."},
		"late":         {change: func(url.Values) {}, later: codeLife + 1, status: 400, want: "Invalid authorization code: "},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			form := redeemForm(f.code("0000-0002-1825-0097"))
			c.change(form)
			f.now = f.now.Add(c.later)
			if status, _, body := f.send("POST", "/oauth/token", form, c.header...); status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

func TestAuthorize(t *testing.T) {
	for name, c := range map[string]struct {
		change         map[string]string
		form           url.Values
		status         int
		location, body string
	}{
		"page":            {status: 200, body: "Josiah Carberry"},
		"anew":            {change: map[string]string{"prompt": "login"}, status: 200, body: "You were asked to sign in anew."},
		"no prompt":       {change: map[string]string{"prompt": "none"}, status: 302, location: redirect + "?error=login_required&state=st"},
		"denied":          {form: url.Values{"deny": {"yes"}}, status: 302, location: redirect + "?error=access_denied&error_description=User+denied+access&state=st"},
		"other client":    {change: map[string]string{"client_id": "x"}, status: 401, body: "The client_id is not that of a registered client."},
		"other place":     {change: map[string]string{"redirect_uri": "http://127.0.0.1:80801/x"}, status: 400, body: "The redirect_uri is not a registered one."},
		"other type":      {change: map[string]string{"response_type": "token"}, status: 302, location: redirect + "?error=unsupported_response_type&state=st"},
		"other scope":     {change: map[string]string{"scope": "email"}, status: 302, location: redirect + "?error=invalid_scope&state=st"},
		"mistyped iD":     {form: url.Values{"orcid": {"0000-0002-1825-0098"}}, status: 422, body: "something is mistyped"},
		"<script> for iD": {form: url.Values{"orcid": {"<script>"}}, status: 422, body: "“&lt;script&gt;”: it is not an ORCID iD"},
	} {
		t.Run(name, func(t *testing.T) {
			method := "GET"
			if c.form != nil {
				method = "POST"
			}
			status, h, body := start(t).send(method, ask(c.change), c.form)
			if status != c.status || h.Get("Location") != c.location || !strings.Contains(body, c.body) {
				t.Errorf("%d %s %s", status, h.Get("Location"), body)
			}
		})
	}
}

func TestMetadataAndKeys(t *testing.T) {
	f := start(t)
	_, _, body := f.send("GET", "/.well-known/openid-configuration", nil)
	m := object(t, body)
	for _, absent := range []string{"code_challenge_methods_supported", "revocation_endpoint", "end_session_endpoint"} {
		if m[absent] != nil {
			t.Errorf("%s is %v", absent, m[absent])
		}
	}
	if m["issuer"] != issuer || m["jwks_uri"] != issuer+"/oauth/jwks" {
		t.Errorf("%s", body)
	}
	_, _, body = f.send("GET", "/oauth/jwks", nil)
	k := object(t, body)["keys"].([]any)[0].(map[string]any)
	if k["alg"] != nil || k["d"] != nil || k["kty"] != "RSA" || k["use"] != "sig" || k["kid"] == nil {
		t.Errorf("%s", body)
	}
	if status, _, _ := f.send("GET", "/oauth/else", nil); status != 404 {
		t.Errorf("another path: %d", status)
	}
}

// Only what is asked for is remembered, and not without end.
func TestGrantsAreBounded(t *testing.T) {
	f := start(t)
	for range maxGrants + 5 {
		f.add(&grant{at: f.now})
	}
	if len(f.grants) != maxGrants {
		t.Errorf("%d grants", len(f.grants))
	}
}

func TestResearchersHaveGoodIDs(t *testing.T) {
	for _, r := range Researchers {
		if id, err := orcid.Parse(r.ID); err != nil || id != r.ID {
			t.Errorf("%s: %v", r.ID, err)
		}
	}
}
