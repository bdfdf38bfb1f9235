package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const sesarURL = "https://tokens.example.org/webservices/refresh_token.php"

// rotator is a server with one grant that rotates: its present refresh token gives a new pair once, its predecessor the
// same pair again under the same Idempotency-Key, and everything else ends it.
type rotator struct {
	mu       sync.Mutex
	gen      int
	key      string
	life     time.Duration
	requests int
	dead     bool
	answer   func(r *http.Request, good string) (*http.Response, error) // nil gives the answer
}

func (s *rotator) refreshToken(gen int) string { return fmt.Sprintf("secret-refresh-%d", gen) }

func (s *rotator) pair() string {
	exp := time.Now().Add(s.life).Unix()
	claims := fmt.Sprintf(`{"exp":%d,"iat":%d,"gen":%d}`, exp, time.Now().Unix(), s.gen)
	access := "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".secret-signature"
	return fmt.Sprintf(`{"access":%q,"refresh":%q}`, access, s.refreshToken(s.gen))
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func (s *rotator) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	var sent struct{ Refresh string }
	if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
		return nil, err
	}
	key := r.Header.Get("Idempotency-Key")
	switch {
	case !s.dead && sent.Refresh == s.refreshToken(s.gen):
		s.gen, s.key = s.gen+1, key
	case !s.dead && sent.Refresh == s.refreshToken(s.gen-1) && key == s.key:
	default:
		s.dead = true
		return reply(401, `{"detail":"Token is invalid or expired: `+sent.Refresh+`"}`), nil
	}
	if s.answer != nil {
		return s.answer(r, s.pair())
	}
	return reply(200, s.pair()), nil
}

func (s *rotator) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// newSource makes a Source of one process; all of a test share the file.
func newSource(t *testing.T, e Endpoint, file string, server http.RoundTripper) *Source {
	t.Helper()
	s, err := NewSource(SourceConfig{Endpoint: e, File: file, HTTPClient: &http.Client{Transport: server}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// firstPair writes what a human would: a pair that must be refreshed at once.
func firstPair(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pair.json")
	save(t, file, `{"access":"none","refresh":"secret-refresh-0","grant":7}`)
	return file
}

func save(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSourceRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &rotator{life: time.Hour}
		file := firstPair(t)
		s := newSource(t, SESARRefresh(sesarURL), file, server)
		var last string
		for range 100 { // five hours, in steps of three minutes
			tok, err := s.Token()
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(tok.Expiry); left < time.Minute || tok.TokenType != "Bearer" {
				t.Errorf("%s left of a %s token", left, tok.TokenType)
			}
			last = tok.AccessToken
			time.Sleep(3 * time.Minute)
		}
		if n := server.count(); n < 5 || n > 6 {
			t.Errorf("%d refreshes in five hours", n)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		p, err := readPair(file)
		if err != nil || p.Access != last || p.Attempt != "" || p.Refresh != server.refreshToken(server.gen) {
			t.Errorf("the file holds %+v, %v", p, err)
		}
	})
}

// The file is written before the token is given out, and names the attempt before the server is asked.
func TestSourceWritesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := firstPair(t)
		var noted string
		server := &rotator{life: time.Hour}
		server.answer = func(r *http.Request, good string) (*http.Response, error) {
			p, err := readPair(file)
			if err != nil || p.Attempt == "" || p.Attempt != r.Header.Get("Idempotency-Key") || p.Refresh != "secret-refresh-0" {
				t.Errorf("asked with %q while the file holds %+v, %v", r.Header.Get("Idempotency-Key"), p, err)
			}
			noted = p.Attempt
			return reply(200, good), nil
		}
		if _, err := newSource(t, SESARRefresh(sesarURL), file, server).Token(); err != nil || noted == "" {
			t.Error(err)
		}
	})
}

