package app

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/keyring"
	"symbolon/internal/secret"
	"symbolon/internal/store/sqlite"
	"symbolon/internal/token"
)

// openAt opens a server's parts over the configuration and closes them again.
func openAt(t *testing.T, conf *config.Config, serve bool) error {
	t.Helper()
	a, err := Open(t.Context(), Options{Config: conf, Now: time.Now, Log: slog.New(slog.DiscardHandler), Serve: serve, Keys: true, Hasher: cheap()})
	if err != nil {
		return err
	}
	return a.Close()
}

// small is one service without a legacy key, whose making takes time.
func small(t *testing.T) *config.Config {
	t.Helper()
	conf := config.Dev(filepath.Join(t.TempDir(), "data"), "127.0.0.1:8080")
	conf.Services = conf.Services[:1]
	return conf
}

func mustOpen(t *testing.T, conf *config.Config) {
	t.Helper()
	if err := openAt(t, conf, true); err != nil {
		t.Fatal(err)
	}
}

func wantText(t *testing.T, err error, pattern string) {
	t.Helper()
	if err == nil || !regexp.MustCompile(pattern).MatchString(err.Error()) {
		t.Errorf("got %v, want %s", err, pattern)
	}
}

func TestMasterKeyIsMadeOnce(t *testing.T) {
	conf := small(t)
	mustOpen(t, conf)
	file := filepath.Join(conf.Data, "master.key")
	first, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{conf.Data: 0o700, file: 0o600, filepath.Join(conf.Data, "symbolon.db"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want mode %v", path, info.Mode(), err, want)
		}
	}
	mustOpen(t, conf)
	if again, err := os.ReadFile(file); err != nil || string(again) != string(first) {
		t.Errorf("the second start changed the master key (%v)", err)
	}
}

func TestMissingMasterKey(t *testing.T) {
	conf := small(t)
	mustOpen(t, conf)
	file := filepath.Join(conf.Data, "master.key")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	wantText(t, openAt(t, conf, true), `^the master key file .*/master\.key is missing, and the 4 keys in the store are sealed under it: put it back`)
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Error("a new master key was made")
	}
}

func TestWrongMasterKey(t *testing.T) {
	conf := small(t)
	mustOpen(t, conf)
	other := base64.StdEncoding.EncodeToString(secret.Random(32))
	conf.MasterKey = secret.New(other)
	err := openAt(t, conf, true)
	if !errors.Is(err, keyring.ErrUnopenable) || strings.Contains(err.Error(), other) {
		t.Errorf("got %v, want %v", err, keyring.ErrUnopenable)
	}
	conf.MasterKey = secret.Text{}
	mustOpen(t, conf)
}

func TestMasterKeyThatOthersMayRead(t *testing.T) {
	conf := small(t)
	mustOpen(t, conf)
	if err := os.Chmod(filepath.Join(conf.Data, "master.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantText(t, openAt(t, conf, true), `its mode is 0644, so others may read it; run: chmod 600`)
}

func TestMasterKeyFromTheEnvironment(t *testing.T) {
	conf := small(t)
	conf.MasterKey = secret.New(base64.StdEncoding.EncodeToString(secret.Random(32)))
	mustOpen(t, conf)
	if _, err := os.Stat(filepath.Join(conf.Data, "master.key")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a master key was written though one was given")
	}
}

func TestDatabaseElsewhere(t *testing.T) {
	conf := small(t)
	conf.Store = "sqlite:" + filepath.Join(t.TempDir(), "deep", "er", "x.db")
	mustOpen(t, conf)
	if _, err := os.Stat(filepath.Join(conf.Data, "master.key")); err != nil {
		t.Error(err)
	}
}

func TestCommandWithoutDatabase(t *testing.T) {
	conf := small(t)
	wantText(t, openAt(t, conf, false), `^there is no database at .*/symbolon\.db: start .symbolon serve. once, or point at its folder`)
	if _, err := os.Stat(conf.Data); !errors.Is(err, os.ErrNotExist) {
		t.Error("a command made the data folder")
	}
}

func TestSecondServer(t *testing.T) {
	e := newEnv(t, nil)
	err := openAt(t, e.app.Config, true)
	if locked := (*sqlite.LockedError)(nil); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("got %v, want a LockedError with our process id", err)
	}
	if err := openAt(t, e.app.Config, false); err != nil {
		t.Errorf("a command beside the server: %v", err)
	}
}

func TestCheckKeys(t *testing.T) {
	hmac := func(file string) func(*config.Config) {
		return func(c *config.Config) {
			c.Services[0].Sesar.AccessAlg, c.Services[0].Sesar.AccessKeyFile = "HS256", file
		}
	}
	dir := t.TempDir()
	short := writeFile(t, filepath.Join(dir, "short"), []byte("hunter2\n"))
	good := writeFile(t, filepath.Join(dir, "good"), []byte(strings.Repeat("k", 32)))
	for _, tc := range []struct {
		name   string
		change func(*config.Config)
		want   string // "" is no error
	}{
		{"nothing pinned", func(*config.Config) {}, ""},
		{"a good secret", hmac(good), ""},
		{"a short secret", hmac(short), `^the access key file of service "samples": the secret has 7 bytes`},
		{"a missing file", hmac(filepath.Join(dir, "none")), `^reading the key file of service samples: .*no such file`},
		{"no master key", func(c *config.Config) { c.MasterKey = secret.New("hunter2") }, `SYMBOLON_MASTER_KEY: it is not base64`},
		{"unknown dialect", func(c *config.Config) { c.Services[0].Dialect = "esperanto" }, `^setting up service samples: there is no dialect "esperanto"$`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conf := small(t)
			tc.change(conf)
			err := CheckKeys(conf)
			if tc.want == "" && err == nil {
				return
			}
			wantText(t, err, tc.want)
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error holds the secret")
			}
		})
	}
}

// TestPrepareDemo: the printed calls succeed in their order, at the first start
// and at the next, which makes new credentials and ends the old.
func TestPrepareDemo(t *testing.T) {
	e := newEnv(t, nil)
	var last Demo
	for n, passwords := range []int{2, 0} {
		d, err := e.app.PrepareDemo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Passwords) != passwords {
			t.Errorf("start %d shows %d passwords, want %d", n+1, len(d.Passwords), passwords)
		}
		if n > 0 {
			wantCode(t, e.refresh(last.Samples.Refresh.Reveal()), 401)
			wantCode(t, e.bearer("GET", "/auth/v1/whoami", last.Ecology.Access.Reveal()), 401)
			wantCode(t, e.json("POST", "/auth/v1/key", "key", last.Key.Reveal()), 401)
		}
		for _, c := range d.Calls() {
			var headers []string
			for _, h := range c.Header {
				headers = append(headers, h[0], h[1])
			}
			t.Run(c.Title, func(t *testing.T) { wantCode(t, e.do(c.Method, c.Path, c.Body, headers...), 200) })
		}
		last = d
		if last.Samples, err = e.app.Engine.Issue(t.Context(), token.Operator(), token.IssueRequest{
			Service: "samples", Kind: token.Pair, Account: last.Samples.Grant.Account, Label: demoLabel}); err != nil {
			t.Fatal(err)
		}
		e.advance(time.Second)
	}
}

func TestCurl(t *testing.T) {
	c := Call{"", "POST", "/p", [][2]string{{"A", "it's"}}, `{"a":1}`}
	if got, want := c.Curl("http://h"), `curl -X POST -H 'A: it'\''s' -d '{"a":1}' 'http://h/p'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
