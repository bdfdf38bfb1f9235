package app

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"symbolon/internal/account"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// The demo accounts of a development server.
const (
	DemoPerson      = "demo"
	DemoApplication = "demo-app"
)

// demoLabel marks what a development server makes for its printed lines.
const demoLabel = "printed at start"

// Password is a demo account's, known only to the server that made it.
type Password struct {
	Account string
	Text    secret.Text
}

// Demo is what the printed lines need.
type Demo struct {
	Passwords []Password // of accounts made just now
	Samples   token.Tokens
	Ecology   token.Tokens
	Pasta     string
	Key       secret.Text
}

// PrepareDemo makes the demo accounts where they are missing, and fresh
// credentials for the person among them.
func (a *App) PrepareDemo(ctx context.Context) (Demo, error) {
	var d Demo
	for _, n := range []account.New{
		{Name: DemoPerson, Type: account.Person, Display: "Demo Person", Email: "demo@example.org"},
		{Name: DemoApplication, Type: account.Application, Display: "Demo Application"},
	} {
		made, err := a.demoAccount(ctx, n)
		if err != nil {
			return Demo{}, fmt.Errorf("making the demo accounts: %w", err)
		}
		d.Passwords = append(d.Passwords, made...)
	}
	person, err := a.Accounts.Get(ctx, DemoPerson)
	if err != nil {
		return Demo{}, err
	}
	return d, a.demoTokens(ctx, person.ID, &d)
}

// demoAccount returns the password of an account it had to make.
func (a *App) demoAccount(ctx context.Context, n account.New) ([]Password, error) {
	_, err := a.Accounts.Get(ctx, n.Name)
	if err == nil || !errors.Is(err, account.ErrNotFound) {
		return nil, err
	}
	n.Password = base64.RawURLEncoding.EncodeToString(secret.Random(12))
	by := account.By{Actor: "server"}
	if _, err := a.Accounts.Add(ctx, by, n); err != nil {
		return nil, err
	}
	codes := map[string]string{}
	for _, m := range a.mounts {
		if m.config.Sesar != nil && n.Type == account.Person {
			codes[m.config.Name+".user_codes"] = "MOB,ABC"
		}
	}
	if _, err := a.Accounts.Set(ctx, by, n.Name, account.Change{Attrs: codes}); err != nil {
		return nil, err
	}
	return []Password{{n.Name, secret.New(n.Password)}}, nil
}

// demoTokens replaces the credentials of an earlier start.
func (a *App) demoTokens(ctx context.Context, person int64, d *Demo) error {
	by := token.Caller{Actor: "server", Operator: true}
	old, err := a.Engine.List(ctx, by, token.Filter{Account: person, Live: true})
	if err != nil {
		return err
	}
	for _, g := range old {
		if g.Label != demoLabel {
			continue
		}
		if _, err := a.Engine.Revoke(ctx, by, token.RevokeRequest{Grant: g.ID, Reason: "replaced at the next start"}); err != nil {
			return err
		}
	}
	for _, m := range a.mounts {
		t, err := a.Engine.Issue(ctx, by, token.IssueRequest{Service: m.config.Name, Kind: token.Pair, Account: person, Label: demoLabel})
		if err != nil {
			return fmt.Errorf("issuing demo tokens of %s: %w", m.config.Name, err)
		}
		if m.config.Sesar != nil {
			d.Samples = t
			continue
		}
		d.Ecology = t
		companions, err := a.Companions(ctx, m.config.Name, t)
		if err != nil {
			return err
		}
		d.Pasta = companions["pasta-token"]
	}
	d.Key, _, err = a.Engine.MakeKey(ctx, by, token.KeyRequest{Account: person, Label: demoLabel, To: a.now().AddDate(0, 1, 0)})
	return err
}

// Call is one request as a person would make it.
type Call struct {
	Title  string
	Method string
	Path   string
	Header [][2]string
	Body   string
}

// Curl is the call as one line for a shell.
func (c Call) Curl(base string) string {
	words := []string{"curl"}
	if c.Method != "GET" {
		words = append(words, "-X", c.Method)
	}
	for _, h := range c.Header {
		words = append(words, "-H", quote(h[0]+": "+h[1]))
	}
	if c.Body != "" {
		words = append(words, "-d", quote(c.Body))
	}
	return strings.Join(append(words, quote(base+c.Path)), " ")
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func bearer(t string) [][2]string { return [][2]string{{"Authorization", "Bearer " + t}} }

var jsonBody = [2]string{"Content-Type", "application/json"}

// UseSamples asks SESAR who the access token is.
func UseSamples(access string) Call {
	return Call{"SESAR: use the access token", "GET", "/webservices/credentials_service_v2.php", bearer(access), ""}
}

// RefreshSamples presents a SESAR refresh token.
func RefreshSamples(refresh string) Call {
	return Call{"SESAR: refresh the pair", "POST", "/webservices/refresh_token.php", [][2]string{jsonBody}, `{"refresh":"` + refresh + `"}`}
}

// RevokeSamples ends every pair of the access token's owner.
func RevokeSamples(access string) Call {
	return Call{"SESAR: revoke all JWTs", "DELETE", "/api/auth/token/blacklist-all/", bearer(access), ""}
}

// RefreshEcology presents EDI's pair of tokens.
func RefreshEcology(pasta, edi string) Call {
	return Call{"EDI: refresh both tokens", "POST", "/auth/v1/token/refresh", nil, `{"pasta-token": "` + pasta + `", "edi-token": "` + edi + `"}`}
}

// ExchangeKey presents an API key to EDI.
func ExchangeKey(key string) Call {
	return Call{"EDI: tokens for an API key", "POST", "/auth/v1/key", nil, `{"key": "` + key + `"}`}
}

// WhoAmI uses an EDI token as its clients do, in a cookie.
func WhoAmI(edi string) Call {
	return Call{"EDI: use the token", "GET", "/auth/v1/whoami", [][2]string{{"Cookie", "edi-token=" + edi}}, ""}
}

// Calls are the printed lines, in an order in which each of them succeeds.
func (d Demo) Calls() []Call {
	access, edi, key := d.Samples.Access.Reveal(), d.Ecology.Access.Reveal(), d.Key.Reveal()
	return []Call{
		UseSamples(access),
		{"SESAR: who am I, in the JSON API", "GET", "/api/auth/user/", bearer(access), ""},
		RefreshSamples(d.Samples.Refresh.Reveal()),
		{"SESAR: another pair, with an API key", "POST", "/api/auth/token/", bearer(key), ""},
		WhoAmI(edi),
		RefreshEcology(d.Pasta, edi),
		ExchangeKey(key),
		RevokeSamples(access),
	}
}