// What breaks off after the server has rotated is asked for again under the same key, by whoever comes next.
func TestSourceHeals(t *testing.T) {
	for name, lose := range map[string]func(cancel func()) (*http.Response, error){
		"answer lost":       func(func()) (*http.Response, error) { return nil, errors.New("connection reset") },
		"answer cut":        func(func()) (*http.Response, error) { return reply(200, `{"access":"sec`), nil },
		"answer of a proxy": func(func()) (*http.Response, error) { return reply(502, "<html>"), nil },
		"caller gone":       func(cancel func()) (*http.Response, error) { cancel(); return nil, context.Canceled },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file, server := firstPair(t), &rotator{life: time.Hour}
				ctx, cancel := context.WithCancel(t.Context())
				server.answer = func(*http.Request, string) (*http.Response, error) {
					if server.requests < 3 {
						return lose(cancel)
					}
					return reply(200, server.pair()), nil
				}
				_, err := newSource(t, SESARRefresh(sesarURL), file, server).TokenContext(ctx)
				if err != nil && name != "caller gone" {
					t.Error(err)
				}
				if _, err := newSource(t, SESARRefresh(sesarURL), file, server).Token(); err != nil {
					t.Error(err)
				}
				if server.dead || server.gen != 1 || server.requests != 3 {
					t.Errorf("generation %d after %d requests, ended %v", server.gen, server.requests, server.dead)
				}
			})
		})
	}
}

// A write that fails before asking asks nothing; the pair of one that fails after it comes again.
func TestSourceCannotWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, server := firstPair(t), &rotator{life: time.Hour}
		s := newSource(t, SESARRefresh(sesarURL), file, server)
		broken := func(do func(dir string)) { // without its folder, the file cannot be replaced
			dir := filepath.Dir(file)
			if err := os.Rename(dir, dir+"-away"); err != nil {
				t.Fatal(err)
			}
			do(dir)
			if err := os.Rename(dir+"-away", dir); err != nil {
				t.Fatal(err)
			}
		}
		broken(func(string) {
			if _, err := s.Token(); err == nil || server.requests != 0 {
				t.Errorf("%v after %d requests", err, server.requests)
			}
		})
		server.answer = func(_ *http.Request, good string) (*http.Response, error) {
			if err := os.Rename(filepath.Dir(file), filepath.Dir(file)+"-away"); err != nil {
				t.Fatal(err)
			}
			return reply(200, good), nil
		}
		if _, err := s.Token(); err == nil || !strings.Contains(err.Error(), "writing the new pair") {
			t.Error(err)
		}
		server.answer = nil
		if err := os.Rename(filepath.Dir(file)+"-away", filepath.Dir(file)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Token(); err != nil || server.dead || server.gen != 1 {
			t.Errorf("%v at generation %d", err, server.gen)
		}
	})
}

func TestSourceNeedsNewPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, server := firstPair(t), &rotator{life: time.Hour, dead: true}
		a, b := newSource(t, SESARRefresh(sesarURL), file, server), newSource(t, SESARRefresh(sesarURL), file, server)
		for range 10 {
			for _, s := range []*Source{a, b} {
				if _, err := s.Token(); !errors.Is(err, ErrNewPair) || !strings.Contains(err.Error(), "write a new pair") || strings.Contains(err.Error(), "secret") {
					t.Errorf("%v", err)
				}
			}
		}
		if server.requests != 1 {
			t.Errorf("a dead pair was presented %d times", server.requests)
		}
		server.dead = false
		save(t, file, `{"access":"none","refresh":"secret-refresh-0"}`)
		if _, err := a.Token(); err != nil {
			t.Error(err)
		}
		if _, err := b.Token(); err != nil || server.requests != 2 {
			t.Errorf("%v after %d requests", err, server.requests)
		}
	})
}

