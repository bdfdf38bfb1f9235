package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"symbolon/internal/app"
	"symbolon/internal/config"
	"symbolon/internal/token"
)

type demoCommand struct{}

// Run starts a throw-away server on a free loopback port and makes every
// request of the seeds it serves; one answer that is not as promised fails it.
func (demoCommand) Run(ctx context.Context, t *terminal, all *commands) error {
	if all.Config+all.Data+all.Store != "" || all.JSON {
		return usage("demo makes everything itself and shows it as text: leave --config, --data, --store and --json away")
	}
	dir, err := os.MkdirTemp("", "symbolon-demo-")
	if err != nil {
		return fmt.Errorf("making a throw-away folder: %w", err)
	}
	defer os.RemoveAll(dir)
	ln, err := openPort("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer ln.Close()
	conf := config.Dev(dir, ln.Addr().String())
	conf.LogLevel = "error"
	if err := conf.Check(); err != nil {
		return err
	}
	a, err := app.Open(ctx, app.Options{Config: conf, Now: time.Now, Log: logger(t.err, conf), Serve: true})
	if err != nil {
		return err
	}
	defer a.Close()
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	return a.Serve(ctx, ln, func(ctx context.Context) error {
		defer stop()
		d, err := a.PrepareDemo(ctx)
		if err != nil {
			return err
		}
		s := &show{t: t, base: "http://" + ln.Addr().String(), client: &http.Client{Timeout: 20 * time.Second}}
		s.all(ctx, a, d)
		return s.end()
	})
}

// show makes calls, prints them, and remembers what was not as promised.
type show struct {
	t      *terminal
	base   string
	client *http.Client
	step   int
	wrong  []string
}

// all goes through the life of tokens of every service.
func (s *show) all(ctx context.Context, a *app.App, d app.Demo) {
	newest := s.samples(ctx, d)
	s.ecology(ctx, d)
	collections := s.collections(ctx, d)
	machine := s.warehouse(ctx, d)

	s.call(ctx, app.RevokeSamples(newest["access"]), 200, "have been revoked")
	s.call(ctx, titled(app.UseSamples(newest["access"]), "SESAR: the access token is dead at once"), 401, "<valid>no</valid>")
	s.call(ctx, titled(app.RefreshSamples(newest["refresh"]), "SESAR: and so is the refresh token"), 401, "token_not_valid")
	s.revokeRest(ctx, a)
	s.call(ctx, titled(app.UseCollections(collections), "CollectiveAccess: its token is dead"), 401, "")
	s.call(ctx, titled(app.UseWarehouse(machine), "ItemPath: the application token is dead"), 401, "Token has been revoked")
}

func (s *show) samples(ctx context.Context, d app.Demo) (newest map[string]string) {
	access, first := d.Samples.Access.Reveal(), d.Samples.Refresh.Reveal()
	s.call(ctx, app.UseSamples(access), 200, "<valid>yes</valid>")
	pair := s.call(ctx, app.RefreshSamples(first), 200, `"access":`)
	s.call(ctx, titled(app.RefreshSamples(first), "SESAR: replay the old refresh token"), 401, "token_not_valid")
	s.call(ctx, titled(app.UseSamples(pair["access"]), "SESAR: the new pair lives on"), 200, "<valid>yes</valid>")
	return s.call(ctx, titled(app.RefreshSamples(pair["refresh"]), "SESAR: and refreshes"), 200, `"refresh":`)
}

func (s *show) ecology(ctx context.Context, d app.Demo) {
	edi := d.Ecology.Access.Reveal()
	s.call(ctx, app.WhoAmI(edi), 200, app.DemoPerson)
	both := s.call(ctx, app.RefreshEcology(d.Pasta, edi), 200, "PASTA and EDI tokens refreshed successfully")
	s.call(ctx, titled(app.WhoAmI(both["edi-token"]), "EDI: use the refreshed token"), 200, app.DemoPerson)
	keyed := s.call(ctx, app.ExchangeKey(d.Key.Reveal()), 200, "Token created successfully")
	s.call(ctx, titled(app.WhoAmI(keyed["edi-token"]), "EDI: use the key's token"), 200, app.DemoPerson)
	s.call(ctx, titled(app.ExchangeKey("R9arQwYMFqdgVVYt7jqcsxfyPyU"), "EDI: a key that is not ours"), 401, "Invalid API key")
}

// collections returns a token that is good.
func (s *show) collections(ctx context.Context, d app.Demo) string {
	in := s.call(ctx, app.LoginCollections(app.DemoPerson, d.Password(app.DemoPerson)), 200, `"refresh":"ey`)
	s.call(ctx, titled(app.LoginCollections(app.DemoPerson, "wrong"), "CollectiveAccess: a wrong password"), 200, `"jwt":null`)
	s.call(ctx, app.UseCollections(in["jwt"]), 200, app.DemoPerson)
	s.call(ctx, app.QueryCollections(in["jwt"]), 200, app.DemoPerson)
	again := s.call(ctx, app.RefreshCollections(in["refresh"]), 200, `"jwt":"ey`)
	s.call(ctx, titled(app.UseCollections(again["jwt"]), "CollectiveAccess: use the refreshed token"), 200, app.DemoPerson)
	return again["jwt"]
}

// warehouse returns an application token.
func (s *show) warehouse(ctx context.Context, d app.Demo) string {
	in := s.call(ctx, app.LoginWarehouse(app.DemoApplication, d.Password(app.DemoApplication)), 200, `"refreshToken":`)
	s.call(ctx, titled(app.LoginWarehouse(app.DemoApplication, "wrong"), "ItemPath: a wrong password"), 404, "Invalid username or password")
	s.call(ctx, app.UseWarehouse(in["accessToken"]), 200, "stations")
	s.call(ctx, app.RefreshWarehouse(in["refreshToken"]), 200, `"accessToken":`)
	made := s.call(ctx, app.MakeApplicationToken(in["refreshToken"]), 200, `"token":`)
	s.call(ctx, titled(app.UseWarehouse(made["token"]), "ItemPath: use the application token"), 200, "stations")
	return made["token"]
}

// revokeRest ends what the demo accounts still have, as an operator would.
func (s *show) revokeRest(ctx context.Context, a *app.App) {
	for _, name := range []string{app.DemoPerson, app.DemoApplication} {
		s.step++
		fmt.Fprintf(s.t.out, "\n%d. The operator revokes the rest\n$ symbolon token revoke --account %s --all\n", s.step, name)
		acc, err := a.Accounts.Get(ctx, name)
		if err != nil {
			s.fail("%d. %v", s.step, err)
			continue
		}
		ended, err := a.Engine.Revoke(ctx, token.Operator(), token.RevokeRequest{Account: acc.ID, Reason: "demo"})
		if err != nil {
			s.fail("%d. %v", s.step, err)
			continue
		}
		fmt.Fprintf(s.t.out, "revoked %d\n", len(ended.Grants))
	}
}

func titled(c app.Call, title string) app.Call {
	c.Title = title
	return c
}

// call makes one request, prints it with its answer, and returns the texts of
// a JSON answer by name.
func (s *show) call(ctx context.Context, c app.Call, status int, contains string) map[string]string {
	s.step++
	fmt.Fprintf(s.t.out, "\n%d. %s\n$ %s\n", s.step, c.Title, c.Curl(s.base))
	got, body, err := s.do(ctx, c)
	if err != nil {
		s.fail("%d. %s: %v", s.step, c.Title, err)
		return nil
	}
	fmt.Fprintf(s.t.out, "%d\n%s\n", got, strings.TrimRight(string(body), "\n"))
	if got != status || !bytes.Contains(body, []byte(contains)) {
		s.fail("%d. %s: expected %d with %s", s.step, c.Title, status, contains)
	}
	texts := map[string]string{}
	var answer any
	if json.Unmarshal(body, &answer) == nil {
		collect(texts, answer)
	}
	return texts
}

// collect gathers the texts of a JSON answer by name, however deep.
func collect(texts map[string]string, v any) {
	members, _ := v.(map[string]any)
	for name, member := range members {
		if text, ok := member.(string); ok {
			texts[name] = text
		}
		collect(texts, member)
	}
}

func (s *show) do(ctx context.Context, c app.Call) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, c.Method, s.base+c.Path, strings.NewReader(c.Body))
	if err != nil {
		return 0, nil, err
	}
	for _, h := range c.Header {
		req.Header.Set(h[0], h[1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, body, err
}

func (s *show) fail(format string, args ...any) {
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

func (s *show) end() error {
	if len(s.wrong) > 0 {
		return fmt.Errorf("%d of %d answers were not as promised:\n  %s", len(s.wrong), s.step, strings.Join(s.wrong, "\n  "))
	}
	fmt.Fprintf(s.t.err, "\nAll %d answers were as promised.\n", s.step)
	return nil
}
