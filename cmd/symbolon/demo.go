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
)

type demoCommand struct{}

// Run starts a throw-away server on a free loopback port and makes every
// request of the seeds it serves; one answer that is not as promised fails it.
func (demoCommand) Run(ctx context.Context, t *terminal) error {
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
		s.all(ctx, d)
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

// all goes through the life of tokens of both services.
func (s *show) all(ctx context.Context, d app.Demo) {
	access, first := d.Samples.Access.Reveal(), d.Samples.Refresh.Reveal()
	s.call(ctx, app.UseSamples(access), 200, "<valid>yes</valid>")
	pair := s.call(ctx, app.RefreshSamples(first), 200, `"access":`)
	s.call(ctx, titled(app.RefreshSamples(first), "SESAR: replay the old refresh token"), 401, "token_not_valid")
	s.call(ctx, titled(app.UseSamples(pair["access"]), "SESAR: the new pair lives on"), 200, "<valid>yes</valid>")
	newest := s.call(ctx, titled(app.RefreshSamples(pair["refresh"]), "SESAR: and refreshes"), 200, `"refresh":`)

	edi := d.Ecology.Access.Reveal()
	s.call(ctx, app.WhoAmI(edi), 200, app.DemoPerson)
	both := s.call(ctx, app.RefreshEcology(d.Pasta, edi), 200, "PASTA and EDI tokens refreshed successfully")
	s.call(ctx, titled(app.WhoAmI(both["edi-token"]), "EDI: use the refreshed token"), 200, app.DemoPerson)
	keyed := s.call(ctx, app.ExchangeKey(d.Key.Reveal()), 200, "Token created successfully")
	s.call(ctx, titled(app.WhoAmI(keyed["edi-token"]), "EDI: use the key's token"), 200, app.DemoPerson)
	s.call(ctx, titled(app.ExchangeKey("R9arQwYMFqdgVVYt7jqcsxfyPyU"), "EDI: a key that is not ours"), 401, "Invalid API key")

	s.call(ctx, app.RevokeSamples(newest["access"]), 200, "have been revoked")
	s.call(ctx, titled(app.UseSamples(newest["access"]), "SESAR: the access token is dead at once"), 401, "<valid>no</valid>")
	s.call(ctx, titled(app.RefreshSamples(newest["refresh"]), "SESAR: and so is the refresh token"), 401, "token_not_valid")
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
	var members map[string]any
	if json.Unmarshal(body, &members) == nil {
		for name, v := range members {
			if text, ok := v.(string); ok {
				texts[name] = text
			}
		}
	}
	return texts
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