// A program that knows no lock has refreshed meanwhile: its pair counts, whatever ours was answered.
func TestSourceReadsAnew(t *testing.T) {
	for _, status := range []int{200, 401, 503} {
		synctest.Test(t, func(t *testing.T) {
			file, server := firstPair(t), &rotator{life: time.Hour}
			server.answer = func(*http.Request, string) (*http.Response, error) {
				server.answer = nil
				server.gen = 5
				save(t, file, `{"access":"none","refresh":"secret-refresh-5"}`)
				return reply(status, server.pair()), nil
			}
			if _, err := newSource(t, SESARRefresh(sesarURL), file, server).Token(); err != nil || server.gen != 6 {
				t.Errorf("%d: %v at generation %d", status, err, server.gen)
			}
		})
	}
}

func TestSourceBacksOff(t *testing.T) {
	for name, tc := range map[string]struct {
		status          int
		retryAfter      string
		within          time.Duration
		atLeast, atMost int
	}{
		"503":                     {503, "", 10 * time.Minute, 10, 40},
		"429 with seconds":        {429, "300", 10 * time.Minute, 2, 3},
		"503 with a date":         {503, "Sat, 01 Jan 2000 00:05:00 GMT", 6 * time.Minute, 2, 12},
		"an absurd wish is cut":   {503, "999999999", 150 * time.Minute, 3, 4},
		"503 with a broken value": {503, "soon", 10 * time.Minute, 10, 40},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file, server := firstPair(t), &rotator{life: time.Hour}
				server.answer = func(*http.Request, string) (*http.Response, error) {
					r := reply(tc.status, "secret-refresh-0")
					r.Header.Set("Retry-After", tc.retryAfter)
					return r, nil
				}
				a, b := newSource(t, SESARRefresh(sesarURL), file, server), newSource(t, SESARRefresh(sesarURL), file, server)
				for begin := time.Now(); time.Since(begin) < tc.within; {
					for _, s := range []*Source{a, b} {
						begin := time.Now()
						if _, err := s.Token(); !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "secret") {
							t.Errorf("%v", err)
						}
						if took := time.Since(begin); took > patience {
							t.Errorf("took %s", took)
						}
						time.Sleep(time.Second)
					}
				}
				if n := server.count(); n < tc.atLeast || n > tc.atMost {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// While the token at hand is good, a server that is down or hangs is no failure and no long wait.
func TestSourceRidesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, server := firstPair(t), &rotator{life: time.Hour}
		s := newSource(t, SESARRefresh(sesarURL), file, server)
		first, err := s.Token()
		if err != nil {
			t.Fatal(err)
		}
		server.answer = func(r *http.Request, _ string) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		time.Sleep(time.Hour - 2*time.Minute)
		begin := time.Now()
		tok, err := s.Token()
		if err != nil || tok.AccessToken != first.AccessToken || time.Since(begin) > aheadTime {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		time.Sleep(2 * time.Minute)
		if _, err := s.Token(); !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
		server.answer = nil
		time.Sleep(2 * time.Minute)
		if _, err := s.Token(); err != nil || server.gen != 2 {
			t.Errorf("%v at generation %d", err, server.gen)
		}
	})
}

func TestSourceMisconfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, server := firstPair(t), &rotator{life: time.Hour}
		for _, status := range []int{204, 301, 307, 308, 400, 403, 404, 405, 415} {
			server.gen = 0
			server.answer = func(*http.Request, string) (*http.Response, error) {
				r := reply(status, "secret-refresh-0")
				r.Header.Set("Location", "https://thief.example/")
				return r, nil
			}
			server.requests = 0
			save(t, file, `{"access":"none","refresh":"secret-refresh-0"}`)
			_, err := newSource(t, SESARRefresh(sesarURL), file, server).Token()
			want := fmt.Sprintf("%s answered %d", sesarURL, status)
			if err == nil || !strings.HasSuffix(err.Error(), want) || errors.Is(err, ErrUnavailable) || server.requests != 1 {
				t.Errorf("%d: %v after %d requests", status, err, server.requests)
			}
		}
	})
}

func TestSourceShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, server := firstPair(t), &rotator{life: time.Minute}
		var all sync.WaitGroup
		for range 30 {
			s := newSource(t, SESARRefresh(sesarURL), file, server)
			for range 3 {
				all.Go(func() {
					for range 60 {
						if tok, err := s.Token(); err != nil || !time.Now().Before(tok.Expiry) {
							t.Errorf("%v", err)
						}
						time.Sleep(10 * time.Second)
					}
				})
			}
		}
		all.Wait()
		if server.dead || server.gen < 9 || server.gen > 14 || server.requests != server.gen {
			t.Errorf("ten minutes took %d requests to generation %d, ended %v", server.requests, server.gen, server.dead)
		}
	})
}

func TestSourceDiscard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, server := firstPair(t), &rotator{life: time.Hour}
		s := newSource(t, SESARRefresh(sesarURL), file, server)
		first, err := s.Token()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Discard(t.Context(), "another"); err != nil {
			t.Error(err)
		}
		if tok, err := s.Token(); err != nil || tok.AccessToken != first.AccessToken {
			t.Error(err)
		}
		if err := s.Discard(t.Context(), first.AccessToken); err != nil {
			t.Error(err)
		}
		if tok, err := s.Token(); err != nil || tok.AccessToken == first.AccessToken {
			t.Error(err)
		}
	})
}

// A clock here that is an hour slow or fast neither keeps dead tokens nor refreshes good ones at each call.
func TestSourceWrongClock(t *testing.T) {
	for _, wrong := range []time.Duration{-time.Hour, time.Hour, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			file, server := firstPair(t), &rotator{life: 30 * time.Minute}
			server.answer = func(_ *http.Request, good string) (*http.Response, error) {
				r := reply(200, good)
				r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
				return r, nil
			}
			s := newSource(t, SESARRefresh(sesarURL), file, server)
			s.now = func() time.Time { return time.Now().Add(wrong) }
			for range 20 {
				tok, err := s.Token()
				if err != nil {
					t.Fatal(err)
				}
				p := pair{Access: tok.AccessToken}
				if !time.Now().Before(time.Unix(p.claims().Exp, 0)) {
					t.Errorf("%s: a dead token", wrong)
				}
				time.Sleep(3 * time.Minute)
			}
			if n := server.count(); n > 3 {
				t.Errorf("%s: %d refreshes in an hour", wrong, n)
			}
		})
	}
}

// A clock set back must not make everybody wait for a moment that it wrote when it was ahead.
func TestSourceClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, server := firstPair(t), &rotator{life: time.Hour}
		save(t, file, `{"access":"none","refresh":"secret-refresh-0","retry_at":"2001-01-01T00:00:00Z","failures":3}`)
		begin := time.Now()
		if _, err := newSource(t, SESARRefresh(sesarURL), file, server).Token(); err != nil || time.Since(begin) > time.Second {
			t.Error(err)
		}
	})
}

// roundTrip answers for a server of one test.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func body(t *testing.T, r *http.Request) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func TestEndpoints(t *testing.T) {
	const address = "https://tokens.example.org/x"
	edi := `{"msg":"ok","pasta-token":"dWlk-c2ln","edi-token":"e30.eyJleHAiOjk0NjcwMDAwMCwiaWF0Ijo5NDY2ODQ4MDB9.AA"}`
	for name, tc := range map[string]struct {
		endpoint            Endpoint
		file, sent, answer  string
		access, pasta, kept string
		life                time.Duration
	}{
		"EDI": {EDIRefresh(address), `{"edi-token":"old","pasta-token":"older"}`, `{"edi-token":"old","pasta-token":"older"}`, edi,
			"e30.eyJleHAiOjk0NjcwMDAwMCwiaWF0Ijo5NDY2ODQ4MDB9.AA", "dWlk-c2ln", "", 15200 * time.Second},
		"EDI without pasta-token": {EDIRefresh(address), `{"access":"old","refresh":"old"}`, `{"edi-token":"old","pasta-token":null}`,
			`{"pasta-token":null,"edi-token":"new"}`, "new", "", "", 0},
		"EDI key": {EDIKeyExchange(address, "KEY"), "", `{"key":"KEY"}`, edi,
			"e30.eyJleHAiOjk0NjcwMDAwMCwiaWF0Ijo5NDY2ODQ4MDB9.AA", "dWlk-c2ln", "", 15200 * time.Second},
		"OAuth 2": {OAuth2Refresh(address, "a b", ""), `{"access":"","refresh":"r&1"}`, "client_id=a+b&grant_type=refresh_token&refresh_token=r%261",
			`{"access_token":"opaque","token_type":"Bearer","expires_in":600,"refresh_token":"r2"}`, "opaque", "", "r2", 10 * time.Minute},
		"OAuth 2 with secret": {OAuth2Refresh(address, "a b", "s:p"), `{"refresh":"r1"}`, "grant_type=refresh_token&refresh_token=r1",
			`{"access_token":"opaque","expires_in":600}`, "opaque", "", "r1", 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "pair.json")
				if tc.file != "" {
					save(t, file, tc.file)
				}
				server := roundTrip(func(r *http.Request) (*http.Response, error) {
					user, secret, basic := r.BasicAuth()
					if got := body(t, r); got != tc.sent || r.Method != "POST" || basic != (name == "OAuth 2 with secret") || basic && user+" "+secret != "a+b s%3Ap" {
						t.Errorf("sent %s %s %q %q", r.Method, got, user, secret)
					}
					return reply(200, tc.answer), nil
				})
				tok, err := newSource(t, tc.endpoint, file, server).Token()
				if err != nil {
					t.Fatal(err)
				}
				pasta, _ := tok.Extra("pasta-token").(string)
				if tok.AccessToken != tc.access || pasta != tc.pasta || tc.life > 0 && time.Until(tok.Expiry) != tc.life {
					t.Errorf("%+v, %q", tok, pasta)
				}
				if p, err := readPair(file); err != nil || p.Refresh != tc.kept {
					t.Errorf("the file holds %+v, %v", p, err)
				}
			})
		})
	}
}

func TestEndpointsRefuse(t *testing.T) {
	const address = "https://tokens.example.org/x"
	for name, tc := range map[string]struct {
		endpoint   Endpoint
		status     int
		body, file string
		want       error
	}{
		"OAuth 2 grant":  {OAuth2Refresh(address, "a", ""), 400, `{"error":"invalid_grant"}`, `{"refresh":"r"}`, ErrNewPair},
		"EDI token":      {EDIRefresh(address), 401, `{}`, `{"edi-token":"r"}`, ErrNewPair},
		"EDI key":        {EDIKeyExchange(address, "KEY"), 401, `{}`, `{}`, ErrNewPair},
		"no file":        {EDIRefresh(address), 200, `{}`, "", ErrNewPair},
		"no edi-token":   {EDIRefresh(address), 200, `{}`, `{"refresh":"r"}`, ErrNewPair},
		"no refresh":     {SESARRefresh(address), 200, `{}`, `{"access":"r"}`, ErrNewPair},
		"empty answer":   {SESARRefresh(address), 200, ``, `{"refresh":"r"}`, ErrUnavailable},
		"token missing":  {SESARRefresh(address), 200, `{"access":"a"}`, `{"refresh":"r"}`, ErrUnavailable},
		"token with LF":  {SESARRefresh(address), 200, `{"access":"a\nb","refresh":"r"}`, `{"refresh":"r"}`, ErrUnavailable},
		"token too long": {SESARRefresh(address), 200, `{"access":"` + strings.Repeat("a", maxToken+1) + `","refresh":"r"}`, `{"refresh":"r"}`, ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "pair.json")
				if tc.file != "" {
					save(t, file, tc.file)
				}
				server := roundTrip(func(*http.Request) (*http.Response, error) { return reply(tc.status, tc.body), nil })
				if _, err := newSource(t, tc.endpoint, file, server).Token(); !errors.Is(err, tc.want) || strings.Contains(err.Error(), "KEY") {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

func TestSourceFileBroken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pair.json")
	save(t, file, `{"refresh":"secret" oops`)
	_, err := newSource(t, SESARRefresh(sesarURL), file, nil).Token()
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "is not a JSON object of tokens") {
		t.Errorf("%v", err)
	}
}

// A link to the file stays one, and who comes by the link takes the same lock.
func TestSourceLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, server := firstPair(t), &rotator{life: time.Hour}
		link := filepath.Join(t.TempDir(), "link.json")
		if err := os.Symlink(file, link); err != nil {
			t.Fatal(err)
		}
		s := newSource(t, SESARRefresh(sesarURL), link, server)
		if _, err := s.Token(); err != nil {
			t.Fatal(err)
		}
		if p, err := readPair(file); err != nil || p.Refresh != "secret-refresh-1" || s.lock.Path() != file+".lock" {
			t.Errorf("%+v, %v, lock %s", p, err, s.lock.Path())
		}
	})
}

func TestNewSourceRefuses(t *testing.T) {
	good := SourceConfig{Endpoint: SESARRefresh(sesarURL), File: "pair.json"}
	for name, tc := range map[string]struct {
		change func(*SourceConfig)
		want   string
	}{
		"nothing":    {func(c *SourceConfig) { *c = SourceConfig{} }, "Endpoint is missing"},
		"no file":    {func(c *SourceConfig) { c.File = "" }, "File is missing"},
		"no address": {func(c *SourceConfig) { c.Endpoint = SESARRefresh("") }, "must be a URL"},
		"plain http": {func(c *SourceConfig) { c.Endpoint = SESARRefresh("http://tokens.example.org/x") }, "use https://"},
		"password":   {func(c *SourceConfig) { c.Endpoint = SESARRefresh("https://me:secret@tokens.example.org/") }, "no user"},
		"query":      {func(c *SourceConfig) { c.Endpoint = SESARRefresh("https://tokens.example.org/?key=secret") }, "no user, query"},
	} {
		c := good
		tc.change(&c)
		if _, err := NewSource(c); err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, address := range []string{"http://127.0.0.1:8080/x", "http://localhost/x", "http://[::1]/x"} {
		c := good
		c.Endpoint = SESARRefresh(address)
		if _, err := NewSource(c); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	c := good
	c.Endpoint, c.UnsafePlainHTTP = SESARRefresh("http://tokens/x"), true
	if _, err := NewSource(c); err != nil {
		t.Error(err)
	}
}

// Errors of net/http name the address; none names what was sent.
func TestSourceErrorsHoldNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := firstPair(t)
		server := roundTrip(func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: errors.New("no route")}
		})
		_, err := newSource(t, SESARRefresh(sesarURL), file, server).Token()
		if !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	})
}

// Tokens of a second, whose times are whole seconds, live for anything between nothing and a second: whoever asks gets
// one that is good, and the server is not asked for each.
func TestSourceBriefTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, server := firstPair(t), &rotator{life: time.Second}
		server.answer = func(_ *http.Request, good string) (*http.Response, error) {
			time.Sleep(3 * time.Millisecond)
			return reply(200, good), nil
		}
		s := newSource(t, SESARRefresh(sesarURL), file, server)
		for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(7 * time.Millisecond) {
			tok, err := s.Token()
			if err != nil || !time.Now().Before(tok.Expiry) {
				t.Errorf("%v, %v", tok, err)
			}
		}
		if n := server.count(); n < 55 || n > 240 {
			t.Errorf("%d refreshes in a minute", n)
		}
	})
}

// A server whose tokens are dead when they come is not asked without end.
func TestSourceDeadTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, server := firstPair(t), &rotator{life: -time.Hour}
		if _, err := newSource(t, SESARRefresh(sesarURL), file, server).Token(); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "compare the clocks") {
			t.Error(err)
		}
		if n := server.count(); n > 10 {
			t.Errorf("%d requests", n)
		}
	})
}
